package host

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// FuzzReceive gives a host anything at all, right and broken checksums: it must
// not panic, its queues must keep their bounds, and its output must end.
func FuzzReceive(f *testing.F) {
	for _, ethernet := range []bool{false, true} {
		for _, v6 := range []bool{false, true} {
			for _, packet := range seeds(newPair(f, config{ethernet: ethernet, v6: v6})) {
				f.Add(ethernet, false, packet)
				f.Add(ethernet, true, packet)
			}
		}
	}
	f.Fuzz(func(t *testing.T, ethernet, verified bool, b []byte) {
		if len(b) > 65535 {
			return
		}
		p := newPair(t, config{ethernet: ethernet})
		p.open(p.b, 53, wire.Addr{}, 0)
		if _, err := p.b.TCP().Listen(wire.Addr{}, 80, 1, nil); err != nil {
			t.Fatal(err)
		}
		for range 3 { // twice the same: duplicates
			packet := buf.NewPacket()
			packet.Data = packet.ReceiveInto(max(len(b), 1))[:copy(packet.Block.Bytes(), b)]
			if verified {
				packet.Checksum = buf.ChecksumVerified
			}
			testFlows.FlowHash(ethernet, packet)
			p.b.Receive(p.now, 0, packet)
			p.drain()
			p.now = p.now.Add(20 * time.Second)
			p.b.Advance(p.now)
			p.drain()
		}
	})
}

func (p *pair) drain() {
	p.Helper()
	for range 100 {
		packet, _ := p.b.Output(p.now)
		if packet == nil {
			return
		}
		packet.Release()
	}
	p.Fatal("one packet causes a hundred")
}

// seeds are packets of all kinds that b receives.
func seeds(p *pair) (packets [][]byte) {
	add := func(ip wire.IP, transport []byte) {
		frame := p.frame(wire.Ethernet{Dst: hwB, Src: hwA}, ip, transport)
		packets = append(packets, append([]byte(nil), frame.Data...))
		frame.Release()
	}
	ip := p.fromA(wire.ProtoTCP)
	add(ip, segment(ip, wire.TCP{SrcPort: 1, DstPort: 80, Flags: wire.SYN}, nil))
	add(ip, segment(ip, wire.TCP{SrcPort: 1, DstPort: 81, Flags: wire.ACK}, []byte("data")))
	ip = p.fromA(wire.ProtoUDP)
	add(ip, udp(ip, 1, 53, []byte("data")))
	add(ip, udp(ip, 1, 54, []byte("data")))
	ip.FragOffset = 8
	add(ip, pattern(8))
	ip.FragOffset, ip.MoreFragments = 0, true
	add(ip, pattern(8))
	add(p.echoRequest([]byte("data")))
	outer, quoted := p.fromA(p.protoICMP()), p.fromA(wire.ProtoUDP)
	quoted.Src, quoted.Dst = p.addrB, p.addrA
	add(outer, icmp(outer, wire.ICMP{Type: wire.ICMPv4Unreachable, Code: 4}, quoted.Append(nil, 1000)))
	add(outer, icmp(outer, wire.ICMP{Type: wire.ICMPv6PacketTooBig}, quoted.Append(nil, 1000)))
	outer.TTL = 255
	m := wire.Neighbour{Type: wire.ICMPv6NeighbourSolicitation, Target: p.addrB, HW: hwA, HasHW: true}
	add(outer, m.Append(nil))
	a := wire.ARP{Op: wire.ARPRequest, SenderHW: hwA, SenderIP: p.addrA, TargetIP: p.addrB}
	e := wire.Ethernet{Dst: wire.Broadcast, Src: hwA, Type: wire.EtherTypeARP}
	return append(packets, a.Append(e.Append(nil)))
}
