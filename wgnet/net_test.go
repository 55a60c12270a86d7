package wgnet_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/wgnet"
)

// HTTP both ways, over both families.
func TestHTTP(t *testing.T) {
	size := 8 << 20
	if testing.Short() {
		size = 1 << 20
	}
	body := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(body)
	onEach(t, func(t *testing.T, p *pair) {
		l, err := p.far.ListenTCP(&net.TCPAddr{Port: 80})
		if err != nil {
			t.Fatal(err)
		}
		server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got, err := io.ReadAll(r.Body)
			if err != nil || !bytes.Equal(got, body) {
				t.Errorf("the server got %d bytes, %v", len(got), err)
			}
			w.Write(body)
		})}
		go server.Serve(l)
		defer server.Close()
		transport := &http.Transport{DialContext: p.near.DialContext}
		defer transport.CloseIdleConnections()
		client := http.Client{Transport: transport}
		for _, to := range []string{"http://10.9.0.2/", "http://[fd09::2]/"} {
			r, err := client.Post(to, "application/octet-stream", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r.Body)
			r.Body.Close()
			if err != nil || sha256.Sum256(got) != sha256.Sum256(body) {
				t.Errorf("%s: %d bytes, %v", to, len(got), err)
			}
		}
	})
}

// Datagrams both ways, also such as are larger than the MTU.
func TestUDP(t *testing.T) {
	onEach(t, func(t *testing.T, p *pair) {
		server, err := p.far.ListenUDP(&net.UDPAddr{Port: 7})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			b := make([]byte, 1<<16)
			for {
				n, from, err := server.ReadFrom(b)
				if err != nil {
					return
				}
				server.WriteTo(b[:n], from)
			}
		}()
		for _, to := range []netip.Addr{far4, far6} {
			c, err := p.near.DialUDPAddrPort(netip.AddrPort{}, netip.AddrPortFrom(to, 7))
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(time.Minute))
			for _, size := range []int{1, 1000, 5000} {
				sent, got := bytes.Repeat([]byte{byte(size)}, size), make([]byte, 1<<16)
				if _, err := c.Write(sent); err != nil {
					t.Fatal(err)
				}
				if n, err := c.Read(got); err != nil || !bytes.Equal(got[:n], sent) {
					t.Errorf("%v, %d bytes: got %d, %v", to, size, n, err)
				}
			}
		}
	})
}

// Each way to dial and to listen works, with addresses in every form.
func TestForms(t *testing.T) {
	p := newPair(t, bindings["memory"]())
	ctx := context.Background()
	for i, addr := range []netip.AddrPort{{}, netip.AddrPortFrom(far4, 0), netip.AddrPortFrom(far6, 0)} {
		l, err := p.far.ListenTCPAddrPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		}()
		to := netip.AddrPortFrom(far4, l.AddrPort().Port())
		if i == 2 {
			to = netip.AddrPortFrom(far6, to.Port())
		}
		ip := net.TCPAddrFromAddrPort(to)
		for name, dial := range map[string]func() (net.Conn, error){
			"Dial":                   func() (net.Conn, error) { return p.near.Dial("tcp", to.String()) },
			"DialContext":            func() (net.Conn, error) { return p.near.DialContext(ctx, "tcp", to.String()) },
			"DialTCP":                func() (net.Conn, error) { return p.near.DialTCP(ip) },
			"DialTCPAddrPort":        func() (net.Conn, error) { return p.near.DialTCPAddrPort(to) },
			"DialContextTCP":         func() (net.Conn, error) { return p.near.DialContextTCP(ctx, ip) },
			"DialContextTCPAddrPort": func() (net.Conn, error) { return p.near.DialContextTCPAddrPort(ctx, to) },
		} {
			c, err := dial()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got := c.RemoteAddr().String(); got != to.String() {
				t.Errorf("%s: connected to %s, not %v", name, got, to)
			}
			c.Close()
		}
		l.Close()
	}
}

// Close of the device while many dial: all of them end, and with an error.
func TestCloseWhileDialling(t *testing.T) {
	rounds, dials := 100, 1000
	if testing.Short() {
		rounds, dials = 3, 200
	}
	checkGoroutines(t)
	for round := range rounds {
		d, n, err := wgnet.CreateNetTUN([]netip.Addr{near4, near6}, []netip.Addr{far4}, mtu)
		if err != nil {
			t.Fatal(err)
		}
		go discard(d)
		errs := make([]error, dials)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() {
				c, err := n.Dial([]string{"tcp", "tcp6", "tcp4"}[i%3], []string{"10.9.0.3:80", "[fd09::3]:80", "10.9.0.3:81"}[i%3])
				if errs[i] = err; err == nil {
					c.Close()
				}
			})
			if i == round*dials/rounds {
				all.Go(func() { d.Close() })
			}
		}
		all.Wait()
		for i, err := range errs {
			if !errors.Is(err, net.ErrClosed) {
				t.Fatalf("round %d, dial %d: %v", round, i, err)
			}
		}
	}
}
