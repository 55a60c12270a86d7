package story

import (
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// numbers finds what sequence numbers are counted from. A stream has the base
// that its own end has given it by a SYN, whatever a forged or an old SYN says:
// so an old number is seen to be old. A number of an earlier connection with
// the same addresses is counted from that one's base.
type numbers struct{ bases map[stream][]seq.Num }

// stream is one direction of a connection.
type stream struct {
	from, to         wire.Addr
	fromPort, toPort uint16
}

func streamOf(t wire.Tuple) stream { return stream{t.Local, t.Remote, t.LocalPort, t.RemotePort} }

func newNumbers() *numbers { return &numbers{map[stream][]seq.Num{}} }

// relative returns the numbers of a segment that is sent, counted from the bases
// of both streams.
func (n *numbers) relative(e *trace.Event, forged bool) (sequence, ack seq.Num) {
	own, far := streamOf(e.Tuple), streamOf(e.Tuple.Reverse())
	if e.Segment.Flags.Has(wire.SYN) && !forged {
		n.begin(own, e.Segment.Seq)
	}
	ownBase, farBase := seq.Num(e.ISS), seq.Num(e.IRS)
	if e.Segment.Flags.Has(wire.SYN) {
		ownBase = e.Segment.Seq
	}
	return n.from(own, e.Segment.Seq, ownBase), n.from(far, e.Segment.Ack, farBase)
}

// begin notes the first number of a stream.
func (n *numbers) begin(s stream, first seq.Num) {
	if all := n.bases[s]; len(all) == 0 || all[len(all)-1] != first {
		n.bases[s] = append(all, first)
	}
}

// far is how far from its base a number is believed to belong to it.
const far = 1 << 28

// from returns a number counted from the latest base that it can belong to, or
// from the one that the event knows.
func (n *numbers) from(s stream, number, known seq.Num) seq.Num {
	all := n.bases[s]
	for i := len(all) - 1; i >= 0; i-- {
		if d := number - all[i]; d < far || d >= 1<<32-before {
			return d
		}
	}
	return number - known
}
