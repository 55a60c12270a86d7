package tcp

import (
	"github.com/handfast-tcp/handfast/buf"
	"github.com/handfast-tcp/handfast/seq"
	"github.com/handfast-tcp/handfast/wire"
)

// Segment is a TCP segment: its header, and its payload as views.
type Segment struct {
	wire.TCP
	// Len is the payload's length in bytes.
	Len int
	// Views hold the payload. Of a segment that arrives they are borrowed; of
	// one that leaves, whoever takes it owns the references.
	Views []buf.View
}

// SeqLen returns SEG.LEN of RFC 9293: the payload, SYN and FIN counted.
func (s *Segment) SeqLen() seq.Size {
	n := seq.Size(s.Len)
	if s.Flags.Has(wire.SYN) {
		n++
	}
	if s.Flags.Has(wire.FIN) {
		n++
	}
	return n
}

// Output is one segment that leaves, and where it goes.
type Output struct {
	Segment
	Tuple wire.Tuple
	// GSOSize is the payload of each segment when this one stands for several
	// (it is larger than the path's MTU); 0 when it is one.
	GSOSize int

	views [buf.MaxViews]buf.View
}
