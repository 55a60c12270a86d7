package cc

import "github.com/handfast-tcp/handfast/engine/clock"

// reno is the controller of RFC 5681 with the initial window of RFC 6928.
// https://www.rfc-editor.org/rfc/rfc5681#section-3.1
type reno struct {
	mss      int32
	cwnd     int32
	ssthresh int32
	acked    int32 // bytes acknowledged since cwnd grew, in congestion avoidance
	before   undo
}

func newReno(p Params) Controller {
	return &reno{mss: int32(p.MSS), cwnd: int32(p.window()), ssthresh: int32(p.threshold())}
}

// undo is what the latest reduction may have to give back.
type undo struct{ cwnd, ssthresh int32 }

func (r *reno) Name() string            { return "reno" }
func (r *reno) Limits() Limits          { return Limits{Window: int(r.cwnd), Threshold: int(r.ssthresh)} }
func (r *reno) Traits() Traits          { return 0 }
func (r *reno) Clone() Controller       { c := *r; return &c }
func (r *reno) OnSend(clock.Time, Send) {}

// OnAck grows the window by what was acknowledged in slow start, and by one
// segment a window in congestion avoidance; what crosses ssthresh counts for
// both. It counts bytes, not ACKs, so that neither splitting ACKs nor merging
// them makes a difference (RFC 3465).
func (r *reno) OnAck(_ clock.Time, a Ack) {
	// A window that was not used is not known to be right, so it does not grow (RFC 7661);
	// in recovery it is what the loss left.
	if !a.Limited || a.Recovery {
		return
	}
	slow := min(int32(a.Delivered), max(r.ssthresh-r.cwnd, 0))
	r.cwnd += slow
	r.acked += int32(a.Delivered) - slow
	for r.acked >= r.cwnd {
		r.acked -= r.cwnd
		r.cwnd += r.mss
	}
	r.cwnd = min(r.cwnd, MaxWindow)
}

func (r *reno) OnEvent(_ clock.Time, e Event) {
	switch e.Kind {
	case Loss, Congestion:
		r.halve(e.InFlight)
		r.cwnd = r.ssthresh
	case Timeout: // slow start again with one segment, RFC 5681 §3.1
		if e.InFlight > 0 {
			r.halve(e.InFlight)
		}
		r.cwnd, r.acked = r.mss, 0
	case Undo:
		// The larger of each: what has grown since is not taken away.
		r.cwnd, r.ssthresh = max(r.cwnd, r.before.cwnd), max(r.ssthresh, r.before.ssthresh)
		r.before = undo{}
	case Idle: // RFC 5681 §4.1; what was saved up would be worth several segments of the smaller window at once
		r.cwnd, r.acked = min(r.cwnd, int32(InitialWindow(int(r.mss)))), 0
	case Resized:
		r.mss = int32(e.MSS)
		r.cwnd = max(r.cwnd, r.mss)
	}
}

// halve is RFC 5681 equation 4: half of what is in flight, and not of the window, which a
// program that sends little may never have filled.
func (r *reno) halve(inFlight int) {
	r.before = undo{r.cwnd, r.ssthresh}
	r.ssthresh = max(int32(inFlight/2), 2*r.mss)
	r.acked = 0
}
