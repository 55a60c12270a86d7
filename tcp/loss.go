package tcp

import (
	"github.com/handfast-tcp/handfast/cc"
	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/seq"
)

// loss is what is known of lost segments: NewReno's fast retransmit and fast
// recovery, RFC 6582. How much may be in flight is the controller's business;
// here stands what must be sent again.
// https://www.rfc-editor.org/rfc/rfc6582
type loss struct {
	dupAcks    uint16
	inRecovery bool
	limited    bool    // the congestion window was full since the last ACK
	recover    seq.Num // highest number sent when the last loss was found
}

// dupThresh is how many duplicate ACKs mean that a segment is lost, RFC 5681 §3.2.
const dupThresh = 3

// duplicateAck counts; each stands for a segment that has left the network.
func (c *Conn) duplicateAck(now clock.Time) {
	c.loss.dupAcks = min(c.loss.dupAcks+1, 1<<15)
	if c.loss.dupAcks != dupThresh || c.loss.inRecovery || c.snd.una.Less(c.loss.recover) {
		return
	}
	c.loss.inRecovery = true
	c.loss.recover = c.snd.nxt
	c.cc.OnLoss(now, c.inFlight())
	c.fastRetransmit()
}

func (c *Conn) fastRetransmit() {
	c.owes |= owesFastRtx
	c.rttStop()
}

// lossAcked takes an ACK of new bytes: outside recovery the window grows,
// inside it is partial or full, RFC 6582 §3.2 step 3.
func (c *Conn) lossAcked(now clock.Time, a cc.Ack) {
	c.loss.limited = false
	if !c.loss.inRecovery {
		c.loss.dupAcks = 0
		c.cc.OnAck(now, a)
		return
	}
	if c.loss.recover.LessEq(c.snd.una) {
		c.loss.inRecovery = false
		c.loss.dupAcks = 0
		return
	}
	c.loss.dupAcks -= min(c.loss.dupAcks, uint16(a.Bytes/int(c.snd.mss)))
	c.fastRetransmit()
}

// window is how many bytes congestion control allows in flight. Duplicate ACKs
// inflate it: each stands for a segment that has arrived (limited transmit,
// RFC 3042, for the first two; RFC 5681 §3.2 in recovery).
func (c *Conn) window() int {
	return c.cc.Window() + int(c.loss.dupAcks)*int(c.snd.mss)
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
	if c.cc != nil {
		c.cc.OnTimeout(now, flight)
	}
	c.loss = loss{recover: c.snd.nxt}
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

// notTooLate puts an expiry of the retransmission timer forward to the end of
// the user timeout, which would else be overrun by up to the longest RTO. SYNs
// are counted instead.
func (c *Conn) notTooLate(at clock.Time) clock.Time {
	if c.snd.una == c.snd.iss {
		return at
	}
	return min(at, c.lastMoment())
}
