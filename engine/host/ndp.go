package host

import (
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// receiveNDP takes neighbour solicitations and advertisements, RFC 4861 §7. The
// hop limit of 255 proves that no router forwarded them.
// https://www.rfc-editor.org/rfc/rfc4861#section-7.1
func (h *Host) receiveNDP(now clock.Time, in *inbound, b []byte) wire.Drop {
	if !in.link.Ethernet {
		return wire.UnknownProtocol
	}
	if in.ip.TTL != 255 || in.assembled != nil || wire.Diagnose(in.packet.Data[in.packet.L3:]).Fragment {
		return wire.BadNeighbour // RFC 6980 §5: no fragment header, even on a whole packet
	}
	var m wire.Neighbour
	if d := wire.ParseNeighbour(b, &m); d != wire.None {
		return d
	}
	// A group's hardware address would spread the conversation over the whole link.
	if m.HasHW && m.HW[0]&1 != 0 {
		return wire.BadNeighbour
	}
	if m.Type == wire.ICMPv6NeighbourSolicitation {
		return h.receiveSolicitation(now, in, &m)
	}
	return h.receiveAdvert(now, in, &m)
}

// receiveSolicitation answers for our addresses, RFC 4861 §7.2.4. An entry that
// exists hears the sender's address; none is made (see receiveARP).
func (h *Host) receiveSolicitation(now clock.Time, in *inbound, m *wire.Neighbour) wire.Drop {
	ours := h.HasAddress(m.Target)
	if !ours && !in.standsInNDP(m) {
		return wire.NotOurs
	}
	// Who stands in for another does not override what that one says of itself (RFC 4861 §7.2.8).
	a := wire.Neighbour{
		Type: wire.ICMPv6NeighbourAdvert, Target: m.Target,
		HW: in.link.HardwareAddr, HasHW: true, Override: ours && h.isChecked(in.iface, m.Target),
	}
	if isUnspecified(in.ip.Src) { // a probe: is the address free?
		// RFC 4861 §7.1.1: the prober has no address yet, so there is none to map.
		// https://www.rfc-editor.org/rfc/rfc4861#section-7.1.1
		if m.HasHW || in.ip.Dst != wire.SolicitedNode(m.Target) {
			return wire.BadNeighbour
		}
		if h.claimed(now, in.iface, m.Target, in.ethernet.Src, true) {
			return wire.BadNeighbour
		}
		h.answerNDP(in.iface, wire.MulticastHW(allNodes6), m.Target, allNodes6, &a)
		return wire.None
	}
	to := in.ethernet.Src
	if m.HasHW {
		to = m.HW
		if n := h.neighbours.byKey[neighbourKey{in.ip.Src, in.iface}]; n != nil {
			h.hear(n, to)
		}
	}
	a.Solicited = true
	h.answerNDP(in.iface, to, m.Target, in.ip.Src, &a)
	return wire.None
}

func (h *Host) answerNDP(iface int, to [6]byte, src, dst wire.Addr, a *wire.Neighbour) {
	// Every shard sees neighbour messages. One of them answers.
	if h.cfg.Shard == 0 {
		h.sendNDP(iface, to, src, dst, a)
	}
}

// receiveAdvert is RFC 4861 §7.2.5 without the router flag.
// https://www.rfc-editor.org/rfc/rfc4861#section-7.2.5
func (h *Host) receiveAdvert(now clock.Time, in *inbound, m *wire.Neighbour) wire.Drop {
	hw := m.HW
	if h.HasAddress(m.Target) {
		if !m.HasHW {
			hw = in.ethernet.Src
		}
		h.claimed(now, in.iface, m.Target, hw, false)
		return wire.BadNeighbour
	}
	// An answer goes to the host that asked: one to a group is forged (RFC 4861
	// §7.1.2). https://www.rfc-editor.org/rfc/rfc4861#section-7.1.2
	if m.Solicited && in.ip.Dst.IsMulticast() {
		return wire.BadNeighbour
	}
	// Nobody has asked: an entry that strangers can make is a table that they can fill.
	n := h.neighbours.byKey[neighbourKey{m.Target, in.iface}]
	switch {
	case n == nil:
		return wire.None
	case !m.HasHW && n.state == incomplete:
		return wire.BadNeighbour
	case !m.HasHW:
		hw = n.hw
	}
	switch {
	// Without Override it may be a proxy, or a host that has not checked its address: what is
	// known stays, and is confirmed.
	case n.state != incomplete && hw != n.hw && !m.Override:
		if n.state == reachable {
			n.state = stale // it may have moved: to be confirmed
		}
	case m.Solicited && n.asked > 0:
		h.learn(now, n, hw)
	default:
		h.hear(n, hw)
	}
	return wire.None
}

// askNDP asks for a neighbour's hardware address. Ours goes along, so that it need not ask
// back (RFC 4861 §7.2.2).
func (h *Host) askNDP(n *neighbour) {
	src, ok := h.sourceOn(n.key.iface, n.key.addr)
	if !ok {
		return
	}
	dst := wire.SolicitedNode(n.key.addr)
	to := wire.MulticastHW(dst)
	if n.state == probing {
		// To confirm what is known a question to that station is enough, and does not
		// wake all the others.
		dst, to = n.key.addr, n.hw
	}
	h.sendNDP(n.key.iface, to, src, dst, &wire.Neighbour{
		Type: wire.ICMPv6NeighbourSolicitation, Target: n.key.addr,
		HW: h.links[n.key.iface].HardwareAddr, HasHW: true,
	})
}

func (h *Host) sendNDP(iface int, to [6]byte, src, dst wire.Addr, m *wire.Neighbour) {
	p := buf.NewPacket()
	p.L3 = wire.EthernetSize
	e := wire.Ethernet{Dst: to, Src: h.links[iface].HardwareAddr, Type: wire.EtherTypeIPv6}
	p.Data = e.Append(p.Data)
	// No router lets 255 pass as it is: so whoever gets it knows that it comes from the link.
	// https://www.rfc-editor.org/rfc/rfc4861#section-7.1.1
	ip := wire.IP{Version: 6, Proto: wire.ProtoICMPv6, TTL: 255, Src: src, Dst: dst}
	size := wire.NeighbourSize
	if m.HasHW {
		size = wire.NeighbourMaxSize
	}
	p.Data = ip.Append(p.Data, size)
	at := len(p.Data)
	p.Data = m.Append(p.Data)
	sum := wire.PseudoSum(src, dst, wire.ProtoICMPv6, size)
	put16(p.Data[at+2:], wire.Checksum(wire.Sum(p.Data[at:], sum)))
	h.counters.IcmpOutMsgs++
	h.enqueue(iface, p)
}
