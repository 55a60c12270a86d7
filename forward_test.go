package handfast_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// newForwarder returns a client whose default route leads to a host that takes
// every connection.
func newForwarder(t *testing.T, o handfast.ListenOptions) (client *handfast.Host, l *handfast.TCPListener) {
	t.Helper()
	client, server := everybodysHost(t, 0)
	l, err := server.Forward(o)
	if err != nil {
		t.Fatal(err)
	}
	return client, l
}

// newGate returns a client whose default routes lead to a host without an address.
func everybodysHost(t *testing.T, shards int) (client, server *handfast.Host) {
	t.Helper()
	a, b := pipe.New(pipe.Options{})
	all := []handfast.Route{{Destination: netip.MustParsePrefix("0.0.0.0/0")}, {Destination: netip.MustParsePrefix("::/0")}}
	hosts := [2]*handfast.Host{}
	for i, end := range []link.Link{a, b} {
		h, err := handfast.New(handfast.Config{Shards: shards})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		options := handfast.LinkOptions{Routes: all}
		if i == 0 {
			options.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32"), netip.MustParsePrefix("fd00::1/128")}
		}
		if err := h.Attach(end, options); err != nil {
			t.Fatal(err)
		}
		hosts[i] = h
	}
	return hosts[0], hosts[1]
}

// A forwarder is everybody: it hears what was asked for, and speaks from there.
func TestForwardIsEverybody(t *testing.T) {
	client, l := newForwarder(t, handfast.ListenOptions{})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, c.LocalAddr().String())
			c.Close()
		}
	}()
	for _, address := range []string{"93.184.216.34:80", "1.1.1.1:53", "[2606:2800::1]:443"} {
		c, err := client.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(c)
		if string(said) != address || c.RemoteAddr().String() != address {
			t.Errorf("dialled %s, reached %s: %v", address, said, err)
		}
		c.Close()
	}
}

// The program decides before the SYN is answered, at once or later.
func TestVerdicts(t *testing.T) {
	later := make(chan *handfast.Request, 1)
	client, l := newForwarder(t, handfast.ListenOptions{Verdict: func(r *handfast.Request) {
		switch r.Local().Port() {
		case 1:
			r.Accept()
		case 2:
			r.Reset()
		case 3:
			r.Refuse(host.HostUnreachable)
		case 4:
			later <- r
		}
	}})
	for address, want := range map[string]error{
		"9.9.9.9:1": nil, "9.9.9.9:2": syscall.ECONNREFUSED, "9.9.9.9:3": syscall.EHOSTUNREACH,
		"[2001:db8::9]:1": nil, "[2001:db8::9]:2": syscall.ECONNREFUSED,
	} {
		if want == syscall.EHOSTUNREACH {
			continue // a soft error: the client goes on trying, RFC 9293 §3.9.2.2
		}
		c, err := client.Dial("tcp", address)
		if !errors.Is(err, want) {
			t.Errorf("dialling %s: %v, want %v", address, err, want)
		}
		if c != nil {
			c.Close()
		}
	}
	go func() {
		r := <-later
		if r.Remote().Addr() != netip.MustParseAddr("10.0.0.1") {
			t.Errorf("asked by %v", r.Remote())
		}
		if err := r.Accept(); err != nil {
			t.Error(err)
		}
		if err := r.Accept(); err != handfast.ErrRequestGone {
			t.Errorf("a second verdict: %v", err)
		}
	}()
	c, err := client.Dial("tcp", "9.9.9.9:4")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// What a verdict has prepared comes back once: with the connection, or to Lost when
// the client has given up meanwhile, or when the listener or the host is closed.
func TestPrepared(t *testing.T) {
	for name, end := range map[string]func(client *handfast.Host, l *handfast.TCPListener){
		"listener closed": func(_ *handfast.Host, l *handfast.TCPListener) { l.Close() },
		"not accepted":    func(client *handfast.Host, l *handfast.TCPListener) { client.Dial("tcp", "9.9.9.9:2"); l.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			lost := make(chan any, 9)
			requests := make(chan *handfast.Request, 9)
			client, l := newForwarder(t, handfast.ListenOptions{
				Verdict: func(r *handfast.Request) {
					if r.Local().Port() == 3 {
						requests <- r
					} else if err := r.AcceptWith(r.Local().Port()); err != nil {
						t.Error(err)
					}
				},
				Lost: func(what any) { lost <- what },
			})
			c, err := client.Dial("tcp", "9.9.9.9:1")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, what, err := l.AcceptPrepared(); what != uint16(1) || err != nil {
				t.Errorf("accepted with %v, %v", what, err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			given := make(chan struct{})
			go func() {
				defer close(given)
				client.DialContext(ctx, "tcp", "9.9.9.9:3")
			}()
			r := <-requests
			cancel()
			<-given
			if err := r.AcceptWith("three"); err != nil {
				t.Fatal(err)
			}
			if what := <-lost; what != "three" { // a RST answers the SYN-ACK
				t.Errorf("lost %v", what)
			}
			end(client, l)
			if name == "not accepted" {
				if what := <-lost; what != uint16(2) {
					t.Errorf("lost %v", what)
				}
			}
			if len(lost) > 0 {
				t.Errorf("lost %v", <-lost)
			}
		})
	}
}

var farAway = []string{"93.184.216.34:53", "1.1.1.1:443", "[2606:2800::1]:53", "[2606:2800::2]:4433"}

// A socket for everybody's datagrams hears what was asked for, speaks from there,
// and says that nobody is there; whatever number of shards there are.
func TestForwardPacketIsEverybody(t *testing.T) {
	for _, shards := range []int{1, 4} {
		client, server := everybodysHost(t, shards)
		u, err := server.ForwardPacket(netip.Prefix{})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			p := make([]byte, 100)
			for {
				n, from, to, err := u.ReadFromTo(p)
				if err != nil {
					return
				}
				if to.Port() == 443 {
					err = u.Refuse(from, to, n, host.PortUnreachable)
				} else {
					_, err = u.WriteFromTo([]byte(to.String()), to, from)
				}
				if err != nil {
					t.Error(err)
				}
			}
		}()
		for _, address := range farAway {
			c, err := client.Dial("udp", address)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(c, "who are you?")
			p := make([]byte, 100)
			n, err := c.Read(p)
			if refused := errors.Is(err, syscall.ECONNREFUSED); refused != strings.HasSuffix(address, ":443") || !refused && string(p[:n]) != address {
				t.Errorf("%d shards, asked %s, answered %q, %v", shards, address, p[:n], err)
			}
			c.Close()
		}
		if _, err := u.WriteToUDPAddrPort([]byte("x"), netip.MustParseAddrPort("10.0.0.1:53")); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("from nowhere: %v", err)
		}
	}
}

// Of several forwarders the one with the longest prefix has an address, a listener
// and a socket before them all, and addresses that none has are nobody's.
func TestForwardersByPrefix(t *testing.T) {
	client, server := everybodysHost(t, 2)
	said := make(chan string, 1)
	for _, text := range []string{"10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32", "::ffff:12.0.0.0/104"} {
		p := netip.MustParsePrefix(text)
		l, err := server.Forward(handfast.ListenOptions{Prefix: p})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := server.Forward(handfast.ListenOptions{Prefix: p}); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a second forwarder of %v: %v", p, err)
		}
		u, err := server.ForwardPacket(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := server.ForwardPacket(p); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a second socket of %v: %v", p, err)
		}
		go func() {
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				said <- text
				c.Close()
			}
		}()
		go func() {
			for _, _, _, err := u.ReadFromTo(nil); err == nil; _, _, _, err = u.ReadFromTo(nil) {
				said <- text
			}
		}()
	}
	for address, want := range map[string]string{
		"10.2.0.1:9": "10.0.0.0/8", "10.1.0.1:9": "10.1.0.0/16", "[2001:db8::1]:9": "2001:db8::/32", "12.0.0.1:9": "::ffff:12.0.0.0/104", "11.0.0.1:9": "", "[2001:db9::1]:9": "",
	} {
		if want == "" {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			if _, err := client.DialContext(ctx, "tcp", address); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", address, err)
			}
			cancel()
			continue
		}
		c, err := client.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if got := <-said; got != want {
			t.Errorf("TCP to %s came to %s", address, got)
		}
		d, err := client.Dial("udp", address)
		if err != nil {
			t.Fatal(err)
		}
		d.Write([]byte("x"))
		if got := <-said; got != want {
			t.Errorf("UDP to %s came to %s", address, got)
		}
		d.Close()
	}
}

// A forwarder may dial from the addresses that it has, as a transparent proxy does.
func TestDialFromForwardedAddress(t *testing.T) {
	client, server := everybodysHost(t, 4)
	l := listen(t, client, ":80")
	u := listenPacket(t, client, ":53")
	d := handfast.Dialer{Host: server, LocalAddr: &net.TCPAddr{IP: net.ParseIP("9.9.9.9")}, Timeout: time.Minute}
	if _, err := d.Dial("tcp", "10.0.0.1:80"); err == nil {
		t.Error("dialled from an address that nobody forwards")
	}
	if _, err := server.Forward(handfast.ListenOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := server.ForwardPacket(netip.Prefix{}); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Dial("tcp", "10.0.0.1:80"); !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("dialling from nowhere: %v", err)
	}
	for range 9 {
		c, err := d.Dial("tcp", "10.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		peer, _ := l.Accept()
		if at := peer.RemoteAddr().String(); at != c.LocalAddr().String() || !strings.HasPrefix(at, "9.9.9.9:") {
			t.Errorf("dialled by %s", at)
		}
		c.Close()
		peer.Close()
		d := handfast.Dialer{Host: server, LocalAddr: &net.UDPAddr{IP: net.ParseIP("8.8.8.8")}}
		if c, err = d.Dial("udp", "10.0.0.1:53"); err != nil {
			t.Fatal(err)
		}
		c.Write([]byte("x"))
		_, from, err := u.ReadFromUDPAddrPort(nil)
		if err != nil || from.String() != c.LocalAddr().String() {
			t.Errorf("sent by %s, %v", from, err)
		}
		if u.WriteToUDPAddrPort([]byte("y"), from); err != nil {
			t.Error(err)
		}
		if _, err = c.Read(nil); err != nil {
			t.Error(err)
		}
		c.Close()
	}
}

// A forwarder of IPv6 has no IPv4, of the host's own addresses neither.
func TestForwarderOfOneFamily(t *testing.T) {
	client, server := newNet(t, handfast.Config{}, pipe.Options{})
	l, err := server.Forward(handfast.ListenOptions{Prefix: netip.MustParsePrefix("::/0")})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if c, err := client.Dial("tcp", serverIP+":9"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v, %v", c, err)
	}
}
