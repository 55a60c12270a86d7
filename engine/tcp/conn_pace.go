package tcp

import (
	"math/bits"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// paceGrain is the least time between two wake-ups for the sake of pacing. They come
// at multiples of it, so that all connections of an endpoint share them.
const paceGrain = time.Millisecond

// paceCatchUp is what a connection makes up for when it is woken late: the clocks of
// some systems tick every 15.6 ms. More would be a burst that no queue has room for.
const paceCatchUp = 16 * time.Millisecond

// pace spreads what leaves over time, for a controller that says how fast. When more
// has left than its burst is worth, the next waits until the rate has caught up, and
// may then be a burst again: so the timer fires once for each, not for each segment.
func (c *Conn) pace(now clock.Time, bytes int) {
	f, limits := c.flight, c.cc.Limits()
	if limits.PacingRate == 0 || c.early() { // the timer is the SYN-ACK's
		return
	}
	if !f.behind {
		f.next = max(f.next, now)
	}
	f.next = f.next.Add(timeFor(bytes, limits.PacingRate))
	f.held = f.next > now.Add(max(timeFor(limits.Burst, limits.PacingRate), paceGrain))
}

// mayLeave reports whether the next segment may leave that the pace holds. When that is
// later than it should be, because who wakes us is late, the connection is behind and
// makes up for it, or a clock that is a millisecond late would halve the rate.
func (f *flight) mayLeave(now clock.Time) bool {
	if now < f.paceDue() {
		return false
	}
	f.held, f.behind = false, true
	f.next = max(f.next, now.Add(-paceCatchUp))
	return true
}

// paceWakes reports whether the timer is to fire for the pace. When something else holds
// the connection back, it makes up for nothing.
func (c *Conn) paceWakes() bool {
	f := c.flight
	f.behind = f.behind && f.held
	return f.held && f.paceDue() < c.timers[TimerRetransmit]
}

// paceDue is when to wake up for the sake of pacing, while it is held.
func (f *flight) paceDue() clock.Time { return f.next - f.next%clock.Time(paceGrain) }

// timeFor is how long so many bytes take at a rate in bytes a second.
func timeFor(bytes int, rate uint64) time.Duration {
	hi, lo := bits.Mul64(uint64(bytes), uint64(time.Second))
	if hi >= rate {
		return time.Hour
	}
	n, _ := bits.Div64(hi, lo, rate)
	return time.Duration(min(n, uint64(time.Hour)))
}
