package cc

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// bbrRTT is the round trip without a queue: the least one of ten seconds. When none
// as low was seen for five, ProbeRTT halves what is in flight for a moment, so that
// the queue empties and all flows see the path as it is.
// https://www.ietf.org/archive/id/draft-ietf-ccwg-bbr-06.html#section-5.3.4
type bbrRTT struct {
	least      time.Duration // 0: none yet
	stamp      clock.Time    // of least
	probeLeast time.Duration // since the latest ProbeRTT
	probeStamp clock.Time
	doneAt     clock.Time // ProbeRTT lasts until then; 0: what is in flight is not low yet
	roundDone  bool       // and a round
	expired    bool
	quietUntil uint64 // what was sent before so much was delivered says nothing of the rate
}

// The draft's numbers. For 200 ms and a round half of what the path holds is in
// flight: that is long enough for flows with different round trips to do so at the same
// time, and costs two percent in all.
const (
	bbrRTTWindow     = 10 * time.Second
	bbrProbeInterval = 5 * time.Second
	bbrProbeDuration = 200 * time.Millisecond
	bbrProbeGain     = 50
)

// updateRTT keeps two minima: that of ten seconds is the model's, and that of five says
// whether somebody has to look again. So a path that got longer is believed in time, and
// a flow that often pauses never has to stop for a look.
func (b *bbr) updateRTT(now clock.Time, s *bbrSample) {
	r := &b.rtt
	r.expired = now.Sub(r.probeStamp) > bbrProbeInterval
	if s.RTT > 0 && (r.probeLeast == 0 || s.RTT < r.probeLeast || r.expired) {
		r.probeLeast, r.probeStamp = s.RTT, now
	}
	if r.probeLeast > 0 && (r.least == 0 || r.probeLeast < r.least || now.Sub(r.stamp) > bbrRTTWindow) {
		if r.least == 0 {
			b.firstRTT(r.probeLeast)
		}
		r.least, r.stamp = r.probeLeast, r.probeStamp
	}
}

func (b *bbr) checkProbeRTT(now clock.Time, s *bbrSample) {
	if b.state != bbrProbeRTT && b.rtt.expired && !b.restarted {
		b.saveWindow()
		b.state, b.gain, b.span = bbrProbeRTT, 100, bbrProbeGain
		b.rtt.doneAt = 0
		b.probe.phase = bbrStopping
		b.rounds.begin()
	}
	if b.state == bbrProbeRTT {
		b.handleProbeRTT(now, s)
	}
	if s.Delivered > 0 {
		b.restarted = false
	}
}

func (b *bbr) handleProbeRTT(now clock.Time, s *bbrSample) {
	r := &b.rtt
	// So little is in flight on purpose: the rates that it gives are no measure of the path.
	r.quietUntil = s.Total + uint64(s.InFlight)
	switch {
	// The time runs from when so little is in flight: before, the queue is still there.
	case r.doneAt == 0 && s.InFlight <= b.probeRTTWindow():
		r.doneAt, r.roundDone = now.Add(bbrProbeDuration), false
		b.rounds.begin()
	case r.doneAt != 0:
		r.roundDone = r.roundDone || b.rounds.start
		if r.roundDone {
			b.checkProbeRTTDone(now)
		}
	}
}

// checkProbeRTTDone goes back to what was before, and cautiously: with the cycle at
// its beginning.
func (b *bbr) checkProbeRTTDone(now clock.Time) {
	if b.rtt.doneAt == 0 || now <= b.rtt.doneAt {
		return
	}
	b.rtt.probeStamp = now
	b.restoreWindow()
	b.resetShortTerm()
	if !b.full.reached {
		b.enterStartup()
		return
	}
	// The queue is empty already, which is what DOWN is for.
	b.startDown(now)
	b.startCruise()
}
