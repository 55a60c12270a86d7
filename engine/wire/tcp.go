package wire

import "github.com/handfast-tcp/handfast/engine/seq"

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
	first, second, third := be64(b), be64(b[8:]), be32(b[16:])
	headerLen = int(second>>28&15) * 4
	if headerLen < TCPSize || headerLen > len(b) {
		return 0, BadHeaderLength
	}
	h.SrcPort, h.DstPort, h.Seq = uint16(first>>48), uint16(first>>32), seq.Num(first)
	h.Ack, h.Flags, h.Window = seq.Num(second>>32), Flags(second>>16)&allFlags, uint16(second)
	h.Checksum, h.Urgent = uint16(third>>16), uint16(third)
	return headerLen, h.Options.parse(b[TCPSize:headerLen])
}

// ParseQuotedTCP reads the part of a TCP segment that an ICMP error quotes, of which
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
	n := h.HeaderLen()
	whole, w := grow(b, n)
	fixed := (*[TCPSize]byte)(w)
	first, second, last := h.words(n)
	put64(fixed[0:], first)
	put64(fixed[8:], second)
	put32(fixed[16:], last|uint32(h.Checksum)<<16)
	if n > TCPSize {
		h.Options.put(w[TCPSize:])
	}
	return whole
}

// words returns a header of n bytes without its checksum and options, as words.
// A length in bytes at bit 26 is one in words.
func (h *TCP) words(n int) (first, second uint64, last uint32) {
	first = uint64(h.SrcPort)<<48 | uint64(h.DstPort)<<32 | uint64(h.Seq)
	second = uint64(h.Ack)<<32 | uint64(n)<<26 | uint64(h.Flags&allFlags)<<16 | uint64(h.Window)
	return first, second, uint32(h.Urgent)
}
