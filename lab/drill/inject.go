package drill

import (
	"encoding/binary"
	"slices"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// inject lets a packet of the script arrive.
func (p *player) inject(k *script.Packet) {
	switch {
	case k.UDP:
		p.wrong(p.event.Pos, "UDP is not played here: scripts are about TCP")
	case k.ICMP != nil:
		p.injectICMP(k)
	default:
		p.injectTCP(k)
	}
}

func (p *player) injectTCP(k *script.Packet) {
	syn := k.Flags.Has(wire.SYN) && !k.Flags.Has(wire.ACK)
	f := p.flowOfArrival(k.SrcPort, k.DstPort, syn)
	if syn {
		p.reborn(f)
		f.early = k.Len
	}
	before := p.host.TCP().Look(f.tuple).State
	h := header{tuple: f.tuple.Reverse(), seq: k.Seq + f.from(k.Flags), flags: k.Flags, window: uint16(k.Window), urgent: uint16(k.Urgent)}
	if k.HasAck {
		h.ack = k.Ack + f.own
		f.acknowledged(h.ack)
	}
	for i := range k.Options {
		h.options = appendOption(h.options, p.mapOption(f, &k.Options[i]))
	}
	first := h.seq
	if k.Flags.Has(wire.SYN) {
		first++ // the SYN has a number of its own
	}
	size := 0
	if p.mss > 0 && k.Len > p.mss && !k.Flags.Has(wire.SYN) {
		size = p.mss
	}
	p.arrive(p.packet(k, &h, text(first, k.Len)), size)
	if k.Flags.Has(wire.SYN) {
		p.meet(f, k.Seq, before)
	}
}

// mapOption returns an option with numbers as on the wire.
func (p *player) mapOption(f *flow, o *script.Option) *script.Option {
	m := *o
	switch {
	case o.Kind == script.SACK:
		m.Blocks = slices.Clone(o.Blocks)
		for i := range m.Blocks {
			m.Blocks[i][0] += f.own
			m.Blocks[i][1] += f.own
		}
	case o.Kind == script.Timestamps:
		if o.AnyVal {
			p.wrong(p.event.Pos, "a packet that arrives says its timestamp: TS val N ecr N")
		}
		m.Ecr = f.ecr(o.Ecr)
	case o.Any && o.IsFastOpen() && p.Kernel != nil:
		p.wrong(p.event.Pos, "a kernel's cookie is not known before it has given one")
	case o.Any && o.IsFastOpen():
		m.Any, m.Data = false, append(slices.Clone(o.Data), p.ownCookie(f)...)
	case o.Any:
		p.wrong(p.event.Pos, "a packet that arrives says what its options are: ... is for packets that leave")
	}
	return &m
}

// header is a TCP header whose options are bytes: scripts send some that nobody would.
type header struct {
	tuple          wire.Tuple // Local is the sender's
	seq, ack       seq.Num
	flags          wire.Flags
	window, urgent uint16
	options        []byte
}

// packet returns the IP packet.
func (p *player) packet(k *script.Packet, h *header, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, h.tuple.LocalPort)
	b = binary.BigEndian.AppendUint16(b, h.tuple.RemotePort)
	b = binary.BigEndian.AppendUint32(b, uint32(h.seq))
	b = binary.BigEndian.AppendUint32(b, uint32(h.ack))
	b = binary.BigEndian.AppendUint16(b, uint16((wire.TCPSize+len(h.options))/4)<<12|uint16(h.flags))
	b = binary.BigEndian.AppendUint16(b, h.window)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint16(b, h.urgent)
	b = append(append(b, h.options...), payload...)
	sum := wire.Checksum(wire.Sum(b, wire.PseudoSum(h.tuple.Local, h.tuple.Remote, wire.ProtoTCP, len(b))))
	if k.IP.Corrupt {
		sum ^= 0x55
	}
	binary.BigEndian.PutUint16(b[16:], sum)
	return p.wrap(k, h.tuple, wire.ProtoTCP, b)
}

// wrap puts an IP header before what a packet carries.
func (p *player) wrap(k *script.Packet, t wire.Tuple, proto uint8, b []byte) []byte {
	ip := wire.IP{Version: uint8(p.version), Proto: proto, TTL: 255, Src: t.Local, Dst: t.Remote, DontFragment: p.version == 4}
	if k.IP.TOS >= 0 {
		ip.TOS = uint8(k.IP.TOS)
	}
	if k.IP.ECN >= 0 {
		ip.TOS = ip.TOS&^3 | uint8(k.IP.ECN)
	}
	if k.IP.TTL >= 0 {
		ip.TTL = uint8(k.IP.TTL)
	}
	if k.IP.FlowLabel >= 0 {
		ip.FlowLabel = uint32(k.IP.FlowLabel)
	}
	return append(ip.Append(nil, len(b)), b...)
}

// icmpNumbers are type and code of ICMP errors, for IPv4 and IPv6.
var icmpNumbers = map[string][2][2]int{
	"unreachable":                      {{3, 1}, {1, 3}},
	"unreachable net_unreachable":      {{3, 0}, {1, 0}},
	"unreachable host_unreachable":     {{3, 1}, {1, 3}},
	"unreachable protocol_unreachable": {{3, 2}, {4, 1}},
	"unreachable port_unreachable":     {{3, 3}, {1, 4}},
	"unreachable frag_needed":          {{3, 4}, {2, 0}},
	"unreachable source_route_failed":  {{3, 5}, {1, 0}},
	"unreachable admin_prohibited":     {{3, 13}, {1, 1}},
	"unreachable net_unknown":          {{3, 6}, {1, 0}}, "unreachable host_unknown": {{3, 7}, {1, 3}}, "unreachable source_host_isolated": {{3, 8}, {1, 3}},
	"unreachable net_prohibited": {{3, 9}, {1, 1}}, "unreachable host_prohibited": {{3, 10}, {1, 1}}, "unreachable packet_filtered": {{3, 13}, {1, 1}},
	"unreachable net_unreachable_for_tos": {{3, 11}, {1, 0}}, "unreachable host_unreachable_for_tos": {{3, 12}, {1, 3}},
	"unreachable precedence_violation": {{3, 14}, {1, 1}}, "unreachable precedence_cutoff": {{3, 15}, {1, 1}},
	"unreachable no_route":                  {{3, 0}, {1, 0}},
	"unreachable addr_unreachable":          {{3, 1}, {1, 3}},
	"time_exceeded":                         {{11, 0}, {3, 0}},
	"time_exceeded exceeded_ttl":            {{11, 0}, {3, 0}},
	"time_exceeded hop_limit":               {{11, 0}, {3, 0}},
	"time_exceeded exceeded_fragment":       {{11, 1}, {3, 1}},
	"time_exceeded ttl_exceeded_in_transit": {{11, 0}, {3, 0}}, "time_exceeded frag_reass_exceeded": {{11, 1}, {3, 1}},
	"source_quench":            {{4, 0}, {-1, -1}},
	"packet_too_big":           {{3, 4}, {2, 0}},
	"parameter_problem":        {{12, 0}, {4, 0}},
	"parameter_problem code_0": {{12, 0}, {4, 0}}, "parameter_problem code_1": {{12, 1}, {4, 1}}, "parameter_problem code_2": {{12, 2}, {4, 2}},
	"unreachable not_neighbour": {{3, 1}, {1, 2}}, "unreachable address_unreachable": {{3, 1}, {1, 3}},
	"time_exceeded exceeded_hop_limit": {{11, 0}, {3, 0}}, "time_exceeded exceeded_frag_time": {{11, 1}, {3, 1}},
	"parameter_problem header_field": {{12, 0}, {4, 0}}, "parameter_problem unknown_next_header": {{12, 0}, {4, 1}}, "parameter_problem unknown_option": {{12, 0}, {4, 2}},
	"redirect": {{5, 1}, {-1, -1}},
}

// injectICMP lets an error arrive that quotes a segment of the host's.
func (p *player) injectICMP(k *script.Packet) {
	f := p.flowOfArrival(k.SrcPort, k.DstPort, false)
	name := k.ICMP.Type
	if k.ICMP.Code != "" {
		name += " " + k.ICMP.Code
	}
	family := 0
	if p.version == 6 {
		family = 1
	}
	numbers := icmpNumbers[name][family]
	if numbers[0] < 0 {
		p.wrong(p.event.Pos, "IPv6 has no %s", name)
	}
	m := wire.ICMP{Type: uint8(numbers[0]), Code: uint8(numbers[1])}
	if k.ICMP.MTU > 0 {
		m.SetMTU(k.ICMP.MTU)
	}
	b := append(m.Append(nil), p.quote(f, k)...)
	proto, sum := uint8(wire.ProtoICMP), uint64(0)
	r := f.tuple.Reverse()
	if p.version == 6 {
		proto, sum = wire.ProtoICMPv6, wire.PseudoSum(r.Local, r.Remote, wire.ProtoICMPv6, len(b))
	}
	binary.BigEndian.PutUint16(b[2:], wire.Checksum(wire.Sum(b, sum)))
	p.arrive(p.wrap(k, r, proto, b), 0)
}

// quote returns the start of the segment that an error is about: of the one that the script
// names, or else of the SYN, as in packetdrill.
func (p *player) quote(f *flow, k *script.Packet) []byte {
	first, n := f.own, 0
	if k.ICMP.Quoted {
		first, n = k.Seq+f.own, k.Len
	}
	h := header{tuple: f.tuple, seq: first, flags: wire.ACK}
	var plain script.Packet
	plain.IP = script.IPInfo{ECN: -1, TOS: -1, TTL: -1, FlowLabel: -1}
	whole := p.packet(&plain, &h, make([]byte, n))
	// The IP header and eight bytes, which is all that a router must quote.
	return whole[:min(len(whole), len(whole)-wire.TCPSize-n+8)]
}
