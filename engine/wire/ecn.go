package wire

// ECN is the field of that name: the low two bits of IP.TOS.
// https://www.rfc-editor.org/rfc/rfc3168#section-5
type ECN uint8

// The codepoints.
const (
	NotECT ECN = iota // the sender does not understand marks
	ECT1              // it does: so too ECT0
	ECT0
	CE // the network was congested
)

// ECN returns the field.
func (ip *IP) ECN() ECN { return ECN(ip.TOS & 3) }

// Markable reports whether b is an IP packet whose sender understands marks.
func Markable(b []byte) bool {
	if len(b) < IPv4Size {
		return false
	}
	switch b[0] >> 4 {
	case 4:
		return ECN(b[1]&3) != NotECT
	case 6:
		return ECN(b[1]>>4&3) != NotECT
	}
	return false
}

// MarkCE does to the packet b what a congested router does: where its sender
// understands that, the field ECN becomes CE. It reports whether that is so, and changes
// nothing when not, nor when b is no IP packet.
func MarkCE(b []byte) bool {
	if !Markable(b) {
		return false
	}
	if b[0]>>4 == 6 {
		b[1] |= uint8(CE) << 4
		return true
	}
	word := be16(b)
	b[1] |= uint8(CE)
	// RFC 1624 §3: HC' = ~(~HC + ~m + m')
	put16(b[10:], ^Fold(uint64(^be16(b[10:]))+uint64(^word)+uint64(be16(b))))
	return true
}
