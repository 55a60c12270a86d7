package cc

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// bbrRate is the bandwidth of the path: the largest rate that was delivered in this
// cycle of ProbeBW and the one before.
// https://www.ietf.org/archive/id/draft-ietf-ccwg-bbr-06.html#section-5.5.3
type bbrRate struct {
	cycle [2]uint64 // this one, and the one before
}

func (r *bbrRate) max() uint64 { return max(r.cycle[0], r.cycle[1]) }

// advance begins a cycle. One without a sample does not count: an idle connection would
// forget the rate of its path.
func (r *bbrRate) advance() {
	if r.cycle[0] > 0 {
		r.cycle[0], r.cycle[1] = 0, r.cycle[0]
	}
}

// updateMaxBandwidth leaves out what the program limited, unless it was faster all
// the same.
func (b *bbr) updateMaxBandwidth(s *bbrSample) {
	if s.rate > 0 && (s.rate >= b.rate.max() || !s.limited) {
		b.rate.cycle[0] = max(b.rate.cycle[0], s.rate)
	}
}

// bandwidth is what the model holds for available.
func (b *bbr) bandwidth() uint64 { return min(b.rate.max(), b.bounds.shortRate) }

// bbrMargin is by how many percent pacing stays below the bandwidth: a rate that is
// measured a little too high would otherwise build a queue that nothing takes away.
const bbrMargin = 1

// pace sets the pacing rate. What is lost on the way is sent on top: it reaches neither the
// bottleneck, if it is lost before, nor the peer, whose rate this is, if it is lost behind.
// Until the path was full it only rises: a rate that the program limited says nothing.
// https://www.ietf.org/archive/id/draft-ietf-ccwg-bbr-06.html#section-5.6.2
func (b *bbr) pace(gain uint64) {
	rate := mulDiv(b.bandwidth(), gain*(100-bbrMargin)*10, 100*uint64(1000-b.noise.missing()))
	if rate > 0 && (b.full.reached || rate > b.pacing) {
		b.pacing = rate
	}
}

// firstRTT paces the initial window over the first round trip that is known.
func (b *bbr) firstRTT(rtt time.Duration) {
	b.pacing = mulDiv(uint64(InitialWindow(b.mss))*bbrStartupGain/100, uint64(time.Second), uint64(rtt))
}

// quantum is what may leave at once: what the rate carries in a millisecond.
// https://www.ietf.org/archive/id/draft-ietf-ccwg-bbr-06.html#section-5.6.3
func (b *bbr) quantum() int {
	return max(int(min(b.pacing/1000, 64<<10)), 2*b.mss)
}

// bbrMerged is how much more than expected is acknowledged at once, because a
// receiver or the path merges ACKs: it is allowed in flight beside what the path
// holds. https://www.ietf.org/archive/id/draft-ietf-ccwg-bbr-06.html#section-5.5.9
type bbrMerged struct {
	since     clock.Time
	delivered int
	most      [2]int // in this span of rounds and the one before
	span      uint32 // when this one began, in rounds
}

// bbrMergedRounds is the length of the filter, in rounds: two spans of it.
const bbrMergedRounds = 5

func (b *bbr) updateMerged(now clock.Time, s *bbrSample) {
	m := &b.merged
	if b.bandwidth() == 0 {
		return // nothing is expected yet
	}
	rounds := uint32(1)
	if b.full.reached {
		rounds = bbrMergedRounds
	}
	if b.rounds.start && b.rounds.count-m.span >= rounds {
		m.most[0], m.most[1], m.span = 0, m.most[0], b.rounds.count
	}
	expected := int(min(mulDiv(b.bandwidth(), uint64(now.Sub(m.since)), uint64(time.Second)), MaxWindow))
	if m.delivered <= expected {
		m.since, m.delivered, expected = now, 0, 0
	}
	m.delivered += s.Delivered
	m.most[0] = max(m.most[0], min(m.delivered-expected, b.cwnd))
}
