package tcp

import (
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// allowed says how many of the left bytes from SND.NXT on may go in the next
// segment: the peer's window, congestion control, Nagle and the avoidance of silly
// windows have their say. Zero bytes are allowed for a FIN alone. When nothing may go
// it says what that waits for.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.8.6.2.1
func (c *Conn) allowed(left int) (n int, w waits) {
	f, out := c.flight, int(c.snd.nxt.Sub(c.snd.una))
	if f != nil {
		f.tight = false
	}
	// Negative when the peer has shrunk its window, which it should not: RFC 9293 §3.8.6
	// asks us to bear it (MUST-34), and to send nothing new until it has caught up.
	open := int(c.snd.wnd) - out
	if open <= 0 {
		return 0, forPeer
	}
	if left == 0 {
		return 0, nothing
	}
	record := c.toRecordEnd(c.snd.nxt)
	left = min(left, record)
	flight := c.inFlight()
	congestion := c.window() - flight
	most := min(left, open, congestion, c.largestSegment())
	switch {
	case most == record: // more is queued, and may not join it
		n = most
	case most > 0:
		n = c.worthSending(most, left, out, min(open, congestion))
	}
	if n > 0 {
		return n, nothing
	}
	// Which of the two it was decides which clock runs: the peer's window opens by its
	// word, or by a probe; the network's by an ACK.
	if f != nil {
		f.tight = most == congestion
	}
	if open < min(left, congestion) {
		return 0, forPeer
	}
	return 0, forNetwork
}

// allowedAgain says how many bytes from number pos on, of which so many are lost,
// may be sent again. Less than a segment at the end of all that was sent, as after a
// probe, may take new text along.
func (c *Conn) allowedAgain(pos seq.Num, lost int) (n int, ok bool) {
	open := int(c.snd.una.Add(c.snd.wnd).Diff(pos))
	left, mss := max(int(c.out.end().Diff(pos)), 0), c.payload()
	room, flight := c.window()-c.inFlight(), int(pos.Sub(c.snd.una))
	if open <= 0 || room < min(lost, mss) {
		return 0, false
	}
	// Cut to whole segments, as when it was new: a retransmission in odd pieces would leave
	// odd holes if one of them is lost again.
	switch text := min(lost, left); {
	case text == 0:
		return 0, true // the FIN alone
	case text >= mss:
		if n = min(text, open, room, c.largestSegment()); n > mss {
			n -= n % mss
		}
	case pos.Add(seq.Size(lost)) == c.snd.nxt && left > text && !c.cfg.AsLinux: // new text goes along
		n = min(left, open, room, mss)
		n = max(c.worthSending(n, left, flight, min(open, room)), min(n, text))
	default:
		n = min(text, open)
	}
	return n, n > 0
}

// worthSending is the sender's half of silly window avoidance (MUST-38), and Nagle,
// which a program may turn off (MUST-17): it
// returns how many of the n allowed bytes make a segment that is worth it.
func (c *Conn) worthSending(n, left, flight, open int) int {
	mss := c.payload()
	// All that is queued fits. Nagle lets a small segment wait while another is out,
	// unless the program has said noDelay or has closed: then nothing will join it.
	if n == left {
		switch {
		case c.is(noDelay | finQueued):
			return n
		case c.out.tail != 0:
			return c.worthHolding(n)
		case c.smallOut():
			return n - n%mss
		}
		return n
	}
	if n >= mss {
		if c.path.joins() && c.deferred(n, flight, open) {
			return 0
		}
		return n - n%mss
	}
	// A peer whose whole window is smaller than a segment would never get one. Half of
	// the largest window that it has offered is worth sending (Fs of the RFC).
	if 2*n >= int(c.snd.maxWnd) {
		return n
	}
	return 0
}

// smallOut reports whether a segment is out that was not full: then Nagle's algorithm lets the
// next such one wait. That is Minshall's change, as in Linux: with RFC 896 alone the end of a
// large write waits for the ACK of what is before it, and a peer that delays that ACK waits
// for the end. Of many small writes still no more than one segment is out.
// https://www.rfc-editor.org/rfc/rfc9293#appendix-A.3
func (c *Conn) smallOut() bool { return c.flight != nil && c.snd.una.Less(c.flight.small) }

// deferred reports whether a super-segment, where there are any, should wait for the
// next ACK to grow: much is under way, and little may follow now. Each costs a walk through the
// host and the kernel whatever its size; an ACK is sure to come, so nothing stalls.
func (c *Conn) deferred(n, flight, open int) bool {
	return !c.path.maxGSO.software() && n == open && flight >= 3*open && n < c.largestSegment()
}

// unsent reports whether something waits to be sent for the first time.
func (c *Conn) unsent() bool {
	left := c.out.end().Diff(c.snd.nxt)
	return c.cc != nil && c.state != Closed && (left > 0 || left == 0 && c.is(finQueued))
}

// fallQuiet is for a connection that has nothing to send for now: a timer runs while
// something is out, or waits for a window that no ACK will open.
func (c *Conn) fallQuiet(now clock.Time) {
	switch f := c.flight; {
	case f == nil && !c.unsent():
	case !c.timers.armed(TimerRetransmit) && !c.timers.armed(TimerPersist), f != nil && f.wants&cc.WantsSend != 0 && c.paceWakes():
		c.armRetransmit(now)
	}
}

// largestSegment is how many bytes one segment, or super-segment, may carry.
// Urgent data goes in single ones: taking a super-segment apart would let the
// urgent pointer say the same in all of them.
func (c *Conn) largestSegment() int {
	switch mss := c.payload(); {
	case !c.path.joins() || c.is(urgentSent):
		return mss
	case mss == int(c.path.mss):
		return int(c.path.super)
	case c.in.ooo == nil && !c.cfg.ECNOption.Always(): // the counters of AccECN need not be in more than one
		return mss
	default:
		return c.path.largest(mss, headerSize(c.tuple.Local))
	}
}

// LargestSegment returns how many bytes a segment, or super-segment, carries at most.
func (c *Conn) LargestSegment() int { return int(c.path.super) }

// payload is how many bytes of text a full segment carries now. While we hold text
// out of order each says so (RFC 2018 §4), unless that leaves it little: an ACK will. So
// it is with the counters of AccECN.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.7.1
func (c *Conn) payload() int {
	if c.in.ooo == nil && c.ecn.marks == nil {
		return int(c.path.mss)
	}
	return c.besideOptions()
}

// besideOptions is payload where SACK blocks, or else counters, may take a part of it.
func (c *Conn) besideOptions() int {
	if c.in.ooo != nil {
		return int(c.path.mss) - c.sackSize()
	}
	return int(c.path.mss) - c.countersBesideText()
}

// sackSize is what SACK blocks take in a segment with text; 0: it carries none.
func (c *Conn) sackSize() int {
	n := min(int(c.sackRoom()), int(c.in.ooo.count))
	if size := 4 + 8*n; n > 0 && c.has(sackOK) && 2*size < int(c.path.mss) {
		return size
	}
	return 0
}

// idled reports whether nothing is out and nothing was sent for an RTO, so that the
// window is the initial one again, RFC 5681 §4.1: the window that ACKs had earned says nothing of a network that
// others have used meanwhile, and no ACK is left to space a burst of it.
// https://www.rfc-editor.org/rfc/rfc5681#section-4.1
func (c *Conn) idled(now clock.Time) bool {
	return c.flight == nil && now.Sub(c.live.sent) > c.rtt.rto && !c.cfg.NoSlowStartAfterIdle
}
