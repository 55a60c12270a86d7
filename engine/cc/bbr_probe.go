package cc

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// bbrProbe is the cycle of ProbeBW: DOWN lets the queue drain and leaves room for
// others, CRUISE sends as fast as the path delivers, REFILL fills the path, UP tries
// to send faster. https://www.ietf.org/archive/id/draft-ietf-ccwg-bbr-06.html#section-5.3.3
type bbrProbe struct {
	began    clock.Time    // DOWN
	wait     time.Duration // from then until REFILL
	acked    int           // in UP, since the bound was raised
	perInc   int           // the bound rises by a segment for so much
	upRounds uint8
	phase    bbrPhase
	sampling bool // what is acknowledged now was sent in REFILL or UP, and nothing of it was too much yet
	tooHigh  bool // the latest UP lost too much
	cautious bool // the latest UP ended where the one before had lost too much
	restart  bool // Drain is over
}

// bbrPhase is what the ACKs that come now tell of.
type bbrPhase uint8

const (
	bbrNoPhase   bbrPhase = iota
	bbrRefilling          // of what was sent in REFILL or before
	bbrStarting           // UP has begun, its first round is under way
	bbrFeedback           // of what was sent in UP
	bbrStopping           // UP is over, its last round comes back
)

// Gains in percent, and bounds: the draft's. DOWN gives back what UP has queued. Of Reno's
// rounds there are no more than two seconds have at 30 ms: on a larger path the clock
// decides when to probe.
const (
	bbrDownGain     = 90
	bbrUpGain       = 125
	bbrUpWindowGain = 225
	bbrHeadroom     = 15 // percent
	bbrRenoRounds   = 63 // a Reno flow recovers a path of so many segments in so many rounds
	bbrMaxUpRounds  = 30
)

// startDown begins the cycle. Its length is drawn, so that flows which share a path do
// not all probe at the same moment and take each other's queue for their own.
func (b *bbr) startDown(now clock.Time) {
	b.resetSignals()
	p := &b.probe
	p.perInc = unbounded
	b.rounds.sinceProbe = uint32(b.draw(2))
	p.wait = 2*time.Second + time.Duration(b.draw(uint64(time.Second)))
	if p.tooHigh { // CUBIC needs seconds to recover; ProbeRTT comes each five
		p.wait *= 2
	}
	p.began = now
	p.phase = bbrStopping
	b.rounds.begin()
	b.state, b.gain, b.span = bbrDown, bbrDownGain, bbrWindowGain
}

func (b *bbr) startCruise() { b.state, b.gain, b.span = bbrCruise, 100, bbrWindowGain }

// startRefill fills the path for a round before UP: without it UP would begin with the
// path half empty, and take the time to fill it for room to grow.
func (b *bbr) startRefill() {
	b.resetShortTerm()
	p := &b.probe
	p.upRounds, p.acked, p.cautious = 0, 0, false
	p.phase = bbrRefilling
	b.rounds.begin()
	b.state, b.gain, b.span = bbrRefill, 100, bbrWindowGain
}

// startUp sends faster than the path delivers, until that shows: as loss, as a mark, or
// as a rate that no longer grows.
func (b *bbr) startUp(s *bbrSample) {
	b.probe.phase = bbrStarting
	b.rounds.begin()
	b.full.reset(s.rate)
	b.state, b.gain, b.span = bbrUp, bbrUpGain, bbrUpWindowGain
	b.raiseSlope()
}

// advanceCycle moves the state machine of ProbeBW.
func (b *bbr) advanceCycle(now clock.Time, s *bbrSample) {
	switch {
	case b.probe.restart:
		b.probe.restart = false
		b.startDown(now)
		return
	case !b.full.reached, b.adaptLongTerm(s):
		return
	}
	switch b.state {
	case bbrDown:
		if !b.timeToProbe(now) && s.InFlight <= min(b.withHeadroom(), b.inflight(100)) {
			b.startCruise()
		}
	case bbrCruise: // it moves by itself when the time has come
		b.timeToProbe(now)
	case bbrRefill:
		if b.rounds.start {
			b.probe.sampling = true
			b.startUp(s)
		}
	case bbrUp:
		if b.timeToGoDown(s) {
			b.probe.tooHigh = false
			b.startDown(now)
		}
	}
}

// timeToProbe begins REFILL after two to three seconds, or after as many rounds as a
// Reno flow would need, so that those which share the path have their turn.
func (b *bbr) timeToProbe(now clock.Time) bool {
	reno := min(b.targetInflight()/b.mss, bbrRenoRounds)
	if now.Sub(b.probe.began) <= b.probe.wait && int(b.rounds.sinceProbe) < reno {
		return false
	}
	b.startRefill()
	return true
}

// timeToGoDown ends UP: where the last one had lost too much it stops before it does so
// again, and otherwise when the path is full.
func (b *bbr) timeToGoDown(s *bbrSample) bool {
	switch {
	// The bound is where the last probe lost too much. What was lost there once is not to be
	// lost each time, only to learn that nothing has changed.
	case b.probe.tooHigh && s.InFlight >= b.bounds.long:
		b.probe.cautious = true
		return true
	case s.Limited && b.cwnd >= b.bounds.long:
		b.full.reset(s.rate) // the bound limits the rate, not the path
		return false
	}
	return b.full.now
}

// adaptLongTerm follows the ACKs of a probe, raises the bound where what was in
// flight was not too much, and reports whether it has changed the state.
func (b *bbr) adaptLongTerm(s *bbrSample) bool {
	p := &b.probe
	// What left in a probe is heard of one round later: so late the samples begin, and end.
	if p.phase == bbrStarting && b.rounds.start {
		p.phase = bbrFeedback
	}
	if p.phase == bbrStopping && b.rounds.start {
		p.sampling, p.phase = false, bbrNoPhase
		if b.state.probingBW() {
			if !s.limited {
				b.rate.advance()
			}
			if p.cautious && !p.tooHigh {
				b.startRefill()
				return true
			}
		}
	}
	if b.bounds.long == unbounded || b.tooHigh(&s.Rate) {
		return false
	}
	b.bounds.long = max(b.bounds.long, s.Rate.InFlight)
	if b.state == bbrUp {
		b.raiseLongTerm(s)
	}
	return false
}

// raiseSlope doubles, in each round of UP, how fast the bound rises.
func (b *bbr) raiseSlope() {
	b.probe.perInc = max(b.cwnd>>b.probe.upRounds, b.mss)
	b.probe.upRounds = min(b.probe.upRounds+1, bbrMaxUpRounds)
}

func (b *bbr) raiseLongTerm(s *bbrSample) {
	if !s.Limited || b.cwnd < b.bounds.long {
		return
	}
	// Slowly at first: the path may have no more to give, and each step is a segment that
	// may be lost. What is found to be free is then taken up faster in each round.
	p := &b.probe
	p.acked += s.Delivered
	if n := p.acked / p.perInc; n > 0 {
		p.acked -= n * p.perInc
		b.bounds.long = min(b.bounds.long+n*b.mss, MaxWindow)
	}
	if b.rounds.start {
		b.raiseSlope()
	}
}
