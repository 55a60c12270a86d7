package wire

// NeighbourSize is the length of a neighbour solicitation or advertisement
// without options, and NeighbourMaxSize with the one option that we send.
const (
	NeighbourSize    = 24
	NeighbourMaxSize = NeighbourSize + 8
)

// Options of neighbour discovery, and the flags of an advertisement.
// https://www.rfc-editor.org/rfc/rfc4861#section-4.6.1
// https://www.rfc-editor.org/rfc/rfc4861#section-4.4
const (
	ndpSourceLinkAddr = 1
	ndpTargetLinkAddr = 2

	ndpRouter    = 0x80
	ndpSolicited = 0x40
	ndpOverride  = 0x20
)

// Neighbour is a neighbour solicitation or advertisement.
// https://www.rfc-editor.org/rfc/rfc4861#section-4.3
type Neighbour struct {
	Type     uint8 // ICMPv6NeighbourSolicitation or ICMPv6NeighbourAdvert
	Checksum uint16
	Target   Addr

	// HW is the link-layer address in the option that belongs to the type: the
	// sender's in a solicitation, the target's in an advertisement. It counts
	// when HasHW.
	HW    [6]byte
	HasHW bool

	Router, Solicited, Override bool // flags of an advertisement
}

// ParseNeighbour reads b, a whole ICMPv6 message, into m. It makes those of the
// checks of RFC 4861 §7.1 that need the message alone. Left to the caller are
// the checksum, the hop limit of 255 and what depends on the addresses.
//
// The reasons to drop are TooShort, BadOption for an option of length zero or
// past the end, and BadNeighbour for another type, a code that is not zero or a
// target that is not a unicast address.
// https://www.rfc-editor.org/rfc/rfc4861#section-7.1
func ParseNeighbour(b []byte, m *Neighbour) Drop {
	if len(b) < NeighbourSize {
		return TooShort
	}
	*m = Neighbour{Type: b[0], Checksum: be16(b[2:]), Target: readAddr(b[8:])}
	if m.option() == 0 || b[1] != 0 || !m.Target.isUnicast6() {
		return BadNeighbour
	}
	if m.Type == ICMPv6NeighbourAdvert {
		m.Router = b[4]&ndpRouter != 0
		m.Solicited = b[4]&ndpSolicited != 0
		m.Override = b[4]&ndpOverride != 0
	}
	return m.parseOptions(b[NeighbourSize:])
}

// option returns the type of the option that holds HW, 0 if m is neither kind
// of message.
func (m *Neighbour) option() byte {
	switch m.Type {
	case ICMPv6NeighbourSolicitation:
		return ndpSourceLinkAddr
	case ICMPv6NeighbourAdvert:
		return ndpTargetLinkAddr
	}
	return 0
}

// parseOptions takes the first link-layer address and skips all else. Lengths
// count units of eight bytes; zero is invalid and would not end.
func (m *Neighbour) parseOptions(b []byte) Drop {
	for len(b) > 0 {
		if len(b) < 8 || b[1] == 0 || int(b[1])*8 > len(b) {
			return BadOption
		}
		if b[0] == m.option() && b[1] == 1 && !m.HasHW {
			m.HW, m.HasHW = [6]byte(b[2:8]), true
		}
		b = b[int(b[1])*8:]
	}
	return None
}

// Append appends the whole message to b, with the checksum field as m has it:
// 24 bytes, or 32 with a link-layer address.
func (m *Neighbour) Append(b []byte) []byte {
	whole, w := grow(b, NeighbourSize)
	w = w[:NeighbourSize]
	w[0], w[1] = m.Type, 0
	put16(w[2:], m.Checksum)
	put32(w[4:], uint32(m.flags())<<24)
	m.Target.put(w[8:])
	if !m.HasHW {
		return whole
	}
	whole, w = grow(whole, 8)
	w[0], w[1] = m.option(), 1
	copy(w[2:], m.HW[:])
	return whole
}

// flags returns those of an advertisement; a solicitation has none.
func (m *Neighbour) flags() (f byte) {
	if m.Type != ICMPv6NeighbourAdvert {
		return 0
	}
	if m.Router {
		f |= ndpRouter
	}
	if m.Solicited {
		f |= ndpSolicited
	}
	if m.Override {
		f |= ndpOverride
	}
	return f
}

func (a Addr) isUnicast6() bool { return a.hi>>56 != 0xff && a != Addr{} && !a.Is4() }

// SolicitedNode returns the multicast address on which the holder of the IPv6
// address a listens for solicitations: ff02::1:ff00:0/104 and a's last 24 bits.
// https://www.rfc-editor.org/rfc/rfc4291#section-2.7.1
func SolicitedNode(a Addr) Addr {
	return Addr{0x1_ff00_0000 | a.lo&0xff_ffff, 0xff02 << 48}
}

// MulticastHW returns the Ethernet address of the multicast group a.
// https://www.rfc-editor.org/rfc/rfc1112#section-6.4
// https://www.rfc-editor.org/rfc/rfc2464#section-7
func MulticastHW(a Addr) [6]byte {
	if a.Is4() {
		return [6]byte{0x01, 0x00, 0x5e, byte(a.lo>>16) & 0x7f, byte(a.lo >> 8), byte(a.lo)}
	}
	return [6]byte{0x33, 0x33, byte(a.lo >> 24), byte(a.lo >> 16), byte(a.lo >> 8), byte(a.lo)}
}
