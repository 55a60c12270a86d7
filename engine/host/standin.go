package host

import "github.com/handfast-tcp/handfast/engine/wire"

// A host that stands in for others answers, on an Ethernet, where they are: here. So what its
// neighbours send to them comes to a forwarder, and no neighbour needs a route
// (https://www.rfc-editor.org/rfc/rfc1027, https://www.rfc-editor.org/rfc/rfc4861#section-7.2.8).
// A host that probes whether an address is free, or announces that it has one, gets no answer: it
// may have any of them.

// standsInARP reports whether a question is about a host for which we answer.
func (h *Host) standsInARP(iface int, m *wire.ARP) bool {
	return oneContains(h.links[iface].standIn, m.TargetIP) && m.SenderIP != m.TargetIP &&
		h.kindOf(m.SenderIP) == ordinary && h.kindOf(m.TargetIP) == ordinary
}

// standsInNDP reports whether a solicitation is about a host for which we answer.
func (in *inbound) standsInNDP(m *wire.Neighbour) bool {
	return oneContains(in.link.standIn, m.Target) && !isUnspecified(in.ip.Src)
}

// asksStandIn reports whether a packet may be a solicitation that confirms what we have answered:
// it comes to the other host's address.
func (in *inbound) asksStandIn() bool {
	return in.ip.Proto == wire.ProtoICMPv6 && oneContains(in.link.standIn, in.ip.Dst)
}

// standsInGroup reports whether a is the group of solicitations about a host for which we
// answer on some link: ff02::1:ff00:0/104, and the last 24 bits of its address.
func (h *Host) standsInGroup(a wire.Addr) bool {
	hi, lo := a.Words()
	if hi != 0xff02<<48 || lo>>24 != 0x1ff {
		return false
	}
	for _, l := range h.links {
		for i := range l.standIn {
			if n := &l.standIn[i]; n.family == 1 && (lo^n.lo)&n.maskLo&0xff_ffff == 0 {
				return true
			}
		}
	}
	return false
}
