package recovery

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// Rate is a sample of the delivery rate: what was delivered while the newest of what
// an ACK delivers was under way; or what is known of a run that is lost.
// https://www.ietf.org/archive/id/draft-ietf-ccwg-bbr-04.html#section-4.1
type Rate struct {
	Delivered int           // bytes since it was sent
	Interval  time.Duration // in which that was: the longer one of sending and acknowledging; 0: there is no sample
	InFlight  int           // bytes when it had been sent, with it
	Lost      int           // bytes taken for lost since then
	Limited   bool          // see the mark
}

// tick is the unit of the ledger's instants.
const tick = 1024 * time.Nanosecond

// Rate returns the sample that an ACK gives, which was delivered already.
func (l *Ledger) Rate(now clock.Time, d *Delivery) Rate {
	if !d.HasNewest {
		return Rate{}
	}
	return l.RateOf(now, &d.Newest)
}

// RateOf returns the sample that an ACK gives whose newest run is r. What was delivered
// when that was sent was so before: the interval is never less than its round trip, which
// is known more exactly. Else the sample of the shortest round trip would be none.
func (l *Ledger) RateOf(now clock.Time, r *Run) Rate {
	// The longer of the two: ACKs that come in a heap make the one short, and sending in a
	// burst the other, and neither says that the path is faster.
	sending, acknowledging := ticks(r.At)-r.sent.firstAt, l.now.deliveredAt-r.sent.deliveredAt
	return Rate{
		Delivered: int(l.now.delivered - r.sent.delivered),
		Interval:  max(time.Duration(max(sending, acknowledging))*tick, now.Sub(r.At)),
		InFlight:  int(r.sent.inFlight),
		Lost:      int(l.now.lost - r.sent.lost),
		Limited:   r.is(Limited),
	}
}

// Unheard calls yield for each run that was taken for lost since it was asked last,
// with its size in bytes.
func (l *Ledger) Unheard(yield func(int, Rate) bool) {
	for i := l.head; i < len(l.runs); i++ {
		r := &l.runs[i]
		if !r.is(Unheard) {
			continue
		}
		r.Marks &^= Unheard
		if !yield(r.size(), Rate{InFlight: int(r.sent.inFlight), Lost: int(l.now.lost - r.sent.lost), Limited: r.is(Limited)}) {
			return
		}
	}
}
