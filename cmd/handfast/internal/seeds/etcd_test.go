package seeds

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/tlstest"
	"github.com/handfast-tcp/handfast/keyring"
)

// etcdMember is a server of etcd's own.
type etcdMember struct {
	client, peer string // host:port
	args         []string
	process      *exec.Cmd
	ended        chan struct{}
	log          bytes.Buffer
}

// etcdMembers begins the servers of a cluster, with more arguments for each. Scheme is what clients speak.
func etcdMembers(t *testing.T, scheme string, n int, args ...string) []*etcdMember {
	t.Helper()
	if _, err := exec.LookPath("etcd"); err != nil {
		t.Skip("etcd (Debian: etcd-server) is not here")
	}
	all := make([]*etcdMember, n)
	var cluster []string
	for i := range all {
		all[i] = &etcdMember{client: freePort(t), peer: freePort(t)}
		cluster = append(cluster, fmt.Sprintf("m%d=http://%s", i, all[i].peer))
	}
	for i, m := range all {
		m.args = append([]string{"--name", fmt.Sprint("m", i), "--data-dir", t.TempDir(), "--listen-client-urls", scheme + "://" + m.client,
			"--advertise-client-urls", scheme + "://" + m.client, "--listen-peer-urls", "http://" + m.peer, "--initial-advertise-peer-urls", "http://" + m.peer,
			"--initial-cluster", strings.Join(cluster, ","), "--unsafe-no-fsync"}, args...)
		m.start(t)
		t.Cleanup(m.kill)
	}
	return all
}

// freePort is an address that nobody who asks for any port gets between here and the start.
func freePort(t *testing.T) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err == nil {
			l.Close()
			return l.Addr().String()
		}
	}
}

func (m *etcdMember) start(t *testing.T) {
	t.Helper()
	m.process = exec.Command("etcd", m.args...)
	m.process.Env = append(os.Environ(), "ETCD_UNSUPPORTED_ARCH=arm64") // which is asked for there alone
	m.process.Stderr = &m.log
	if err := m.process.Start(); err != nil {
		t.Fatal(err)
	}
	m.ended = make(chan struct{})
	go func(p *exec.Cmd, ended chan struct{}) { p.Wait(); close(ended) }(m.process, m.ended)
}

func (m *etcdMember) kill() { m.process.Process.Kill(); <-m.ended }

// etcdctl is what an operator calls, as soon as the servers take it.
func etcdctl(t *testing.T, m *etcdMember, args ...string) {
	t.Helper()
	until(t, fmt.Sprintf("etcd does not take %q", args), func() bool {
		select {
		case <-m.ended:
			t.Fatalf("etcd has ended: %s", &m.log)
		default:
		}
		c := exec.Command("etcdctl", append([]string{"--endpoints", m.client, "--command-timeout=20s"}, args...)...)
		c.Env = append(os.Environ(), "ETCDCTL_API=3")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Logf("etcdctl: %s", out)
		}
		return err == nil
	})
}

// Seeds of etcd are read, followed, go on while the server is away, and are followed again.
func TestEtcd(t *testing.T) {
	m := etcdMembers(t, "http", 1)[0]
	etcdctl(t, m, "put", "/other", "x")
	where := "etcd://" + m.client + "/handfast/seeds"
	if _, err := Open(where); err == nil || !strings.Contains(err.Error(), "etcdctl put handfast/seeds") {
		t.Errorf("no key: %v", err)
	}
	etcdctl(t, m, "put", "handfast/seeds", oneSeed)
	etcdctl(t, m, "put", "/empty", " ")
	if w, err := Open("etcd://" + m.client + "//empty"); err != nil {
		t.Error(err)
	} else if _, err := w.Seeds(); err == nil || !strings.Contains(err.Error(), "holds no seed") || errors.Is(err, errAway) {
		t.Errorf("no seed: %v", err)
	}
	follow(t, where, func(text string) { etcdctl(t, m, "put", "handfast/seeds", text) }, m.kill, func() { m.start(t) })
}

// Who has a password is let in, again when a server has forgotten whom it has let in. The password is not told.
func TestEtcdAsksForAPassword(t *testing.T) {
	m := etcdMembers(t, "http", 1)[0]
	etcdctl(t, m, "put", "seeds", oneSeed)
	etcdctl(t, m, "user", "add", "root:theword")
	etcdctl(t, m, "user", "grant-role", "root", "root")
	etcdctl(t, m, "auth", "enable")
	for _, who := range []string{"", "root:wordless@", "wordy:word@"} {
		if _, err := Open("etcd://" + who + m.client + "/seeds"); err == nil || !strings.Contains(err.Error(), "etcdserver: ") || strings.Contains(err.Error(), "wordless") {
			t.Errorf("%q: %v", who, err)
		}
	}
	follow(t, "etcd://root:theword@"+m.client+"/seeds", func(text string) { etcdctl(t, m, "--user", "root:theword", "put", "seeds", text) },
		m.kill, func() { m.start(t) })
}

// A server of three dies, whichever is asked first: nothing is lost. When two are dead there is nobody whom to believe.
func TestEtcdCluster(t *testing.T) {
	all := etcdMembers(t, "http", 3)
	etcdctl(t, all[0], "put", "seeds", oneSeed)
	w, err := Open("etcd://" + all[0].client + "," + all[1].client + "," + all[2].client + "/seeds")
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
	all[0].kill()
	etcdctl(t, all[1], "put", "seeds", twoSeeds)
	until(t, "the second seed did not come", func() bool { k, err := ring.Keys(now); return err == nil && k.Next != one.Next })
	two, _ := ring.Keys(now)
	all[1].kill()
	until(t, "most servers are dead, and that is no error", func() bool { _, err := ring.Keys(now); return errors.Is(err, errAway) })
	if k, _ := ring.Keys(now); k != two {
		t.Error("other keys while most servers are dead")
	}
}

// Over TLS a server is one that the named authority has signed, and a client too.
func TestEtcdOverTLS(t *testing.T) {
	dir := t.TempDir()
	ca := tlstest.New(t, dir)
	ca.Sign(t, "server")
	ca.Sign(t, "client")
	file := func(name string) string { return filepath.Join(dir, name) }
	m := etcdMembers(t, "https", 1, "--cert-file", file("server.pem"), "--key-file", file("server.key"), "--client-cert-auth", "--trusted-ca-file", file("ca.pem"))[0]
	etcdctl(t, m, "--cacert", file("ca.pem"), "--cert", file("client.pem"), "--key", file("client.key"), "put", "seeds", oneSeed)
	where := "etcds://" + m.client + "/seeds"
	for _, with := range []string{"", "?ca=" + file("ca.pem"), "?cert=" + file("client.pem") + "&key=" + file("client.key"), "?ca=" + file("client.key")} {
		if _, err := Open(where + with); err == nil {
			t.Errorf("let in with %q", with)
		}
	}
	w, err := Open(where + "?ca=" + file("ca.pem") + "&cert=" + file("client.pem") + "&key=" + file("client.key"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if s, err := w.Seeds(); err != nil || len(s) != 1 || string(s[0]) != oneSeed {
		t.Errorf("%q, %v", s, err)
	}
}
