package handfast_test

import (
	"errors"
	"io"
	"net/netip"
	"syscall"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// Addresses come and go while a host works. The connections of one that goes end, and no
// others; sockets that are bound to it fail; Links tells what there is.
func TestAddressesComeAndGo(t *testing.T) {
	for _, shards := range []int{1, 4} {
		a, b := pipe.New(pipe.Options{Name: "net"})
		client := newTestHost(t, handfast.Config{Shards: shards}, a, clientIP+"/24")
		server := newTestHost(t, handfast.Config{Shards: shards}, b, serverIP+"/24", "fd00::2/64")
		old, oldServer := connect(t, client, listen(t, server, serverIP+":80"))
		j := joined{T: t}

		const more = "10.0.0.9"
		name := b.Attributes().Name
		check(t, server.AddAddress(name, netip.MustParsePrefix(more+"/24")), nil)
		check(t, server.AddAddress(name, netip.MustParsePrefix(more+"/32")), syscall.EEXIST)
		l := listen(t, server, more+":80")
		u := listenPacket(t, server, more+":53")
		var conns []*handfast.TCPConn
		for range 5 {
			c, s := connect(t, client, l)
			j.exchange(c, s)
			conns = append(conns, s)
		}
		j.exchange(old, oldServer)
		if n := len(server.Links()[0].Addresses); n != 3 {
			t.Errorf("there are %d addresses", n)
		}
		check(t, server.RemoveAddress(name, netip.MustParseAddr(more)), nil)
		check(t, server.RemoveAddress(name, netip.MustParseAddr(more)), syscall.EADDRNOTAVAIL)
		for _, s := range conns {
			if _, err := s.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNABORTED) {
				t.Errorf("read: %v", err)
			}
		}
		if _, err := u.Read(make([]byte, 1)); err == nil {
			t.Error("a socket reads from an address that is gone")
		}
		if _, err := server.Listen("tcp", more+":81"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("listen: %v", err)
		}
		j.exchange(old, oldServer)
		if n := len(server.Links()[0].Addresses); n != 2 {
			t.Errorf("there are %d addresses", n)
		}
		for range 1000 { // whatever comes and goes leaves nothing behind
			check(t, server.AddAddress(name, netip.MustParsePrefix("fd00::9/64")), nil)
			check(t, server.RemoveAddress(name, netip.MustParseAddr("fd00::9")), nil)
		}
		// And once more: the listener has waited for it.
		check(t, server.AddAddress(name, netip.MustParsePrefix(more+"/24")), nil)
		c, s := connect(t, client, l)
		j.exchange(c, s)
		check(t, server.RemoveAddress(name, netip.MustParseAddr(serverIP)), nil)
		j.exchange(c, s)

		check(t, server.AddAddress("other", netip.MustParsePrefix("10.0.0.7/24")), syscall.ENODEV)
		if server.AddAddress(name, netip.MustParsePrefix("224.0.0.1/24")) == nil || server.AddAddress(name, netip.Prefix{}) == nil {
			t.Error("what no host can have is taken")
		}
		server.Close()
		if server.AddAddress(name, netip.MustParsePrefix("10.0.0.7/24")) == nil {
			t.Error("a host that is closed takes an address")
		}
		s.Close()
	}
}

func check(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}

// Routes come and go: without one there is no way, and a connection waits for the next.
func TestRoutesComeAndGo(t *testing.T) {
	for _, shards := range []int{1, 4} {
		a, b := pipe.New(pipe.Options{Name: "net"})
		client := newTestHost(t, handfast.Config{Shards: shards}, a, clientIP+"/24")
		server := newTestHost(t, handfast.Config{Shards: shards}, b, serverIP+"/24", "172.16.0.1/32")
		l := listen(t, server, "172.16.0.1:80")
		r := handfast.Route{Destination: netip.MustParsePrefix("172.16.0.0/12"), Gateway: netip.MustParseAddr(serverIP)}
		name := a.Attributes().Name
		unreachable := func() {
			t.Helper()
			if _, err := client.Dial("tcp", "172.16.0.1:80"); !errors.Is(err, syscall.ENETUNREACH) {
				t.Errorf("dial: %v", err)
			}
		}
		unreachable()
		check(t, client.AddRoute(name, r), nil)
		check(t, client.AddRoute(name, r), syscall.EEXIST)
		c, s := connect(t, client, l)
		j := joined{T: t}
		j.exchange(c, s)
		check(t, client.RemoveRoute(name, r), nil)
		check(t, client.RemoveRoute(name, r), syscall.ESRCH)
		unreachable()
		if n := len(client.Links()[0].Routes); n != 0 {
			t.Errorf("there are %d routes", n)
		}
		if _, err := io.WriteString(c, "later"); err != nil {
			t.Error(err)
		}
		check(t, client.AddRoute(name, r), nil)
		got := make([]byte, 5)
		if _, err := io.ReadFull(s, got); err != nil || string(got) != "later" {
			t.Errorf("%q, %v", got, err)
		}
		if client.AddRoute(name, handfast.Route{Destination: r.Destination, Gateway: netip.MustParseAddr("fd00::1")}) == nil {
			t.Error("a gateway of the other family is taken")
		}
	}
}
