package tcp

import (
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Verdict is what became of a segment that arrived.
type Verdict struct {
	Drop wire.Drop
	// Reset says that the segment is to be answered with a RST made from its
	// own numbers (RFC 9293 §3.10.7.1), whatever becomes of the connection.
	Reset bool
}

func drop(d wire.Drop) Verdict { return Verdict{Drop: d} }

var used = Verdict{}

// Receive is SEGMENT ARRIVES of RFC 9293 §3.10.7.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7
func (c *Conn) Receive(now clock.Time, path Path, s *Segment) Verdict {
	c.setPath(path)
	c.tally.received(s)
	event := c.trace.begin(now, c, s)
	v := c.arrives(now, s)
	c.trace.finish(event, c, v.Drop)
	return v
}

func (c *Conn) arrives(now clock.Time, s *Segment) Verdict {
	switch c.state {
	case Closed:
		return Verdict{wire.NoSocket, !s.Flags.Has(wire.RST)}
	case Listen:
		return c.arrivesInListen(now, s)
	case SynSent:
		return c.arrivesInSynSent(now, s)
	}
	return c.arrivesOtherwise(now, s)
}

// arrivesInListen is RFC 9293 §3.10.7.2: first RST, second ACK, third SYN.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.2
func (c *Conn) arrivesInListen(now clock.Time, s *Segment) Verdict {
	switch {
	case s.Flags.Has(wire.RST):
		return drop(wire.NoSocket)
	case s.Flags.Has(wire.ACK):
		return Verdict{wire.NoSocket, true}
	case !s.Flags.Has(wire.SYN), s.Flags.Has(wire.FIN):
		return drop(wire.BadFlags)
	}
	c.learnPeer(now, s)
	c.setState(now, SynReceived, CauseSyn)
	return used
}

// learnPeer takes the peer's first number and its options out of its SYN.
func (c *Conn) learnPeer(now clock.Time, s *Segment) {
	c.rcv.irs = s.Seq
	c.rcv.nxt = s.Seq.Add(1)
	c.rcv.acked = c.rcv.nxt
	c.rcv.edge = c.rcv.nxt.Add(seq.Size(min(c.rcv.limit, 0xffff)))
	c.agree(offerOf(c.cfg, &c.tuple, s))
	if c.ts.on {
		c.ts.remember(now, s.Options.TSVal)
	}
	c.updateMSS()
	c.takeWindow(s, seq.Size(s.Window)) // never scaled in a SYN
}

// arrivesInSynSent is RFC 9293 §3.10.7.3: first ACK, second RST, fourth SYN.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.3
func (c *Conn) arrivesInSynSent(now clock.Time, s *Segment) Verdict {
	hasAck := s.Flags.Has(wire.ACK)
	if hasAck && (s.Ack.LessEq(c.snd.iss) || c.snd.nxt.Less(s.Ack)) {
		return Verdict{wire.BadAck, !s.Flags.Has(wire.RST)}
	}
	if s.Flags.Has(wire.RST) {
		if !hasAck { // RFC 5961 §3: a RST that acknowledges nothing is blind
			return drop(wire.BadSequence)
		}
		c.closed(now, Refused, CauseRefused)
		return used
	}
	if !s.Flags.Has(wire.SYN) || s.Flags.Has(wire.FIN) {
		return drop(wire.BadFlags)
	}
	c.learnPeer(now, s)
	c.owes |= owesAck
	if !hasAck { // simultaneous open: our SYN goes again, now with an ACK
		c.snd.resend = c.snd.iss
		c.setState(now, SynReceived, CauseSyn)
		return used
	}
	c.acknowledge(now, s)
	c.arrived(now)
	c.establish(now, CauseSynAck)
	s.Flags &^= wire.SYN
	s.Seq = c.rcv.nxt // what is left is text that follows the SYN
	c.trim(s)
	c.arrivedText(now, s)
	return used
}

// establish enters ESTABLISHED: what only a live connection needs is made now.
func (c *Conn) establish(now clock.Time, why Cause) {
	c.cc = cc.Make(c.cfg.CongestionControl, cc.Params{MSS: int(c.snd.mss), Now: now, Seed: uint64(c.snd.iss)<<32 | uint64(c.rcv.irs)})
	c.rcv.push = c.rcv.nxt
	c.beginTuning(now)
	if c.state == SynSent || c.state == SynReceived {
		c.setState(now, Established, why)
	}
	if c.rtt.smoothed == 0 { // RFC 6298 §5.7: our SYN was lost, this way is slow
		c.rtt.rto = max(c.rtt.rto, slowStartRTO)
	}
	c.rtt.backoff = 0
	c.progress(now)
	c.armKeepAlive(now)
}

// arrivesOtherwise is RFC 9293 §3.10.7.4: the checks, in their order.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4
func (c *Conn) arrivesOtherwise(now clock.Time, s *Segment) Verdict {
	if v, done := c.checkSynAgain(now, s); done {
		return v
	}
	if v, done := c.checkTimestamp(now, s); done {
		return v
	}
	if v, done := c.checkSequence(now, s); done {
		return v
	}
	if v, done := c.checkReset(now, s); done {
		return v
	}
	if v, done := c.checkSyn(now, s); done {
		return v
	}
	c.trim(s)
	if v, done := c.checkAck(now, s); done {
		return v
	}
	c.arrived(now)
	c.checkUrgent(s)
	if v, done := c.checkText(now, s); done {
		return v
	}
	c.checkFin(now, s)
	return used
}
