package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// What the detector is told. It only looks on: the attack mode and the cookies
// have thresholds of their own and do not wait for a verdict.

// id names a handshake for the detector: the four-tuple and the peer's ISN, so
// that a SYN which is repeated differs from one with the ports of another.
func (f flow) id(irs seq.Num) uint64 {
	return uint64(f) ^ uint64(irs)*0x9e3779b97f4a7c15
}

// watcher returns the detector. It is made with the first handshake that is asked
// for: a host that only opens connections, or has no peers yet, is spared its memory.
func (e *Endpoint) watcher() *detect.Detector {
	if e.detector == nil {
		e.detector = new(detect.Detector)
		e.detector.Init(e.seed)
	}
	return e.detector
}

// Flood returns what the detector makes of the handshakes that this endpoint is
// asked for.
func (e *Endpoint) Flood(now clock.Time) detect.Verdict {
	if e.detector == nil {
		defer func() { e.detector = nil }() // still nobody has asked
	}
	e.watch(now)
	return e.detector.Verdict()
}

// FloodLevel returns the level of that verdict as of the last segment or timer;
// it costs nothing.
func (e *Endpoint) FloodLevel() detect.Level {
	if e.detector == nil {
		return detect.Quiet
	}
	return e.detector.Level()
}

// concludes returns when the detector wants to know the time.
func (e *Endpoint) concludes() clock.Time {
	if e.detector == nil {
		return clock.Never
	}
	return e.detector.Deadline()
}

// watch lets the detector draw its conclusions when it is time.
func (e *Endpoint) watch(now clock.Time) {
	if d := e.detector; d == nil || d.Due(now) {
		e.conclude(now)
	}
}

func (e *Endpoint) conclude(now clock.Time) {
	d := e.watcher()
	was := d.Level()
	d.Advance(now, detect.Defence{
		HalfOpen: e.halfOpen.count, Limit: e.halfOpen.limit, Oldest: e.oldestHalfOpen(now),
		Cookies: e.cookiesFirst(), Attack: e.attack.on,
		Evicted: e.stats.TCPReqQFullDoCookies, Dropped: e.stats.TCPReqQFullDrop,
	})
	if d.Level() == detect.Flood && was != detect.Flood {
		e.stats.FloodsDetected++
	}
}

// oldestHalfOpen returns about how old the oldest half-open entry is: the first
// of those whose SYN-ACK was repeated most often.
func (e *Endpoint) oldestHalfOpen(now clock.Time) time.Duration {
	k := &e.halfOpen
	if k.count == 0 {
		return 0
	}
	for retries := maxRetries; retries >= 0; retries-- {
		if first := k.waiting[retries].first; first != 0 {
			all := e.cfg.InitialRTO<<(retries+1) - e.cfg.InitialRTO // from the SYN to the deadline
			return max(0, all-k.at(first).due.time().Sub(now))
		}
	}
	return 0
}

// sent counts a segment that leaves.
func (e *Endpoint) sent(out *Output) {
	e.stats.sent(out)
	if out.Flags&(wire.SYN|wire.ACK) == wire.SYN|wire.ACK {
		e.watcher().SynAck(out.again)
	}
}

// watchHalfOpen tells the detector of a segment for a half-open connection:
// a repeated SYN, or a last ACK that the accept queue has no room for.
func (e *Endpoint) watchHalfOpen(a *arrival, h *halfOpen) {
	e.watch(a.now)
	s, f, t := a.segment, a.flow, a.tuple
	switch {
	case s.Flags&(wire.SYN|wire.ACK|wire.RST) == wire.SYN && !h.is(markAsking):
		e.watcher().Syn(f.id(s.Seq), t.Remote, t.LocalPort)
	case s.Flags&(wire.SYN|wire.ACK|wire.RST) == wire.ACK && s.Ack == h.iss.Add(1):
		e.watcher().Answered(f.id(h.irs))
	}
}
