package netem

import "math/bits"

// GilbertElliott is a model of losses that come in bursts: a good and a bad
// state, each with its own probability of loss. The mean length of a burst is
// 1/ToGood packets, and the wire is in the bad state for
// ToBad/(ToBad+ToGood) of all packets.
type GilbertElliott struct {
	ToBad, ToGood     float64 // probability, per packet, of going to the other state
	LossGood, LossBad float64 // probability of loss in each state
}

// loses decides whether the next packet is lost.
func (w *Wire) loses() bool {
	b := &w.config.Burst
	lost := w.chance(w.config.Loss)
	// Without bursts no number is drawn for them: see chance.
	if b.ToBad == 0 && !w.burst {
		return lost || w.chance(b.LossGood)
	}
	change, loss := b.ToBad, b.LossGood
	if w.burst {
		change = b.ToGood
	}
	if w.chance(change) {
		w.burst = !w.burst
	}
	if w.burst {
		loss = b.LossBad
	}
	return w.chance(loss) || lost
}

// chance is true with probability p. It draws no random number when p is 0, so
// that a setting which is off does not change what the others do.
func (w *Wire) chance(p float64) bool {
	if p <= 0 {
		return false
	}
	return float64(w.random.Uint64()>>11)/(1<<53) < p
}

// below returns a random number less than n: the high half of a product, without a division.
// It favours some by less than n in 2^64, which shows in no run.
func (w *Wire) below(n uint64) uint64 {
	high, _ := bits.Mul64(w.random.Uint64(), n)
	return high
}
