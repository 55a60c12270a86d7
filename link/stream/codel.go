package stream

import (
	"math"
	"time"
)

// codel says of one queue which frames have to go because all of them wait too long.
// https://www.rfc-editor.org/rfc/rfc8289#section-5
type codel struct {
	above    time.Duration // when the delay will have been too long for an interval; 0: it is not
	next     time.Duration // when the next frame goes, while it is dropping
	count    int           // frames that went since it began
	last     int           // count when it began
	dropping bool
}

// The delay that may stand in a queue, and for how long it may be more: a round trip, in
// which senders answer. https://www.rfc-editor.org/rfc/rfc8289#section-4.4
const (
	target   = 5 * time.Millisecond
	interval = 100 * time.Millisecond
)

// late is for a frame that leaves a queue of so many bytes after a delay: it reports
// whether that one has to go.
func (c *codel) late(now, delay time.Duration, bytes int) bool {
	switch standing := c.stands(now, delay, bytes); {
	case !standing:
		c.dropping = false
		return false
	case c.dropping:
		if now < c.next {
			return false
		}
		c.count++
		c.next += c.gap()
	default:
		// What sufficed a little while ago is where it goes on.
		since := c.count - c.last
		c.dropping, c.count = true, 1
		if since > 1 && now-c.next < 16*interval {
			c.count = since
		}
		c.last = c.count
		c.next = now + c.gap()
	}
	return true
}

// stands reports whether the delay has been too long for an interval.
func (c *codel) stands(now, delay time.Duration, bytes int) bool {
	if delay < target || bytes <= quantum {
		c.above = 0
		return false
	}
	if c.above == 0 {
		c.above = now + interval
	}
	return now >= c.above
}

// empty is for a queue in which nothing waits any more.
func (c *codel) empty() { c.above, c.dropping = 0, false }

// gap is how long it takes until the next one goes: the more have, the shorter.
func (c *codel) gap() time.Duration {
	return time.Duration(float64(interval) / math.Sqrt(float64(c.count)))
}
