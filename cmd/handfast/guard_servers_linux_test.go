package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	proxyproto "github.com/pires/go-proxyproto"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/tlstest"
	"github.com/handfast-tcp/handfast/guard"
	"github.com/handfast-tcp/handfast/link"
)

var (
	guardSYNs    = flag.Uint64("guard-syns", 2000, "SYNs of the flood that nginx has its guard against")
	guardClients = flag.Int("guard-clients", 40, "honest clients of nginx meanwhile")
	guardOver    = flag.Duration("guard-over", time.Second/10, "time over which they come")
)

// started starts a server in the foreground, whose files lie in dir, and waits until it listens.
func started(t *testing.T, dir, config, network, address, command string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(command)
	if err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	c := exec.Command(path, args...)
	c.Stdout, c.Stderr, c.SysProcAttr = &told, &told, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() { c.Wait(); close(over) }()
	t.Cleanup(func() { c.Process.Kill(); <-over })
	for {
		l, err := net.Dial(network, address)
		if err == nil {
			l.Close()
			return
		}
		select {
		case <-over:
			t.Fatalf("%s: %s", command, &told)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// startNginx answers each client with its address, as the PROXY protocol tells it, and keeps a
// log of them in the file that is returned. With the certificate of a folder it does so over TLS.
func startNginx(t *testing.T, network, address, certificate string) (log string) {
	t.Helper()
	dir, listen := t.TempDir(), address
	if network == "unix" {
		listen = "unix:" + address
	}
	var config strings.Builder
	fmt.Fprintf(&config, "daemon off; master_process off; pid %s/pid; error_log stderr;\nevents { worker_connections 4096; }\nhttp {\n", dir)
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&config, "%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	fmt.Fprintf(&config, "log_format who '$proxy_protocol_addr $proxy_protocol_port'; access_log %s/log who;\n", dir)
	if certificate != "" {
		fmt.Fprintf(&config, "ssl_certificate %[1]s/server.pem; ssl_certificate_key %[1]s/server.key;\n", certificate)
		listen += " ssl"
	}
	fmt.Fprintf(&config, "server { listen %s proxy_protocol; location / { return 200 '$proxy_protocol_addr $proxy_protocol_port'; } }\n}\n", listen)
	started(t, dir, config.String(), network, address, "nginx", "-p", dir, "-e", "stderr", "-c", filepath.Join(dir, "conf"))
	return filepath.Join(dir, "log")
}

func startHAProxy(t *testing.T, network, address string) {
	t.Helper()
	dir, bind := t.TempDir(), address
	if network == "unix" {
		bind = "unix@" + address
	}
	config := "defaults\n mode http\n timeout connect 1m\n timeout client 1m\n timeout server 1m\n" +
		"frontend f\n bind " + bind + " accept-proxy\n http-request return status 200 content-type text/plain lf-string \"%[src] %[src_port]\"\n"
	started(t, dir, config, network, address, "haproxy", "-db", "-f", filepath.Join(dir, "conf"))
}

func startGoProxyproto(t *testing.T, network, address string) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, port, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprint(w, host, " ", port)
	}))
	s.Listener.Close()
	s.Listener = &proxyproto.Listener{Listener: l,
		ConnPolicy: func(proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) { return proxyproto.REQUIRE, nil }}
	s.Start()
	t.Cleanup(s.Close)
}

// Readers of the PROXY protocol that others have written read from our headers who the client
// is, and take those that stand for none.
func TestHeadersForOthers(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, network, address string){
		"nginx": func(t *testing.T, network, address string) { startNginx(t, network, address, "") }, "haproxy": startHAProxy, "go-proxyproto": startGoProxyproto,
	} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "socket")
			start(t, "unix", socket)
			for _, h := range []guard.Header{guard.ProxyV1, guard.ProxyV2} {
				for client, server := range map[string]string{"198.51.100.9:65535": "203.0.113.5:443", "[2001:db8::9]:1": "[2001:db8:1::5]:443", "": ""} {
					from, _ := netip.ParseAddrPort(client)
					to, _ := netip.ParseAddrPort(server)
					answer, err := askThrough(socket, h.Append(nil, from, to))
					if want := fmt.Sprint(from.Addr(), " ", from.Port()); err != nil || client != "" && answer != want {
						t.Errorf("%v of %q: %q, %v", h, client, answer, err)
					}
				}
			}
		})
	}
}

// askThrough asks for a page behind a header.
func askThrough(socket string, header []byte) (answer string, err error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "%sGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", header); err != nil {
		return "", err
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", r.Status)
	}
	return string(b), err
}

// nginx as it is, behind a guard in a flood: every curl is served, over HTTP and TLS, its log has each of them,
// and its kernel has neither sent a cookie nor dropped a SYN.
func TestGuardBeforeNginx(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip(err)
	}
	for i, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) { guardNginx(t, 20+i, scheme) })
	}
}

func guardNginx(t *testing.T, n int, scheme string) {
	server, certificate := freeAddress(t), ""
	if scheme == "https" {
		certificate = t.TempDir()
		tlstest.New(t, certificate).Sign(t, "server", net.IPv4(10, 78, byte(n), 2))
	}
	log := startNginx(t, "tcp", server, certificate)
	_, at := guarded(t, n, "--listen", fmt.Sprintf("10.78.%d.2:80", n), "--to", server, "--proxy-protocol", "v2", "--check-interval", "1h")
	before := kernel.Counters()["TcpExt"]
	began := time.Now()
	stop := floodDevice(t, fmt.Sprintf("hfg%d", n), link.Attributes{}, netip.MustParseAddrPort(at+":80"), *guardSYNs)
	clients := honest{count: *guardClients}
	var mu sync.Mutex
	var came []string
	var all sync.WaitGroup
	for range clients.count {
		time.Sleep(*guardOver / time.Duration(clients.count))
		all.Go(func() {
			answer, who, took, err := curl(scheme+"://"+at+":80/", "--cacert", filepath.Join(certificate, "ca.pem"))
			mu.Lock()
			defer mu.Unlock()
			if came, clients.took = append(came, who), append(clients.took, took); err != nil || answer != who {
				t.Errorf("%q, %v; the client is %s", answer, err, who)
			}
		})
	}
	all.Wait()
	sent := stop()
	grown := since(kernel.Counters()["TcpExt"], before)
	for _, name := range []string{"SyncookiesSent", "ListenDrops", "ListenOverflows"} {
		if grown[name] != 0 {
			t.Errorf("%s of the server's kernel has grown by %d", name, grown[name])
		}
	}
	lines, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range came {
		if !strings.Contains(string(lines), who+"\n") {
			t.Errorf("%s is not in the log", who)
		}
	}
	w := clients.times()
	t.Logf("%d SYNs in %.0f s; %d curls: the answers took %v, p99 %v, longest %v; SYNs repeated: %d", sent, time.Since(began).Seconds(), len(came),
		w.median, w.p99, w.longest, grown["TCPSynRetrans"])
}

// curl asks for a page, and returns the answer, from which address and port it asked, and how long it says that it took.
func curl(url string, options ...string) (answer, who string, took time.Duration, err error) {
	out, err := exec.Command("curl", append(options, "-s", "--max-time", "60", "-w", "\n%{local_ip} %{local_port}\n%{time_total}", url)...).Output()
	lines := strings.Split(string(out), "\n")
	if err == nil && len(lines) != 3 {
		err = fmt.Errorf("curl says %q", out)
	}
	if err != nil {
		return "", "", 0, err
	}
	took, err = time.ParseDuration(lines[2] + "s")
	return lines[0], lines[1], took, err
}
