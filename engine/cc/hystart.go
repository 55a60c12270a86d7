package cc

import (
	"math"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// hystart finds where slow start should end before a queue overflows: HyStart++,
// RFC 9406, which looks for a round trip that has grown, and beside it the train of
// ACKs of Ha and Rhee ("Taming the elephants", 2011, §3.2), as in Linux. ACKs that
// follow each other closely for half a round trip come from a bottleneck that is
// busy for as long: twice that fills the path. The growth of the round trip alone
// is seen a round later, when the queue holds as much as the path.
//
// RFC 9406 §4.2 lets an ACK of a sender that does not pace count for eight segments
// at most. We do not, like Linux: segments that a receiver has merged bring one ACK
// for forty and more, and slow start would no longer double.
// https://www.rfc-editor.org/rfc/rfc9406#section-4.2
type hystart struct {
	end     uint32 // more than this delivered in all is the next round
	started uint32 // its first sample, in µs
	heard   uint32 // the latest ACK of the train, in µs
	last    uint32 // the least round trip of the round before, in µs, 0: none; in conservative slow start what began that
	current uint32 // the least one of this round
	samples uint8  // of this round
	rounds  uint8  // of conservative slow start, this one included; 0: slow start
}

// The constants of RFC 9406 §4.3, and Linux's for the train.
const (
	hyMinThreshold = 4000  // µs
	hyMaxThreshold = 16000 // µs
	hyDivisor      = 8
	hySamples      = 8
	hyGrowth       = 4
	hyRounds       = 5
	hyGap          = 2000 // µs between the ACKs of a train, at most
	hyExact        = 100  // µs: a shorter round trip shows no train
)

// reset begins again: what was measured before an idle time is of another path, as far as one
// knows.
func (h *hystart) reset() { *h = hystart{} }

// onAck takes an ACK of slow start. It returns what of the delivered bytes the
// window grows by, and whether slow start is over. An ACK of a flight that did not fill
// the window decides nothing, but while something is measured the train and the rounds
// go on with it: with a hole or a late window update there are some in any flight.
func (h *hystart) onAck(now clock.Time, a *Ack) (grow int, over bool) {
	us := uint32(int64(now) / int64(time.Microsecond))
	if int32(uint32(a.Total)-h.end) > 0 {
		h.nextRound(uint32(a.Total) + uint32(a.InFlight))
	}
	if a.RTT > 0 && a.Limited {
		if h.samples == 0 {
			h.started, h.heard = us, us
		}
		h.sample(uint32(min(max(a.RTT/time.Microsecond, 1), math.MaxUint32)))
	}
	over = (h.train(us) || h.rounds > hyRounds) && a.Limited
	if h.rounds > 0 {
		return a.Delivered / hyGrowth, over
	}
	return a.Delivered, over
}

// measures reports whether there is a sample of this round.
func (h *hystart) measures() bool { return h.samples > 0 }

// nextRound begins a round. One of conservative slow start counts if the window was
// filled in it.
func (h *hystart) nextRound(end uint32) {
	h.end = end
	switch {
	case h.rounds == 0:
		h.last = h.current
	case h.samples > 0:
		h.rounds = min(h.rounds, hyRounds) + 1
	}
	h.current, h.samples = 0, 0
}

// sample takes a round trip: one that has grown begins conservative slow start,
// and one that has shrunk again ends it.
func (h *hystart) sample(rtt uint32) {
	if h.samples++; h.current == 0 || rtt < h.current {
		h.current = rtt
	}
	if h.samples < hySamples {
		return
	}
	h.samples = hySamples
	switch {
	case h.rounds > 0 && h.current < h.last:
		h.rounds = 0
	case h.rounds == 0 && h.last > 0 && h.current >= h.last+min(max(h.last/hyDivisor, hyMinThreshold), hyMaxThreshold):
		h.last, h.rounds = h.current, 1
	}
}

// train reports whether ACKs have followed each other closely for half of the
// least round trip. One that is shorter than clocks and schedulers are exact tells
// nothing.
func (h *hystart) train(us uint32) bool {
	least := h.current
	if h.last > 0 {
		least = min(least, h.last)
	}
	if least < hyExact || us-h.heard > min(hyGap, least/4) {
		return false
	}
	h.heard = us
	return h.samples >= hySamples && us-h.started >= least/2
}
