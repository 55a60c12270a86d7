package wire

import "github.com/handfast-tcp/handfast/seq"

// TCPSize is the length of a TCP header without options, and MaxTCPOptions the
// most that options can add to it, both in bytes.
const (
	TCPSize       = 20
	MaxTCPOptions = 40
)

// Flags are the control bits of a TCP header, as on the wire, with AE (the
// former NS) as bit 8. https://www.rfc-editor.org/rfc/rfc9293#section-3.1
type Flags uint16

// The control bits.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
	AE
)

// allFlags are the bits that have a name; the other three of the field are
// reserved, "must be ignored in received segments".
const allFlags = AE<<1 - 1

// Has reports whether all bits of g are set in f.
func (f Flags) Has(g Flags) bool { return f&g == g }

// TCP is a TCP header. https://www.rfc-editor.org/rfc/rfc9293#section-3.1
type TCP struct {
	SrcPort, DstPort uint16
	Seq, Ack         seq.Num
	Flags            Flags
	Window           uint16 // as on the wire, not scaled
	Checksum         uint16
	Urgent           uint16
	Options          Options
}

// ParseTCP reads the header at the start of b, a TCP segment, into h and
// returns its length in bytes: the payload is b[headerLen:]. It does not check
// the checksum, which needs the addresses: Fold(Sum(b, PseudoSum(...))) is
// 0xffff when it is right.
//
// The reasons to drop are TooShort, BadHeaderLength and BadOption; with the
// last one the fixed part of h and headerLen are right all the same.
func ParseTCP(b []byte, h *TCP) (headerLen int, d Drop) {
	if len(b) < TCPSize {
		return 0, TooShort
	}
	headerLen = int(b[12]>>4) * 4
	if headerLen < TCPSize || headerLen > len(b) {
		return 0, BadHeaderLength
	}
	h.SrcPort = be16(b[0:])
	h.DstPort = be16(b[2:])
	h.Seq = seq.Num(be32(b[4:]))
	h.Ack = seq.Num(be32(b[8:]))
	h.Flags = Flags(be16(b[12:])) & allFlags
	h.Window = be16(b[14:])
	h.Checksum = be16(b[16:])
	h.Urgent = be16(b[18:])
	return headerLen, h.Options.parse(b[TCPSize:headerLen])
}

// ParseQuotedTCP reads what an ICMP error quotes of a TCP segment, of which
// only the first eight bytes are sure to be there: the ports and the sequence
// number. The rest of h becomes zero. The only reason to drop is TooShort.
// https://www.rfc-editor.org/rfc/rfc792
func ParseQuotedTCP(b []byte, h *TCP) Drop {
	if len(b) < 8 {
		return TooShort
	}
	*h = TCP{SrcPort: be16(b[0:]), DstPort: be16(b[2:]), Seq: seq.Num(be32(b[4:]))}
	return None
}

// HeaderLen returns how many bytes Append adds: a multiple of four, 20 to 60.
func (h *TCP) HeaderLen() int { return TCPSize + h.Options.size() }

// Append appends the header to b, with the checksum field as h.Checksum has
// it, and the options in the order and with the padding that Linux gives them.
func (h *TCP) Append(b []byte) []byte {
	whole, _ := h.AppendSum(b, 0)
	return whole
}

// AppendSum is Append, and adds the header to a partial sum: so nobody has to
// read again what has just been written.
func (h *TCP) AppendSum(b []byte, initial uint64) (whole []byte, sum uint64) {
	n := h.HeaderLen()
	whole, w := grow(b, n)
	w = w[:n:n]
	ports := uint32(h.SrcPort)<<16 | uint32(h.DstPort)
	control := uint32(n/4)<<28 | uint32(h.Flags&allFlags)<<16 | uint32(h.Window)
	rest := uint32(h.Checksum)<<16 | uint32(h.Urgent)
	put64(w[0:], uint64(ports)<<32|uint64(h.Seq))
	put64(w[8:], uint64(h.Ack)<<32|uint64(control))
	put32(w[16:], rest)
	s := uint64(ports) + uint64(h.Seq) + uint64(h.Ack) + uint64(control) + uint64(rest)
	if n > TCPSize {
		s += h.Options.put(w[TCPSize:])
	}
	return whole, addCarry(initial, s)
}
