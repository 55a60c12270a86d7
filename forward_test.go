package handfast_test

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"syscall"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// newForwarder returns a client whose default route leads to a host that takes
// every connection.
func newForwarder(t *testing.T, o handfast.ListenOptions) (client *handfast.Host, l *handfast.TCPListener) {
	t.Helper()
	a, b := pipe.New(pipe.Options{})
	all := []handfast.Route{{Destination: netip.MustParsePrefix("0.0.0.0/0")}, {Destination: netip.MustParsePrefix("::/0")}}
	hosts := [2]*handfast.Host{}
	for i, end := range []link.Link{a, b} {
		h, err := handfast.New(handfast.Config{})
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
	l, err := hosts[1].Forward(o)
	if err != nil {
		t.Fatal(err)
	}
	return hosts[0], l
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
