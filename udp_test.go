package handfast_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/pipe"
)

func listenPacket(t *testing.T, h *handfast.Host, address string) *handfast.UDPConn {
	t.Helper()
	u, err := h.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Datagrams of all sizes go there and back, in fragments where they must, over
// one shard or several.
func TestUDPEcho(t *testing.T) {
	for _, shards := range []int{1, 4} {
		for _, ip := range []string{serverIP, "fd00::2"} {
			t.Run(fmt.Sprintf("%s/shards%d", ip, shards), func(t *testing.T) {
				client, server := newNet(t, handfast.Config{Shards: shards}, pipe.Options{})
				socket := listenPacket(t, server, ":7")
				go func() {
					p := make([]byte, 65536)
					for {
						n, from, err := socket.ReadFrom(p)
						if err != nil {
							return
						}
						socket.WriteTo(p[:n], from)
					}
				}()
				for _, size := range []int{0, 1, 1000, 1472, 1473, 9000, 65507 - 20} {
					c, err := client.Dial("udp", net.JoinHostPort(ip, "7"))
					if err != nil {
						t.Fatal(err)
					}
					sent, got := random(size), make([]byte, 65536)
					if _, err := c.Write(sent); err != nil {
						t.Fatal(err)
					}
					n, err := c.Read(got)
					if err != nil || !bytes.Equal(got[:n], sent) {
						t.Errorf("%d bytes went, %d came back, %v", size, n, err)
					}
				}
			})
		}
	}
}

func TestUDPErrors(t *testing.T) {
	client, server := newNet(t, handfast.Config{}, pipe.Options{})
	socket := listenPacket(t, client, ":53")
	if _, err := client.ListenPacket("udp", ":53"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Error("the same port again:", err)
	}
	if _, err := client.ListenPacket("udp", "192.0.2.1:53"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Error("somebody else's address:", err)
	}
	if _, err := socket.Write([]byte("x")); !errors.Is(err, syscall.EDESTADDRREQ) {
		t.Error("Write without a destination:", err)
	}
	to := &net.UDPAddr{IP: net.ParseIP(serverIP), Port: 9}
	if _, err := socket.WriteTo(make([]byte, 65508), to); !errors.Is(err, syscall.EMSGSIZE) {
		t.Error("a datagram too long:", err)
	}
	if _, err := socket.WriteTo(nil, &net.TCPAddr{}); !errors.Is(err, syscall.EINVAL) {
		t.Error("WriteTo a TCP address:", err)
	}
	c, err := client.Dial("udp", serverIP+":9")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.(*handfast.UDPConn).WriteTo(nil, to); !errors.Is(err, net.ErrWriteToConnected) {
		t.Error("WriteTo on a connected socket:", err)
	}
	c.Write([]byte("nobody listens"))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error("after port unreachable:", err)
	}
	c.Close()
	for call, err := range map[string]error{
		"Close": c.Close(), "SetDeadline": c.SetDeadline(time.Time{}),
		"Write": second(c.Write(nil)), "Read": second(c.Read(nil)),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after Close: %v", call, err)
		}
	}
	blocked := make(chan error)
	go func() { _, _, err := socket.ReadFrom(nil); blocked <- err }()
	socket.Close()
	if err := <-blocked; !errors.Is(err, net.ErrClosed) {
		t.Error("ReadFrom while closing:", err)
	}
	listenPacket(t, client, ":53").Close()
	listenPacket(t, server, ":9").Close()
}

func second(_ int, err error) error { return err }

func TestUDPDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := newNet(t, handfast.Config{}, pipe.Options{})
		socket := listenPacket(t, client, ":0")
		start := time.Now()
		socket.SetReadDeadline(start.Add(time.Second))
		_, _, err := socket.ReadFrom(make([]byte, 1))
		wantTimeout(t, err, time.Since(start), time.Second)
		socket.SetWriteDeadline(start)
		_, err = socket.WriteTo(nil, &net.UDPAddr{IP: net.ParseIP(serverIP), Port: 9})
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("WriteTo:", err)
		}
	})
}

// What of a datagram does not fit is lost, and the next one is whole.
func TestUDPTruncates(t *testing.T) {
	client, server := newNet(t, handfast.Config{}, pipe.Options{})
	socket := listenPacket(t, server, ":9")
	c, err := client.Dial("udp", serverIP+":9")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"long one", "ab"} {
		c.Write([]byte(s))
	}
	for _, want := range []string{"lon", "ab"} {
		p := make([]byte, 3)
		n, from, err := socket.ReadFrom(p)
		if string(p[:n]) != want || err != nil || from.String() != c.LocalAddr().String() {
			t.Errorf("got %q from %v, %v; want %q", p[:n], from, err, want)
		}
	}
}

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
				if _, err := socket.WriteFromTo([]byte("answer"), to, from); err != nil {
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
		_, err := u.WriteFromTo([]byte("x"), netip.AddrPortFrom(netip.MustParseAddr(test.from), 0), to)
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
