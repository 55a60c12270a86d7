package tcp

import (
	"math/bits"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// pace spreads what leaves over time, for a controller that says how fast. When more
// has left than its burst is worth, the next waits until the rate has caught up, and
// may then be a burst again: so the timer fires once for each, not for each segment.
func (c *Conn) pace(now clock.Time, bytes int) {
	f, limits := c.flight, c.cc.Limits()
	if limits.PacingRate == 0 {
		return
	}
	f.next = max(f.next, now).Add(timeFor(bytes, limits.PacingRate))
	f.held = f.next > now.Add(timeFor(limits.Burst, limits.PacingRate))
}

// timeFor is how long so many bytes take at a rate in bytes a second.
func timeFor(bytes int, rate uint64) time.Duration {
	hi, lo := bits.Mul64(uint64(bytes), uint64(time.Second))
	if hi >= rate {
		return time.Hour
	}
	n, _ := bits.Div64(hi, lo, rate)
	return time.Duration(min(n, uint64(time.Hour)))
}
