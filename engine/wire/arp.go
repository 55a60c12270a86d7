package wire

// ARPSize is the length of an ARP message for IPv4 over Ethernet, in bytes.
const ARPSize = 28

// Operations of ARP.
const (
	ARPRequest = 1
	ARPReply   = 2
)

// arpStart is hardware type 1 (Ethernet), protocol type IPv4, and the lengths
// of their addresses.
const arpStart = 1<<48 | EtherTypeIPv4<<32 | 6<<24 | 4<<16

// ARP is an ARP message for IPv4 over Ethernet.
// https://www.rfc-editor.org/rfc/rfc826
type ARP struct {
	Op                 uint16
	SenderHW, TargetHW [6]byte
	SenderIP, TargetIP Addr
}

// ParseARP reads the message at the start of b into m. The reasons to drop are
// TooShort, and BadNeighbour when it is not about IPv4 over Ethernet.
func ParseARP(b []byte, m *ARP) Drop {
	if len(b) < ARPSize {
		return TooShort
	}
	if be64(b)>>16 != arpStart>>16 {
		return BadNeighbour
	}
	m.Op = be16(b[6:])
	m.SenderHW = [6]byte(b[8:14])
	m.SenderIP = readAddr4(b[14:])
	m.TargetHW = [6]byte(b[18:24])
	m.TargetIP = readAddr4(b[24:])
	return None
}

// Append appends the message to b.
func (m *ARP) Append(b []byte) []byte {
	whole, w := grow(b, ARPSize)
	w = w[:ARPSize]
	put64(w, arpStart|uint64(m.Op))
	copy(w[8:], m.SenderHW[:])
	put32(w[14:], m.SenderIP.As4())
	copy(w[18:], m.TargetHW[:])
	put32(w[24:], m.TargetIP.As4())
	return whole
}
