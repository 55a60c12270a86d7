package seeds

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/natstest"
	"github.com/handfast-tcp/handfast/keyring"
)

const (
	oneSeed  = "the-first-seed-of-sixteen-bytes-or-more"
	twoSeeds = oneSeed + "\nthe-second-seed-of-sixteen-bytes-or-more"
)

// A secret that Kubernetes has mounted is changed by another link: the file of a name is
// another one then.
func TestMountedSecret(t *testing.T) {
	dir := t.TempDir()
	put := func(version, text string) {
		folder := filepath.Join(dir, version)
		if err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(filepath.Join(folder, "seeds"), []byte(text), 0o600),
			os.Symlink(version, filepath.Join(dir, "..data_tmp")), os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))); err != nil {
			t.Fatal(err)
		}
	}
	put("..v1", oneSeed)
	if err := os.Symlink(filepath.Join("..data", "seeds"), filepath.Join(dir, "seeds")); err != nil {
		t.Skip(err)
	}
	w, err := Open(filepath.Join(dir, "seeds"))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New(w.Seeds)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(64_000_000, 0)
	before, _ := ring.Keys(now)
	put("..v2", twoSeeds)
	if err := os.RemoveAll(filepath.Join(dir, "..v1")); err != nil {
		t.Fatal(err)
	}
	if after, err := ring.Keys(now); err != nil || after.Next == before.Next || after.Current != before.Current {
		t.Errorf("the second seed was not read: %v", err)
	}
}

// Age grows while a store is away, and is none when it is back.
func TestAge(t *testing.T) {
	now := time.Unix(1000, 0)
	s := &stub{}
	w := Watch(s)
	w.now = func() time.Time { return now }
	w.Seeds()
	s.err = errAway
	now = now.Add(time.Minute)
	w.Seeds()
	if age, failures := w.Age(); age != time.Minute || failures != 1 {
		t.Errorf("%v, %d", age, failures)
	}
	var text bytes.Buffer
	w.WriteMetrics(&text)
	if !strings.Contains(text.String(), "\nhandfast_cookie_seeds_age_seconds 60\n") || !strings.Contains(text.String(), "_failures_total 1\n") {
		t.Error(&text)
	}
	s.err = nil
	w.Seeds()
	if age, _ := w.Age(); age != 0 {
		t.Errorf("back, and %v old", age)
	}
}

type stub struct{ err error }

func (s *stub) Seeds() ([][]byte, error) { return nil, s.err }
func (*stub) Close() error               { return nil }

// natsServer is a server with a store of its own, which lives on in its folder.
func natsServer(t *testing.T, dir string, port int) *server.Server {
	t.Helper()
	return natstest.Start(t, &server.Options{Port: port, JetStream: true, StoreDir: dir})
}

// put stores seeds as an operator does.
func put(t *testing.T, url, text string, with ...nats.Option) {
	t.Helper()
	c, err := nats.Connect(url, with...)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	js, err := jetstream.New(c)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateOrUpdateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "handfast"})
	if err == nil {
		_, err = kv.Put(t.Context(), "seeds", []byte(text))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// until waits for what the server tells in its own time.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// Seeds of NATS are read, followed, go on while the server is away, and are followed again.
func TestNATS(t *testing.T) {
	dir := t.TempDir()
	s := natsServer(t, dir, -1)
	port := s.Addr().String()[strings.LastIndexByte(s.Addr().String(), ':')+1:]
	url := "nats://127.0.0.1:" + port
	if _, err := Open(url + "/handfast/seeds"); err == nil || !strings.Contains(err.Error(), "nats kv add handfast") {
		t.Errorf("no bucket: %v", err)
	}
	put(t, url, oneSeed)
	if _, err := Open(url + "/handfast/other"); err == nil || !strings.Contains(err.Error(), "key not found") {
		t.Errorf("no key: %v", err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	follow(t, url+"/handfast/seeds", func(text string) { put(t, url, text) },
		func() { s.Shutdown(); s.WaitForShutdown() }, func() { natsServer(t, dir, n) })
}

// Over TLS a server is one that the named authority has signed, and a client too.
func TestNATSOverTLS(t *testing.T) {
	dir := t.TempDir()
	o := natstest.TLS(t, dir)
	o.JetStream, o.StoreDir = true, filepath.Join(dir, "store")
	s := natstest.Start(t, o)
	file := func(name string) string { return filepath.Join(dir, name) }
	put(t, s.ClientURL(), oneSeed, nats.RootCAs(file("ca.pem")), nats.ClientCert(file("client.pem"), file("client.key")))
	where := "tls://" + s.Addr().String() + "/handfast/seeds"
	own := "cert=" + file("client.pem") + "&key=" + file("client.key")
	for _, with := range []string{"", "?ca=" + file("ca.pem"), "?" + own, "?ca=" + file("client.key")} {
		if _, err := Open(where + with); err == nil {
			t.Errorf("let in with %q", with)
		}
	}
	w, err := Open(where + "?ca=" + file("ca.pem") + "&" + own)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if s, err := w.Seeds(); err != nil || len(s) != 1 || string(s[0]) != oneSeed {
		t.Errorf("%q, %v", s, err)
	}
}

// follow reads the seed of a store, which put changes, while its server goes and comes back.
func follow(t *testing.T, where string, put func(text string), stop, start func()) {
	t.Helper()
	w, err := Open(where)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ring, err := keyring.New(w.Seeds)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(64_000_000, 0)
	one, _ := ring.Keys(now)
	put(twoSeeds)
	until(t, "the second seed did not come", func() bool { k, _ := ring.Keys(now); return k.Next != one.Next })
	two, _ := ring.Keys(now)
	stop()
	until(t, "the server is away, and that is no error", func() bool { _, err := ring.Keys(now); return errors.Is(err, errAway) })
	if k, _ := ring.Keys(now); k != two {
		t.Error("other keys while the server is away")
	}
	if age, failures := w.Age(); age <= 0 || failures == 0 {
		t.Errorf("away, and the seeds are %v old, after %d failures", age, failures)
	}
	start()
	until(t, "the server is back, and that is not seen", func() bool { _, err := ring.Keys(now); return err == nil })
	put(twoSeeds + "\nand-a-third-seed-of-more-than-sixteen-bytes")
	until(t, "the third seed did not come", func() bool { k, _ := ring.Keys(now); return k.Next != two.Next })
}

// What is no place of a store is refused.
func TestPlacesThatAreNone(t *testing.T) {
	for _, where := range []string{"nats://127.0.0.1:1", "nats://127.0.0.1:1/bucket", "nats:///bucket/key", "nats://%zz/b/k", "nats://me:word@%zz/b/k", "nats://me:word/b/k",
		"etcd://127.0.0.1:1/key", "etcd://127.0.0.1:1", "etcd://127.0.0.1:1/", "etcd:///key", "etcd://me:word/k", "etcd://me:word@%zz/k", "etcd://a:1,me:word@b:x/k",
		"etcd://127.0.0.1:1/key?ca=x", "etcds://127.0.0.1:1/key?way=x", "etcds://me:word@127.0.0.1:1/key?ca=nothing", "etcds://127.0.0.1:1/key?cert=nothing"} {
		if _, err := Open(where); err == nil || !strings.Contains(err.Error(), "seeds: ") || strings.Contains(err.Error(), "word") {
			t.Errorf("%s: %v", where, err)
		}
	}
}
