package keyring

import (
	"errors"
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
