package host

import (
	"math/bits"
	"time"

	"github.com/handfast-tcp/handfast/clock"
)

// mix folds two words into one: the 128-bit product's halves, as wyhash does.
// Without the key nobody can aim at an outcome.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// random is a keyed sequence of numbers for what an observer must not predict
// but where nothing breaks if he does: fragment identifications, jitter.
type random struct{ state uint64 }

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	return mix(r.state^0xa0761d6478bd642f, r.state^0xe7037ed1a0b428db)
}

// bucket is a token bucket in nanoseconds of credit.
type bucket struct {
	cost, burst time.Duration
	credit      time.Duration
	last        clock.Time
}

func newBucket(perSecond, burst int) bucket {
	cost := time.Second / time.Duration(perSecond)
	return bucket{cost: cost, burst: cost * time.Duration(burst), credit: cost * time.Duration(burst)}
}

// take takes one token and reports whether there was one.
func (b *bucket) take(now clock.Time) bool {
	if now > b.last {
		b.credit = min(b.credit+min(now.Sub(b.last), b.burst), b.burst)
		b.last = now
	}
	if b.credit < b.cost {
		return false
	}
	b.credit -= b.cost
	return true
}
