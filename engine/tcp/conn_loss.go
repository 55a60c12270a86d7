package tcp

import (
	"math"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// loss is what is known of lost segments: NewReno's fast retransmit and fast
// recovery, RFC 6582. How much may be in flight is the controller's business;
// here stands what must be sent again.
// https://www.rfc-editor.org/rfc/rfc6582
type loss struct {
	recover seq.Num // SND.NXT when the last loss was found; of no meaning once that is acknowledged
	full    seq.Num // up to here what was sent filled the congestion window; not before SND.UNA: see noteFull
}

// lossPhase says whether a loss is being repaired, and how it was found. A
// repair lasts until loss.recover is acknowledged.
type lossPhase uint8

const (
	noLoss       lossPhase = iota
	afterTimeout           // by the retransmission timer
	fastRecovery           // by duplicate ACKs
	moreLost               // fast recovery, after its first partial ACK
)

// dupThresh is how many duplicate ACKs mean that a segment is lost, RFC 5681 §3.2.
const dupThresh = 3

// duplicateAck counts; each stands for a segment that has left the network. In
// recovery no more count than segments were under way, or who repeats ACKs would
// have us send without end. After a timeout none counts: they answer what was
// sent again without need (RFC 6582 §3.2, step 1).
func (c *Conn) duplicateAck(now clock.Time) {
	switch c.phase {
	case noLoss:
		if c.snd.dupAcks++; c.snd.dupAcks == dupThresh {
			c.beginRecovery(now)
		}
	case fastRecovery, moreLost:
		if c.snd.dupAcks < c.dupLimit {
			c.snd.dupAcks++
		}
	}
}

// beginRecovery is RFC 6582 §3.2, step 2.
func (c *Conn) beginRecovery(now clock.Time) {
	c.phase, c.loss.recover = fastRecovery, c.snd.nxt
	c.cc.OnEvent(now, cc.Event{Kind: cc.Loss, InFlight: c.inFlight()})
	c.fastRetransmit()
}

func (c *Conn) fastRetransmit() {
	c.owes |= owesFastRtx
	c.dupLimit = uint16(min(int(c.snd.nxt.Sub(c.snd.una))/int(c.snd.mss), math.MaxUint16))
	c.rttStop()
}

// lossAcked takes an ACK of new bytes: outside recovery the window grows,
// inside it is partial or full, RFC 6582 §3.2 step 3.
func (c *Conn) lossAcked(now clock.Time, newly int) {
	was := c.phase
	if was != noLoss && c.loss.recover.LessEq(c.snd.una) {
		c.phase = noLoss
	}
	switch {
	case c.phase >= fastRecovery:
		c.snd.dupAcks -= uint16(min(int(c.snd.dupAcks), newly/int(c.snd.mss)))
		c.fastRetransmit()
	case was >= fastRecovery:
		c.snd.dupAcks = 0
		c.cc.OnEvent(now, cc.Event{Kind: cc.Recovered})
	default:
		c.snd.dupAcks = 0
	}
}

// noteFull remembers whether the congestion window, not the program or the peer,
// holds us back: only then may it grow (RFC 7661). It is asked when an ACK
// arrives, about the flight that the ACK acknowledges; and once for all ACKs of
// one instant, so that those that arrive together, before anything can be sent,
// count like those that arrive one by one.
// https://www.rfc-editor.org/rfc/rfc7661#section-4.3
func (c *Conn) noteFull(now clock.Time) {
	if c.snd.una != c.snd.resend && (now != c.live.heard || !c.limited()) && c.windowFull() {
		c.loss.full = c.snd.resend
	}
}

// limited reports whether what is acknowledged next was of a flight that filled
// the window.
func (c *Conn) limited() bool { return c.snd.una.Less(c.loss.full) }

// windowFull reports whether what is in flight fills the congestion window: not
// another segment goes in, or none that is worth it. In slow start half of it is
// enough.
func (c *Conn) windowFull() bool {
	flight, limits := c.inFlight(), c.cc.Limits()
	open := limits.Window + int(c.snd.dupAcks)*int(c.snd.mss) - flight
	if limits.Window < limits.Threshold {
		open -= flight
	}
	return open < int(c.snd.mss) || c.deferred(open, flight, open)
}

// window is how many bytes congestion control allows in flight. Duplicate ACKs
// inflate it: each stands for a segment that has arrived (limited transmit,
// RFC 3042, for the first two; RFC 5681 §3.2 in recovery).
func (c *Conn) window() int {
	return c.cc.Limits().Window + int(c.snd.dupAcks)*int(c.snd.mss)
}

// retransmitTimeout is the expiry of the retransmission timer, RFC 6298 §5.4
// to §5.7: everything in flight counts as lost.
func (c *Conn) retransmitTimeout(now clock.Time) {
	if c.giveUp(now) {
		return
	}
	flight := c.inFlight()
	if c.rtt.backoff > 0 {
		flight = 0 // RFC 5681 §3.1: ssthresh falls once for a segment
	}
	c.rtt.backoff++
	c.rttStop()
	c.confirmClaim(now)
	if c.cc != nil {
		c.cc.OnEvent(now, cc.Event{Kind: cc.Timeout, InFlight: flight})
	}
	c.phase, c.snd.dupAcks = afterTimeout, 0
	c.loss.recover, c.loss.full = c.snd.nxt, c.snd.una
	c.snd.resend = c.snd.una
	c.owes &^= owesFastRtx
	c.armRetransmit(now)
}

// armRetransmit keeps the rule of RFC 6298 §5.1 to §5.3: the timer runs while
// something is unacknowledged, and starts anew with each ACK of new data. With
// the peer's window shut the persist timer has its place.
func (c *Conn) armRetransmit(now clock.Time) {
	switch {
	case c.snd.una == c.snd.nxt:
		c.timers.disarm(TimerRetransmit)
	case c.windowShut():
		c.timers.disarm(TimerRetransmit)
		c.armPersist(now)
	default:
		c.timers.arm(TimerRetransmit, c.notTooLate(now.Add(c.rtt.timeout(c.cfg))))
	}
}

// rearmRetransmit is armRetransmit for an ACK of new data. In fast recovery only
// the first partial ACK starts the timer anew, RFC 6582 §3.2 step 3: one segment
// comes back in a round trip, and when many are lost a timeout is sooner done.
// https://www.rfc-editor.org/rfc/rfc6582#section-4
func (c *Conn) rearmRetransmit(now clock.Time) {
	switch {
	case c.phase == moreLost && c.timers.armed(TimerRetransmit) && !c.windowShut():
		return
	case c.phase == fastRecovery:
		c.phase = moreLost
	}
	c.armRetransmit(now)
}

// notTooLate puts an expiry of the retransmission timer forward to the end of
// the user timeout, which would else be overrun by up to the longest RTO. SYNs
// are counted instead.
func (c *Conn) notTooLate(at clock.Time) clock.Time {
	if c.opening() {
		return at
	}
	return min(at, c.lastMoment())
}
