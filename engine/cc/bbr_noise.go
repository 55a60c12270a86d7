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
	delivered, lost int              // while there was no queue, of the last few thousand segments
	least           [2]time.Duration // the least round trip of this part of a round, and of the one before
	since           clock.Time       // when this part began
	queued          bool             // both are longer than without a queue: late ACKs make single ones so
}

const (
	bbrNoiseSegments = 3000
	bbrNoiseMost     = 50 // in 1/1000
	bbrNoiseBorne    = 10
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
	n.delivered += s.Delivered
	if n.lost += s.Lost; n.delivered > bbrNoiseSegments*b.mss {
		n.delivered, n.lost = n.delivered/2, n.lost/2
	}
}

// look finds out whether there is a queue.
func (n *bbrNoise) look(now clock.Time, rtt, least time.Duration) {
	if now.Sub(n.since) > bbrNoiseRounds*least {
		n.least[0], n.least[1], n.since = rtt, n.least[0], now
	}
	n.least[0] = min(n.least[0], rtt)
	n.queued = min(n.least[0], n.least[1]) > least+max(least/bbrNoQueue, bbrNoJitter)
}

// rate returns how much is lost by noise, in 1/1000 of what is sent.
func (n *bbrNoise) rate() int {
	return min(int(int64(n.lost)*1000/max(int64(n.delivered)+int64(n.lost), 1)), bbrNoiseMost)
}

// missing returns how much more has to leave for the rate to arrive, in 1/1000: nothing
// where a queue keeps the bottleneck busy. A little is what flows on a short queue take from
// each other, and none of them makes that good.
func (n *bbrNoise) missing() int {
	if n.queued {
		return 0
	}
	return max(n.rate()-bbrNoiseBorne, 0)
}

// allowed returns how much may be lost before that is too much, in 1/1000: behind a
// queue more than is usual there, without one more than noise is.
func (n *bbrNoise) allowed() int {
	if n.queued {
		return bbrLoss + n.rate()
	}
	return bbrLoss + bbrNoiseMost
}
