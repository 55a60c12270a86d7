package cc

import "time"

// bbrNoise is loss that no queue has caused: what is lost while a round trip takes as
// long as without one. The draft counts every loss as congestion, and on a path that
// loses 3 % by itself it would fall to a quarter of the rate; so what is usual there
// is added to what may be lost. It has a bound, because a queue that is very short,
// or a policer, loses like noise.
type bbrNoise struct {
	delivered, lost int  // while there was no queue, of the last few thousand segments
	queued          bool // the latest round trip took longer
}

const (
	bbrNoiseSegments = 3000
	bbrNoiseMost     = 50 // in 1/1000
	bbrNoQueue       = 16 // up to this part of a round trip more, at least bbrNoJitter, is no queue
	bbrNoJitter      = time.Millisecond
)

func (b *bbr) updateNoise(s *bbrSample) {
	n := &b.noise
	if s.RTT > 0 {
		n.queued = s.RTT > b.rtt.least+max(b.rtt.least/bbrNoQueue, bbrNoJitter)
	}
	if n.queued || b.rtt.least == 0 {
		return
	}
	n.delivered += s.Delivered
	if n.lost += s.Lost; n.delivered > bbrNoiseSegments*b.mss {
		n.delivered, n.lost = n.delivered/2, n.lost/2
	}
}

// rate returns how much is lost by noise, in 1/1000 of what is sent.
func (n *bbrNoise) rate() int {
	return min(int(int64(n.lost)*1000/max(int64(n.delivered)+int64(n.lost), 1)), bbrNoiseMost)
}
