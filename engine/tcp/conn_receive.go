package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// outcome is what became of a segment that arrived, or what a check makes of it:
// it goes on to the next check, is taken, is dropped, or is refused, which is
// dropped and answered with a RST made from its own numbers (RFC 9293
// §3.10.7.1), whatever becomes of the connection.
type outcome struct {
	fate fate
	why  wire.Drop // of what is dropped or refused
}

type fate uint8

const (
	goesOn fate = iota
	isTaken
	isDropped
	isRefused
)

var (
	goOn  = outcome{fate: goesOn}
	taken = outcome{fate: isTaken}
)

func dropped(why wire.Drop) outcome { return outcome{isDropped, why} }
func refused(why wire.Drop) outcome { return outcome{isRefused, why} }

// ends reports whether there is nothing left to check.
func (o outcome) ends() bool { return o.fate != goesOn }

// ignoredOrRefused is the outcome of a segment that deserves a RST, which a RST
// itself never does.
// Otherwise two hosts that both know nothing of a connection would answer each other's
// RSTs forever. https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.1
func ignoredOrRefused(s *Segment, why wire.Drop) outcome {
	if s.Flags.Has(wire.RST) {
		return dropped(why)
	}
	return refused(why)
}

// receive is SEGMENT ARRIVES of RFC 9293 §3.10.7.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7
func (c *Conn) receive(now clock.Time, path *Path, s *Segment) outcome {
	c.tally.received(s)
	var o outcome
	if c.log.wanted() {
		o = c.log.arrives(now, c, s)
	} else {
		o = c.arrives(now, s)
	}
	// A new size of segments may let text leave. What is dropped causes nothing but its
	// answer, so the path is looked at behind the checks.
	if o.fate <= isTaken {
		c.setPath(path)
	}
	return o
}

func (c *Conn) arrives(now clock.Time, s *Segment) outcome {
	switch c.state {
	case Closed:
		return ignoredOrRefused(s, wire.NoSocket)
	case Listen:
		return c.arrivesInListen(now, s)
	case SynSent:
		return c.arrivesInSynSent(now, s)
	}
	return c.arrivesOtherwise(now, s)
}

// arrivesInListen is RFC 9293 §3.10.7.2: first RST, second ACK, third SYN.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.2
func (c *Conn) arrivesInListen(now clock.Time, s *Segment) outcome {
	switch {
	case s.Flags.Has(wire.RST):
		return dropped(wire.NoSocket)
	case s.Flags.Has(wire.ACK):
		return refused(wire.NoSocket)
	// No program opens and closes with one segment. Scanners send SYN with FIN to get
	// past filters; Linux drops it too.
	case !s.Flags.Has(wire.SYN), s.Flags.Has(wire.FIN):
		return dropped(wire.BadFlags)
	}
	c.learnPeer(now, s)
	c.owes |= owesSyn
	c.setState(now, SynReceived, CauseSyn)
	if c.early() {
		c.takeEarly(now, s)
	}
	return taken
}

// learnPeer takes the peer's first number and its options out of its SYN.
func (c *Conn) learnPeer(now clock.Time, s *Segment) {
	c.rcv.irs = s.Seq
	c.rcv.nxt = s.Seq.Add(1)
	c.rcv.acked = c.rcv.nxt
	// A SYN promises no more than its window field says, because the scale applies
	// only to what follows it. https://www.rfc-editor.org/rfc/rfc7323#section-2.2
	c.rcv.edge = c.rcv.nxt.Add(seq.Size(min(c.rcv.limit, 0xffff)))
	var o offer
	o.hear(c.cfg, &c.tuple, s, c.ecn.mode)
	c.agree(&o)
	if s.Flags.Has(wire.ACK) {
		c.learnECN(s)
	}
	if c.has(stamping) {
		c.ts.remember(now, s.Options.TSVal)
	}
	c.updateMSS()
	c.takeWindow(s, seq.Size(s.Window)) // never scaled in a SYN
}

// arrivesInSynSent is RFC 9293 §3.10.7.3: first ACK, second RST, fourth SYN.
// The ACK is judged first, because a RST counts only with one that acknowledges our
// SYN: that is what a blind attacker has to guess. A SYN without an ACK is a
// simultaneous open (MUST-10).
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.3
func (c *Conn) arrivesInSynSent(now clock.Time, s *Segment) outcome {
	hasAck := s.Flags.Has(wire.ACK)
	if hasAck && (s.Ack.LessEq(c.snd.iss) || c.snd.nxt.Less(s.Ack)) {
		return ignoredOrRefused(s, wire.BadAck)
	}
	if hasAck && c.cfg.AsLinux && !c.echoesSyn(now, s) {
		return ignoredOrRefused(s, wire.PAWS)
	}
	if s.Flags.Has(wire.RST) {
		if !hasAck { // RFC 5961 §3: a RST that acknowledges nothing is blind
			return dropped(wire.BadSequence)
		}
		c.closed(now, Refused, CauseRefused)
		return taken
	}
	// With an ACK the FIN counts, as what follows the sixth step says; without one nobody has
	// heard of us who could have anything to end.
	if !s.Flags.Has(wire.SYN) || s.Flags.Has(wire.FIN) && !hasAck {
		return dropped(wire.BadFlags)
	}
	c.learnPeer(now, s)
	c.owes |= owesAck
	if !hasAck { // simultaneous open: our SYN goes again, now with an ACK
		c.owes |= owesSyn
		c.setState(now, SynReceived, CauseSyn)
		c.closeLate(now)
		return taken
	}
	c.takeSynAck(now, s)
	return taken
}

// takeSynAck takes the answer to our SYN, which learnPeer has read: the connection is
// established, and takes the text and the FIN that came along.
func (c *Conn) takeSynAck(now clock.Time, s *Segment) {
	// The round trip of our SYN is measured before establish asks whether there is
	// one.
	if c.fast != nil {
		c.answeredFast(s)
	}
	c.acknowledgeSyn(now, s)
	c.arrived(now)
	c.establish(now, CauseSynAck)
	c.loseTextOfSyn(now)
	c.closeLate(now)
	if c.has(accurateOK) {
		c.acceptAnswer(now, s)
	}
	if s.Options.Has(wire.OptUserTimeout) {
		c.hearUserTimeout(s)
	}
	if c.takeTextOfSyn(now, s) != wire.NoMemory {
		c.checkFin(now, s)
	}
}

// echoesSyn reports whether s, which acknowledges our SYN, echoes a timestamp that a SYN of ours
// had, if it echoes any: an answer to a connection before this one does not, and a forger has to
// guess 32 bits more.
func (c *Conn) echoesSyn(now clock.Time, s *Segment) bool {
	if !s.Options.Has(wire.OptTimestamps) || s.Options.TSEcr == 0 || c.cfg.NoTimestamps || c.live.stalled == clock.Never {
		return true
	}
	age := c.ts.value(now) - s.Options.TSEcr
	return age <= uint32(now.Sub(c.live.stalled).Milliseconds())+1
}

// establish enters ESTABLISHED.
func (c *Conn) establish(now clock.Time, why Cause) {
	// Not earlier: a half-open connection has nothing to control, and must stay small.
	c.equip(now)
	c.complete(now, why)
}

// equip makes what only a connection with text needs.
func (c *Conn) equip(now clock.Time) {
	c.control(now, c.cfg.CongestionControl)
	if c.has(ecnOK) {
		c.beginMarks()
	}
	c.rcv.push, c.ts.textAt = c.rcv.nxt, now.Milliseconds()
	c.beginTuning(now)
}

// complete follows the end of the handshake.
func (c *Conn) complete(now clock.Time, why Cause) {
	c.set(tellTimeout, c.cfg.UserTimeoutOption)
	// If the program closed during the handshake, the state is FIN-WAIT-1 already.
	if c.state == SynSent || c.state == SynReceived {
		c.setState(now, Established, why)
	}
	if c.rtt.smoothed == 0 { // RFC 6298 §5.7: our SYN was lost, this way is slow
		c.rtt.rto = max(c.rtt.rto, slowStartRTO)
	}
	// The back-off was that of our SYN. Data begins without one.
	c.rtt.backoff = 0
	c.progress(now)
	c.armKeepAlive(now)
}

// arrivesOtherwise is RFC 9293 §3.10.7.4: the checks, in their order.
// Two checks precede the RFC's first. A SYN that is repeated lies below RCV.NXT, where
// the first check would only answer it with an ACK. And an old duplicate may lie
// inside the window, so PAWS comes before the window (RFC 7323 §5.3).
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4
func (c *Conn) arrivesOtherwise(now clock.Time, s *Segment) outcome {
	if o := c.checkSynAgain(now, s); o.ends() {
		return o
	}
	if o := c.checkTimestamp(now, s); o.ends() {
		return o
	}
	if o := c.checkSequence(now, s); o.ends() {
		return o
	}
	if o := c.checkReset(now, s); o.ends() {
		return o
	}
	// The third check, security, is about IP options that are obsolete.
	if o := c.checkSyn(now, s); o.ends() {
		return o
	}
	// The segment is cut to the window only now: the RST and SYN checks judge the
	// number that it was sent with.
	c.trim(s)
	if o := c.checkAck(now, s); o.ends() {
		return o
	}
	// Only an acceptable ACK shows that the peer is there. Anyone can forge the rest.
	c.arrived(now)
	if c.has(ecnOK) {
		c.arrivedMark(s)
	}
	if s.Options.Has(wire.OptUserTimeout) {
		c.hearUserTimeout(s)
	}
	c.checkUrgent(s)
	o := c.checkText(now, s)
	if !o.ends() {
		c.checkFin(now, s)
		o = taken
	}
	// The FIN that was to come with the ACK of ours may have found no memory.
	if c.state == FinWait1 {
		c.leaveFinWait1(now)
	}
	return o
}
