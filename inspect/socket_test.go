package inspect_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/link/pipe"
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
	killed, err := i.Kill(context.Background(), r.Rows)
	if err != nil || len(killed) != 1 || killed[0].Remote != r.Rows[1].Remote {
		t.Errorf("killed %+v, %v", killed, err)
	}
	if again, err := i.Kill(context.Background(), r.Rows); err != nil || len(again) != 0 {
		t.Errorf("killed twice: %+v, %v", again, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.Path()); !os.IsNotExist(err) {
		t.Error("the socket is still there:", err)
	}
}

// metric is one metric of Prometheus' text format.
type metric struct {
	kind, help string
	samples    map[string]float64 // by labels, with their braces
}

var sampleLine = regexp.MustCompile(`^([a-z][a-zA-Z0-9_]*)(\{[a-z]+="[^"\\\n]+"\})? (\S+)$`)

// parseMetrics reads what Prometheus would, and refuses what it would: a metric
// in two places, samples before its type or of another name, a sample twice.
// https://prometheus.io/docs/instrumenting/exposition_formats/
func parseMetrics(t *testing.T, in io.Reader) map[string]*metric {
	t.Helper()
	all, last := map[string]*metric{}, ""
	for lines := bufio.NewScanner(in); lines.Scan(); {
		words := strings.SplitN(lines.Text(), " ", 4)
		switch {
		case len(words) == 4 && words[0] == "#" && words[1] == "HELP":
			if last = words[2]; all[last] != nil {
				t.Errorf("%s is there twice", last)
			}
			all[last] = &metric{help: words[3], samples: map[string]float64{}}
		case len(words) == 4 && words[0] == "#" && words[1] == "TYPE" && words[2] == last:
			all[last].kind = words[3]
		default:
			parseSample(t, lines.Text(), last, all[last])
		}
	}
	return all
}

func parseSample(t *testing.T, line, name string, m *metric) {
	t.Helper()
	parts := sampleLine.FindStringSubmatch(line)
	if parts == nil || m == nil || parts[1] != name && (m.kind != "histogram" || !strings.HasPrefix(parts[1], name+"_")) {
		t.Errorf("not a sample of %s: %s", name, line)
		return
	}
	value, err := strconv.ParseFloat(parts[3], 64)
	parts[2] = strings.TrimPrefix(parts[1], name) + parts[2]
	if _, again := m.samples[parts[2]]; again || err != nil {
		t.Errorf("%s: there already, or %v", line, err)
	}
	m.samples[parts[2]] = value
}

// What curl --unix-socket PATH http://handfast/metrics shows is what Prometheus
// reads, and what a program can write and publish itself.
func TestControlSocketMetrics(t *testing.T) {
	privatePlace(t)
	h := newServer(t)
	s, err := inspect.Serve(h, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	resp, err := overSocket(t, s.Path()).Get("http://handfast/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/plain; version=0.0.4") {
		t.Errorf("%s, %s", resp.Status, kind)
	}
	asked := parseMetrics(t, resp.Body)
	for name, m := range asked {
		if counts := strings.HasSuffix(name, "_total"); m.help == "" || counts != (m.kind == "counter") || !counts && m.kind != "gauge" && m.kind != "histogram" {
			t.Errorf("%s is a %q: %q", name, m.kind, m.help)
		}
	}
	var text bytes.Buffer
	if err := inspect.WriteMetrics(&text, h); err != nil {
		t.Fatal(err)
	}
	for _, all := range []map[string]*metric{asked, parseMetrics(t, &text)} {
		checkMetrics(t, all)
	}
	if m := inspect.Metrics(h); m[`handfast_connections{state="established"}`] != 1 || m[`handfast_netstat_total{counter="TcpExt_SyncookiesSent"}`] != 0 {
		t.Error(m)
	}
}

// checkMetrics checks what newServer's host must say.
func checkMetrics(t *testing.T, all map[string]*metric) {
	t.Helper()
	for _, want := range []struct {
		name, labels string
		value        float64
	}{
		{"handfast_connections", `{state="established"}`, 1},
		{"handfast_connections", `{state="listen"}`, 1},
		{"handfast_netstat_total", `{counter="Tcp_PassiveOpens"}`, 1},
		{"handfast_listen_handshakes_total", `{port="80"}`, 1},
		{"handfast_half_open_limit", "", 8192},
		{"handfast_link_up", `{link="pipe-b"}`, 1},
	} {
		m := all[want.name]
		if m == nil {
			t.Errorf("no metric %s", want.name)
		} else if got, ok := m.samples[want.labels]; !ok || got != want.value {
			t.Errorf("%s%s is %v (%v), want %v", want.name, want.labels, got, ok, want.value)
		}
	}
}

// overSocket returns a client that asks the socket, whatever the URL's host is.
func overSocket(t *testing.T, path string) *http.Client {
	tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// Only what is there can be asked for, and only asked.
func TestControlSocketRefuses(t *testing.T) {
	privatePlace(t)
	s, err := inspect.Serve(newServer(t), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	web := overSocket(t, s.Path())
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
	resp, err := web.Get("http://x/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if list, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(list), "GET  /v1/report ") {
		t.Errorf("GET / lists %s, %v", list, err)
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

// What is no host answers as one does, with reports of its own making, and has no connections that
// could be ended or told of.
func TestServeReports(t *testing.T) {
	privatePlace(t)
	own := inspect.Report{Header: inspect.Header{Source: "handfast", Name: "kernel", PID: os.Getpid(), Counters: map[string]map[string]uint64{"TcpExt": {"SyncookiesSent": 7}}}}
	for port := range uint16(3) {
		own.Rows = append(own.Rows, inspect.Row{Proto: "tcp", State: inspect.State(tcp.Established), Local: inspect.Endpoint{Port: port + 1}})
	}
	s, err := inspect.ServeReports("kernel", func() *inspect.Report { r := own; return &r })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.AddMetrics(func(w io.Writer) { io.WriteString(w, "more 1\n") })
	i := running(t)
	r, err := i.Report(t.Context())
	if err != nil || len(r.Rows) != 3 || r.Counters["TcpExt"]["SyncookiesSent"] != 7 {
		t.Fatalf("%+v, %v", r, err)
	}
	if killed, err := i.Kill(t.Context(), r.Rows); err != nil || len(killed) != 0 {
		t.Errorf("killed %+v, %v", killed, err)
	}
	events, err := i.Events(t.Context(), handfast.EventFilter{}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	if b, err := io.ReadAll(events); err != nil || len(b) != 0 {
		t.Errorf("%q, %v", b, err)
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", s.Path())
	}}}
	defer client.CloseIdleConnections()
	for path, want := range map[string]string{"/v1/report?limit=1": `"omitted":2`, "/v1/summary": `"SyncookiesSent":7`, "/v1/capture": "not ours",
		"/metrics": "handfast_netstat_total{counter=\"TcpExt_SyncookiesSent\"} 7\nmore 1\n"} {
		answer, err := client.Get("http://handfast" + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %v, no %q in %q", path, err, want, b)
		}
	}
}
