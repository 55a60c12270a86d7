package cc

import (
	"math"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// NewReno returns the controller of RFC 5681 with the initial window of
// RFC 6928. https://www.rfc-editor.org/rfc/rfc5681#section-3.1
func NewReno(mss int) Controller {
	return &newReno{mss: mss, cwnd: InitialWindow(mss), ssthresh: math.MaxInt32}
}

// InitialWindow is IW of RFC 6928 §2, in bytes.
func InitialWindow(mss int) int { return min(10*mss, max(2*mss, 14600)) }

type newReno struct {
	mss      int
	cwnd     int
	ssthresh int
	acked    int // bytes acknowledged since cwnd grew, in congestion avoidance
}

func (r *newReno) Name() string            { return "reno" }
func (r *newReno) Window() int             { return r.cwnd }
func (r *newReno) SlowStartThreshold() int { return r.ssthresh }
func (r *newReno) Clone() Controller       { c := *r; return &c }

// OnAck grows the window by what was acknowledged in slow start, and by one
// segment a window in congestion avoidance; what crosses ssthresh counts for
// both. It counts bytes, not ACKs, so that neither splitting ACKs nor merging
// them makes a difference (RFC 3465).
func (r *newReno) OnAck(_ clock.Time, a Ack) {
	if !a.Limited {
		return
	}
	slow := min(a.Bytes, max(r.ssthresh-r.cwnd, 0))
	r.cwnd += slow
	r.acked += a.Bytes - slow
	for r.acked >= r.cwnd {
		r.acked -= r.cwnd
		r.cwnd += r.mss
	}
}

// OnLoss halves, RFC 5681 equation 4.
func (r *newReno) OnLoss(_ clock.Time, inFlight int) {
	r.ssthresh = max(inFlight/2, 2*r.mss)
	r.cwnd = r.ssthresh
	r.acked = 0
}

// OnTimeout begins slow start again with one segment, RFC 5681 §3.1.
func (r *newReno) OnTimeout(_ clock.Time, inFlight int) {
	if inFlight > 0 {
		r.ssthresh = max(inFlight/2, 2*r.mss)
	}
	r.cwnd = r.mss
	r.acked = 0
}

// OnRestart goes back to the initial window after an idle time, RFC 5681 §4.1.
// What was saved up belongs to the window that was: it would be worth several
// segments of the smaller one at once.
func (r *newReno) OnRestart(clock.Time) {
	r.cwnd = min(r.cwnd, InitialWindow(r.mss))
	r.acked = 0
}

func (r *newReno) SetMSS(mss int) {
	r.cwnd = max(r.cwnd, mss)
	r.mss = mss
}
