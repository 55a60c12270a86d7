package cc

import (
	"math"
	"math/bits"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// bbr is BBRv3: it measures how fast the path delivers and how long a round trip
// takes without a queue, and sends at that rate, with about as much in flight as
// the path holds. Each idea has a file. It counts in whole bytes and nanoseconds.
// https://www.ietf.org/archive/id/draft-ietf-ccwg-bbr-06.html
type bbr struct {
	mss    int
	cwnd   int
	prior  int    // cwnd before recovery or ProbeRTT
	pacing uint64 // bytes per second
	drawn  uint64 // state of the generator
	state  bbrState
	gain   uint64 // of pacing, in percent
	span   uint64 // gain of cwnd, in percent

	repairing bool // recovery lasts, or the repair after a timeout
	restarted bool // from idle, and nothing is delivered yet

	rounds bbrRounds
	rate   bbrRate
	rtt    bbrRTT
	full   bbrFull
	probe  bbrProbe
	bounds bbrBounds
	noise  bbrNoise
	merged bbrMerged
	undone bbrUndo
}

// bbrState is where the state machine is.
type bbrState uint8

const (
	bbrStartup bbrState = iota
	bbrDrain
	bbrDown
	bbrCruise
	bbrRefill
	bbrUp
	bbrProbeRTT
)

// probingBW reports whether the state is one of ProbeBW.
func (s bbrState) probingBW() bool { return s >= bbrDown && s <= bbrUp }

// accelerating reports whether the state looks for more bandwidth.
func (s bbrState) accelerating() bool { return s == bbrStartup || s == bbrRefill || s == bbrUp }

// unbounded is a bound that there is not.
const unbounded = math.MaxInt

func newBBR(p Params) Controller {
	b := &bbr{mss: p.MSS, cwnd: p.window(), drawn: p.Seed}
	b.rtt.stamp, b.rtt.probeStamp = p.Now, p.Now
	b.merged.since = p.Now
	b.bounds = bbrBounds{long: unbounded}
	b.resetShortTerm()
	b.probe.perInc = unbounded
	b.enterStartup()
	// As if a round trip took 1 ms: nothing is known yet, and too slow a guess would hold
	// back the first window, which every controller sends at once.
	b.pacing = mulDiv(uint64(b.cwnd), bbrStartupGain, 100) * 1000
	return b
}

func (b *bbr) Name() string      { return "bbr" }
func (b *bbr) Traits() Traits    { return OwnRecovery | WantsSend | WantsLost }
func (b *bbr) Clone() Controller { c := *b; return &c }

func (b *bbr) Limits() Limits {
	return Limits{Window: b.cwnd, Threshold: math.MaxInt32, PacingRate: b.pacing, Burst: b.quantum()}
}

// OnSend looks for the end of an idle time: packets leave at the rate of the path
// then, and there is nothing to learn from a queue.
func (b *bbr) OnSend(now clock.Time, s Send) {
	if s.InFlight > 0 || s.Limited || b.rounds.total == 0 {
		return
	}
	b.restarted = true
	b.merged.since, b.merged.delivered = now, 0
	switch {
	case b.state.probingBW():
		b.pace(100)
	case b.state == bbrProbeRTT:
		b.checkProbeRTTDone(now)
	}
}

// OnAck updates the model, moves the state machine, and sets what follows, in the
// order of §5.2.3.
func (b *bbr) OnAck(now clock.Time, a Ack) {
	// The model first, then the state that follows from it, then what may be sent: a state
	// that moved on old numbers would keep to them for a round.
	s := b.sample(&a)
	b.updateNoise(now, &s)
	b.updateLatest(&s)
	b.updateMaxBandwidth(&s)
	b.adaptShortTerm()
	b.updateMerged(now, &s)
	b.checkFull(&s)
	b.checkStartupDone(&s)
	b.checkDrained(&s)
	b.advanceCycle(now, &s)
	b.updateRTT(now, &s)
	b.checkProbeRTT(now, &s)
	b.advanceLatest(&s)
	b.pace(b.gain)
	b.setWindow(&s)
}

func (b *bbr) OnEvent(now clock.Time, e Event) {
	switch e.Kind {
	case Loss:
		b.saveWindow()
		b.saveForUndo()
		b.repairing = true
	// Nothing was in flight when the timeout repeats: what it has saved is still the state
	// before the trouble, and must not be saved over.
	case Timeout:
		if e.InFlight > 0 {
			b.saveWindow()
			b.saveForUndo()
		}
		b.repairing = true
		b.cwnd = b.mss
	case Recovered:
		b.repairing = false
		b.restoreWindow()
	// A mark is a loss that cost nothing: it lowers the same bounds.
	case Congestion:
		b.noteLoss(true)
	case Lost:
		b.lost(now, &e)
	case Undo:
		b.undo(now)
	case Resized:
		b.mss = e.MSS
		b.cwnd = max(b.cwnd, b.mss)
	}
}

// bbrSample is an ACK as the model sees it.
type bbrSample struct {
	*Ack
	known   bool   // when the newest segment was sent: else no round ends
	rate    uint64 // delivery rate, bytes per second; 0: no sample
	prior   uint64 // delivered when the newest segment was sent
	limited bool   // by the application
}

// sample reads the ACK, and counts the round trips: one is over when something is
// delivered that was sent after it began (§5.5.1). A rate that was measured in less
// than the least round trip is none (§4.1.3.5).
func (b *bbr) sample(a *Ack) bbrSample {
	s := bbrSample{Ack: a, known: a.Rate.Interval > 0}
	if s.known {
		s.prior = a.Total - uint64(a.Rate.Delivered)
	}
	if s.known && a.Rate.Interval >= b.rtt.least {
		s.rate = mulDiv(uint64(a.Rate.Delivered), uint64(time.Second), uint64(a.Rate.Interval))
	}
	s.limited = a.Rate.AppLimited || s.prior < b.rtt.quietUntil
	b.rounds.advance(&s)
	if b.repairing && !a.Recovery && b.rounds.start { // the repair after a timeout has no end of its own
		b.repairing = false
		b.restoreWindow()
	}
	return s
}

// bbrRounds counts round trips.
type bbrRounds struct {
	total      uint64 // delivered
	end        uint64 // the round is over when what was sent after so much was delivered arrives
	count      uint32
	sinceProbe uint32 // rounds since ProbeBW_UP
	start      bool   // this ACK begins one
}

func (r *bbrRounds) advance(s *bbrSample) {
	r.total = s.Total
	if r.start = s.known && s.prior >= r.end; r.start {
		r.begin()
		r.count++
		r.sinceProbe++
	}
}

// begin starts a round with what is sent next.
func (r *bbrRounds) begin() { r.end = r.total }

// draw returns a number below n: SplitMix64, so that a seed repeats a run.
func (b *bbr) draw(n uint64) uint64 {
	b.drawn += 0x9e3779b97f4a7c15
	z := b.drawn
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return (z ^ z>>31) % n
}

// mulDiv returns a·b/c, and the largest number when that is larger. In 128 bits: bytes
// times nanoseconds leave 64 within seconds on a fast path.
func mulDiv(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi >= c {
		return math.MaxUint64
	}
	q, _ := bits.Div64(hi, lo, c)
	return q
}
