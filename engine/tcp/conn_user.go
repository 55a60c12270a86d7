package tcp

import (
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// The user calls of RFC 9293 §3.10.1 to §3.10.6.

// takesData reports whether SEND is allowed: §3.10.2.
func (c *Conn) takesData() bool {
	return !c.is(finQueued) && c.state >= SynSent && (c.state <= CloseWait)
}

// send queues v, whose reference passes to the connection, also past the
// limit. It returns false, and releases v, when the connection takes no data.
func (c *Conn) send(v buf.View) bool {
	if !c.takesData() {
		v.Release()
		return false
	}
	c.out.push(v)
	if c.out.tail != 0 {
		c.unhold(moreToCome)
	}
	return true
}

// sendCopy queues a copy of b.
func (c *Conn) sendCopy(b []byte) bool {
	if !c.takesData() {
		return false
	}
	c.out.copyIn(b)
	if c.out.tail != 0 {
		c.unhold(moreToCome)
	}
	return true
}

// markUrgent makes all that is queued urgent, RFC 6093 §3.
func (c *Conn) markUrgent() {
	c.snd.up = c.out.end()
	c.set(urgentSent, c.out.len() > 0)
}

// take is RECEIVE, §3.10.3: up to n bytes, in order.
func (c *Conn) take(now clock.Time, n int, dst views) views {
	before := c.in.buffered()
	dst = c.in.take(dst, n)
	c.wasRead(now, before)
	return dst
}

// read is take by copying.
func (c *Conn) read(now clock.Time, p []byte) int {
	before := c.in.buffered()
	n := c.in.read(p)
	c.wasRead(now, before)
	return n
}

// wasRead does what follows when the program has read: so many bytes waited before.
func (c *Conn) wasRead(now clock.Time, before int) {
	c.passMarks()
	if c.in.buffered() < before {
		c.tuneReceive(now)
		if c.windowUpdateDue() {
			c.owes |= owesAck
		}
	}
}

// Peek appends to dst views of up to n bytes that arrived in order, and leaves them where they
// are, as MSG_PEEK does in Linux. The references of the views pass to the caller.
func (c *Conn) Peek(n int, dst []buf.View) []buf.View {
	for _, v := range c.in.views[c.in.head:] {
		if n <= 0 {
			break
		}
		v = v.Slice(0, min(v.Len(), n))
		n -= v.Len()
		dst = append(dst, v.Retain())
	}
	return dst
}

// Urgent returns how many bytes the program must read to reach the end of
// urgent data; 0 when there is none ahead (RFC 9293, MUST-33).
func (c *Conn) Urgent() int { return c.ahead(c.is(urgentSeen), c.rcv.up) }

// Pushed returns how many of the bytes that wait came before the last PSH.
func (c *Conn) Pushed() int { return min(c.ahead(true, c.rcv.push), c.in.buffered()) }

// firstUnread is the number of the next byte that the program reads.
func (c *Conn) firstUnread() seq.Num {
	first := c.rcv.nxt - seq.Num(c.in.buffered())
	if c.is(finReceived) {
		first--
	}
	return first
}

// passMarks forgets the marks that the program has read past: one that lies
// half the sequence space back would seem to be ahead.
func (c *Conn) passMarks() {
	first := c.firstUnread()
	c.rcv.push = seq.Max(c.rcv.push, first)
	if c.rcv.up.LessEq(first) {
		c.set(urgentSeen, false)
	}
}

// ahead returns how many bytes lie before a mark, 0 when there is none.
func (c *Conn) ahead(is bool, end seq.Num) int {
	first := c.firstUnread()
	if !is || end.LessEq(first) {
		return 0
	}
	return int(end.Sub(first))
}

// closeWrite is CLOSE of §3.10.4, a half-close (§3.6): a FIN follows what is queued, and the
// peer may go on sending. The state says at once that the program has closed. In
// SYN-RECEIVED, which a program sees only after a simultaneous open, §3.10.4 sends the FIN at
// once where no text waits. Here it follows the ACK of our SYN, as it has to behind text: a
// peer without our SYN could not take it.
func (c *Conn) closeWrite(now clock.Time) {
	if c.is(finQueued) {
		return
	}
	switch c.state {
	case Listen, SynSent:
		// Text that may go on a SYN has been written to a connection that counts as open, and
		// the FIN follows it.
		if c.fast != nil && c.fast.open && c.out.len() > 0 {
			c.set(finQueued, true)
			return
		}
		c.closed(now, NoFailure, CauseClose)
	case SynReceived, Established:
		c.set(finQueued, true)
		c.setState(now, FinWait1, CauseClose)
	case CloseWait:
		c.set(finQueued, true)
		c.setState(now, LastAck, CauseClose)
	}
}

// closeRead ends the stream for the program, whatever the peer does. As Linux has
// shutdown(SHUT_RD) what came and comes before the end of it is still read, and fills the window.
func (c *Conn) closeRead() { c.set(readClosed, true) }

// close is what a program means that lets go of a connection: nothing more
// will be read. With data unread the peer is told that it is lost (RFC 2525
// §2.17); otherwise the close is an orderly one.
func (c *Conn) close(now clock.Time) {
	unread := c.in.buffered() > 0 && !c.is(orphan)
	c.set(orphan|readClosed, true)
	if unread && (c.state == SynReceived || c.state == Established || c.state == CloseWait || c.state == FinWait1 || c.state == FinWait2) {
		c.owes |= owesReset
		c.closed(now, Aborted, CauseUnreadData)
		return
	}
	c.closeWrite(now)
	c.armFinWait2(now)
	if c.timers.armed(TimerPersist) { // from now on the peer has the user timeout; the next probe is due before that ends
		c.live.stalled = now
	}
}

// abort is ABORT of §3.10.5: a RST where the peer still expects something.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.5
func (c *Conn) abort(now clock.Time) {
	switch c.state {
	case Closed:
		return
	// In CLOSING, LAST-ACK and TIME-WAIT both sides have closed: the peer waits for
	// nothing that a RST would spare it.
	case SynReceived, Established, FinWait1, FinWait2, CloseWait:
		c.owes |= owesReset
	}
	c.closed(now, Aborted, CauseAbort)
}

// setQuickAck begins, or ends, the time in which segments are acknowledged at once, and has
// what waits acknowledged now.
func (c *Conn) setQuickAck(on bool) {
	if !on {
		c.live.quick = answering
		return
	}
	c.live.quick = 0
	if c.timers.armed(TimerDelayedAck) {
		c.owes |= owesAck
	}
}

// setReceiveBuffer changes what is offered; what was offered already stays
// offered, and the window scale of the handshake bounds it.
func (c *Conn) setReceiveBuffer(n int) {
	most := 0xffff << c.rcv.shift // which is 0 once the peer's SYN came without a scale
	c.rcv.limit = int32(min(max(n, MinBuffer, c.leastReceive()), most))
	c.set(fixedBuffer, true)
	if c.windowUpdateDue() {
		c.owes |= owesAck
	}
}

// leastReceive is the smallest receive buffer that a program can ask for: two
// full segments, and what the scale rounds off. The peer, which has seen a larger
// window, sends less than a segment only when its timer tells it to.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.8.6.2.1
func (c *Conn) leastReceive() int {
	return min(2*(int(max(c.path.ours, c.rcv.mss))+1<<c.rcv.shift), int(c.rcv.limit))
}

// setSendBuffer lets the program queue n bytes, sent or not.
func (c *Conn) setSendBuffer(n int) {
	c.out.limit = int32(min(max(n, MinBuffer), MaxBuffer))
}
