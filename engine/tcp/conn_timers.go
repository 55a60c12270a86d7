package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
)

// timers are a connection's timers: named slots, of which Deadline is the
// earliest.
type timers [numTimers]clock.Time

func (t *timers) disarmAll() {
	for i := range t {
		t[i] = clock.Never
	}
}

func (t *timers) arm(n Timer, at clock.Time) { t[n] = at }
func (t *timers) disarm(n Timer)             { t[n] = clock.Never }
func (t *timers) armed(n Timer) bool         { return t[n] != clock.Never }

// Deadline returns when Advance is wanted next.
func (c *Conn) Deadline() clock.Time {
	t := &c.timers
	// A few comparisons: no order among five slots would be kept for less.
	return min(t[TimerRetransmit], t[TimerPersist], t[TimerDelayedAck], t[TimerKeepAlive], t[TimerLife])
}

// Deadline names all timers: who adds one changes this number too.
var _ = [1]struct{}{}[numTimers-5]

// Advance lets time pass: each timer that is due fires once.
// Those that are due together fire in the order of their slots, whatever their times:
// a run that is played again takes the same way.
func (c *Conn) Advance(now clock.Time) {
	for n := range Timer(numTimers) {
		if c.timers[n] > now {
			continue
		}
		// Before it fires, which may arm it again.
		c.timers.disarm(n)
		// Two uses of one slot, which exclude each other: a connection whose end is not
		// bounded can look whether the path carries larger segments again.
		if n == TimerLife && !c.lifeBounded() {
			c.retryMTU()
			continue
		}
		if n == TimerRetransmit && c.notYet(now) {
			continue
		}
		c.traceTimer(now, n)
		c.fire(now, n)
	}
}

func (c *Conn) traceTimer(now clock.Time, n Timer) {
	if c.log.wanted() {
		c.log.fired(now, c, n)
	}
}

func (c *Conn) fire(now clock.Time, n Timer) {
	switch n {
	case TimerRetransmit:
		c.lossTimeout(now)
	case TimerPersist:
		c.persistTimeout(now)
	case TimerDelayedAck:
		c.owes |= owesAck
		if c.live.quick == answering && c.cfg.AsLinux {
			c.live.quick = 0
		}
	case TimerKeepAlive:
		c.keepAliveTimeout(now)
	case TimerLife:
		c.lifeOver(now)
	}
}

// lifeOver ends TIME-WAIT after 2MSL, and a FIN-WAIT-2 whose program has gone.
func (c *Conn) lifeOver(now clock.Time) {
	if c.state == TimeWait {
		c.closed(now, NoFailure, CauseTimeWaitOver)
		return
	}
	c.closed(now, TimedOut, CauseFinWait2Over)
}
