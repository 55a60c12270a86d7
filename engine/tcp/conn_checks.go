package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// The checks of RFC 9293 §3.10.7.4, one function each, which says what becomes of
// the segment: see outcome.

// opening reports whether our SYN is not acknowledged yet: SYN-RECEIVED, or
// FIN-WAIT-1 if the program closed meanwhile. That SND.UNA is ISS does not say
// it alone, since the numbers come round.
func (c *Conn) opening() bool {
	return c.snd.una == c.snd.iss && c.cc == nil && c.state != TimeWait || c.early()
}

// halfOpen reports whether a SYN from outside opened c, and the ACK of our answer
// has not come.
func (c *Conn) halfOpen() bool { return c.state == SynReceived && c.has(passive) && !c.early() }

// checkSynAgain handles the SYN that opened the connection when it comes again: its
// SYN-ACK was lost, or both ends open at the same time and this is the peer's
// SYN-ACK, whose SYN we have already.
func (c *Conn) checkSynAgain(now clock.Time, s *Segment) outcome {
	if !s.Flags.Has(wire.SYN) || !c.opening() || s.Seq != c.rcv.irs || s.Flags.Has(wire.RST) {
		return goOn
	}
	if s.Flags.Has(wire.ACK) && c.has(passive) {
		return goOn // a side that was sent a SYN-ACK has none to send
	}
	if !s.Flags.Has(wire.ACK) {
		return c.synComesAgain(now, s)
	}
	// Without its SYN it is an ACK, perhaps with text, inside the window: the checks
	// that follow take it as such.
	s.Flags &^= wire.SYN
	s.Seq = s.Seq.Add(1)
	return goOn
}

// synComesAgain answers it once more, unless it asks for something else.
func (c *Conn) synComesAgain(now clock.Time, s *Segment) outcome {
	if !c.synStillAgrees(s) {
		return c.refuseSyn(now)
	}
	c.owes |= owesSyn
	c.set(rttTiming, false) // Karn: its ACK will not say which of the two it answers
	return dropped(wire.Duplicate)
}

// checkSequence is the first check: is any of the segment inside the receive
// window?
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4-2.1
func (c *Conn) checkSequence(now clock.Time, s *Segment) outcome {
	wnd := c.rcv.edge.Sub(c.rcv.nxt)
	if c.acceptable(s, wnd) {
		return goOn
	}
	if s.Flags.Has(wire.RST) {
		return dropped(wire.BadSequence)
	}
	if s.Flags.Has(wire.SYN) {
		// RFC 5961 §4.2 answers a SYN in the same way whatever its number: a peer that
		// has restarted sends a RST when it sees where we are, and an attacker learns
		// nothing.
		return c.answerSyn(now, s)
	}
	if c.state == TimeWait && s.Flags.Has(wire.FIN) && s.Seq.Add(s.SeqLen()) == c.rcv.nxt {
		// The ACK of that FIN was lost, and only we can repeat it: TIME-WAIT exists
		// for this.
		c.restartTimeWait(now) // a retransmission of the peer's FIN
		c.owes |= owesAck
		return dropped(wire.Duplicate)
	}
	return c.unacceptable(now, s)
}

// acceptable is the table of four cases of RFC 9293 §3.4, with two exceptions: text while
// the window is 0, and a number just behind the window.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.4-15
func (c *Conn) acceptable(s *Segment, wnd seq.Size) bool {
	n := s.SeqLen()
	switch {
	case wnd == 0:
		// With length the text is not taken, but ACK, URG and RST are ("special
		// allowance", MUST-66): the segment goes on, without its text.
		return s.Seq == c.rcv.nxt
	case n == 0:
		// A peer that has used all of the window acknowledges with the number behind it,
		// and may have no other way to: so that one counts, as when the window is 0.
		return s.Seq.In(c.rcv.nxt, wnd+1)
	}
	// One end inside is enough: trim cuts off what lies outside.
	return s.Seq.In(c.rcv.nxt, wnd) || s.Seq.Add(n-1).In(c.rcv.nxt, wnd)
}

// unacceptable answers with an ACK that tells the peer where we are. Text is
// always answered, or the peer would repeat it forever; segments without text
// at a limited rate, or two confused ends would exchange ACKs forever.
func (c *Conn) unacceptable(now clock.Time, s *Segment) outcome {
	why := wire.BadSequence
	if s.Seq.Add(s.SeqLen()).LessEq(c.rcv.nxt) {
		why = wire.Duplicate
	}
	c.arrivedBeside(now, s)
	c.answerOld(now, s)
	c.helpStuckPeer(now, s)
	return dropped(why)
}

// answerOld answers a segment that is too old, or lies outside the window: see
// unacceptable. PAWS answers in the same way.
func (c *Conn) answerOld(now clock.Time, s *Segment) {
	if n := s.SeqLen(); n > 0 && !s.Flags.Has(wire.SYN) {
		c.owes |= owesAck
		c.repeatedText()
		if s.Seq.Less(c.rcv.nxt) {
			c.repeated(s.Seq, seq.Min(s.Seq.Add(n), c.rcv.nxt))
		}
	} else {
		c.challenge(now)
	}
}

// helpStuckPeer takes the ACK out of a segment whose sequence number is one
// that we have gone past: after a simultaneous close, or a probe that crossed
// ours, the ACK may stand in no other segment. It never takes a window: that of an old
// segment may be shut by now, so the right edge stays where it was (RFC 9293 §3.8.6).
func (c *Conn) helpStuckPeer(now clock.Time, s *Segment) {
	if c.state < Established || c.opening() || !s.Flags.Has(wire.ACK) || s.Seq.Add(s.SeqLen()) != c.rcv.nxt {
		return
	}
	// In, not Less: of a number half the space away Less holds both ways.
	if (s.Ack - 1).In(c.snd.una, c.snd.nxt.Sub(c.snd.una)) {
		edge := c.snd.una.Add(c.snd.wnd)
		c.acknowledge(now, s, c.snd.wnd)
		c.snd.wnd = seq.Size(max(edge.Diff(c.snd.una), 0))
		c.ackedFin(now, s)
	}
}

// trim cuts off what we have already and what lies past the window or the
// peer's FIN.
func (c *Conn) trim(s *Segment) {
	if s.Seq.Less(c.rcv.nxt) {
		n := c.rcv.nxt.Sub(s.Seq)
		if s.GSOSize > 0 && int(n) >= s.GSOSize {
			c.owes |= owesAck // a whole segment of those merged into s is old: see unacceptable
			c.repeatedText()
		}
		s.cutFront(int(n))
	}
	end := s.Seq.Add(s.SeqLen())
	// What lies past the window is cut off even if there were room for it. A window
	// that the peer may overrun would not bound our memory.
	if c.rcv.edge.Less(end) {
		n := int(end.Sub(c.rcv.edge))
		// The FIN has the last of the segment's numbers, so it goes first.
		if s.Flags.Has(wire.FIN) {
			s.Flags &^= wire.FIN
			n--
		}
		s.cutBack(n)
	}
	if o := c.in.ooo; o != nil && o.hasFin {
		s.cutBehind(o.fin)
	}
}

// checkReset is the second check, with RFC 5961 §3: only the exact number
// resets; another one inside the window is asked to prove itself.
// https://www.rfc-editor.org/rfc/rfc5961#section-3
func (c *Conn) checkReset(now clock.Time, s *Segment) outcome {
	if !s.Flags.Has(wire.RST) {
		return goOn
	}
	switch exact := s.Seq == c.rcv.nxt; {
	case c.state == TimeWait && !(exact && c.is(synChallenged)):
		return dropped(wire.TimeWaitReset) // https://www.rfc-editor.org/rfc/rfc1337#section-3
	// A blind attacker has to hit one number of 2^32 here, not one of a window.
	case exact:
		c.reset(now)
		return taken
	case !s.Seq.In(c.rcv.nxt, c.rcv.edge.Sub(c.rcv.nxt)): // only its text reaches into the window
		return dropped(wire.BadSequence)
	}
	c.challenge(now)
	return dropped(wire.BlindReset)
}

// reset is what a RST does. With our FIN alone unacknowledged nothing is lost by
// it that anybody would want to know of.
func (c *Conn) reset(now clock.Time) {
	switch {
	// RFC 9293 §3.10.7.4, second: a listener goes on, and its program never hears of
	// this peer.
	case c.halfOpen():
		c.backToListen(now, CauseReset)
	case c.state == SynReceived && !c.early():
		c.closed(now, Refused, CauseRefused)
	case c.state == TimeWait, (c.state == Closing || c.state == LastAck) && c.out.len() == 0:
		c.closed(now, NoFailure, CauseReset)
	default:
		c.closed(now, Reset, CauseReset)
	}
}

// backToListen forgets a connection that never was.
func (c *Conn) backToListen(now clock.Time, why Cause) {
	c.timers.disarmAll()
	c.owes = 0
	c.setState(now, Listen, why)
}

// checkSyn is the fourth check, with RFC 5961 §4.
// https://www.rfc-editor.org/rfc/rfc5961#section-4
func (c *Conn) checkSyn(now clock.Time, s *Segment) outcome {
	if !s.Flags.Has(wire.SYN) {
		return goOn
	}
	return c.answerSyn(now, s)
}

// answerSyn answers a SYN, for any number, with a challenge ACK: it ends no
// connection but one that is half-open, which goes back to LISTEN when the SYN
// lies in its window (RFC 9293 §3.10.7.4, fourth). In TIME-WAIT a SYN may open a
// new connection (RFC 6191); those that may the endpoint keeps from here.
func (c *Conn) answerSyn(now clock.Time, s *Segment) outcome {
	if c.halfOpen() && s.Seq.In(c.rcv.nxt, c.rcv.edge.Sub(c.rcv.nxt)) {
		c.backToListen(now, CauseSyn)
		return dropped(wire.BlindSyn)
	}
	if c.state == TimeWait && !s.Flags.Has(wire.ACK) {
		c.set(synChallenged, true)
	}
	c.challenge(now)
	c.reflectAgain(s)
	return dropped(wire.BlindSyn)
}

// checkAck is the fifth check, with RFC 5961 §5: an ACK that is too old is as
// suspicious as one of something not sent.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4-2.5
func (c *Conn) checkAck(now clock.Time, s *Segment) outcome {
	if !s.Flags.Has(wire.ACK) {
		return dropped(wire.NoAckFlag)
	}
	if c.opening() {
		// Nothing but our SYN is out, so only an ACK of that proves that the peer saw
		// our number. RFC 9293 §3.10.7.4, fifth, answers any other with a RST. Our SYN
		// counts from when the peer's came (§3.10.7.2), also while it waits behind what came
		// together with that: a cookie is the same again, and the peer may have it already.
		if c.halfOpen() && s.Ack == c.snd.iss.Add(1) {
			c.snd.nxt = s.Ack
		}
		if s.Ack.LessEq(c.snd.iss) || c.snd.nxt.Less(s.Ack) {
			return refused(wire.BadAck)
		}
		c.noteTimestamp(now, s)
		if c.early() {
			return c.completeEarly(now, s)
		}
		c.acknowledgeSyn(now, s)
		c.takeWindow(s, c.scaled(s))
		c.establish(now, CauseAckOfSyn)
		c.loseTextOfSyn(now)
		if c.has(accurateOK) {
			c.firstFeedback(now, s)
		}
		return goOn
	}
	if c.snd.nxt.Less(s.Ack) || s.Ack.Less(c.snd.una) && c.tooOld(s.Ack) {
		c.challenge(now)
		return dropped(wire.BadAck)
	}
	c.noteTimestamp(now, s)
	c.processAck(now, s)
	return c.ackedFin(now, s)
}

// tooOld judges an ACK below SND.UNA: one that was sent on the way here is not
// more than a window back, and never below the first byte. What was never sent
// nobody acknowledges.
// https://www.rfc-editor.org/rfc/rfc5961#section-5.2
func (c *Conn) tooOld(ack seq.Num) bool {
	acked := c.tally.bytesAcked
	if c.is(finQueued) && c.snd.una == c.finEnd() {
		acked++
	}
	return ack.Less(c.snd.una - seq.Num(min(uint64(c.snd.maxWnd), acked)))
}

// leaveFinWait1 moves on to FIN-WAIT-2 when our FIN is acknowledged.
func (c *Conn) leaveFinWait1(now clock.Time) {
	if c.snd.una == c.finEnd() {
		c.setState(now, FinWait2, CauseAckOfFin)
		c.armFinWait2(now)
	}
}

// ackedFin makes the moves that the ACK of our FIN allows.
func (c *Conn) ackedFin(now clock.Time, s *Segment) outcome {
	if !c.is(finQueued) || c.snd.una != c.finEnd() {
		return goOn
	}
	switch c.state {
	case FinWait1:
		if s.Flags.Has(wire.FIN) && s.Seq == c.rcv.nxt {
			return goOn // its FIN comes with it: TIME-WAIT at once
		}
		c.leaveFinWait1(now)
	case Closing:
		c.enterTimeWait(now, CauseAckOfFin)
	case LastAck:
		c.closed(now, NoFailure, CauseAckOfFin)
		return taken
	}
	return goOn
}

// checkUrgent is the sixth check: the pointer is noted (MUST-30), the data stays in
// line. It is the number after the urgent data (MUST-62), and each segment may move it
// on, so that urgent data may be of any length (MUST-31).
// https://www.rfc-editor.org/rfc/rfc6093#section-3.1
func (c *Conn) checkUrgent(s *Segment) {
	if !s.Flags.Has(wire.URG) || c.state > FinWait2 || c.is(finReceived) {
		return
	}
	up := s.Seq.Add(seq.Size(s.Urgent))
	if !c.is(urgentSeen) || c.rcv.up.Less(up) {
		c.rcv.up = up
		c.set(urgentSeen, true)
	}
}

// checkText is the seventh check: the segment's text.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4-2.7
func (c *Conn) checkText(now clock.Time, s *Segment) outcome {
	if s.skip > 0 {
		c.owes |= owesAck
		c.repeated(s.Seq-seq.Num(s.skip), s.Seq)
	}
	if s.Len == 0 {
		if s.cut {
			c.owes |= owesAck
			return dropped(wire.WindowFull)
		}
		return goOn
	}
	// "This should not occur": the stream has ended, and the text is ignored.
	if c.is(finReceived) {
		return goOn
	}
	// RFC 9293 §3.6.1 (SHLD-3) and RFC 2525 §2.17: no program will read this.
	if c.is(orphan) {
		c.owes |= owesReset
		c.closed(now, Reset, CauseDataAfterClose)
		return dropped(wire.Closed)
	}
	if s.Flags.Has(wire.FIN) && c.in.ooo != nil {
		c.in.noteFin(s.Seq.Add(seq.Size(s.Len))) // what waits may lie beyond it
	}
	if d := c.arrivedText(now, s); d != wire.None {
		return dropped(d)
	}
	return goOn
}

// checkFin is the eighth check: the peer has closed.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4-2.8
func (c *Conn) checkFin(now clock.Time, s *Segment) {
	if !s.Flags.Has(wire.FIN) || c.is(finReceived) {
		return
	}
	fin := s.Seq.Add(seq.Size(s.Len))
	if fin != c.rcv.nxt {
		c.in.noteFin(fin)
		c.owes |= owesAck
		return
	}
	c.takeFin(now)
}

// takeFin goes past the peer's FIN, which lies at RCV.NXT. What waits beyond it is
// no part of the stream.
func (c *Conn) takeFin(now clock.Time) {
	c.in.finish()
	c.rcv.nxt = c.rcv.nxt.Add(1)
	// A FIN takes a number but no room, so it may come when the window is full. The
	// edge moves along: below RCV.NXT it would read as a window of 4 GiB.
	if c.rcv.edge.Less(c.rcv.nxt) {
		c.rcv.edge = c.rcv.nxt
	}
	c.set(finReceived, true)
	c.ackFin(now)
	switch c.state {
	case Established:
		c.setState(now, CloseWait, CauseFin)
	case FinWait1:
		if c.snd.una == c.finEnd() {
			c.enterTimeWait(now, CauseFinAndAck)
		} else {
			c.setState(now, Closing, CauseFin)
		}
	case FinWait2:
		c.enterTimeWait(now, CauseFin)
	}
}
