package tcp

import (
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// allowed says how many of the left bytes from number pos on may go in the
// next segment: the peer's window, congestion control, Nagle and the avoidance
// of silly windows have their say. Zero bytes are allowed for a FIN alone.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.8.6.2.1
func (c *Conn) allowed(now clock.Time, pos seq.Num, left int) (n int, ok bool) {
	flight := int(pos.Sub(c.snd.una))
	open := int(c.snd.wnd) - flight
	if open <= 0 {
		c.waitForWindow(now, flight)
		return 0, false
	}
	if left == 0 {
		return 0, true
	}
	congestion := c.window()
	n = min(left, open, congestion-flight, c.largestSegment())
	if n <= 0 {
		return 0, false
	}
	again, mss := max(int(c.snd.nxt.Diff(pos)), 0), int(c.snd.mss)
	if again >= mss {
		return min(n, again-again%mss), true
	}
	if again > 0 { // less than a segment was sent before: new data may go with it, as after a probe
		n = min(n, mss)
	}
	n = max(c.worthSending(n, left, flight, min(open, congestion-flight)), min(n, again))
	if n == 0 && flight == 0 {
		c.waitForWindow(now, flight)
	}
	return n, n > 0
}

// worthSending is the sender's half of silly window avoidance, and Nagle: it
// returns how many of the n allowed bytes make a segment that is worth it.
func (c *Conn) worthSending(n, left, flight, open int) int {
	mss := int(c.snd.mss)
	if n == left {
		if c.is(noDelay|finQueued) || flight == 0 && n < mss { // RFC 896
			return n
		}
		return n - n%mss
	}
	if n >= mss {
		if c.deferred(n, flight, open) {
			return 0
		}
		return n - n%mss
	}
	if 2*n >= int(c.snd.maxWnd) {
		return n
	}
	return 0
}

// deferred reports whether a super-segment should wait for the next ACK to
// grow: much is under way, and little may follow now.
func (c *Conn) deferred(n, flight, open int) bool {
	return c.snd.maxGSO > 0 && !c.is(softwareGSO) && n == open && flight >= 3*open && n < c.largestSegment()
}

// waitForWindow starts the persist timer when nothing under way will bring an
// ACK with a larger window.
func (c *Conn) waitForWindow(now clock.Time, flight int) {
	if flight == 0 {
		c.timers.disarm(TimerRetransmit)
		c.armPersist(now)
	}
}

// largestSegment is how many bytes one segment, or super-segment, may carry.
// Urgent data goes in single ones: who takes a super-segment apart would let the
// urgent pointer say the same in all of them.
func (c *Conn) largestSegment() int {
	mss := int(c.snd.mss)
	if c.is(urgentSent) {
		return mss
	}
	room := int(c.snd.maxGSO) - headerSize(c.tuple.Local) - timestampSize
	return max(room-room%mss, mss)
}

// restartIfIdle goes back to the initial window when nothing was sent for an
// RTO, RFC 5681 §4.1.
func (c *Conn) restartIfIdle(now clock.Time) {
	if c.snd.una == c.snd.nxt && now.Sub(c.live.sent) > c.rtt.rto {
		c.cc.OnEvent(now, cc.Event{Kind: cc.Idle})
	}
}
