package handfast_test

import (
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
