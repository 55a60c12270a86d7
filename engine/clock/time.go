// Package clock is time as the pure packages see it: an 8-byte instant that is
// always an argument and never read from the machine.
package clock

import (
	"math"
	"time"
)

// Time is an instant: nanoseconds since an epoch that the caller chose. It has
// no relation to the wall clock, so that nobody can make one from time.Now by
// accident. Instants are compared with < and >.
type Time int64

// Never is later than every instant. It is what a deadline that is not armed
// holds, so that the earliest of several deadlines is plainly the minimum.
const Never Time = math.MaxInt64

// Add returns t+d. Never plus anything is Never, and a sum that would pass
// Never is Never.
func (t Time) Add(d time.Duration) Time {
	if t == Never {
		return Never
	}
	s := t + Time(d)
	if d > 0 && s < t {
		return Never
	}
	return s
}

// Sub returns the time from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Milliseconds returns t in whole milliseconds, as TCP timestamps count.
func (t Time) Milliseconds() uint32 { return uint32(int64(t) / int64(time.Millisecond)) }

// Seconds returns t in seconds, for printing.
func (t Time) Seconds() float64 { return float64(t) / float64(time.Second) }

func (t Time) String() string {
	if t == Never {
		return "never"
	}
	return time.Duration(t).String()
}
