package wire

import "fmt"

// String returns the header as tcpdump begins a line: "IP 10.0.0.1 > 10.0.0.2: "
// and what is behind it, with the part of a larger packet that a fragment is.
func (ip *IP) String() string {
	name := "IP"
	if ip.Version == 6 {
		name = "IP6"
	}
	s := fmt.Sprintf("%s %v > %v: proto %d, ttl %d, length %d",
		name, ip.Src, ip.Dst, ip.Proto, ip.TTL, ip.TotalLen-ip.HeaderLen)
	if !ip.IsFragment() {
		return s
	}
	more := ""
	if ip.MoreFragments {
		more = "+"
	}
	return fmt.Sprintf("%s, frag %d@%d%s", s, ip.ID, ip.FragOffset, more)
}

// String returns the header like "5353 > 53: UDP, length 40", with the length
// of the payload.
func (h *UDP) String() string {
	return fmt.Sprintf("%d > %d: UDP, length %d", h.SrcPort, h.DstPort, int(h.Length)-UDPSize)
}

// String returns type and code, which mean different things in ICMP and ICMPv6.
func (m *ICMP) String() string {
	return fmt.Sprintf("ICMP type %d, code %d, rest %x", m.Type, m.Code, m.Rest)
}

// String returns the message as tcpdump prints it.
func (m *Neighbour) String() string {
	s := fmt.Sprintf("neighbor solicitation, who has %v", m.Target)
	if m.Type == ICMPv6NeighbourAdvert {
		s = fmt.Sprintf("neighbor advertisement, tgt is %v", m.Target)
	}
	if m.HasHW {
		s += fmt.Sprintf(", link-layer address %s", hwString(m.HW))
	}
	return s
}

// String returns the message as tcpdump prints it.
func (m *ARP) String() string {
	switch m.Op {
	case ARPRequest:
		return fmt.Sprintf("ARP, Request who-has %v tell %v", m.TargetIP, m.SenderIP)
	case ARPReply:
		return fmt.Sprintf("ARP, Reply %v is-at %s", m.SenderIP, hwString(m.SenderHW))
	}
	return fmt.Sprintf("ARP, operation %d", m.Op)
}

func hwString(a [6]byte) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3], a[4], a[5])
}
