package recovery

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// Marks are what is known of a run.
type Marks uint8

// The marks.
const (
	Sacked    Marks = 1 << iota // the peer says that it holds it
	Lost                        // taken for lost, and not sent again since
	Resent                      // sent more than once
	Withdrawn                   // was Sacked once, which no longer counts: see LoseAll
	Probe                       // its answer may take long: it is no measure of the round trip
	Unheard                     // Lost, and not reported yet: see Ledger.Unheard
	Limited                     // the program, not the network, held it back (app-limited)
)

// Run is a range of numbers that were sent at one time: a segment, or several in a
// row. What is known of it is known of all its numbers.
type Run struct {
	Start, End seq.Num
	At         clock.Time // when it was sent last

	Marks Marks
	order uint16 // counts what was sent: see later
	sent  state
}

// state is what the ledger knew when a run was sent, for samples of the delivery rate.
// https://www.ietf.org/archive/id/draft-ietf-ccwg-bbr-04.html#section-4.1
type state struct {
	delivered   uint32 // bytes, since the ledger was made
	deliveredAt uint32 // ticks: when the last of them was
	firstAt     uint32 // ticks: when that had been sent
	inFlight    uint32 // with the run
	lost        uint32 // bytes, since the ledger was made
}

func (r *Run) is(m Marks) bool { return r.Marks&m != 0 }

// size is how many numbers r has: a FIN is one, like a byte.
func (r *Run) size() int { return int(r.End.Sub(r.Start)) }

// extends reports whether next, which follows r, was sent with it and has the same
// marks, so that the two are one run. Of what the peer holds the rest is of no use.
func (r *Run) extends(next *Run) bool {
	if r.is(Sacked) {
		return next.is(Sacked)
	}
	return r.At == next.At && r.Marks == next.Marks && r.sent.delivered == next.sent.delivered && next.order-r.order <= 1
}

// later reports whether r was sent after what ended at end and was sent at that time
// and in that order. The time alone does not tell: clocks are coarse. Of what was sent
// at once the higher numbers left later.
// https://www.rfc-editor.org/rfc/rfc8985#section-6.2
func (r *Run) later(at clock.Time, order uint16, end seq.Num) bool {
	switch {
	case r.At != at:
		return r.At > at
	case r.order != order:
		return int16(r.order-order) > 0
	}
	return end.Less(r.End)
}
