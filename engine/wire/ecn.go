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

// MarkCE does to the packet b what a congested router does: where its sender
// understands that, the field ECN becomes CE. It reports whether that is so, and changes
// nothing when not, nor when b is no IP packet.
func MarkCE(b []byte) bool {
	if len(b) < IPv4Size {
		return false
	}
	word := be16(b)
	switch e := &b[1]; b[0] >> 4 {
	case 4:
		if ECN(*e&3) == NotECT {
			return false
		}
		*e |= uint8(CE)
		// RFC 1624 §3: HC' = ~(~HC + ~m + m')
		sum := uint64(^be16(b[10:])) + uint64(^word) + uint64(be16(b))
		put16(b[10:], ^Fold(sum))
	case 6:
		if ECN(*e>>4&3) == NotECT {
			return false
		}
		*e |= uint8(CE) << 4
	default:
		return false
	}
	return true
}
