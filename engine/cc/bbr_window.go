package cc

import "time"

// What may be in flight: a multiple of what the path holds, with room for what
// offload and merged ACKs need, and within the bounds.
// https://www.ietf.org/archive/id/draft-ietf-ccwg-bbr-06.html#section-5.6.4

// bbrMinSegments are in flight at least, or there would be no pipeline: with a receiver
// that acknowledges every second segment fewer would wait for its delayed ACK.
const bbrMinSegments = 4

// pipe is what the path holds, times a gain in percent.
func (b *bbr) pipe(gain uint64) int {
	if b.rtt.least == 0 || b.rate.max() == 0 {
		return InitialWindow(b.mss)
	}
	bdp := mulDiv(b.bandwidth(), uint64(b.rtt.least), uint64(time.Second))
	return int(mulDiv(min(bdp, MaxWindow), gain, 100))
}

// targetInflight is what the path holds, unless losses have cut the window.
func (b *bbr) targetInflight() int { return min(b.pipe(100), b.cwnd) }

// budget gives room for three bursts: one that waits to leave, one that is being
// cut or put together, one of which the ACK is held back.
func (b *bbr) budget(inflight int) int {
	inflight = max(inflight, 3*b.quantum(), bbrMinSegments*b.mss)
	if b.state == bbrUp {
		inflight += 2 * b.mss
	}
	return inflight
}

func (b *bbr) inflight(gain uint64) int { return b.budget(b.pipe(gain)) }

// withHeadroom leaves room for others below the long-term bound.
func (b *bbr) withHeadroom() int {
	long := b.bounds.long
	if long == unbounded {
		return long
	}
	return max(long-max(b.mss, percent(long, bbrHeadroom)), bbrMinSegments*b.mss)
}

func (b *bbr) probeRTTWindow() int { return max(b.pipe(bbrProbeGain), bbrMinSegments*b.mss) }

// setWindow raises the window by what was delivered, at most, and cuts it at once.
func (b *bbr) setWindow(s *bbrSample) {
	most := b.budget(b.pipe(b.span) + max(b.merged.most[0], b.merged.most[1]))
	if b.full.reached {
		b.cwnd = min(b.cwnd+s.Delivered, most)
	} else if b.cwnd < most || s.Total < uint64(InitialWindow(b.mss)) {
		b.cwnd += s.Delivered
	}
	b.cwnd = max(b.cwnd, bbrMinSegments*b.mss)
	if b.state == bbrProbeRTT {
		b.cwnd = min(b.cwnd, b.probeRTTWindow())
	}
	b.cwnd = min(b.cwnd, max(min(b.longBound(), b.bounds.short), bbrMinSegments*b.mss), MaxWindow)
}

// longBound is the long-term bound, as far as it holds in this state.
func (b *bbr) longBound() int {
	switch b.state {
	case bbrDown, bbrRefill, bbrUp:
		return b.bounds.long
	case bbrCruise, bbrProbeRTT:
		return b.withHeadroom()
	}
	return unbounded
}

// saveWindow remembers the window that losses and ProbeRTT have not touched.
func (b *bbr) saveWindow() {
	if !b.repairing && b.state != bbrProbeRTT {
		b.prior = b.cwnd
	} else {
		b.prior = max(b.prior, b.cwnd)
	}
}

// restoreWindow goes back to it when they are over. The model says how much the path holds;
// that it was too much is said by its bounds.
func (b *bbr) restoreWindow() { b.cwnd = max(b.cwnd, b.prior) }
