package host

import (
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// question is a frame by which a asks where an address is: everybody, or with confirm b alone.
func (p *pair) question(target wire.Addr, confirm bool) *buf.Packet {
	to := wire.Broadcast
	if !p.v6 {
		if confirm {
			to = hwB
		}
		m := wire.ARP{Op: wire.ARPRequest, SenderHW: hwA, SenderIP: p.addrA, TargetIP: target}
		packet := buf.NewPacket()
		e := wire.Ethernet{Dst: to, Src: hwA, Type: wire.EtherTypeARP}
		packet.Data = m.Append(e.Append(packet.ReceiveInto(100)[:0]))
		return packet
	}
	ip := wire.IP{Version: 6, Proto: wire.ProtoICMPv6, TTL: 255, Src: p.addrA, Dst: wire.SolicitedNode(target)}
	to = wire.MulticastHW(ip.Dst)
	if confirm {
		ip.Dst, to = target, hwB
	}
	m := wire.Neighbour{Type: wire.ICMPv6NeighbourSolicitation, Target: target, HW: hwA, HasHW: true}
	b := m.Append(nil)
	put16(b[2:], wire.Checksum(wire.Sum(b, wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, len(b)))))
	return p.frame(wire.Ethernet{Dst: to, Src: hwA}, ip, b)
}

// A host answers for others of those networks, and for nobody else; and not who looks whether an
// address is free, or says that it is his.
func TestStandIn(t *testing.T) {
	c := config{link: LinkConfig{AnswerFor: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.128/25"), netip.MustParsePrefix("fd00::1:0/120"), netip.MustParsePrefix("::ffff:10.0.0.64/122"),
	}}}
	onEthernet(t, c, func(t *testing.T, p *pair) {
		for _, q := range []struct {
			v4, v6 string
			stands bool
		}{
			{"10.0.0.128", "fd00::1:0", true},
			{"10.0.0.200", "fd00::1:7", true},
			{"10.0.0.64", "fd00::1:ff", true},
			{"10.0.0.62", "fd00::1:107", false}, // its group is another one
			{"10.0.1.200", "fd01::1:7", false},  // its group is the same
			{"10.0.0.255", "fd00::3", false},    // IPv4: broadcast
		} {
			target := addr(map[bool]string{false: q.v4, true: q.v6}[p.v6])
			for kind, packet := range map[string]*buf.Packet{
				"question": p.question(target, false), "confirmation": p.question(target, true),
				"probe": p.claim(target, hwA, "probe"), "announcement": p.claim(target, hwA, "announcement"),
			} {
				want := ""
				if q.stands && (kind == "question" || kind == "confirmation") {
					want = "answer"
				}
				p.b.Receive(p.now, 0, packet)
				got := ""
				if answer, _ := p.b.Output(p.now); answer != nil {
					if got = p.says(answer, target); answer.Data[0] != hwA[0] || [6]byte(answer.Data[6:12]) != hwB {
						t.Errorf("%v, %s: the answer is from %x to %x", target, kind, answer.Data[6:12], answer.Data[:6])
					}
					answer.Release()
				}
				if got != want {
					t.Errorf("%v, %s: %q, want %q", target, kind, got, want)
				}
			}
		}
	})
}

// One shard answers.
func TestOneShardStandsIn(t *testing.T) {
	c := config{host: Config{Shards: 2, Shard: 1}, link: LinkConfig{AnswerFor: []netip.Prefix{netip.MustParsePrefix("10.0.0.128/25"), netip.MustParsePrefix("fd00::1:0/120")}}}
	onEthernet(t, c, func(t *testing.T, p *pair) {
		target := addr(map[bool]string{false: "10.0.0.200", true: "fd00::1:7"}[p.v6])
		p.b.Receive(p.now, 0, p.question(target, false))
		p.wantNothing("b is shard 1", p.b)
	})
}
