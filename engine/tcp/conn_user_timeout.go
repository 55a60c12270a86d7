package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// The user timeout, RFC 9293 §3.9.1, and the option that tells the peer of ours, RFC
// 5482, where Config.UserTimeoutOption is on (ENABLED there). The option is advice: each
// end goes by its own program if that has asked for a time, and else by the longer of the
// two, within its limits.
//
// Our SYN has the option, unless it is sent again: it might be the reason that no answer
// came. That of a peer's SYN is not taken. Who says it there says it again in the first
// segment without SYN, which is what the RFC has that rule for: so neither the half-open
// cache nor a cookie has to keep it, and no connection is another one for having been
// evicted.
// https://www.rfc-editor.org/rfc/rfc5482#section-3

// fixedTimeout is the bit of live.user which says that the program has asked for it.
const fixedTimeout = 1 << 31

// userTimeoutSize is what the option takes of a header.
const userTimeoutSize = 4

// userTimeout is how long something may stay unacknowledged: the program's for this
// connection, what the peer's advice has made of ours, or else that of all.
func (c *Conn) userTimeout() time.Duration {
	if c.live.user > 0 {
		return time.Duration(c.live.user&^fixedTimeout) * time.Millisecond
	}
	return c.cfg.UserTimeout
}

// lastMoment is when what is unacknowledged has waited for the user timeout.
func (c *Conn) lastMoment() clock.Time { return c.live.stalled.Add(c.userTimeout()) }

// attemptEnds is when our SYN has waited for the user timeout that the program has set, which
// counts in any state; Never where it has set none. That of Config is for text alone.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.8
func (c *Conn) attemptEnds() clock.Time {
	if c.live.user&fixedTimeout == 0 {
		return clock.Never
	}
	return c.lastMoment()
}

// synDue is when a SYN of ours that was sent at some time is sent again, or given up.
func (c *Conn) synDue(sent clock.Time) clock.Time {
	r := c.rtt
	if !c.has(passive) {
		r.backoff -= min(r.backoff, uint8(c.cfg.SynLinear))
	}
	return min(sent.Add(r.timeout(c.cfg)), c.attemptEnds())
}

// setUserTimeout is for the program: from then on the peer's advice counts no more. It
// also counts for what waits already, and the peer is told; 0 takes it back.
func (c *Conn) setUserTimeout(d time.Duration) {
	if c.takeUserTimeout(max(d, 0)); d > 0 {
		c.live.user |= fixedTimeout
	}
	if c.opening() && c.timers.armed(TimerRetransmit) {
		c.timers.arm(TimerRetransmit, c.synDue(c.live.sent))
	}
	if c.cfg.UserTimeoutOption && c.state.Synchronized() {
		c.set(tellTimeout, true)
		c.owes |= owesAck
	}
}

func (c *Conn) takeUserTimeout(d time.Duration) {
	c.live.user = uint32(min((d+time.Millisecond-1)/time.Millisecond, fixedTimeout-1))
	if c.timers.armed(TimerRetransmit) && !c.opening() {
		c.timers.arm(TimerRetransmit, c.notTooLate(c.timers[TimerRetransmit]))
	}
	c.hastenPersist()
}

// advertised is what we tell the peer: the program's or that of all, not what the peer's
// own advice has made of it (ADV_UTO).
func (c *Conn) advertised() wire.UserTimeout {
	if c.live.user&fixedTimeout != 0 {
		return wire.UserTimeoutOf(c.userTimeout())
	}
	return wire.UserTimeoutOf(c.cfg.UserTimeout)
}

// tellUserTimeout puts the option into a segment that has room for it: a full one, or
// one with what is lost or marked, leaves it to the next.
func (c *Conn) tellUserTimeout(out *Output) {
	if out.GSOSize > 0 || out.Len > 0 && out.Len+userTimeoutSize > int(c.path.mss) || out.Options.Set&^wire.OptTimestamps != 0 {
		return
	}
	c.set(tellTimeout, false)
	out.Options.Set |= wire.OptUserTimeout
	out.Options.UserTimeout = c.advertised()
}

// hearUserTimeout takes the peer's advice. A time of zero says nothing, and a program
// that has asked for one is not overruled (CHANGEABLE).
// https://www.rfc-editor.org/rfc/rfc5482#section-3.1
func (c *Conn) hearUserTimeout(s *Segment) {
	d := s.Options.UserTimeout.Duration()
	if !c.cfg.UserTimeoutOption || c.live.user&fixedTimeout != 0 || d == 0 {
		return
	}
	c.takeUserTimeout(min(c.cfg.MaxUserTimeout, max(c.cfg.UserTimeout, d, c.cfg.MinUserTimeout)))
}
