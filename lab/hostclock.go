package lab

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// Clock is a host's clock. No two machines agree on what time it is, and many clocks
// stand still between ticks: Windows ticks 64 times a second unless it is asked for
// more. The zero value is the world's own time.
type Clock struct {
	// Offset is how far the clock is ahead of the world's time; from 0 up.
	Offset time.Duration
	// Tick is how long the clock stands still; 0: it never does.
	Tick time.Duration
}

// at is what the clock shows when the world has the time t.
func (c Clock) at(t clock.Time) clock.Time {
	t = t.Add(c.Offset)
	if c.Tick > 0 {
		t -= t % clock.Time(c.Tick)
	}
	return t
}

// world is the world's time when the clock shows t, or more, for the first time.
func (c Clock) world(t clock.Time) clock.Time {
	if t == clock.Never {
		return t
	}
	if tick := clock.Time(c.Tick); tick > 0 && t%tick > 0 {
		t += tick - t%tick
	}
	return t - clock.Time(c.Offset)
}

// now is what the host's clock shows.
func (n *node) now() clock.Time { return n.Clock.at(n.world.now) }
