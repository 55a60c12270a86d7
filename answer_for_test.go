package handfast_test

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// A host that answers for a part of an Ethernet's network has what its neighbours send there,
// without a route of theirs: connections, datagrams and pings. A neighbour may have an address of
// it all the same.
func TestAnswersForASubnet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe.New(pipe.Options{Medium: link.Ethernet})
		client := newTestHost(t, handfast.Config{}, a, clientIP+"/24", "fd00::1/64")
		gate, err := handfast.New(handfast.Config{Shards: 4})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		defer gate.Close()
		if err := gate.Attach(b, handfast.LinkOptions{
			Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.254/24"), netip.MustParsePrefix("fd00::fe/64")},
			AnswerFor: []netip.Prefix{netip.MustParsePrefix("10.0.0.128/25"), netip.MustParsePrefix("fd00::1:0/112")},
		}); err != nil {
			t.Fatal(err)
		}
		serveEverybody(t, gate)
		for _, to := range []string{"10.0.0.200", "fd00::1:7"} {
			for round := range 2 {
				wantEverywhere(t, client, to)
				if round == 0 {
					time.Sleep(10 * time.Minute) // what is known of neighbours is old then
				}
			}
		}
		for _, to := range []string{"10.0.0.100:80", "[fd00::2:7]:80"} {
			if _, err := client.Dial("tcp", to); !errors.Is(err, syscall.EHOSTUNREACH) {
				t.Errorf("%s: %v", to, err)
			}
		}
		for _, mine := range []string{"10.0.0.201/24", "fd00::1:9/64"} {
			if err := client.AddAddress(client.Links()[0].Name, netip.MustParsePrefix(mine)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		if lost := client.Links()[0].Lost; len(lost) > 0 {
			t.Errorf("lost %v", lost)
		}
	})
}

// serveEverybody has a host be all others: it tells who connects or sends whom it has reached.
func serveEverybody(t *testing.T, h *handfast.Host) {
	l, err := h.Forward(handfast.ListenOptions{})
	u, err2 := h.ForwardPacket(netip.Prefix{})
	e, err3 := h.ForwardEcho(netip.Prefix{})
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			io.WriteString(c, c.LocalAddr().String())
			c.Close()
		}
	}()
	go func() {
		for _, from, to, err := u.ReadFromTo(nil); err == nil; _, from, to, err = u.ReadFromTo(nil) {
			u.WriteFromTo([]byte(to.String()), to, from)
		}
	}()
	go func() {
		p := make([]byte, 100)
		for n, q, err := e.Read(p); err == nil; n, q, err = e.Read(p) {
			e.Reply(q, p[:n])
		}
	}()
}

// wantEverywhere connects to an address, sends a datagram and a ping there, and wants to have
// reached it.
func wantEverywhere(t *testing.T, client *handfast.Host, to string) {
	t.Helper()
	at := netip.AddrPortFrom(netip.MustParseAddr(to), 80).String()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := client.DialContext(ctx, "tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(c); string(text) != at || err != nil {
		t.Errorf("connected to %s: %q, %v", at, text, err)
	}
	c.Close()
	u, err := client.Dial("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	u.SetDeadline(time.Now().Add(time.Minute))
	u.Write([]byte("?"))
	p := make([]byte, 100)
	if n, err := u.Read(p); string(p[:n]) != at || err != nil {
		t.Errorf("a datagram to %s: %q, %v", at, p[:n], err)
	}
	pings, err := client.DialPing(netip.Addr{}, netip.MustParseAddr(to))
	if err != nil {
		t.Fatal(err)
	}
	defer pings.Close()
	pings.SetDeadline(time.Now().Add(time.Minute))
	pings.Write(ping(netip.MustParseAddr(to), 1, "hello"))
	if n, err := pings.Read(p); err != nil || string(p[8:n]) != "hello" {
		t.Errorf("a ping to %s: %x, %v", to, p[:n], err)
	}
}
