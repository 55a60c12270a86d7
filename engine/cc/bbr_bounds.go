package cc

import (
	"math"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// bbrBounds are what losses and marks say: in the long term, how much in flight was
// too much when we probed; in the short term, until the next probe, what the path
// delivers now. https://www.ietf.org/archive/id/draft-ietf-ccwg-bbr-06.html#section-5.5.10
type bbrBounds struct {
	long      int    // inflight_longterm
	short     int    // inflight_shortterm
	shortRate uint64 // bw_shortterm

	latest     int    // most delivered in a round trip, in this round
	latestRate uint64 // and the rate
	end        uint64 // of the round of losses: see bbrRounds
	start      bool   // this ACK begins one
	noted      bool   // something was lost, or marked, in it
	lossy      bool   // because of a queue

	delivered, lost, marked int // in this round
}

// Loss and beta are the draft's, which allows a path to lose a little by itself; of marks
// Linux's BBRv3 takes half for too many.
const (
	bbrLoss        = 20 // 1/1000 of what is in flight: more is too much
	bbrMarkPercent = 50 // of what is delivered in a round
	bbrBeta        = 70 // percent that a reduction leaves, as with CUBIC
)

func (b *bbr) resetShortTerm() { b.bounds.short, b.bounds.shortRate = unbounded, math.MaxUint64 }

func (b *bbr) resetSignals() {
	b.bounds.noted, b.bounds.lossy, b.bounds.latest, b.bounds.latestRate = false, false, 0, 0
}

// updateLatest comes at the beginning of an ACK, advanceLatest at its end.
func (b *bbr) updateLatest(s *bbrSample) {
	n := &b.bounds
	n.latestRate = max(n.latestRate, s.rate)
	n.latest = max(n.latest, s.Rate.Delivered)
	if n.start = s.known && s.prior >= n.end; n.start {
		n.end = s.Total
	}
	n.delivered += s.Delivered
	if n.marked += s.Marked; s.Marked > 0 {
		b.noteLoss(true)
	}
	n.lost += s.Lost
}

func (b *bbr) advanceLatest(s *bbrSample) {
	if n := &b.bounds; n.start {
		n.latestRate, n.latest = s.rate, s.Rate.Delivered
		n.delivered, n.lost, n.marked = 0, 0, 0
	}
}

// adaptShortTerm lowers the bounds once in a round that lost something, to what the
// path delivers, and by no more than CUBIC would. What Startup lost is
// known by then that Drain is over, which sends half of what the path delivers, and would
// make that the bound.
func (b *bbr) adaptShortTerm() {
	n := &b.bounds
	if !n.start {
		return
	}
	if b.lossyRound() && !b.state.accelerating() && !b.draining() {
		if n.shortRate == math.MaxUint64 {
			n.shortRate = b.rate.max()
		}
		if n.short == unbounded {
			n.short = b.cwnd
		}
		n.shortRate = max(n.latestRate, mulDiv(n.shortRate, bbrBeta, 100))
		n.short = max(n.latest, percent(n.short, bbrBeta))
	}
	n.lossy, n.noted = false, false
}

// noteLoss begins a round with the first loss, and remembers whether a queue is the
// reason.
func (b *bbr) noteLoss(queue bool) {
	if !b.bounds.noted {
		b.bounds.noted, b.bounds.end = true, b.rounds.total
	}
	b.bounds.lossy = b.bounds.lossy || queue
}

// lossyRound reports whether the round that ends has lost what a queue explains, and
// noise does not.
func (b *bbr) lossyRound() bool {
	n := &b.bounds
	sent := n.delivered + n.lost
	return b.excess(n.lost, sent) || n.lossy && int64(n.lost+n.marked)*1000 > int64(sent)*int64(b.noise.seen.rate()*3/2)
}

// excess reports whether more is lost than noise explains. Of few segments chance alone loses
// several at a time: two standard deviations more than usual are no sign of anything.
func (b *bbr) excess(lost, of int) bool {
	chance := 2 * math.Sqrt(float64(of)*float64(b.mss)*float64(b.noise.sure.rate())/1000)
	return float64(lost)*1000 > float64(of)*float64(b.noise.allowed())+1000*chance
}

// tooHigh reports whether what was in flight when a segment was sent was too much.
func (b *bbr) tooHigh(r *Rate) bool {
	n := &b.bounds
	return b.excess(r.Lost, r.InFlight) || n.marked > 0 && n.marked > percent(n.delivered, bbrMarkPercent)
}

// lost takes one transmission for lost. It may have been large: what matters is what
// was in flight at that of its bytes which made the losses too many.
func (b *bbr) lost(now clock.Time, e *Event) {
	b.noteLoss(b.noise.queued)
	if !b.probe.sampling || !b.tooHigh(&e.Sent) {
		return
	}
	before, lostBefore := int64(e.Sent.InFlight-e.Bytes), int64(e.Sent.Lost-e.Bytes)
	r := e.Sent
	part := int64(b.noise.allowed())
	r.InFlight = int(before + max(before*part-lostBefore*1000, 0)/(1000-part))
	b.lower(now, &r)
}

// lower bounds what may be in flight, once for a probe. It leaves what the path holds,
// with headroom, or as much of what was too much as CUBIC would. The draft leaves all
// of that: beside CUBIC on a queue of one bandwidth-delay product it keeps 85 % of the
// rate then, and the queue full.
func (b *bbr) lower(now clock.Time, r *Rate) {
	b.probe.tooHigh, b.probe.sampling = true, false
	if !r.AppLimited {
		full := b.pipe(100*100/(100-bbrHeadroom) + 1)
		b.bounds.long = max(percent(max(r.InFlight, b.targetInflight()), bbrBeta), min(r.InFlight, full))
	}
	if b.state == bbrUp {
		b.undone.state, b.undone.moved = bbrUp, true
		b.startDown(now)
	}
}

// bbrUndo is what a loss may have to give back when it was none.
// https://www.ietf.org/archive/id/draft-ietf-ccwg-bbr-06.html#section-5.5.11
type bbrUndo struct {
	long, short int
	shortRate   uint64
	state       bbrState // that the loss has ended, when it has moved
	moved       bool
}

func (b *bbr) saveForUndo() {
	b.undone = bbrUndo{long: b.bounds.long, short: b.bounds.short, shortRate: b.bounds.shortRate}
}

func (b *bbr) undo(now clock.Time) {
	n, u := &b.bounds, b.undone
	b.undone = bbrUndo{}
	b.repairing = false
	b.restoreWindow()
	n.lossy = false
	b.full.reset(0)
	n.long, n.short, n.shortRate = max(n.long, u.long), max(n.short, u.short), max(n.shortRate, u.shortRate)
	switch {
	case !u.moved || b.state == u.state:
	case u.state == bbrStartup:
		b.full.reached = false
		if b.state != bbrProbeRTT {
			b.enterStartup()
		}
	case b.state != bbrProbeRTT:
		b.startRefill()
	}
}

// percent returns so many percent of n bytes.
func percent(n, of int) int { return int(int64(n) * int64(of) / 100) }
