package tcp

import "github.com/handfast-tcp/handfast/engine/clock"

// Zero-window probing: the peer's window holds us back, and what opens it, an ACK
// without text, is nothing that the peer repeats when it is lost. So we have to ask
// (MUST-36), also when the window was shrunk to nothing (MUST-35).
// https://www.rfc-editor.org/rfc/rfc9293#section-3.8.6.1

// persists reports whether the peer's window holds us back, so that the persist
// timer is the one to run: the window is shut over what is out, or nothing is out and
// what waits does not fit, which makes no difference to the side that has to ask.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.8.6.1
func (c *Conn) persists() bool {
	if c.snd.una == c.snd.nxt {
		return c.unsent()
	}
	return c.windowShut()
}

// windowShut reports whether the peer's window holds back the very next
// segment: that is the persist timer's time.
func (c *Conn) windowShut() bool { return c.snd.wnd == 0 && !c.opening() }

// armPersist starts the timer of zero-window probes, with the back-off of the
// retransmission timer (SHLD-29, SHLD-30). https://www.rfc-editor.org/rfc/rfc9293#section-3.8.6.1
func (c *Conn) armPersist(now clock.Time) {
	if !c.timers.armed(TimerPersist) {
		c.timers.arm(TimerPersist, min(now.Add(c.rtt.timeout(c.cfg)), c.persistEnd(now)))
	}
}

// persistTimeout sends a probe. A peer that answers may keep its window shut
// for as long as it likes (MUST-37), unless our program has gone.
func (c *Conn) persistTimeout(now clock.Time) {
	if c.heldLongEnough() {
		return
	}
	if c.live.stalled == clock.Never {
		c.live.stalled = now
	}
	if now >= c.persistEnd(c.live.sent) {
		c.fail(now, TimedOut, CauseUserTimeout)
		return
	}
	c.rtt.backoff = min(c.rtt.backoff+1, mostBackoff)
	c.probe(c.persistProbe())
	c.armPersist(now)
}

// persistProbe is what asks a peer whose window is shut: the first octet of what waits, as the
// RFC has it. Linux asks by a number that was acknowledged, as its keep-alive probes do.
func (c *Conn) persistProbe() owes {
	if c.cfg.AsLinux && c.state.Synchronized() {
		return owesAlive
	}
	return owesProbe
}

// persistEnd is when probing has lasted for the user timeout: since it began, if
// the program has gone; also since the peer was last heard of, if not. The last
// probe, sent at that time, has an RTO for its answer.
func (c *Conn) persistEnd(sent clock.Time) clock.Time {
	end := c.lastMoment() // Never when nothing waits
	if sent != clock.Never {
		end = max(end, sent.Add(c.rtt.rto))
	}
	switch {
	case c.is(orphan):
		return end
	case c.live.probes == 0:
		return clock.Never
	}
	return max(end, c.live.heard.Add(c.userTimeout()))
}

// hastenPersist puts the persist timer forward when probing has to end sooner
// than was thought.
func (c *Conn) hastenPersist() {
	if c.timers.armed(TimerPersist) {
		c.timers.arm(TimerPersist, min(c.timers[TimerPersist], c.persistEnd(c.live.sent)))
	}
}

// windowOpened ends probing: what waits goes out, beginning with the probe's
// octet, which the peer did not take.
func (c *Conn) windowOpened(now clock.Time) {
	if !c.timers.armed(TimerPersist) {
		return
	}
	c.timers.disarm(TimerPersist)
	c.owes &^= owesProbe
	c.rtt.backoff = 0
	if !c.is(orphan) { // or a peer that opens and shuts its window could keep it forever
		c.progress(now)
	}
	if c.flight != nil {
		c.flight.LoseAll()
		c.flight.since = now
		c.armRetransmit(now)
	}
}
