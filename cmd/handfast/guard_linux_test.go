package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	proxyproto "github.com/pires/go-proxyproto"
	"github.com/vishvananda/netlink"

	"github.com/handfast-tcp/handfast/guard"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/link"
)

// backend is an HTTP server that answers with its name and its client's address, as the
// PROXY protocol tells it: a connection without a header gets no answer.
func backend(t *testing.T, name string, withTLS bool) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, name, " ", r.RemoteAddr)
	}))
	s.Listener.Close()
	s.Listener = &proxyproto.Listener{Listener: l,
		ConnPolicy: func(proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) { return proxyproto.REQUIRE, nil }}
	if withTLS {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return l.Addr().String()
}

// guarded starts a guard at 10.78.N.2, of which the kernel has 10.78.N.1.
func guarded(t *testing.T, n int, args ...string) (*process, string) {
	t.Helper()
	needDevice(t)
	net := fmt.Sprintf("10.78.%d.", n)
	c := longCommand{"Ctrl-C", append([]string{"guard", "--tun", fmt.Sprintf("hfg%d", n), "--addr", net + "2/24", "--host-addr", net + "1/24"}, args...)}
	p := c.begin(t)
	t.Cleanup(func() { p.Process.Kill() })
	return p, net + "2"
}

// visit asks for a page over a connection of its own, from a port of its own.
func visit(url string) (answer, from string, err error) {
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err == nil {
				from = c.LocalAddr().String()
			}
			return c, err
		}}}
	r, err := client.Get(url)
	if err != nil {
		return "", from, err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return string(b), from, err
}

// In a flood of SYNs every honest client has its answer, over HTTP and TLS, and the back end
// knows who each of them is: by its own reader of the PROXY protocol. Of the flood the
// kernel, whose TCP the back end is on, has seen nothing.
func TestGuardInAFlood(t *testing.T) {
	plain, secret := backend(t, "plain", false), backend(t, "secret", true)
	for i, v := range []string{"v1", "v2"} {
		p, at := guarded(t, 1+i, "--listen", fmt.Sprintf("10.78.%d.2:80", 1+i), "--to", plain, "--proxy-protocol", v, "--half-open", "256")
		q, over := guarded(t, 3+i, "--listen", fmt.Sprintf("10.78.%d.2:443", 3+i), "--to", secret, "--proxy-protocol", v)
		stop := floodDevice(t, fmt.Sprintf("hfg%d", 1+i), link.Attributes{}, netip.MustParseAddrPort(at+":80"), 0)
		var all sync.WaitGroup
		for range 40 {
			for url, name := range map[string]string{"http://" + at + "/": "plain", "https://" + over + "/": "secret"} {
				all.Go(func() {
					if answer, from, err := visit(url); err != nil || answer != name+" "+from {
						t.Errorf("%s: %q, %v; the client is %s", v, answer, err, from)
					}
				})
			}
		}
		all.Wait()
		if sent := stop(); sent < 1000 {
			t.Errorf("a flood of %d SYNs", sent)
		}
		r := reportOf(t, p)
		if n := r.Counters["TcpExt"]["SyncookiesSent"]; n == 0 {
			t.Errorf("%s: no cookie was sent", v)
		}
		for _, x := range []*process{p, q} {
			x.Process.Signal(syscall.SIGTERM)
			x.end()
			if code := x.ProcessState.ExitCode(); code != 0 || !strings.Contains(x.told.String(), "40 connections carried") {
				t.Errorf("exit code %d\n%s", code, &x.told)
			}
		}
	}
}

// floodDevice sends SYNs to an address behind a device until stop, which tells how many; with
// a count it is over after them, and stop waits for that.
func floodDevice(t *testing.T, device string, host link.Attributes, to netip.AddrPort, count uint64) (stop func() uint64) {
	t.Helper()
	dev, err := netlink.LinkByName(device)
	if err != nil {
		t.Fatal(err)
	}
	i, err := newDeviceInjector(dev, host)
	if errors.Is(err, syscall.EPERM) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	// They are as many a second as the reader of the device takes: more would fill its queue, where the kernel drops what
	// honest clients send.
	p := &pump{to: i, syns: newSynMaker("random", to, 1), count: count, arrived: func() uint64 {
		if dev, err := netlink.LinkByIndex(dev.Attrs().Index); err == nil {
			return dev.Attrs().Statistics.TxPackets
		}
		return 0
	}}
	ctx, cancel := context.WithCancel(t.Context())
	var flooding sync.WaitGroup
	flooding.Go(func() {
		if err := p.run(ctx); err != nil {
			t.Error(err)
		}
	})
	for p.sent.Load() < 1000 { // it has begun
		time.Sleep(time.Millisecond)
	}
	return func() uint64 {
		if count == 0 {
			cancel()
		}
		flooding.Wait()
		cancel()
		i.close()
		return p.sent.Load()
	}
}

// reportOf asks a command that runs.
func reportOf(t *testing.T, p *process) *inspect.Report {
	t.Helper()
	i := inspect.Instance{PID: p.Process.Pid, Name: "guard", Path: filepath.Join(p.place, "handfast", fmt.Sprintf("%d-guard.sock", p.Process.Pid))}
	r, err := i.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// awaits reads what a command tells until it has said something.
func (p *process) awaits(t *testing.T, what string) {
	t.Helper()
	for {
		line, err := p.lines.ReadString('\n')
		if strings.Contains(line, what) {
			return
		}
		if err != nil {
			t.Fatalf("no %q\n%s", what, &p.told)
		}
	}
}

// SIGHUP has the file read again, and SIGTERM drains: neither loses a connection, and a file
// with a mistake changes nothing.
func TestGuardReloads(t *testing.T) {
	first, second := backend(t, "first", false), backend(t, "second", false)
	config := filepath.Join(t.TempDir(), "guard.conf")
	write := func(lines ...string) {
		if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("to "+first, "proxy-protocol v2")
	p, at := guarded(t, 5, "--listen", "10.78.5.2:80", "--config", config)
	c, err := net.Dial("tcp", at+":80")
	if err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(c)
	ask := func(want string) {
		t.Helper()
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		r, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r.Body); err != nil || !bytes.HasPrefix(b, []byte(want)) {
			t.Errorf("%q, %v", b, err)
		}
	}
	ask("first")
	for _, bad := range [][]string{{"to nowhere"}, {"to " + at + ":80"}, {"too"}} {
		write(bad...)
		p.Process.Signal(syscall.SIGHUP)
		p.awaits(t, "SIGHUP: all stays as it is")
	}
	write("to "+second, "proxy-protocol v2", "half-open 77")
	p.Process.Signal(syscall.SIGHUP)
	p.awaits(t, "has been read; back ends: "+second)
	p.awaits(t, "from the next start on: --half-open")
	if answer, from, err := visit("http://" + at + "/"); answer != "second "+from || err != nil {
		t.Errorf("%q, %v", answer, err)
	}
	ask("first")
	p.Process.Signal(syscall.SIGTERM)
	p.awaits(t, "Draining 1 connections")
	ask("first")
	c.Close()
	p.end()
	if code := p.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d\n%s", code, &p.told)
	}
}

// The kernel's own address is refused: two TCPs would answer.
func TestGuardNeedsAnAddress(t *testing.T) {
	needDevice(t)
	for _, args := range [][]string{{"--listen", "127.0.0.1:80"}, {"--listen", "127.0.0.1:80", "--device", "lo"}} {
		var out, told bytes.Buffer
		if code := run(append([]string{"guard", "--to", "127.0.0.1:9"}, args...), &out, &told); code != exitFailure || !strings.Contains(told.String(), "the guard needs one of its own") {
			t.Errorf("%d, %s", code, &told)
		}
	}
}

// A back end sees a transparent connection come from its client's address, which is nobody's
// here; the way back is as docs/GUARD.md has it.
func TestTransparent(t *testing.T) {
	if os.Getenv(isolatedVariable) == "" {
		t.Skip("no network namespace here")
	}
	const table = 123
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	for client, server := range map[string]string{"198.51.100.9": "127.0.0.1", "2001:db8::9": "::1"} {
		family, all := netlink.FAMILY_V4, &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
		if strings.Contains(server, ":") {
			family, all = netlink.FAMILY_V6, &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
		}
		rule := netlink.NewRule()
		ip := net.ParseIP(server)
		rule.Family, rule.Table, rule.IifName, rule.Src = family, table, "lo", &net.IPNet{IP: ip, Mask: net.CIDRMask(128, 128)}
		if family == netlink.FAMILY_V4 {
			rule.Src = &net.IPNet{IP: ip.To4(), Mask: net.CIDRMask(32, 32)}
		}
		way := &netlink.Route{LinkIndex: lo.Attrs().Index, Dst: all, Table: table, Type: syscall.RTN_LOCAL, Scope: netlink.SCOPE_HOST}
		if err := errors.Join(netlink.RuleAdd(rule), netlink.RouteAdd(way)); err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { netlink.RuleDel(rule); netlink.RouteDel(way) })
		l, err := net.Listen("tcp", net.JoinHostPort(server, "0"))
		if err != nil {
			t.Skip(err)
		}
		defer l.Close()
		ctx, give := context.WithTimeout(t.Context(), time.Minute)
		defer give()
		c, err := guard.DialKernel(ctx, netip.AddrPortFrom(netip.MustParseAddr(client), 4000), l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if from := s.RemoteAddr().(*net.TCPAddr).IP.String(); from != client {
			t.Errorf("it comes from %s", from)
		}
		s.Close()
	}
}
