package wire

import "github.com/handfast-tcp/handfast/seq"

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

// Has reports whether all bits of g are set in f.
func (f Flags) Has(g Flags) bool { return f&g == g }

// OptionSet says which options are present.
type OptionSet uint8

// The TCP options that Options knows.
const (
	OptMSS OptionSet = 1 << iota
	OptWindowScale
	OptSACKPermitted
	OptTimestamps
	OptSACK
)

// SACKBlock is one block of RFC 2018: the numbers [Left, Right).
type SACKBlock struct{ Left, Right seq.Num }

// Options are the options of a TCP header; a field counts when its bit is in Set.
type Options struct {
	Set          OptionSet
	WindowScale  uint8 // shift count, at most 14
	SACKBlocks   uint8 // how many of SACK are used
	MSS          uint16
	TSVal, TSEcr uint32
	SACK         [4]SACKBlock
}

// Has reports whether all options of s are present.
func (o *Options) Has(s OptionSet) bool { return o.Set&s == s }

// TCP is a TCP header.
type TCP struct {
	SrcPort, DstPort uint16
	Seq, Ack         seq.Num
	Flags            Flags
	Window           uint16 // as on the wire, not scaled
	Checksum         uint16
	Urgent           uint16
	Options          Options
}
