package handfast_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// narrowMTU is what a narrow way carries: more than IPv6 promises.
const narrowMTU = 1300

// narrowWay joins two links of 1500 bytes by a router that carries less, and says
// so by ICMP to senders of larger packets. It returns the outer ends.
func narrowWay(t *testing.T, o pipe.Options) (a, b *pipe.End) {
	a, inA := pipe.New(o)
	inB, b := pipe.New(o)
	for _, way := range [][2]*pipe.End{{inA, inB}, {inB, inA}} {
		go func() {
			batch := make([]*buf.Packet, 64)
			for {
				n, err := way[0].Read(0, batch)
				if err != nil {
					return
				}
				for _, p := range batch[:n] {
					to := way[1]
					if isTooLarge(p, o.Medium) {
						p, to = tooBigFor(p, o.Medium), way[0]
					}
					to.Write(0, []*buf.Packet{p})
				}
			}
		}()
	}
	t.Cleanup(func() { inA.Close(); inB.Close() })
	return a, b
}

func l3(m link.Medium) int {
	if m == link.Ethernet {
		return wire.EthernetSize
	}
	return 0
}

// isTooLarge looks at the segments that a super-segment stands for.
func isTooLarge(p *buf.Packet, m link.Medium) bool {
	n := p.Len() - l3(m)
	if p.GSOSize != 0 {
		n = int(p.GSOSize) + 40
	}
	return n > narrowMTU
}

// tooBigFor is the router's message about p, the quote in a view of its own, as
// our hosts send it.
func tooBigFor(p *buf.Packet, m link.Medium) *buf.Packet {
	p.Flatten()
	defer p.Release()
	b := p.Data[l3(m):]
	var ip wire.IP
	wire.ParseQuotedIP(b, &ip)
	quote := b[:min(len(b), 500)]
	c := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4FragmentationNeeded}
	back := wire.IP{Version: ip.Version, TTL: 64, Src: wire.AddrFrom(netip.MustParseAddr("192.0.2.1")), Dst: ip.Src, Proto: wire.ProtoICMP}
	sum := uint64(0)
	if ip.Version == 6 {
		c.Type = wire.ICMPv6PacketTooBig
		back.Src, back.Proto = wire.AddrFrom(netip.MustParseAddr("2001:db8::1")), wire.ProtoICMPv6
		sum = wire.PseudoSum(back.Src, back.Dst, back.Proto, wire.ICMPSize+len(quote))
	}
	c.SetMTU(narrowMTU)
	c.Checksum = wire.Checksum(wire.Sum(quote, wire.Sum(c.Append(nil), sum)))
	out := buf.NewPacket()
	if m == link.Ethernet {
		e := wire.Ethernet{Dst: [6]byte(p.Data[6:]), Src: [6]byte(p.Data), Type: uint16(p.Data[12])<<8 | uint16(p.Data[13])}
		out.Data = e.Append(out.Data)
	}
	out.Data = c.Append(back.Append(out.Data, wire.ICMPSize+len(quote)))
	block := buf.Get(len(quote))
	out.AddView(buf.MakeView(block, 0, copy(block.Bytes(), quote)))
	return out
}

// everyKind runs f for each kind of link in memory and number of shards.
func everyKind(t *testing.T, f func(t *testing.T, o pipe.Options, shards int)) {
	for _, medium := range []link.Medium{link.IP, link.Ethernet} {
		for _, gso := range []int{0, 65535} {
			for _, shards := range []int{1, 2, 8} {
				o := pipe.Options{Medium: medium, MaxGSO: gso, ChecksumOffload: gso > 0}
				t.Run(fmt.Sprintf("medium=%d,gso=%d,shards=%d", medium, gso, shards), func(t *testing.T) { f(t, o, shards) })
			}
		}
	}
}

var bothFamilies = []string{serverIP, "[fd00::2]"}

// Where the way is narrower than the link, every connection and every socket has
// to hear of it, whatever shard it is in.
func TestNarrowWay(t *testing.T) {
	everyKind(t, func(t *testing.T, o pipe.Options, shards int) {
		a, b := narrowWay(t, o)
		client := newTestHost(t, handfast.Config{Shards: shards}, a, clientIP+"/24", "fd00::1/64")
		server := newTestHost(t, handfast.Config{Shards: 4}, b, serverIP+"/24", "fd00::2/64")
		l := listen(t, server, ":80")
		var all sync.WaitGroup
		for i := range 8 {
			c, err := client.Dial("tcp", bothFamilies[i%2]+":80")
			if err != nil {
				t.Fatal(err)
			}
			s, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			for _, way := range [][2]net.Conn{{c, s}, {s, c}} {
				all.Go(func() { arrives(t, way[0], way[1], 50<<10) })
			}
		}
		all.Wait()
		for _, to := range bothFamilies {
			datagramsArrive(t, client, server, to, true)
			datagramsArrive(t, client, server, to, false)
		}
	})
}

// arrives sends n bytes from one end to the other.
func arrives(t *testing.T, from, to net.Conn, n int) {
	to.SetReadDeadline(time.Now().Add(time.Minute))
	go from.Write(random(n))
	if got, err := io.ReadFull(to, make([]byte, n)); err != nil {
		t.Errorf("%v to %v: %d of %d bytes, %v", from.LocalAddr(), to.LocalAddr(), got, n, err)
	}
}

// datagramsArrive sends datagrams that are too large for the way until one comes
// through, in fragments; from several sockets, which are in several shards.
func datagramsArrive(t *testing.T, from, to *handfast.Host, address string, connected bool) {
	at, err := to.ListenPacket("udp", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	for range 4 {
		var u *handfast.UDPConn
		var send func() error
		if connected {
			c, err := from.Dial("udp", at.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			u = c.(*handfast.UDPConn)
			send = func() error { _, err := u.Write(random(1400)); return err }
		} else {
			if u, err = from.ListenPacket("udp", ":0"); err != nil {
				t.Fatal(err)
			}
			send = func() error { _, err := u.WriteTo(random(1400), at.LocalAddr()); return err }
		}
		arrived := false
		for !arrived { // the first ones are lost; if all are, the test never ends
			if err := send(); err != nil {
				t.Fatal(err)
			}
			at.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			n, _, err := at.ReadFrom(make([]byte, 2000))
			arrived = n == 1400 && err == nil
		}
		u.Close()
	}
}

// What a forwarder sends comes from addresses that are not its own: the messages
// about it go there.
func TestNarrowWayOfAForwarder(t *testing.T) {
	for _, shards := range []int{1, 2, 8} {
		a, b := narrowWay(t, pipe.Options{})
		client := newTestHost(t, handfast.Config{}, a, clientIP+"/24", "fd00::1/64")
		everywhere := []handfast.Route{{Destination: netip.MustParsePrefix("0.0.0.0/0")}, {Destination: netip.MustParsePrefix("::/0")}}
		vpn, err := handfast.New(handfast.Config{Shards: shards})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { vpn.Close() })
		if err := vpn.Attach(b, handfast.LinkOptions{Routes: everywhere}); err != nil {
			t.Fatal(err)
		}
		l, err := vpn.Forward(handfast.ListenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 8 {
			c, err := client.Dial("tcp", bothFamilies[i%2]+":80")
			if err != nil {
				t.Fatal(err)
			}
			s, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			arrives(t, s, c, 30<<10)
		}
	}
}

// An error that a host sends reaches the connection or the socket it is about.
func TestErrorsFindTheirShard(t *testing.T) {
	everyKind(t, func(t *testing.T, o pipe.Options, shards int) {
		a, b := pipe.New(o)
		client := newTestHost(t, handfast.Config{Shards: shards, TCP: tcp.Config{InitialRTO: time.Minute}}, a, clientIP+"/24", "fd00::1/64")
		server := newTestHost(t, handfast.Config{Shards: 4}, b, serverIP+"/24", "fd00::2/64")
		refuse := func(r *handfast.Request) { r.Refuse(host.PortUnreachable) }
		if _, err := server.ListenTCP("tcp", ":80", handfast.ListenOptions{Verdict: refuse}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for i := range 16 {
			to := bothFamilies[i%2]
			if _, err := client.DialContext(ctx, "tcp", to+":80"); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Fatalf("TCP to %s: %v", to, err)
			}
			u, err := client.Dial("udp", to+":9")
			if err != nil {
				t.Fatal(err)
			}
			u.SetReadDeadline(time.Now().Add(time.Minute))
			u.Write([]byte("anybody?"))
			if _, err := u.Read(make([]byte, 10)); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Fatalf("UDP to %s: %v", to, err)
			}
			u.Close()
		}
	})
}
