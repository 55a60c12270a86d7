package cc

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// bbrNoise is loss that no queue has caused: what is lost while a round trip takes as
// long as without one. The draft counts every loss as congestion, and on a path that
// loses 3 % by itself it would fall to a quarter of the rate; so what is usual there
// is added to what may be lost. It has a bound, because a queue that is very short,
// or a policer, loses like noise.
type bbrNoise struct {
	seen   bbrLosses        // while there was no queue
	sure   bbrLosses        // while no round trip was longer than without one: nothing else can have been the reason
	least  [2]time.Duration // the least round trip of this part of a round, and of the one before
	most   [2]time.Duration // and the longest
	since  clock.Time       // when this part began
	queued bool             // the least ones are longer than without a queue: late ACKs make single ones so
}

// bbrLosses counts bytes, of the last few thousand segments.
type bbrLosses struct{ delivered, lost int }

func (l *bbrLosses) add(s *bbrSample, mss int) {
	l.delivered += s.Delivered
	if l.lost += s.Lost; l.delivered > bbrNoiseSegments*mss {
		l.delivered, l.lost = l.delivered/2, l.lost/2
	}
}

// rate returns how much is lost, in 1/1000 of what is sent.
func (l *bbrLosses) rate() int {
	return min(int(int64(l.lost)*1000/max(int64(l.delivered)+int64(l.lost), 1)), bbrNoiseMost)
}

const (
	bbrNoiseSegments = 3000
	bbrNoiseMost     = 50 // in 1/1000
	bbrNoiseBorne    = 10 // likewise: so much is not made good
	bbrNoQueue       = 16 // up to this part of a round trip more, at least bbrNoJitter, is no queue
	bbrNoJitter      = time.Millisecond
	bbrNoiseRounds   = 2 // of a part
)

func (b *bbr) updateNoise(now clock.Time, s *bbrSample) {
	n := &b.noise
	if s.RTT > 0 {
		n.look(now, s.RTT, b.rtt.least)
	}
	// What Startup loses is no noise, though the round trips that show its queue come later.
	if n.queued || b.rtt.least == 0 || !b.full.reached || b.draining() {
		return
	}
	n.seen.add(s, b.mss)
	// A burst of our own takes a millisecond: see quantum.
	if b.state == bbrCruise && max(n.most[0], n.most[1]) <= n.without(b.rtt.least)+time.Millisecond {
		n.sure.add(s, b.mss)
	}
}

// look finds out whether there is a queue.
func (n *bbrNoise) look(now clock.Time, rtt, least time.Duration) {
	if now.Sub(n.since) > bbrNoiseRounds*least {
		n.least[0], n.least[1], n.since = rtt, n.least[0], now
		n.most[0], n.most[1] = rtt, n.most[0]
	}
	n.least[0], n.most[0] = min(n.least[0], rtt), max(n.most[0], rtt)
	n.queued = min(n.least[0], n.least[1]) > n.without(least)
}

// without is how long a round trip may take in which there is no queue.
func (n *bbrNoise) without(least time.Duration) time.Duration {
	return least + max(least/bbrNoQueue, bbrNoJitter)
}

// missing returns how much more has to leave for the rate to arrive, in 1/1000: nothing
// where a queue keeps the bottleneck busy. A little is what flows on a short queue take from
// each other, and none of them makes that good.
func (n *bbrNoise) missing() int {
	if n.queued {
		return 0
	}
	return max(n.sure.rate()-bbrNoiseBorne, 0)
}

// allowed returns how much may be lost before that is too much, in 1/1000: behind a
// queue more than is usual there, without one more than noise is.
func (n *bbrNoise) allowed() int {
	if n.queued {
		return bbrLoss + n.seen.rate()
	}
	return bbrLoss + bbrNoiseMost
}
