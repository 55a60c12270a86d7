package cc

// Startup doubles the rate in each round until the path is full, and Drain takes
// away the queue that this has built.
// https://www.ietf.org/archive/id/draft-ietf-ccwg-bbr-06.html#section-5.3.1

// Gains, in percent: the draft's. 4·ln 2 is the least one that doubles what is delivered in
// each round, as slow start does. Drain sends half of what the path delivers, so that the
// queue goes; a window of twice what the path holds leaves room for ACKs that come late.
const (
	bbrStartupGain = 277
	bbrDrainGain   = 50
	bbrWindowGain  = 200
)

// bbrFull finds out whether the path is full: the rate does not grow by a quarter in
// three rounds in which we tried. When the peer's window holds us back it grows later,
// as the program reads, unless a queue shows that the path is full.
type bbrFull struct {
	rate    uint64 // the last one that was a quarter more
	rounds  uint8  // since then
	now     bool
	reached bool // once, since the beginning

	lossRounds uint8  // rounds of recovery, in Startup
	losses     uint8  // ACKs of this round that told of a loss
	drainRound uint32 // when Drain began
}

// Three rounds, as one may have been short by chance, and a receiver's window that grows
// takes some. https://www.ietf.org/archive/id/draft-ietf-ccwg-bbr-06.html#section-5.3.1.2
const (
	bbrFullRounds  = 3
	bbrFullLosses  = 6 // losses in a round that end Startup
	bbrDrainRounds = 3
)

// reset begins a new search, with a rate to compare with.
func (f *bbrFull) reset(rate uint64) { f.rate, f.rounds, f.now = rate, 0, false }

func (b *bbr) enterStartup() { b.state, b.gain, b.span = bbrStartup, bbrStartupGain, bbrWindowGain }

func (b *bbr) checkFull(s *bbrSample) {
	f := &b.full
	switch {
	case f.now || !b.rounds.start || s.limited || s.rate == 0 || s.Shut && !b.noise.queued:
	case s.rate >= f.rate+f.rate/4:
		f.reset(s.rate)
	default:
		f.rounds++
		f.now = f.rounds >= bbrFullRounds
		f.reached = f.reached || f.now
	}
}

func (b *bbr) checkStartupDone(s *bbrSample) {
	if b.state != bbrStartup {
		return
	}
	b.checkHighLoss(s)
	if b.full.reached {
		b.state, b.gain, b.span = bbrDrain, bbrDrainGain, bbrWindowGain
		b.full.drainRound = b.rounds.count
	}
}

// checkHighLoss ends Startup when a whole round of recovery lost too much, in
// several places, behind a queue: without one the rate grows no more when the path is
// full. https://www.ietf.org/archive/id/draft-ietf-ccwg-bbr-06.html#section-5.3.1.3
func (b *bbr) checkHighLoss(s *bbrSample) {
	f := &b.full
	if s.Lost > 0 && f.losses < bbrFullLosses {
		f.losses++
	}
	if !b.rounds.start {
		return
	}
	if s.Recovery && f.lossRounds > 0 && f.losses >= bbrFullLosses && b.noise.queued && b.tooHigh(&s.Rate) {
		f.reached = true
		b.bounds.long = max(b.pipe(100), b.bounds.latest)
		b.undone.state = bbrStartup
		b.undone.moved = true
	}
	if f.losses = 0; s.Recovery {
		f.lossRounds = 1
	} else {
		f.lossRounds = 0
	}
}

// draining reports whether what is heard of losses may be Startup's.
func (b *bbr) draining() bool { return b.rounds.count <= b.full.drainRound+bbrDrainRounds }

// checkDrained ends Drain when the queue is gone, and after some rounds in any case: where
// others fill the queue it never goes, and at half the rate we would starve.
func (b *bbr) checkDrained(s *bbrSample) {
	if b.state == bbrDrain && (s.InFlight <= b.inflight(100) || !b.draining()) {
		b.span = bbrWindowGain
		b.probe.restart = true
	}
}
