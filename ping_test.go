package handfast_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// ping is an echo request of an address's family.
func ping(a netip.Addr, seq byte, payload string) []byte {
	kind := byte(8)
	if a.Is6() {
		kind = 128
	}
	return append([]byte{kind, 0, 0, 0, 0, 0, 0, seq}, payload...)
}

// Pings get their answers, by sockets of either kind, from either family and from the
// host itself, whichever shard they come to.
func TestPing(t *testing.T) {
	for _, shards := range []int{1, 8} {
		client, _ := newNet(t, handfast.Config{Shards: shards}, pipe.Options{})
		for _, text := range []string{serverIP, "fd00::2", clientIP, "fd00::1"} {
			to := netip.MustParseAddr(text)
			open, err := client.ListenPing(map[bool]netip.Addr{true: netip.IPv4Unspecified(), false: netip.IPv6Unspecified()}[to.Is4()])
			if err != nil {
				t.Fatal(err)
			}
			dialled, err := client.DialPing(netip.Addr{}, to)
			if err != nil {
				t.Fatal(err)
			}
			p := make([]byte, 100)
			for _, payload := range []string{"", "one", "another one"} {
				if _, err := open.WriteTo(ping(to, 1, payload), &net.IPAddr{IP: to.AsSlice()}); err != nil {
					t.Fatal(err)
				}
				n, from, err := open.ReadFrom(p)
				if err != nil || from.String() != text || string(p[8:n]) != payload || p[7] != 1 {
					t.Errorf("%v: %v, %x, %v", to, from, p[:n], err)
				}
				if _, err := dialled.Write(ping(to, 2, payload)); err != nil {
					t.Fatal(err)
				}
				if n, err = dialled.Read(p); err != nil || string(p[8:n]) != payload || p[7] != 2 {
					t.Errorf("%v: %x, %v", to, p[:n], err)
				}
			}
			if got := dialled.RemoteAddr(); got.String() != text || got.Network() != "ip" {
				t.Errorf("dialled %v", got)
			}
			open.Close()
			dialled.Close()
		}
	}
}

// Errors of ping sockets are those of package net.
func TestPingErrors(t *testing.T) {
	client, _ := newNet(t, handfast.Config{}, pipe.Options{})
	for name, c := range map[string]struct {
		local, remote string
		want          error
	}{
		"another's address": {serverIP, serverIP, syscall.EADDRNOTAVAIL},
		"no way":            {"", "192.0.2.1", syscall.ENETUNREACH},
		"two families":      {clientIP, "fd00::2", nil},
	} {
		local, _ := netip.ParseAddr(c.local)
		_, err := client.DialPing(local, netip.MustParseAddr(c.remote))
		if op := new(net.OpError); !errors.As(err, &op) || op.Op != "dial" || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := client.ListenPing(netip.Addr{}); err == nil {
		t.Error("a socket of no family")
	}
	c, err := client.ListenPing(netip.IPv4Unspecified())
	if err != nil {
		t.Fatal(err)
	}
	server := netip.MustParseAddr(serverIP)
	for name, test := range map[string]struct {
		write func() (int, error)
		want  error
	}{
		"nobody dialled": {func() (int, error) { return c.Write(ping(server, 1, "")) }, syscall.EDESTADDRREQ},
		"not a request":  {func() (int, error) { return c.WriteToAddr(make([]byte, 8), server) }, syscall.EINVAL},
		"TCP's address":  {func() (int, error) { return c.WriteTo(ping(server, 1, ""), &net.TCPAddr{IP: server.AsSlice()}) }, syscall.EINVAL},
		"no address":     {func() (int, error) { return c.WriteTo(ping(server, 1, ""), &net.UDPAddr{}) }, nil},
		"everybody":      {func() (int, error) { return c.WriteToAddr(ping(server, 1, ""), netip.IPv4Unspecified()) }, syscall.EINVAL},
		"another family": {func() (int, error) { return c.WriteToAddr(ping(server, 1, ""), netip.MustParseAddr("fd00::2")) }, nil},
	} {
		if n, err := test.write(); n != 0 || err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	c.SetReadDeadline(time.Now())
	if _, err := c.Read(nil); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("after the deadline:", err)
	}
	c.Close()
	if _, err := c.Read(nil); !errors.Is(err, net.ErrClosed) {
		t.Error("after Close:", err)
	}
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		t.Error("Close twice:", err)
	}
}

// Sockets that are opened by package net's names are what programs on its raw sockets, and on
// golang.org/x/net/icmp, expect: addresses of both kinds, and replies that have the identifier
// of the request, with a checksum that is right.
func TestPingOfPackageNet(t *testing.T) {
	client, _ := newNet(t, handfast.Config{Shards: 4}, pipe.Options{})
	for _, names := range [][4]string{
		{"ip4:icmp", serverIP, "0.0.0.0", clientIP}, {"ip:1", serverIP, "", clientIP}, {"ip6:ipv6-icmp", "fd00::2", "::", "fd00::1"}, {"ip6:58", "fd00::2", "fd00::1", "fd00::1"},
	} {
		to := netip.MustParseAddr(names[1])
		dialled, err := client.Dial(names[0], names[1])
		if err != nil {
			t.Fatal(err)
		}
		open, err := client.ListenPacket(names[0], names[2])
		if err != nil {
			t.Fatal(err)
		}
		if a, b := dialled.LocalAddr(), dialled.RemoteAddr(); a.String() != names[3] || b.String() != names[1] || b.Network() != "ip" {
			t.Errorf("%v: from %v to %v", names, a, b)
		}
		if _, ok := dialled.(*handfast.PingConn); !ok {
			t.Errorf("%v: a %T", names, dialled)
		}
		for i, write := range []func([]byte) (int, error){
			func(b []byte) (int, error) { return open.WriteTo(b, &net.IPAddr{IP: to.AsSlice()}) },
			func(b []byte) (int, error) { return open.WriteTo(b, &net.UDPAddr{IP: to.AsSlice()}) },
			dialled.Write,
		} {
			b := ping(to, 7, "odd")
			b[4], b[5] = 0xa5, byte(i) // the program's identifier
			if n, err := write(b); n != len(b) || err != nil {
				t.Fatalf("%v: %d, %v", names, n, err)
			}
			var from net.Addr = dialled.RemoteAddr()
			p := make([]byte, 100)
			n, err := 0, error(nil)
			if i < 2 {
				n, from, err = open.ReadFrom(p)
			} else {
				n, err = dialled.Read(p)
			}
			if _, ok := from.(*net.IPAddr); err != nil || !ok || from.String() != names[1] || string(p[4:n]) != string(b[4:]) {
				t.Errorf("%v: % x from %v, %v", names, p[:n], from, err)
			}
			sum := uint64(0)
			if to.Is6() {
				sum = wire.PseudoSum(wire.AddrFrom(to), wire.AddrFrom(netip.MustParseAddr(names[3])), wire.ProtoICMPv6, n)
			}
			if wire.Fold(wire.Sum(p[:n], sum)) != 0xffff {
				t.Errorf("%v: checksum of % x", names, p[:n])
			}
		}
		dialled.Close()
		open.Close()
	}
}

// What is no ping is refused in words that say what there is.
func TestOtherNetworksOfIP(t *testing.T) {
	client, _ := newNet(t, handfast.Config{}, pipe.Options{})
	_, dial := client.Dial("ip4:tcp", serverIP)
	_, listen := client.ListenPacket("ip6:89", "::")
	for _, err := range []error{dial, listen} {
		if unknown := net.UnknownNetworkError(""); !errors.As(err, &unknown) || !strings.Contains(err.Error(), "ip4:icmp") {
			t.Error(err)
		}
	}
	if _, err := client.Dial("ip4:icmp", "fd00::2"); err == nil {
		t.Error("a ping of IPv4 to an address of IPv6")
	}
	d := handfast.Dialer{Host: client, LocalAddr: &net.UDPAddr{}}
	if _, err := d.Dial("ip4:icmp", serverIP); err == nil {
		t.Error("a ping from a port of UDP")
	}
	d = handfast.Dialer{Host: client, LocalAddr: &net.IPAddr{IP: net.ParseIP(clientIP)}}
	if _, err := d.Dial("tcp", serverIP+":80"); err == nil {
		t.Error("TCP from an address without a port")
	}
	var asked string
	d.Control = func(network, address string, _ syscall.RawConn) error { asked = network + " " + address; return nil }
	if c, err := d.Dial("ip4:icmp", serverIP); err != nil || c.LocalAddr().String() != clientIP || asked != "ip4 "+serverIP {
		t.Error(err, asked)
	}
}

// A router that says that nobody is there fails the socket that has asked.
func TestPingUnreachable(t *testing.T) {
	client, server := newNet(t, handfast.Config{}, pipe.Options{})
	to := netip.MustParseAddr("10.0.0.77")
	e, err := server.ForwardEcho(netip.PrefixFrom(to, 32))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		p := make([]byte, 100)
		if n, r, err := e.Read(p); err == nil {
			e.Refuse(r, n, netip.Addr{}, 1) // the host is unreachable
		}
	}()
	c, err := client.DialPing(netip.Addr{}, to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(ping(to, 1, "are you there?")); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 100)); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("%d, %v", n, err)
	}
	if got := c.LocalAddr().String(); got != clientIP {
		t.Errorf("from %v", got)
	}
}
