package recovery

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// Rack is the newest of what was delivered, by when it was sent: what was sent
// before it and has not arrived is late. It is of use while something is out.
// https://www.rfc-editor.org/rfc/rfc8985
type Rack struct {
	At    clock.Time
	End   seq.Num
	order uint16
	RTT   time.Duration
}

// Advance takes what an ACK told. https://www.rfc-editor.org/rfc/rfc8985#section-6.2
func (r *Rack) Advance(now clock.Time, d *Delivery) {
	if !d.HasNewest {
		return
	}
	r.Take(now, &d.Newest, d.Newest.End)
}

// Take takes the newest run that an ACK delivers, up to number end.
func (r *Rack) Take(now clock.Time, newest *Run, end seq.Num) {
	r.RTT = now.Sub(newest.At)
	if at := newest.At; at > r.At || at == r.At && newest.later(r.At, r.order, r.End) {
		r.At, r.order, r.End = at, newest.order, end
	}
}

// Reordering is how long a connection waits for what is only late: a part of the
// shortest round trip, more when D-SACK shows that it was too little, and nothing
// while nothing has ever come out of order.
type Reordering struct {
	round   seq.Num // SND.NXT when the window was last widened, while widening lasts
	widened bool
	Seen    bool
	factor  uint8 // quarters of the round trip, less one
	keep    uint8 // recoveries until the factor is forgotten
}

// keepFactor is after how many recoveries without D-SACK a wide window is narrow
// again. https://www.rfc-editor.org/rfc/rfc8985#section-6.2
const keepFactor = 16

// dupThresh is how many segments that arrived behind a hole mean a loss, while
// nothing has come out of order (RFC 5681).
const dupThresh = 3

// Learn takes what an ACK told: once in a round trip D-SACK widens the window.
func (o *Reordering) Learn(d *Delivery, una, nxt seq.Num) {
	if o.widened && o.round.LessEq(una) {
		o.widened = false
	}
	if d.Behind > 0 {
		o.Seen = true
	}
	if d.Duplicate && !o.widened {
		o.round, o.widened = nxt, true
		o.factor = min(o.factor, 254) + 1
		o.keep = keepFactor
	}
}

// Recovered notes the end of a recovery.
func (o *Reordering) Recovered() {
	if o.keep > 0 {
		if o.keep--; o.keep == 0 {
			o.factor = 0
		}
	}
}

// Window is how much later than the newest something may arrive.
func (o *Reordering) Window(l *Ledger, repairing bool, minRTT, smoothed time.Duration) time.Duration {
	// On a path that has never reordered three segments behind a hole are proof enough, as
	// before RACK: to wait longer would only make every repair late.
	if !o.Seen && (repairing || l.sackedParts >= dupThresh) {
		return 0
	}
	return min((time.Duration(o.factor)+1)*minRTT/4, smoothed)
}
