package inspect_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/link/pipe"
	"github.com/handfast-tcp/handfast/tcp"
)

// newServer returns a host that listens on port 80 and has one connection.
func newServer(t *testing.T) *handfast.Host {
	t.Helper()
	a, b := pipe.New(pipe.Options{})
	hosts := [2]*handfast.Host{}
	for i, l := range []*pipe.End{a, b} {
		h, err := handfast.New(handfast.Config{Shards: 2})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		address := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + i)}), 24)
		if err := h.Attach(l, handfast.LinkOptions{Addresses: []netip.Prefix{address}}); err != nil {
			t.Fatal(err)
		}
		hosts[i] = h
	}
	l, err := hosts[1].Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hosts[0].Dial("tcp", "10.0.0.2:80"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accept(); err != nil {
		t.Fatal(err)
	}
	return hosts[1]
}

// privatePlace makes control sockets lie in a folder of the test's own.
func privatePlace(t *testing.T) string {
	t.Helper()
	// Not t.TempDir: the name of a socket may have about 100 bytes.
	dir, err := os.MkdirTemp("", "hf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("TMPDIR", dir)
	return filepath.Join(dir, "handfast")
}

func running(t *testing.T) inspect.Instance {
	t.Helper()
	all, err := inspect.Running()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.PID == os.Getpid() {
			return i
		}
	}
	t.Fatalf("not found among %v", all)
	panic("not reached")
}

// A program asks another one over its socket, which nobody else can open.
func TestControlSocket(t *testing.T) {
	dir := privatePlace(t)
	s, err := inspect.Serve(newServer(t), "test")
	if err != nil {
		t.Fatal(err)
	}
	for file, mode := range map[string]os.FileMode{dir: 0o700, s.Path(): 0o600} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
	i := running(t)
	r, err := i.Report(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if r.Source != "handfast" || r.Name != "test" || r.PID != os.Getpid() || r.Counters["Tcp"]["PassiveOpens"] != 1 || r.Defence.MaxHalfOpen != 2*4096 {
		t.Errorf("%+v", r.Header)
	}
	if len(r.Rows) != 2 || r.Rows[0].State != inspect.State(tcp.Listen) || r.Rows[0].Listen.Completed != 1 || r.Rows[0].SendQ != handfast.DefaultBacklog ||
		r.Rows[1].State != inspect.State(tcp.Established) || r.Rows[1].Local.String() != "10.0.0.2:80" || r.Rows[1].Details.MSS != 1448 {
		t.Errorf("%+v", r.Rows)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.Path()); !os.IsNotExist(err) {
		t.Error("the socket is still there:", err)
	}
}

func TestControlSocketMetrics(t *testing.T) {
	privatePlace(t)
	h := newServer(t)
	s, err := inspect.Serve(h, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	body, err := running(t).Metrics(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`handfast_connections{state="established"} 1`, "handfast_netstat_Tcp_PassiveOpens_total 1",
		`handfast_listen_handshakes_total{port="80"} 1`, "handfast_half_open_limit 8192"} {
		if !strings.Contains(string(text), "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if m := inspect.Metrics(h); m[`handfast_connections{state="established"}`] != 1 || m["handfast_netstat_TcpExt_SyncookiesSent_total"] != 0 {
		t.Error(m)
	}
}

// Only what is there can be asked for, and only asked.
func TestControlSocketRefuses(t *testing.T) {
	privatePlace(t)
	s, err := inspect.Serve(newServer(t), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	web := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", s.Path()) }}}
	defer web.CloseIdleConnections()
	for _, test := range []struct {
		method, path string
		code         int
	}{{"GET", "/v1/summary", 200}, {"POST", "/v1/report", 405}, {"GET", "/v1/other", 404}, {"GET", "/v1/report?limit=1", 200}} {
		req, err := http.NewRequest(test.method, "http://x"+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := web.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var head inspect.Header
		err = json.NewDecoder(resp.Body).Decode(&head)
		resp.Body.Close()
		if resp.StatusCode != test.code || test.code == 200 && err != nil {
			t.Errorf("%s %s: %s, %v", test.method, test.path, resp.Status, err)
		}
		if strings.Contains(test.path, "limit") && head.Omitted != 1 {
			t.Errorf("%d omitted", head.Omitted)
		}
	}
	if _, err := inspect.Serve(newServer(t), "../x"); err == nil {
		t.Error("a name that is a path was taken")
	}
}

// A socket whose program has gone is removed, and a folder that others may
// enter is not used.
func TestControlSocketStale(t *testing.T) {
	dir := privatePlace(t)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(dir, "999999-serve.sock")
	l, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	all, err := inspect.Running()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.PID == 999999 {
			t.Error("a program that has gone is found")
		}
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Error("its socket is still there:", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := inspect.Serve(newServer(t), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if filepath.Dir(s.Path()) == dir {
		t.Error("a folder that is open to others was used")
	}
}
