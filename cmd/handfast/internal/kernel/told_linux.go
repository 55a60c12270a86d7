package kernel

import (
	"math/rand/v2"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/inspect"
)

// Told is a detector for SYNs of which only the number is known, as of those that programs in the
// kernel answer.
type Told struct {
	detector detect.Detector
	last     Handshakes
	port     uint16
	waiting  []uint64 // handshakes of which it is not known what became
	syns     uint64
}

// Handshakes are what counters say so far.
type Handshakes struct {
	SYNs      uint64
	Completed uint64 // connections
	Failed    uint64 // cookies that were none
}

// maxWaiting is of how many handshakes is remembered that they began: more are not sampled.
const maxWaiting = 1 << 16

// NewTold returns a detector that begins with what is counted now. port is the one that SYNs are
// for, or 0 for several.
func NewTold(now Handshakes, port uint16) *Told {
	t := &Told{last: now, port: port}
	t.detector.Init(rand.Uint64())
	return t
}

// Look tells what is counted now, and what is done about it: at least once in each of the
// detector's ticks.
func (t *Told) Look(now clock.Time, n Handshakes, d detect.Defence) {
	since := func(now, last uint64) int { return int(min(now-last, maxEvents)) }
	for range since(n.SYNs, t.last.SYNs) {
		flow := rand.Uint64()
		t.detector.Syn(flow, nobody(), t.port)
		t.waiting = append(t.waiting, flow)
	}
	// Which one it was nobody tells: one of the last, so that as many are answered as were.
	for range min(since(n.Completed, t.last.Completed), len(t.waiting)) {
		last := len(t.waiting) - 1
		t.detector.Completed(t.waiting[last], nobody())
		t.waiting = t.waiting[:last]
	}
	for range since(n.Failed, t.last.Failed) {
		t.detector.CookieFailed()
	}
	if more := len(t.waiting) - maxWaiting; more > 0 {
		t.waiting = append(t.waiting[:0], t.waiting[more:]...)
	}
	t.syns += n.SYNs - t.last.SYNs
	t.last = n
	if t.detector.Due(now) {
		t.detector.Advance(now, d)
	}
}

// Verdict says what it means.
func (t *Told) Verdict() *inspect.Flood {
	v := t.detector.Verdict()
	v.Partial(0, t.syns)
	return inspect.FloodOf(v)
}
