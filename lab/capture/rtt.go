package capture

import (
	"math/bits"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// RTT is a measurement of round trips. One segment is timed at a time, and none that was
// sent twice: https://www.rfc-editor.org/rfc/rfc6298#section-3
type RTT struct {
	Count    int
	Min, Max time.Duration
	Sum      time.Duration

	counts *[buckets]uint32 // by length
	timing bool
	end    seq.Num
	since  clock.Time
}

// buckets are four for each doubling, from a microsecond on.
const buckets = 4 * 32

func (r *RTT) time(now clock.Time, end seq.Num) {
	if !r.timing {
		r.timing, r.end, r.since = true, end, now
	}
}

func (r *RTT) forget() { r.timing = false }

func (r *RTT) acknowledged(now clock.Time, ack seq.Num) {
	if !r.timing || ack.Less(r.end) {
		return
	}
	r.timing = false
	d := now.Sub(r.since)
	if d < 0 {
		return
	}
	if r.Count == 0 || d < r.Min {
		r.Min = d
	}
	r.Max = max(r.Max, d)
	r.Count++
	r.Sum += d
	if r.counts == nil {
		r.counts = new([buckets]uint32)
	}
	r.counts[bucket(d)]++
}

// Mean is their mean, and 0 without any.
func (r *RTT) Mean() time.Duration {
	if r.Count == 0 {
		return 0
	}
	return r.Sum / time.Duration(r.Count)
}

// Percentile returns a bound that the given share of all measurements (0 to 100) keeps
// within, a fifth too high at most.
func (r *RTT) Percentile(share int) time.Duration {
	if r.counts == nil {
		return 0
	}
	left := (r.Count*share + 99) / 100
	for i, n := range r.counts {
		if left -= int(n); left <= 0 {
			return max(r.Min, min(r.Max, upper(i)))
		}
	}
	return r.Max
}

// bucket is the place of a length: the number of its doubling, and the two bits behind.
func bucket(d time.Duration) int {
	us := uint64(d/time.Microsecond) + 4
	n := bits.Len64(us)
	return min((n-3)*4+int(us>>(n-3)&3), buckets-1)
}

// upper is the largest length of a bucket.
func upper(i int) time.Duration {
	return time.Duration((uint64(5+i%4)<<(i/4))-4) * time.Microsecond
}
