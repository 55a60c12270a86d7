package main

import (
	"context"
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

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/link/tun"
)

// A server of the kernel's gets its clients by the command's cookies, and sees who they are. At
// the end the command says what it did.
func TestGuardKernel(t *testing.T) {
	needDevice(t)
	const device, kernels, client = "hfkern", "10.78.9.1", "10.78.9.2"
	d, err := tun.Open(tun.Options{Name: device})
	if err != nil {
		t.Skip(err)
	}
	defer d.Close()
	if err := stage.Configure(device, []netip.Prefix{netip.MustParsePrefix(kernels + "/24")}); err != nil {
		t.Fatal(err)
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(t.Context(), "tcp", kernels+":8080")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RemoteAddr) }))
	s.Listener.Close()
	s.Listener = l
	s.Start()
	defer s.Close()
	host, err := handfast.New(handfast.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	if err := host.Attach(d, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix(client + "/24")}}); err != nil {
		t.Fatal(err)
	}
	for _, lang := range []string{"en", "zh"} {
		c := longCommand{"Ctrl-C", []string{"guard", "--kernel", "--device", device, "--listen", kernels + ":8080", "--cookies", "always", "--lang", lang}}
		p := c.begin(t)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				visitor := http.Client{Timeout: untilLimit, Transport: &http.Transport{DialContext: host.DialContext, DisableKeepAlives: true}}
				r, err := visitor.Get("http://" + kernels + ":8080/")
				if err != nil {
					t.Error(err)
					return
				}
				r.Body.Close()
			})
		}
		all.Wait()
		checkKernelReports(t, p, kernels+":8080")
		p.Process.Signal(syscall.SIGINT)
		p.end()
		want := "10 SYNs: 10 answered by a cookie, 0 left to the kernel, as there was no attack; 10 connections from cookies, 0 false ACKs"
		if lang == "zh" {
			want = "SYN 10 个：用 cookie 应答 10 个"
		}
		if code := p.ProcessState.ExitCode(); code != exitOK || !strings.Contains(p.told.String(), want) {
			t.Errorf("exit code %d\n%s", code, &p.told)
		}
	}
}

// Who shares seeds and leaves SYNs to the kernel is told that nobody else takes those up.
func TestGuardKernelOfAFleet(t *testing.T) {
	needDevice(t)
	d, err := tun.Open(tun.Options{Name: "hfkern2"})
	if err != nil {
		t.Skip(err)
	}
	defer d.Close()
	if err := stage.Configure("hfkern2", []netip.Prefix{netip.MustParsePrefix("10.78.10.1/24")}); err != nil {
		t.Fatal(err)
	}
	seeds := filepath.Join(t.TempDir(), "seeds")
	if err := os.WriteFile(seeds, []byte("a-seed-of-16-bytes-and-more\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		cookies, lang, hint string
		told                bool
	}{{"auto", "en", "take up what is answered by a cookie", true}, {"auto", "zh", "请加 --cookies always", true}, {"always", "en", "--cookies always", false}} {
		p := (&longCommand{"Ctrl-C", []string{"guard", "--kernel", "--device", "hfkern2", "--listen", "10.78.10.1:80", "--cookies", c.cookies, "--cookie-seeds", seeds, "--lang", c.lang}}).begin(t)
		p.Process.Signal(syscall.SIGINT)
		p.end()
		if told := strings.Contains(p.told.String(), c.hint); p.ProcessState.ExitCode() != exitOK || told != c.told {
			t.Errorf("%+v: exit code %d\n%s", c, p.ProcessState.ExitCode(), &p.told)
		}
	}
}

// checkKernelReports asks a guard that has answered ten clients always by cookies what it knows.
func checkKernelReports(t *testing.T, p *process, listen string) {
	t.Helper()
	r := reportOf(t, p)
	if n := r.Counters["TcpExt"]; n["SyncookiesSent"] != 10 || n["SyncookiesRecv"] != 10 || n["SyncookiesFailed"] != 0 {
		t.Errorf("%v", n)
	}
	d := r.Defence
	if len(r.Rows) != 1 || r.Rows[0].Local.String() != listen || d.Cookies != "always" || !d.SendingCookies || d.Attack || d.MaxHalfOpen != r.Rows[0].SendQ || r.Flood == nil {
		t.Errorf("%+v, %+v, %+v", r.Rows, d, r.Flood)
	}
	web := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(p.place, "handfast", fmt.Sprintf("%d-guard.sock", p.Process.Pid)))
	}}}
	answer, err := web.Get("http://handfast/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	for _, want := range []string{"handfast_guard_kernel_syns_total 10\n", "handfast_guard_kernel_cookies_sent_total 10\n", "handfast_guard_kernel_cookies_accepted_total 10\n",
		"handfast_guard_kernel_cookies_bad_total 0\n", "handfast_netstat_total{counter=\"TcpExt_SyncookiesSent\"} 10\n", "handfast_sending_cookies 1\n"} {
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%v: no %q in\n%s", err, want, b)
		}
	}
}
