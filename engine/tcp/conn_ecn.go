package tcp

import (
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/recovery"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// ecn is explicit congestion notification in both directions: what the network marked
// of the peer's, and what the peer tells of ours. It is of use to those that have
// agreed to it.
type ecn struct {
	*marks            // nil: nothing is agreed to, or the connection is compact
	ace    wire.Flags // what AccECN has each segment say
	mode   cc.ECNMode
	flags  ecnFlags

	// What follows lies here because here is room.
	service   wire.Service // of what is sent: see settings
	heldSince uint16       // the low bits of how many segments had come when the program said that more follows
}

// marks is what only a connection that has agreed to ECN keeps. It is made when that is
// established.
type marks struct {
	point     seq.Num  // the window was reduced for what was sent before this
	other     seq.Size // of what waits for its ACK, how much was not as the last segment was: see echoExactly
	delivered uint32   // segments that the peer says the network marked
	*accurate          // nil: not AccECN
}

type ecnFlags uint8

const (
	ecnSeen ecnFlags = 1 << iota // the peer's text came marked or markable
	echoing                      // our segments have ECE
	exact                        // ECE is for what is marked alone: DCTCP
	reduced                      // point counts
	oweCWR                       // the next new text has CWR
	yielded                      // it was reduced for a mark, not for a loss
)

func (e *ecn) is(f ecnFlags) bool { return e.flags&f != 0 }

func (e *ecn) set(f ecnFlags, on bool) {
	if on {
		e.flags |= f
	} else {
		e.flags &^= f
	}
}

// mark puts what ECN has to say into a segment that is otherwise complete. New text may
// be marked by the network; what is sent again, probes and ACKs may not, but with
// Config.ECNControl. https://www.rfc-editor.org/rfc/rfc3168#section-6.1.5
func (c *Conn) mark(out *Output) {
	if c.has(accurateOK) {
		c.tellMarks(out)
	} else if c.ecn.is(echoing) {
		out.Flags |= wire.ECE
	}
	c.ecn.other = 0
	if c.is(unmarkable) || (out.Len == 0 || out.again || c.snd.wnd == 0) && !c.marksControl() {
		return
	}
	out.ECN = wire.ECT0
	if c.ecn.is(oweCWR) {
		c.ecn.set(oweCWR, false)
		out.Flags |= wire.CWR
	}
}

// marksControl reports whether the network may mark ACKs and what is sent again. A peer that
// counts marks acknowledges marked ACKs, and without SACK that would be taken for duplicates.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.2.5.1
func (c *Conn) marksControl() bool {
	return c.cfg.ECNControl && c.has(accurateOK) && c.has(sackOK)
}

// arrivedMark looks at what the network did to text that is taken. What is marked is
// told at once, and until the peer says that it sends less.
// https://www.rfc-editor.org/rfc/rfc3168#section-6.1.3
func (c *Conn) arrivedMark(s *Segment) {
	e := &c.ecn
	if c.has(accurateOK) {
		c.countMarks(s)
		return
	}
	if s.Len == 0 {
		return
	}
	if s.ECN != wire.NotECT {
		e.set(ecnSeen, true)
	}
	marked := s.ECN == wire.CE
	if e.is(exact) {
		c.echoExactly(marked)
		return
	}
	if s.Flags.Has(wire.CWR) { // its window may be so small now that it waits for this ACK
		e.set(echoing, false)
		c.owes |= owesAck
	}
	if marked && !e.is(echoing) {
		e.set(echoing, true)
		c.owes |= owesAck
	}
}

// echoExactly is the receiver of DCTCP: an ACK has ECE if what it acknowledges was
// marked. Of what still waits for its ACK some was, and some was not; two ACKs tell the
// sender how much of either, whatever the order. When that changes, what waits is
// acknowledged at once. https://www.rfc-editor.org/rfc/rfc8257#section-3.2
func (c *Conn) echoExactly(marked bool) {
	e := &c.ecn
	if marked == e.is(echoing) {
		return
	}
	e.set(echoing, marked)
	if e.other = c.rcv.nxt.Sub(c.rcv.acked) - e.other; e.other > 0 {
		c.owes |= owesEcho
	}
}

// buildEcho makes the first of those two ACKs. The second has what is left.
func (c *Conn) buildEcho(now clock.Time, out *Output) bool {
	if c.owes&owesEcho == 0 {
		return false
	}
	c.owes &^= owesEcho
	to := c.rcv.acked.Add(min(c.ecn.other, c.rcv.nxt.Sub(c.rcv.acked)))
	if !c.state.Synchronized() || to == c.rcv.acked {
		return false
	}
	c.begin(out)
	out.Seq, out.Ack, out.Flags = c.emptySeq(), to, wire.ACK
	if !c.ecn.is(echoing) {
		out.Flags |= wire.ECE
	}
	// The window is told from where this ACK ends, so that its right edge is the one that
	// was offered: from RCV.NXT it would seem to shrink.
	c.offer()
	out.Window = uint16(min(c.rcv.edge.Sub(to)>>c.rcv.shift, 0xffff))
	c.addTimestamp(now, &out.Options)
	c.rcv.acked, c.ecn.other = to, 0
	return true
}

// calm reports whether the network has not marked what an ACK acknowledges, and what it
// marked before was answered long ago.
func (c *Conn) calm(s *Segment) bool {
	if c.ecn.is(reduced) {
		return false
	}
	if c.has(accurateOK) {
		return c.hearsNothing(s)
	}
	return !s.Flags.Has(wire.ECE)
}

// heard is what an ACK tells of marks on what we sent.
type heard struct {
	marked bool
	bytes  int // of text
}

// hear reads that out of an ACK that has delivered d.
func (c *Conn) hear(s *Segment, d *recovery.Delivery) heard {
	switch {
	case c.has(accurateOK):
		return c.hearAccurately(s, d)
	case c.has(ecnOK) && s.Flags.Has(wire.ECE):
		c.countHeard(c.segments(d.Bytes))
		return heard{true, d.Bytes}
	}
	return heard{}
}

// countHeard counts segments that the network marked.
func (c *Conn) countHeard(n int) {
	c.ecn.delivered += uint32(n)
	c.cfg.stats.TCPDeliveredCE += uint64(n)
}

// heed takes that into what congestion control is told of an ACK.
func (c *Conn) heed(h heard, a *cc.Ack) {
	if c.ecn.is(reduced) && c.ecn.point.Less(c.snd.una) {
		c.ecn.set(reduced|yielded, false)
	}
	a.Marked = h.bytes
	if h.marked || c.ecn.is(reduced) {
		a.Recovery = true // no growth: this window has been too large
	}
}

// yield reduces the window for what the network marked: once for all that is out, and
// not when a loss has done so already.
// https://www.rfc-editor.org/rfc/rfc3168#section-6.1.2
func (c *Conn) yield(now clock.Time, h heard, d *recovery.Delivery) {
	if !h.marked || c.ecn.is(reduced) || c.loss.phase != noLoss {
		return
	}
	c.noteReduced()
	c.ecn.set(yielded, true)
	// The network has said that the window is too large: even if the segment sent again
	// turns out to have been late only, there is nothing to take back.
	c.loss.undo.Close()
	c.cc.OnEvent(now, cc.Event{Kind: cc.Congestion, InFlight: c.flightSize(d.Acked)})
}

// yieldAtOnce reduces the first window, because the network has marked our SYN or SYN-ACK.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.2.2
func (c *Conn) yieldAtOnce(now clock.Time) {
	c.cc.OnEvent(now, cc.Event{Kind: cc.Congestion, InFlight: c.cc.Limits().Window})
	c.noteReduced()
	c.ecn.set(yielded, true)
}

// noteReduced follows a reduction of the window for whatever reason: the peer is told,
// unless it counts.
func (c *Conn) noteReduced() {
	if !c.has(ecnOK) {
		return
	}
	c.ecn.point = c.snd.nxt
	c.ecn.flags = c.ecn.flags&^yielded | reduced
	if !c.has(accurateOK) {
		c.ecn.flags |= oweCWR
	}
}

// hasYielded reports whether the window was reduced for a mark, of a flight that is
// still out: a loss of the same round trip, or a timeout, reduces it no further. A
// controller with a recovery of its own hears of all.
// https://www.rfc-editor.org/rfc/rfc3168#section-6.1.2
func (c *Conn) hasYielded() bool {
	return c.ecn.is(yielded) && c.snd.una.Less(c.ecn.point) && c.flight.wants&cc.OwnRecovery == 0
}
