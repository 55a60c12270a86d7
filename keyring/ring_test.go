package keyring

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFileErrors(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"empty": "", "short": "abc\n"} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(File(file)); err == nil || !strings.Contains(err.Error(), "at least 16") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(File(filepath.Join(dir, "none"))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

// A new seed counts from the next epoch on, and no handshake is lost: at each
// moment the keys of three epochs are those that other hosts use too, whether
// they have read the new seed already or not.
func TestRoll(t *testing.T) {
	seeds := [][]byte{[]byte("first seed, 16 bytes and more")}
	source := func() ([][]byte, error) { return seeds, nil }
	early, _ := New(source)
	late, _ := New(source)
	now := time.Unix(1_000_000*64+10, 0)
	a, err := early.Keys(now)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := late.Keys(now); a != b {
		t.Error("two hosts have different keys")
	}
	seeds = append(seeds, []byte("second seed, 16 bytes and more"))
	b, _ := early.Keys(now.Add(5 * time.Second))
	if b.Current != a.Current || b.Previous != a.Previous || b.Next == a.Next {
		t.Error("the new seed must count from the next epoch on")
	}
	c, _ := early.Keys(now.Add(Epoch))
	if c.Current != b.Next || c.Previous != b.Current || c.Base != a.Base || c.Epoch != a.Epoch+1 {
		t.Error("the next epoch's keys are not what was said")
	}
	fresh, _ := New(source) // started after the roll: in the next epoch it agrees
	fresh.Keys(now.Add(Epoch))
	d, _ := early.Keys(now.Add(2 * Epoch))
	if e, _ := fresh.Keys(now.Add(2 * Epoch)); e.Current != d.Current || e.Next != d.Next {
		t.Error("a host started later has other keys")
	}
}

// Hosts agree at every moment on a seed that has a time, however long before it each has
// learned of it, and however an epoch turns in between: also one that has just been started, and
// one that no longer has the seeds of the past.
func TestDatedSeeds(t *testing.T) {
	first, begin := []byte("first seed, 16 bytes and more"), time.Unix(1_000_000*64, 0)
	dated := func(n int) []byte {
		return fmt.Appendf(nil, "seed %d, 16 bytes and more@%s", n, begin.Add(time.Duration(n)*5*Epoch+time.Second).UTC().Format(time.RFC3339))
	}
	known := make([]int, 8) // seeds of each host
	all := make([]*Ring, len(known))
	for i := range all {
		all[i], _ = New(func() ([][]byte, error) {
			seeds := [][]byte{first}
			for n := max(1, known[i]-i%3-2); n <= known[i]; n++ {
				seeds = append(seeds, dated(n))
			}
			return seeds, nil
		})
	}
	seen := map[[16]byte]bool{}
	for at := time.Duration(0); at < 60*Epoch; at += Epoch / 7 {
		for i := range known {
			known[i] = int((at + time.Duration(2*len(known)+i)*Epoch/7) / (5 * Epoch))
		}
		want, err := all[0].Keys(begin.Add(at))
		if err != nil {
			t.Fatal(err)
		}
		seen[want.Current] = true
		for i, r := range all {
			if got, err := r.Keys(begin.Add(at)); got != want || err != nil {
				t.Fatalf("%v: host %d has other keys, %v", at, i, err)
			}
		}
	}
	if len(seen) != 60 {
		t.Errorf("%d keys in 60 epochs", len(seen))
	}
}

// Text behind an @ that is not a time is part of the secret.
func TestSecretWithAt(t *testing.T) {
	seeds, err := parse("x", [][]byte{[]byte("user@example.com@home"), []byte("0123456789abcdef@1970-01-01T00:01:05Z")})
	if err != nil || seeds[0].dated || string(seeds[0].secret) != "user@example.com@home" || !seeds[1].dated || seeds[1].from != 2 || string(seeds[1].secret) != "0123456789abcdef" {
		t.Errorf("%+v, %v", seeds, err)
	}
	if _, err := parse("x", [][]byte{[]byte("short@1970-01-01T00:01:05Z")}); err == nil {
		t.Error("a time is no secret")
	}
}

// A source that fails changes nothing.
func TestSilentSource(t *testing.T) {
	var fail error
	r, err := New(func() ([][]byte, error) { return [][]byte{[]byte("a seed of sixteen bytes")}, fail })
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(64_000_000, 0)
	a, _ := r.Keys(now)
	fail = errors.New("gone")
	last := a
	for i := range 5 {
		b, err := r.Keys(now.Add(time.Duration(i) * Epoch))
		if !errors.Is(err, fail) {
			t.Fatalf("error %v", err)
		}
		if i == 0 && b != a || i > 0 && (b.Previous != last.Current || b.Current != last.Next) {
			t.Errorf("keys changed after %d epochs of silence", i)
		}
		last = b
	}
}

// A ring that runs for long knows three epochs.
func TestOldEpochsGo(t *testing.T) {
	r, err := New(func() ([][]byte, error) { return [][]byte{[]byte("a seed of sixteen bytes")}, nil })
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		r.Keys(time.Unix(64_000_000, 0).Add(time.Duration(i) * Epoch / 3))
		if n := len(r.byEpoch); n > 3 {
			t.Fatalf("%d epochs are known", n)
		}
	}
}
