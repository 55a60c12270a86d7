package inspect_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/handfast-tcp/handfast/inspect"
)

// Prometheus scrapes what a control socket answers, and has the figures with their types.
func TestPrometheusScrapes(t *testing.T) {
	prometheus, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus (Debian: prometheus) is not here")
	}
	privatePlace(t)
	s, err := inspect.Serve(newServer(t), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	// Prometheus knows no Unix sockets: a relay stands before it, as an operator's would.
	relay := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "handfast"})
	relay.Transport = overSocket(t, s.Path()).Transport
	scraped := make(chan bool, 1)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case scraped <- true:
		default:
		}
		relay.ServeHTTP(w, r)
	}))
	defer target.Close()
	address, ended := startPrometheus(t, prometheus, target.Listener.Addr().String())
	for range 3 { // that a scrape begins says that the one before the last was kept
		select {
		case <-scraped:
		case <-ended:
			t.Fatal("prometheus has ended")
		}
	}
	for query, want := range map[string]string{
		`up{job="handfast"}`:                                          "1",
		`handfast_connections{state="established"}`:                   "1",
		`handfast_listen_handshakes_total{port="80"}`:                 "1",
		`handfast_netstat_Tcp_PassiveOpens_total`:                     "1",
		`handfast_half_open_limit`:                                    "8192",
		`count(handfast_connection_duration_seconds_bucket) > bool 1`: "1",
	} {
		if got := ask(t, address, query); got != want {
			t.Errorf("%s is %q, want %q", query, got, want)
		}
	}
}

// startPrometheus starts one that scrapes a target, and returns where it answers.
func startPrometheus(t *testing.T, path, target string) (address string, ended <-chan struct{}) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("scrape_configs:\n  - job_name: handfast\n    scrape_interval: 1s\n    static_configs:\n      - targets: [%q]\n", target)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	l.Close()
	cmd := exec.Command(path, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		cmd.Wait()
		close(over)
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if <-over; t.Failed() {
			t.Log(said.String())
		}
	})
	return address, over
}

// ask returns the value of a query, and "" without any.
func ask(t *testing.T, address, query string) string {
	t.Helper()
	resp, err := http.Get("http://" + address + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || len(answer.Data.Result) != 1 {
		return ""
	}
	return fmt.Sprint(answer.Data.Result[0].Value[1])
}
