package wgnet_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/handfast-tcp/handfast/wgnet"
)

// ask sends one echo request by send, and takes its reply by receive.
func ask(t *testing.T, to netip.Addr, seq int, send func([]byte) (int, error), receive func([]byte) (int, error)) {
	t.Helper()
	kind, answer, proto := icmp.Type(ipv4.ICMPTypeEcho), icmp.Type(ipv4.ICMPTypeEchoReply), 1
	if to.Is6() {
		kind, answer, proto = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply, 58
	}
	b, err := (&icmp.Message{Type: kind, Body: &icmp.Echo{Seq: seq, Data: []byte("gopher burrow")}}).Marshal(nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := send(b); n != len(b) || err != nil {
		t.Fatalf("%v: %d, %v", to, n, err)
	}
	b = make([]byte, 1500)
	n, err := receive(b)
	if err != nil {
		t.Fatalf("%v: %v", to, err)
	}
	m, err := icmp.ParseMessage(proto, b[:n])
	if err != nil {
		t.Fatal(err)
	}
	if echo, ok := m.Body.(*icmp.Echo); m.Type != answer || !ok || echo.Seq != seq || string(echo.Data) != "gopher burrow" {
		t.Errorf("%v: reply %v", to, m)
	}
}

// Every way to open a ping socket works.
func TestPings(t *testing.T) {
	onEach(t, func(t *testing.T, p *pair) {
		serveNames(t, p.far)
		for i, to := range []netip.Addr{far4, far6} {
			local := []netip.Addr{near4, near6}[i]
			name := []string{"four.example", "six.example"}[i]
			for form, open := range map[string]func() (net.Conn, error){
				"DialPingAddr": func() (net.Conn, error) { return p.near.DialPingAddr(netip.Addr{}, to) },
				"from ours":    func() (net.Conn, error) { return p.near.DialPingAddr(local, to) },
				"DialPing": func() (net.Conn, error) {
					return p.near.DialPing(nil, wgnet.PingAddrFromAddr(to))
				},
				"Dial":     func() (net.Conn, error) { return p.near.Dial("ping", name) },
				"Dial 4 6": func() (net.Conn, error) { return p.near.Dial([]string{"ping4", "ping6"}[i], "both.example") },
			} {
				c, err := open()
				if err != nil {
					t.Fatalf("%s: %v", form, err)
				}
				if got, want := c.RemoteAddr(), []string{"ping4", "ping6"}[i]; got.String() != to.String() || got.Network() != want {
					t.Errorf("%s: connected to %v, %s", form, got, got.Network())
				}
				c.SetDeadline(time.Now().Add(time.Minute))
				ask(t, to, i, c.Write, c.Read)
				c.Close()
			}
			c, err := p.near.ListenPing(wgnet.PingAddrFromAddr(local))
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range []net.Addr{wgnet.PingAddrFromAddr(to), &net.IPAddr{IP: to.AsSlice()}} {
				ask(t, to, i, func(b []byte) (int, error) { return c.WriteTo(b, a) }, func(b []byte) (int, error) {
					n, from, err := c.ReadFrom(b)
					if err == nil && from.String() != to.String() {
						t.Errorf("a reply from %v", from)
					}
					return n, err
				})
			}
			c.SetReadDeadline(time.Now())
			if _, err := c.Read(nil); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("after the deadline: %v", err)
			}
			c.Close()
		}
		if _, err := p.near.DialPing(nil, nil); err == nil {
			t.Error("a ping socket of no address")
		}
		if _, err := p.near.Dial("ping6", "four.example"); err == nil {
			t.Error("ping6 of a name without such an address")
		}
	})
}
