package soak

import (
	"net/netip"
	"time"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab"
)

// flood is segments from addresses that nobody has to the server.
type flood struct {
	kind     floodKind
	at       time.Duration
	count    int
	together int           // arrive at once
	every    time.Duration // between those, at most
}

// floodKind is what a flood consists of.
type floodKind uint8

const (
	syns       floodKind = iota // to the first port: each could begin a connection
	lastACKs                    // to the first port, for a handshake that never began: each is answered by a RST
	closedPort                  // SYNs to ports that nobody listens on: each calls for a RST, too
	numFloods
)

// shot is one packet that somebody puts on the wire to harm a host, or that the network
// has kept.
type shot struct {
	at   time.Duration
	kind shotKind
	side int // the host that it is meant for
}

// shotKind is what a shot is. Blind ones know addresses and ports, and guess numbers.
type shotKind uint8

const (
	blindReset shotKind = iota
	blindSyn
	blindSynAck
	blindAck
	blindTooBig   // an ICMP error that quotes a number which was never sent
	blindRefusal  // and one that would end a connection
	trueTooBig    // a router's message about a packet that was sent
	unreachable   // a router's, while a route is missing: RFC 5461
	strictRefusal // about a segment of a connection that is established: RFC 5927 §4
	oldSegment    // comes again, much later
	numShots
)

// attacker is the host that forges, which has no engine.
const attacker = "attacker"

// attack starts the programs of the attacker.
func (x *life) attack() {
	if x.plan.flood.count == 0 && x.plan.strays.count == 0 && len(x.plan.shots) == 0 {
		return
	}
	address := "10.0.0.99"
	if x.plan.v6 {
		address = "fd00::99"
	}
	x.mustNot(x.w.AddHost(lab.HostConfig{Name: attacker, Address: netip.MustParseAddr(address), Scripted: true}))
	for i, s := range x.plan.shots {
		d := diceOf(x.Seed, forTroubles<<32|uint64(i))
		x.mustNot(x.w.Go(attacker, "shoots", func(p *lab.Proc) {
			p.Sleep(s.at)
			if b := x.ammunition(d, s); b != nil {
				x.w.Forge(attacker, b)
			}
		}))
	}
	for i, f := range []flood{x.plan.flood, x.plan.strays} {
		if f.count > 0 {
			d := diceOf(x.Seed, forTroubles<<40|uint64(i))
			x.mustNot(x.w.Go(attacker, "floods", func(p *lab.Proc) { x.flood(p, d, f) }))
		}
	}
}

func (x *life) flood(p *lab.Proc, d dice, f flood) {
	p.Sleep(f.at)
	to := wire.AddrFrom(x.address(1))
	for i := range f.count {
		from := wire.AddrFrom4(0xc6120000 | d.Uint32()&0xffff) // 198.18.0.0/15 is nobody's
		if !to.Is4() {
			from = wire.AddrFromWords(0x2001_0db8_0000_0000, d.Uint64())
		}
		h := wire.TCP{SrcPort: uint16(1024 + d.IntN(60000)), DstPort: x.plan.visits[0].ports[1], Seq: seq.Num(d.Uint32()), Flags: wire.SYN, Window: 65535}
		switch f.kind {
		case syns:
			h.Options.Set, h.Options.MSS = wire.OptMSS, 1460
		case lastACKs:
			h.Flags, h.Ack = wire.ACK, seq.Num(d.Uint32())
		case closedPort:
			h.DstPort = uint16(1 + d.IntN(79)) // programs listen from 80 on
		}
		x.w.Forge(attacker, segment(from, to, &h))
		if (i+1)%max(f.together, 1) == 0 {
			p.Sleep(d.time(f.every))
		}
	}
}

// ammunition is the packet of a shot; nil when there is nothing to make it of yet.
func (x *life) ammunition(d dice, s shot) []byte {
	v := &x.plan.visits[d.IntN(len(x.plan.visits))]
	from, to := wire.AddrFrom(x.address(1-s.side)), wire.AddrFrom(x.address(s.side))
	h := wire.TCP{SrcPort: v.ports[1-s.side], DstPort: v.ports[s.side], Seq: seq.Num(d.Uint32()), Ack: seq.Num(d.Uint32()), Window: uint16(d.Uint32())}
	switch s.kind {
	case blindReset:
		h.Flags = wire.RST
	case blindSyn:
		if !x.opened(v, s.side) {
			return nil
		}
		h.Flags, h.Ack = wire.SYN, 0
	case blindSynAck:
		h.Flags = wire.SYN | wire.ACK
	case blindAck:
		h.Flags = wire.ACK
	case blindTooBig, blindRefusal:
		// It quotes what the victim is said to have sent.
		h.SrcPort, h.DstPort, h.Flags = h.DstPort, h.SrcPort, wire.ACK
		return x.icmp(d, s.kind, segment(to, from, &h))
	case oldSegment:
		return x.old(d, 1-s.side)
	default:
		if b := x.seen[s.side].last(s.kind == strictRefusal); b != nil {
			return x.icmp(d, s.kind, b)
		}
		return nil
	}
	return segment(from, to, &h)
}

// opened reports whether a host opens no connection with a plan's ports, any more. An
// attacker who knows them can end one that has sent its SYN: a forged one makes it a
// simultaneous open, and the peer, which knows nothing of it, refuses.
// A program that opens fast, or does not wait, has started before its SYN is answered.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.5
func (x *life) opened(plan *visitPlan, side int) bool {
	if side == 1 && !x.plan.both {
		return true
	}
	for _, v := range x.visits {
		if v.plan == plan && (plan.ends[side].hasty || plan.fast || !v.ends[side].started) {
			return false
		}
	}
	return true
}

// old is a segment that was sent before. Of ports that are used again it could belong to
// no connection that lives, and TCP has no defence but the time it waits.
func (x *life) old(d dice, side int) []byte {
	for i := range x.plan.visits {
		if x.plan.visits[i].rounds > 1 {
			return nil
		}
	}
	return x.seen[side].any(d)
}

// icmp is an error about a packet, to its sender.
func (x *life) icmp(d dice, kind shotKind, about []byte) []byte {
	var ip wire.IP
	if wire.ParseQuotedIP(about, &ip) != wire.None {
		return nil
	}
	v6 := ip.Version == 6
	m, mtu := refusals[kind][0], 0
	proto, quote := uint8(wire.ProtoICMP), about[:min(len(about), 28)]
	router := wire.AddrFrom(netip.MustParseAddr("10.0.0.254"))
	if v6 {
		m = refusals[kind][1]
		proto, quote = wire.ProtoICMPv6, about[:min(len(about), 1232)]
		router = wire.AddrFrom(netip.MustParseAddr("fd00::fe"))
	}
	switch kind {
	case trueTooBig: // no router has a narrower link for longer than it says
		mtu = max(len(about)-1-d.upTo(400), 552)
		if v6 {
			mtu = max(mtu, 1280)
		}
	case blindTooBig:
		mtu = d.IntN(1500)
	}
	if mtu > 0 {
		m.SetMTU(mtu)
	}
	out := wire.IP{Version: ip.Version, Proto: proto, TTL: 64, Src: router, Dst: ip.Src}
	length, sum := wire.ICMPSize+len(quote), uint64(0)
	if v6 {
		sum = wire.PseudoSum(out.Src, out.Dst, out.Proto, length)
	}
	m.Checksum = wire.Checksum(wire.Sum(quote, wire.Sum(m.Append(nil), sum)))
	return append(m.Append(out.Append(nil, length)), quote...)
}

// refusals are the ICMP errors of the kinds of shots, for IPv4 and IPv6.
var refusals = map[shotKind][2]wire.ICMP{
	blindTooBig:   {{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4FragmentationNeeded}, {Type: wire.ICMPv6PacketTooBig}},
	trueTooBig:    {{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4FragmentationNeeded}, {Type: wire.ICMPv6PacketTooBig}},
	blindRefusal:  {{Type: wire.ICMPv4Unreachable, Code: 3}, {Type: wire.ICMPv6Unreachable, Code: 4}},
	strictRefusal: {{Type: wire.ICMPv4Unreachable, Code: 3}, {Type: wire.ICMPv6Unreachable, Code: 4}},
	unreachable:   {{Type: wire.ICMPv4Unreachable, Code: 1}, {Type: wire.ICMPv6Unreachable, Code: 0}},
}

// segment makes an IP packet of a TCP header.
func segment(from, to wire.Addr, h *wire.TCP) []byte {
	ip := wire.IP{Version: 4, Proto: wire.ProtoTCP, TTL: 64, Src: from, Dst: to, DontFragment: true}
	if !from.Is4() {
		ip.Version, ip.DontFragment = 6, false
	}
	n := h.HeaderLen()
	h.Checksum = wire.Checksum(wire.Sum(h.Append(nil), wire.PseudoSum(from, to, wire.ProtoTCP, n)))
	return h.Append(ip.Append(nil, n))
}

// memory is the last segments that a host has sent, without RSTs.
type memory struct {
	ring [32][]byte
	next int
}

func (m *memory) keep(packet []byte) {
	if packet[flagsAt(packet)]&byte(wire.RST) == 0 {
		at := &m.ring[m.next%len(m.ring)]
		*at = append((*at)[:0], packet...)
		m.next++
	}
}

// last returns the last segment, but no SYN where it must be of a connection that is
// established.
func (m *memory) last(established bool) []byte {
	for i := 1; i <= min(m.next, len(m.ring)); i++ {
		b := m.ring[(m.next-i)%len(m.ring)]
		if !established || b[flagsAt(b)]&byte(wire.SYN) == 0 {
			return b
		}
	}
	return nil
}

func (m *memory) any(d dice) []byte {
	if m.next == 0 {
		return nil
	}
	return m.ring[d.IntN(min(m.next, len(m.ring)))]
}

// flagsAt is where the flags of a segment lie that an engine of ours has sent.
func flagsAt(packet []byte) int {
	if packet[0]>>4 == 6 {
		return wire.IPv6Size + 13
	}
	return int(packet[0]&15)*4 + 13
}
