package handfast_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// A socket that has every address tells which one a datagram was sent to, and
// answers from there: a connected client hears it.
func TestUDPDestination(t *testing.T) {
	for _, shards := range []int{1, 4} {
		for _, ip := range []string{serverIP, "10.0.0.3", "fd00::2", "fd00::3"} {
			t.Run(fmt.Sprintf("%s/shards%d", ip, shards), func(t *testing.T) {
				client, server := newNet(t, handfast.Config{Shards: shards}, pipe.Options{})
				socket := listenPacket(t, server, ":7")
				at := netip.AddrPortFrom(netip.MustParseAddr(ip), 7)
				c, err := client.Dial("udp", at.String())
				if err != nil {
					t.Fatal(err)
				}
				c.Write([]byte("question"))
				p := make([]byte, 100)
				n, from, to, err := socket.ReadFromTo(p)
				if string(p[:n]) != "question" || err != nil || to != at || from.String() != c.LocalAddr().String() {
					t.Errorf("ReadFromTo: %q, %v, %v, %v", p[:n], from, to, err)
				}
				if _, err := socket.WriteFromTo([]byte("answer"), to.Addr(), from); err != nil {
					t.Error("WriteFromTo:", err)
				}
				if n, err := c.Read(p); string(p[:n]) != "answer" || err != nil {
					t.Errorf("Read: %q, %v", p[:n], err)
				}
			})
		}
	}
}

// A datagram leaves from an address that the socket has, or not at all.
func TestUDPFromOtherAddresses(t *testing.T) {
	client, server := newNet(t, handfast.Config{}, pipe.Options{})
	to := netip.MustParseAddrPort(clientIP + ":9")
	here := listenPacket(t, client, ":9")
	for _, test := range []struct {
		socket, from string
		want         error
	}{
		{":7", "10.0.0.3", nil},
		{":7", "0.0.0.0", nil},
		{":7", clientIP, syscall.EADDRNOTAVAIL},
		{":7", "10.0.0.255", syscall.EADDRNOTAVAIL},
		{":7", "fd00::3", syscall.ENETUNREACH},
		{serverIP + ":7", serverIP, nil},
		{serverIP + ":7", "10.0.0.3", syscall.EADDRNOTAVAIL},
		{"0.0.0.0:7", "10.0.0.3", nil},
	} {
		u := listenPacket(t, server, test.socket)
		_, err := u.WriteFromTo([]byte("x"), netip.MustParseAddr(test.from), to)
		if !errors.Is(err, test.want) {
			t.Errorf("%s from %s: %v, want %v", test.socket, test.from, err, test.want)
		}
		if err == nil {
			_, got, err := here.ReadFromUDPAddrPort(make([]byte, 1))
			if want := netip.MustParseAddr(test.from); err != nil || !want.IsUnspecified() && got.Addr() != want {
				t.Errorf("%s from %s: came from %v, %v", test.socket, test.from, got, err)
			}
		}
		u.Close()
	}
	if _, _, err := here.WriteMsgUDP(nil, []byte{0}, &net.UDPAddr{IP: net.ParseIP(serverIP), Port: 7}); !errors.Is(err, syscall.EINVAL) {
		t.Error("a control message:", err)
	}
}
