package wire

// UDPSize is the length of a UDP header in bytes.
const UDPSize = 8

// UDP is a UDP header. https://www.rfc-editor.org/rfc/rfc768
type UDP struct {
	SrcPort, DstPort uint16
	Length           uint16 // header and payload, bytes
	Checksum         uint16 // 0: the sender made none, which only IPv4 allows
}

// ParseUDP reads the header at the start of b, the payload of an IP packet,
// into h. The datagram's own payload is b[UDPSize:h.Length]. It does not check
// the checksum. The reasons to drop are TooShort, and BadTotalLength for a
// length below the header or past the end of b.
func ParseUDP(b []byte, h *UDP) Drop {
	if len(b) < UDPSize {
		return TooShort
	}
	*h = UDP{be16(b[0:]), be16(b[2:]), be16(b[4:]), be16(b[6:])}
	if h.Length < UDPSize || int(h.Length) > len(b) {
		return BadTotalLength
	}
	return None
}

// ParseQuotedUDP is ParseUDP for what an ICMP error quotes of a datagram: the
// payload may be cut off. The only reason to drop is TooShort.
func ParseQuotedUDP(b []byte, h *UDP) Drop {
	if len(b) < UDPSize {
		return TooShort
	}
	*h = UDP{be16(b[0:]), be16(b[2:]), be16(b[4:]), be16(b[6:])}
	return None
}

// Append appends the header to b, with length and checksum as h has them. A
// checksum that comes out as zero has to be sent as 0xffff.
func (h *UDP) Append(b []byte) []byte {
	whole, w := grow(b, UDPSize)
	w = w[:UDPSize]
	put16(w[0:], h.SrcPort)
	put16(w[2:], h.DstPort)
	put16(w[4:], h.Length)
	put16(w[6:], h.Checksum)
	return whole
}
