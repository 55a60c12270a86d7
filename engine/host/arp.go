package host

import (
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// receiveARP answers questions for our addresses and takes answers to ours.
// An unsolicited message changes an existing entry and never creates one, so that
// an attacker cannot fill the table. https://www.rfc-editor.org/rfc/rfc826
func (h *Host) receiveARP(now clock.Time, iface int, b []byte) wire.Drop {
	var m wire.ARP
	if d := wire.ParseARP(b, &m); d != wire.None {
		return d
	}
	// A group's address belongs to no station, and our own message, which a hub or a
	// bridge may send back, tells nothing.
	if m.SenderHW[0]&1 != 0 || m.SenderHW == h.links[iface].HardwareAddr {
		return wire.BadNeighbour
	}
	// Claims come before answers: who has our address must not be taught to others as a
	// neighbour (RFC 5227).
	ours := h.HasAddress(m.TargetIP)
	switch h.kindOf(m.SenderIP) {
	case ordinary:
		h.heardARP(now, iface, &m, ours)
	case unspecified: // it probes whether the address is free (RFC 5227 §2.1)
		if m.Op == wire.ARPRequest && h.claimed(now, iface, m.TargetIP, m.SenderHW, true) {
			return wire.BadNeighbour
		}
	case own:
		h.claimed(now, iface, m.SenderIP, m.SenderHW, false)
		return wire.BadSource
	default:
		return wire.BadSource
	}
	// Every shard sees neighbour messages. One of them answers.
	if m.Op == wire.ARPRequest && (ours || h.standsInARP(iface, &m)) && h.cfg.Shard == 0 {
		h.sendARP(iface, wire.ARPReply, m.SenderHW, m.TargetIP, m.SenderIP)
	}
	return wire.None
}

// heardARP takes what a neighbour says of itself, in questions as well as in answers.
func (h *Host) heardARP(now clock.Time, iface int, m *wire.ARP, ours bool) {
	n := h.neighbours.byKey[neighbourKey{m.SenderIP, iface}]
	switch {
	case n == nil:
	// ARP has no way to tell an answer from a claim but that we have asked.
	case m.Op == wire.ARPReply && ours && n.asked > 0:
		h.learn(now, n, m.SenderHW)
	default:
		h.hear(n, m.SenderHW)
	}
}

// askARP asks everybody, or to confirm what is known that station alone: it answers if
// it is still there, and nobody else is disturbed.
// https://www.rfc-editor.org/rfc/rfc1122#section-2.3.2.1
func (h *Host) askARP(n *neighbour) {
	src, ok := h.sourceOn(n.key.iface, n.key.addr)
	if !ok {
		return
	}
	to := wire.Broadcast
	if n.state == probing {
		to = n.hw
	}
	h.sendARP(n.key.iface, wire.ARPRequest, to, src, n.key.addr)
}

func (h *Host) sendARP(iface int, op uint16, to [6]byte, sender, target wire.Addr) {
	own := h.links[iface].HardwareAddr
	p := buf.NewPacket()
	p.L3 = wire.EthernetSize
	p.Data = (&wire.Ethernet{Dst: to, Src: own, Type: wire.EtherTypeARP}).Append(p.Data)
	m := wire.ARP{Op: op, SenderHW: own, SenderIP: sender, TargetIP: target}
	// In a request it is what is asked for, and zero (RFC 5227 §2.1.1).
	if op == wire.ARPReply {
		m.TargetHW = to
	}
	p.Data = m.Append(p.Data)
	h.enqueue(iface, p)
}
