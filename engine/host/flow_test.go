package host

import (
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

var testFlows = NewFlowKey([16]byte{7})

func TestFlowHashIsSymmetric(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		out := p.fromA(wire.ProtoTCP)
		back := out
		back.Src, back.Dst = out.Dst, out.Src
		segment := (&wire.TCP{SrcPort: 4000, DstPort: 80}).Append(nil)
		answer := (&wire.TCP{SrcPort: 80, DstPort: 4000}).Append(nil)
		want, f := p.flowOf(out, segment)
		if f != FlowHashed || want != testFlows.TupleHash(wire.Tuple{Local: p.addrA, Remote: p.addrB, LocalPort: 4000, RemotePort: 80}) {
			t.Errorf("hash %x, flow %d", want, f)
		}
		if got, _ := p.flowOf(back, answer); got != want {
			t.Errorf("other direction: %x, want %x", got, want)
		}
		c := wire.ICMP{Type: wire.ICMPv4Unreachable}
		if p.v6 {
			c.Type = wire.ICMPv6PacketTooBig
		}
		router := p.fromA(p.protoICMP())
		router.Src = addr(map[bool]string{false: "192.0.2.1", true: "2001:db8::1"}[p.v6])
		if got, _ := p.flowOf(router, icmp(router, c, append(back.Append(nil, 1000), answer...))); got != want {
			t.Errorf("ICMP error of a router: %x, want %x", got, want)
		}
	})
}

func (p *pair) flowOf(ip wire.IP, transport []byte) (uint32, Flow) {
	frame := p.frame(wire.Ethernet{}, ip, transport)
	defer frame.Release()
	return testFlows.FlowHash(p.ethernet, frame)
}

func TestFlowsForAllAndForTheFirst(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		fragment := p.fromA(wire.ProtoUDP)
		fragment.FragOffset = 8
		if _, f := p.flowOf(fragment, pattern(8)); f != FlowFirst {
			t.Errorf("fragment: %d", f)
		}
		for kind := range 256 * 2 {
			c := wire.ICMP{Type: uint8(kind), Code: uint8(kind >> 8)}
			for _, hops := range []uint8{1, 64, 254, 255} {
				message := p.fromA(p.protoICMP())
				message.TTL = hops
				near := p.v6 && p.ethernet && hops == 255 && (kind == wire.ICMPv6NeighbourSolicitation || kind == wire.ICMPv6NeighbourAdvert)
				if _, f := p.flowOf(message, icmp(message, c, pattern(16))); (f == FlowAll) != near {
					t.Errorf("ICMP type %d code %d with hop limit %d: %d", c.Type, c.Code, hops, f)
				}
				group := message
				group.Src = allNodes6
				atomic := append([]byte{wire.ProtoICMPv6, 0, 0, 0, 0, 0, 0, 1}, icmp(message, c, pattern(16))...)
				message.Proto = 44
				_, f := p.flowOf(message, atomic)
				_, g := p.flowOf(group, icmp(group, c, pattern(16)))
				if p.v6 && (f == FlowAll || g == FlowAll) {
					t.Errorf("ICMP type %d behind a fragment header: %d, from a group: %d", kind, f, g)
				}
			}
		}
		broken := buf.NewPacket()
		if _, f := testFlows.FlowHash(p.ethernet, broken); f != FlowFirst {
			t.Errorf("empty packet: %d", f)
		}
		broken.Data = (&wire.Ethernet{Type: wire.EtherTypeARP}).Append(broken.Data)
		if _, f := testFlows.FlowHash(true, broken); f != FlowAll {
			t.Errorf("ARP: %d", f)
		}
	})
}

func TestFlowsSpreadOverShards(t *testing.T) {
	const shards, flows = 8, 80000
	var count [shards]int
	for i := range flows {
		tuple := wire.Tuple{Local: addr("10.0.0.1"), Remote: addr("10.0.0.2"), LocalPort: 80, RemotePort: uint16(i)}
		tuple.Remote = wire.AddrFrom4(10<<24 | uint32(i>>16)<<16 | 2)
		count[ShardOf(testFlows.TupleHash(tuple), shards)]++
	}
	for i, n := range count {
		if n < flows/shards*9/10 || n > flows/shards*11/10 {
			t.Errorf("shard %d has %d of %d flows", i, n, flows)
		}
	}
}
