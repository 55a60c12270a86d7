package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// rtt is the retransmission timeout of RFC 6298. One segment in a round trip
// is timed; by Karn's rule none that was sent twice (RFC 9293, MUST-18).
// https://www.rfc-editor.org/rfc/rfc6298#section-2
type rtt struct {
	smoothed  time.Duration
	variation time.Duration
	rto       time.Duration // without back-off
	backoff   uint8         // times that the timer fired in a row
	bare      uint8         // of tally.retrans, those that brought no old text; 255 stands for more
	timeouts  uint16        // times that the timer fired at all, modulo 2^16; so too the next
	repairs   uint16        // repairs that a timeout began
	late      uint16        // times that something came after what was sent later
}

// slowStartRTO is the RTO after a handshake that gave no sample because the
// SYN had to be repeated, RFC 6298 §5.7: the way is slow, or loses much.
// https://www.rfc-editor.org/rfc/rfc6298#section-5
const slowStartRTO = 3 * time.Second

// sample takes a measured round trip, RFC 6298 §2.2 and §2.3. The variation's
// share of the RTO has a floor, the place of the RFC's clock granularity G: on a
// path without jitter it would vanish, and the first ACK that is delayed come
// too late.
func (r *rtt) sample(d time.Duration, cfg *Config) {
	if r.smoothed == 0 {
		r.smoothed, r.variation = d, d/2
	} else {
		r.variation += ((r.smoothed - d).Abs() - r.variation) / 4
		r.smoothed += (d - r.smoothed) / 8
	}
	r.rto = min(r.smoothed+max(4*r.variation, cfg.MinRTO), cfg.MaxRTO)
}

// tail is after how much silence the last segment is sent again; 0: nothing was
// measured.
func (r *rtt) tail(cfg *Config) time.Duration {
	if r.smoothed == 0 {
		return 0
	}
	if cfg.AsLinux {
		return 2*r.smoothed + linuxTail
	}
	return max(2*r.smoothed, time.Duration(uint64(cfg.MinRTO)/tailShare)) // unsigned: fewer steps
}

// mostBackoff is where the RTO has doubled so often that it is Config.MaxRTO.
const mostBackoff = 17

// timeout is the RTO with exponential back-off, RFC 6298 §5.5 (RFC 9293, MUST-19, which
// asks for slow start and congestion avoidance too: see package cc).
func (r *rtt) timeout(cfg *Config) time.Duration {
	switch {
	case r.backoff == 0:
		return min(r.rto, cfg.MaxRTO)
	case r.backoff >= mostBackoff:
		return cfg.MaxRTO
	}
	return min(r.rto<<r.backoff, cfg.MaxRTO)
}

// measureTimeout takes the round trip of the oldest of what an ACK acknowledges, once
// in a round trip: when that was sent, if it is sure that none of it was sent twice.
// After a timeout each ACK is looked at that brings something, or the back-off would last until the
// whole flight has arrived: when what was sent again is acknowledged, the peer's echo of our
// timestamp says which of the copies it means.
func (c *Conn) measureTimeout(now clock.Time, s *Segment, first clock.Time, sure bool) {
	f, trip := c.flight, time.Duration(0)
	switch {
	case sure:
		trip = max(now.Sub(first), 1)
	case c.rtt.backoff > 0:
		trip = c.echoed(now, s)
	}
	c.loss.undo.Age(c.snd.una)
	f.round = c.snd.una
	if trip > 0 {
		f.round = c.snd.nxt
		c.rtt.backoff = 0
		c.rtt.sample(trip, c.cfg)
	}
}

// echoedSyn returns the round trip that the echo of a SYN tells which was sent more than
// once; 0 when it tells none. The timestamp of a SYN-ACK is up to half a second older than
// the segment (cookieTimestamp): it says which of the copies came, and not when that was
// sent. The timer knows when it sent the last one, and how long it waited for each. What
// a repeated SYN called for in between is told by the timestamp alone.
func (c *Conn) echoedSyn(now clock.Time, s *Segment) time.Duration {
	trip := c.echoed(now, s)
	if trip == 0 || !c.halfOpen() {
		return trip
	}
	sent, each, o := c.timers[TimerRetransmit], c.rtt, c.offered()
	for left := int(each.backoff); left >= 0; left-- {
		each.backoff = uint8(left)
		sent = sent.Add(-each.timeout(c.cfg))
		if sent <= now && s.Options.TSEcr == cookieTimestamp(c.ts.value(sent), o.data()) {
			return max(now.Sub(sent), 1)
		}
	}
	return trip
}

// echoed returns the round trip that TSecr tells, 0 when it tells none that can
// be true: the peer may echo what it likes. RFC 7323 §4.1.
func (c *Conn) echoed(now clock.Time, s *Segment) time.Duration {
	if !c.has(stamping) || !s.Options.Has(wire.OptTimestamps) {
		return 0
	}
	ms := int32(c.ts.value(now) - s.Options.TSEcr)
	if d := time.Duration(ms) * time.Millisecond; ms >= 0 && d <= c.cfg.MaxRTO {
		return max(d, time.Millisecond)
	}
	return 0
}
