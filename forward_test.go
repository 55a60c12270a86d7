package handfast_test

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/keyring"
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

// spray is one end of a pipe whose packets go to one of two hosts, as ECMP that
// has just changed its mind does: SYNs to one, all else to the other.
type spray struct {
	link.Link
	second link.Link
	syns   atomic.Int32
}

func (s *spray) Write(queue int, batch []*buf.Packet) error {
	for _, p := range batch {
		to := s.second
		if p.Data[20+13]&0x3f == 2 {
			to = s.Link
			s.syns.Add(1)
		}
		if err := to.Write(queue, []*buf.Packet{p}); err != nil {
			return err
		}
	}
	return nil
}

// Two hosts with the same seeds complete each other's handshakes.
func TestSharedSeeds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "seeds")
	if err := os.WriteFile(file, []byte(strings.Repeat("secret", 6)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ring := func() *keyring.Ring {
		r, err := keyring.New(keyring.File(file))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	cfg := handfast.Config{CookieKeys: ring(), TCP: tcp.Config{Cookies: tcp.CookiesAlways}}
	a1, a2 := pipe.New(pipe.Options{})
	b1, b2 := pipe.New(pipe.Options{})
	first := newTestHost(t, cfg, a2, serverIP+"/24")
	cfg.CookieKeys = ring()
	second := newTestHost(t, cfg, b2, serverIP+"/24")
	client, err := handfast.New(handfast.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	way := &spray{Link: a1, second: b1}
	if err := client.Attach(way, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix(clientIP + "/24")}}); err != nil {
		t.Fatal(err)
	}
	// What the second host sends comes in by a link of its own.
	if err := client.Attach(b1, handfast.LinkOptions{}); err != nil {
		t.Fatal(err)
	}
	listen(t, first, serverIP+":80")
	l := listen(t, second, serverIP+":80")
	for range 20 {
		c, s := connect(t, client, l)
		io.WriteString(c, "hello")
		c.CloseWrite()
		if said, err := io.ReadAll(s); string(said) != "hello" {
			t.Errorf("%q, %v", said, err)
		}
		c.Close()
		s.Close()
	}
	if way.syns.Load() < 20 || first.Counters().TcpOutSegs == 0 {
		t.Error("the first host saw no SYN")
	}
}
