package tcp

import (
	"math"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/recovery"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// liveness is what decides that a connection is dead, and how often we speak
// when we have nothing to say.
type liveness struct {
	heard     clock.Time // when the peer was last heard of: see arrived
	stalled   clock.Time // when the oldest of what is not acknowledged was first sent, or probing began; Never: nothing waits
	challenge clock.Time // when the last challenge ACK went out, or Never
	sent      clock.Time // when the last text went out, or Never
	soft      Failure    // what ICMP said, should the connection time out
	retries   uint8      // times that the same thing was sent again in a row
	probes    uint8      // probes of both kinds since the peer was last heard of
	quick     uint8      // segments acknowledged at once so far
	at        uint32     // microseconds: when our SYN was sent; then, when rcv.read was noted
	user      uint32     // milliseconds, and fixedTimeout; 0: Config.UserTimeout
	rate      float32    // of delivery, bytes per nanosecond; below 0: it was limited by the program; see noteRate
}

// arrived notes that the peer is there, which ends the count of probes. The idle
// time begins again.
func (c *Conn) arrived(now clock.Time) {
	c.live.heard = now
	if c.live.probes > 0 {
		c.live.probes = 0
		c.armKeepAlive(now)
	}
}

// arrivedBeside is arrived for a segment outside the window that shows all the
// same that the peer is there: its own keep-alive probe, one number below the
// window, or an answer of who counts the octet of a probe, one beyond it.
func (c *Conn) arrivedBeside(now clock.Time, s *Segment) {
	beside := s.Seq.In(c.rcv.nxt-1, c.rcv.edge.Sub(c.rcv.nxt)+3)
	if beside && s.Flags.Has(wire.ACK) && s.Ack.In(c.snd.una, c.snd.nxt.Sub(c.snd.una)+1) {
		c.arrived(now)
	}
}

// progress notes that the peer acknowledged something new, or opened its window.
//
// The user timeout now counts from when the oldest of what is left was first
// sent. Of what was sent again that is not known, and it counts from now: late by
// less than a round trip, and never early.
func (c *Conn) progress(now clock.Time) {
	c.live.retries = 0
	switch {
	case c.snd.una == c.snd.nxt:
		c.live.stalled = clock.Never
	case c.flight != nil && c.flight.Oldest().Marks&recovery.Resent == 0:
		c.live.stalled = c.flight.Oldest().At
	default:
		c.live.stalled = now
	}
}

// challengeInterval is what Config.ChallengeInterval is by default. The limit is each connection's own: one that is shared
// tells an attacker about other connections (CVE-2016-5696).
const challengeInterval = 500 * time.Millisecond

// challenge owes the peer an ACK that says where we are, RFC 5961 §7.
// https://www.rfc-editor.org/rfc/rfc5961#section-7
func (c *Conn) challenge(now clock.Time) {
	if c.live.challenge != clock.Never && now.Sub(c.live.challenge) < c.cfg.ChallengeInterval {
		return
	}
	c.live.challenge = now
	c.owes |= owesAck
}

// giveUp ends a connection whose peer has not acknowledged anything for too
// long: R2 of RFC 9293 §3.8.3 (MUST-20) for a SYN (MUST-22), the user timeout of §3.9.1,
// which the program may set (MUST-21), otherwise.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.8.3
func (c *Conn) giveUp(now clock.Time) bool {
	c.live.retries++
	switch {
	case c.opening():
		over := int(c.live.retries) > c.synRetries(now) || now >= c.attemptEnds()
		if c.silentFast(over); !over {
			return false
		}
		if c.halfOpen() {
			c.backToListen(now, CauseTimeout)
			return true
		}
	case now < c.lastMoment():
		c.silentFast(false)
		return false
	}
	why := TimedOut
	if c.live.soft != NoFailure { // RFC 9293 §3.9.2.2: what ICMP said is worth more
		why = c.live.soft
	}
	c.fail(now, why, CauseTimeout)
	return true
}

// synRetries is how often our SYN is repeated. A SYN-ACK is repeated less often than a
// SYN: it answers what anyone can forge.
func (c *Conn) synRetries(now clock.Time) int {
	n := c.cfg.SynRetries
	if c.has(passive) {
		n = c.cfg.SynAckRetries
	}
	if c.options.syn > 0 {
		n = int(c.options.syn)
	}
	// SYNs that are repeated without doubling the wait do not count, but no attempt takes longer
	// for them than it would take without.
	if extra := c.cfg.SynLinear; extra > 0 && n > 0 && !c.has(passive) {
		if c.live.stalled != clock.Never && now.Sub(c.live.stalled) >= c.cfg.InitialRTO<<min(n+1, 30)-c.cfg.InitialRTO {
			return 0
		}
		n += extra
	}
	return n
}

// fail ends the connection and tells the peer, should it be alive after all. The program
// learns why, as it does when a RST ends it (MUST-12).
func (c *Conn) fail(now clock.Time, f Failure, why Cause) {
	if c.state.Synchronized() && !c.early() { // a peer that never answered may never have asked
		c.owes |= owesReset
	}
	c.closed(now, f, why)
}

// probe owes a probe of either kind, and counts it.
func (c *Conn) probe(kind owes) {
	c.owes |= kind
	c.live.probes = min(c.live.probes, math.MaxUint8-1) + 1
}

// resetKeepAlive follows a change of what the program wants of the probing of an idle
// connection. A probe that is under way keeps its time.
func (c *Conn) resetKeepAlive(now clock.Time) {
	if !c.options.alive.on() || c.live.probes == 0 || !c.timers.armed(TimerKeepAlive) {
		c.live.probes = 0
		c.armKeepAlive(now)
	}
}

// armKeepAlive has the next probe sent when the idle time is over.
func (c *Conn) armKeepAlive(now clock.Time) {
	if !c.options.alive.on() || !c.state.Synchronized() || c.state == TimeWait {
		c.timers.disarm(TimerKeepAlive)
		return
	}
	c.timers.arm(TimerKeepAlive, max(now, c.live.heard.Add(c.options.alive.Idle)))
}

// keepAliveTimeout probes a peer that has been silent for the idle time, and
// gives it up when the last of the probes has had no answer: see KeepAlive.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.8.4
func (c *Conn) keepAliveTimeout(now clock.Time) {
	k := &c.options.alive
	switch {
	case !k.on():
	case now < c.live.heard.Add(k.Idle): // heard of it meanwhile
		c.armKeepAlive(now)
	case c.timers.armed(TimerRetransmit), c.timers.armed(TimerPersist): // they are at it
		c.timers.arm(TimerKeepAlive, now.Add(k.Idle))
	case c.unanswered(now, k):
		c.fail(now, TimedOut, CauseKeepAlive)
	default:
		c.sendKeepAlive(now)
	}
}

// sendKeepAlive probes, and waits for the answer for a round trip at least: a shorter
// interval would count probes as lost whose answers are under way.
func (c *Conn) sendKeepAlive(now clock.Time) {
	c.probe(owesAlive)
	c.timers.arm(TimerKeepAlive, now.Add(max(c.options.alive.Interval, c.rtt.rto)))
}

// earlyShare is the part of the idle time by which a first probe may be sent too
// early, together with others.
const earlyShare = 256

// idle reports whether a connection waits for nothing but its next probe.
func (c *Conn) idle() bool {
	return c.options.alive.on() && c.timers[TimerKeepAlive] == c.Deadline()
}

// putOff sets the timer of an idle connection again that is due by the time given,
// and whose peer was heard of since it was set. It reports whether that is all there
// is to do by then.
func (c *Conn) putOff(due clock.Time) bool {
	at := c.timers[TimerKeepAlive]
	if !c.options.alive.on() || at > due || c.live.heard.Add(c.options.alive.Idle) <= due {
		return false
	}
	c.armKeepAlive(due)
	if c.Deadline() <= due {
		c.timers[TimerKeepAlive] = at
		return false
	}
	return true
}

// probeEarly has an idle connection probe whose timer is due soon.
func (c *Conn) probeEarly(now clock.Time) {
	c.traceTimer(now, TimerKeepAlive)
	c.sendKeepAlive(now)
}

// unanswered reports whether enough probes have had no answer. The user timeout,
// where the program has set one, has the place of their count, as in Linux.
func (c *Conn) unanswered(now clock.Time, k *KeepAlive) bool {
	if c.live.user > 0 {
		return c.live.probes > 0 && now.Sub(c.live.heard) >= c.userTimeout()
	}
	return int(c.live.probes) >= k.Count
}

// armFinWait2 bounds FIN-WAIT-2 for a program that has let go: nobody will
// ever read what the peer might still send.
func (c *Conn) armFinWait2(now clock.Time) {
	if c.state == FinWait2 && c.is(orphan) {
		c.timers.arm(TimerLife, now.Add(c.cfg.FinWait2))
	}
}

// receiveICMP is what an ICMP error means, RFC 5927: it must quote a segment
// that is in flight; a hard error ends only an attempt to connect, and a soft one nothing
// (RFC 9293, MUST-54 and MUST-56): it is what a program is told should time run out.
// https://www.rfc-editor.org/rfc/rfc5927#section-4
func (c *Conn) receiveICMP(now clock.Time, e ICMPError) wire.Drop {
	if c.state == Closed || !e.Seq.In(c.snd.una, c.snd.nxt.Sub(c.snd.una)) {
		return wire.ForgedICMP
	}
	switch {
	case e.Kind == ICMPTooBig:
		c.packetTooBig(now, e)
	case e.Kind == ICMPHard && c.state == SynSent:
		c.closed(now, e.Failure, CauseICMP)
	default:
		c.live.soft = e.Failure
	}
	return wire.None
}
