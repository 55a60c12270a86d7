package wire

// EthernetSize is the length of an Ethernet header in bytes.
const EthernetSize = 14

// EtherTypes. https://www.iana.org/assignments/ieee-802-numbers
const (
	EtherTypeIPv4 = 0x0800
	EtherTypeARP  = 0x0806
	EtherTypeIPv6 = 0x86dd
)

// Broadcast is the Ethernet address of all stations.
var Broadcast = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// Ethernet is the header of an Ethernet frame without VLAN tag.
// https://www.rfc-editor.org/rfc/rfc894
type Ethernet struct {
	Dst, Src [6]byte
	Type     uint16 // EtherType; a tag or a length (802.3) shows up as a value of its own
}

// ParseEthernet reads the header at the start of the frame b into h; the
// payload is b[EthernetSize:]. The only reason to drop is TooShort.
func ParseEthernet(b []byte, h *Ethernet) Drop {
	if len(b) < EthernetSize {
		return TooShort
	}
	*h = Ethernet{[6]byte(b[0:6]), [6]byte(b[6:12]), be16(b[12:])}
	return None
}

// Append appends the header to b.
func (h *Ethernet) Append(b []byte) []byte {
	whole, w := grow(b, EthernetSize)
	w = w[:EthernetSize]
	copy(w[0:], h.Dst[:])
	copy(w[6:], h.Src[:])
	put16(w[12:], h.Type)
	return whole
}
