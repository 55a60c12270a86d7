package trace

import (
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Relative returns the segment's sequence and acknowledgement numbers counted
// from the first number of their stream, so that the SYN is 0. A stream whose
// first number the event does not know keeps its numbers as on the wire.
func Relative(e *tcp.Event) (sequence, ack seq.Num) {
	own, far := bases(e)
	return e.Segment.Seq - own, e.Segment.Ack - far
}

// bases returns the first sequence numbers of the segment's sender and of its
// receiver. A SYN carries its sender's own, also where the event's host does not know it yet.
func bases(e *tcp.Event) (own, far seq.Num) {
	own, far = seq.Num(e.ISS), seq.Num(e.IRS)
	if e.Kind != tcp.SegmentSent {
		own, far = far, own
	}
	if e.Segment.Flags.Has(wire.SYN) {
		own = e.Segment.Seq
	}
	return own, far
}
