package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/recovery"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// lossTimer is what TimerRetransmit stands for: of the four only one is of use at a
// time. https://www.rfc-editor.org/rfc/rfc8985#section-7.2
type lossTimer uint8

const (
	timeoutTimer lossTimer = iota // RFC 6298
	tailTimer                     // a tail loss probe
	lateTimer                     // what is late is lost
	paceTimer                     // the next segment may leave
)

// timerDue returns when TimerRetransmit is due, and what it stands for. Something is
// out.
func (c *Conn) timerDue() (at clock.Time, what lossTimer) {
	at, what = c.lossDue()
	if f := c.flight; f.held && f.paceDue() < at {
		return f.paceDue(), paceTimer
	}
	return at, what
}

// lossDue returns when the timer is due, and what it stands for. Something is out.
func (c *Conn) lossDue() (at clock.Time, what lossTimer) {
	f := c.flight
	// Something is late already: RACK waits for its reordering window, and that is over
	// sooner than a timeout.
	if f.late != clock.Never {
		return f.late, lateTimer
	}
	at = f.since + clock.Time(c.rtt.timeout(c.cfg))
	if c.loss.phase == noLoss && c.loss.probed == notProbed && c.has(sackOK) && f.Pipe() == f.Out() {
		// One probe for each tail, and only while all is thought to be under way: in a
		// repair, segments leave anyway and bring the ACKs that a probe is to bring.
		return min(at, max(f.since, c.live.sent)+clock.Time(c.tailAfter())), tailTimer
	}
	return at, timeoutTimer
}

// tailAfter is after how much silence the last segment is sent again. One segment
// alone may wait for a delayed ACK.
// https://www.rfc-editor.org/rfc/rfc8985#section-7.2
func (c *Conn) tailAfter() time.Duration {
	wait := c.rtt.tail(c.cfg)
	if wait == 0 {
		return time.Second
	}
	if c.flight.Out() <= int(c.path.mss) {
		wait += c.cfg.MinRTO
	}
	return wait
}

// tailShare is the part of Config.MinRTO that is the least silence before a tail loss
// probe, 10 ms by default: on the shortest paths the timer must not fire all the time.
const tailShare = 20

// linuxTail is what Linux adds to two round trips, the least time of its timers.
const linuxTail = 2 * time.Millisecond

// armRetransmit keeps the rule of RFC 6298 §5.1 to §5.3: the timer runs while
// something is unacknowledged. Where the peer's window holds us back, the persist
// timer has its place: see persists.
func (c *Conn) armRetransmit(now clock.Time) {
	switch {
	case c.early(): // our SYN
		c.timers.arm(TimerRetransmit, c.synDue(now))
	case c.flight != nil && c.snd.wnd > 0:
		at, _ := c.timerDue()
		c.timers.arm(TimerRetransmit, c.notTooLate(max(at, now)))
	case c.persists():
		c.timers.disarm(TimerRetransmit)
		c.armPersist(now)
	case c.snd.una == c.snd.nxt:
		c.timers.disarm(TimerRetransmit)
	default: // our SYN
		c.timers.arm(TimerRetransmit, c.synDue(now))
	}
}

// restartTimer is armRetransmit after an ACK: that of new data starts the timer
// again. In the fast recovery of a peer without SACK only the first partial ACK does,
// RFC 6582 §3.2 step 3: one segment comes back in a round trip, and when many are
// lost a timeout is sooner done. https://www.rfc-editor.org/rfc/rfc6582#section-4
// A timer that fires too early is put off only then: see notYet.
func (c *Conn) restartTimer(now clock.Time, acked int) {
	f := c.flight
	if acked > 0 && !f.again {
		f.since = now
		f.again = c.loss.phase == fastRecovery && !c.has(sackOK)
	}
	soon := min(c.rtt.rto, c.rtt.tail(c.cfg))
	if f.late != clock.Never || c.timers[TimerRetransmit].Sub(now) > soon || c.windowShut() {
		c.armRetransmit(now)
	}
}

// notTooLate puts an expiry of the retransmission timer forward to the end of
// the user timeout, which would otherwise be overrun by up to the longest RTO. SYNs
// are counted instead, unless the program has said how long: see synDue.
func (c *Conn) notTooLate(at clock.Time) clock.Time { return min(at, c.lastMoment()) }

// lossTimeout is the expiry of TimerRetransmit.
func (c *Conn) lossTimeout(now clock.Time) {
	// At the end of the user timeout only a timeout will do: it is what gives up.
	what := timeoutTimer
	if c.flight != nil && !c.early() && now < c.lastMoment() {
		_, what = c.lossDue()
	}
	switch what {
	case timeoutTimer:
		c.retransmitTimeout(now)
	case tailTimer:
		c.owes |= owesTail
		c.flight.since = now
	case lateTimer:
		c.lateTimeout(now)
	}
}

// notYet reports whether the retransmission timer has fired for no loss: because it
// was put off since without being armed again, or so that a segment may leave. It arms
// it.
func (c *Conn) notYet(now clock.Time) bool {
	if c.flight == nil || c.early() || now >= c.lastMoment() {
		return false
	}
	if c.flight.held {
		c.flight.mayLeave(now)
	}
	if at, _ := c.lossDue(); at <= now {
		return false
	}
	c.armRetransmit(now)
	return true
}

// lateTimeout takes for lost what did not arrive within the reordering window.
func (c *Conn) lateTimeout(now clock.Time) {
	d := recovery.Delivery{Pipe: c.flight.Pipe()}
	if d.Lost = c.findLate(now); d.Lost > 0 && c.loss.phase == noLoss {
		c.beginRecovery(now, &d)
	}
	if d.Lost > 0 {
		c.tellLost(now)
	}
	if c.loss.phase == fastRecovery {
		c.reduce(&d)
	}
	c.armRetransmit(now)
}

// retransmitTimeout is the expiry of the retransmission timeout, RFC 6298 §5.4
// to §5.7: everything in flight counts as lost.
func (c *Conn) retransmitTimeout(now clock.Time) {
	if c.giveUp(now) {
		return
	}
	c.countTimeout()
	if c.flight == nil || c.early() {
		c.owes |= owesSyn
		c.set(rttTiming, false)
		c.rtt.backoff++
		c.confirmClaim(now)
		c.armRetransmit(now)
		return
	}
	f, flight := c.flight, c.cc.Limits().Window
	if !c.cfg.AsLinux {
		flight = min(c.inFlight(), flight)
	}
	switch {
	case c.rtt.backoff > 0:
		flight = 0                 // RFC 5681 §3.1: ssthresh falls once for a segment
		if f.trial == awaitsMore { // what new text it let go is lost too
			f.trial = noTrial
		}
	// It fell for this flight already, as in Linux: what is undone is the loss, and of a
	// mark nothing. https://www.rfc-editor.org/rfc/rfc3168#section-6.1.2
	case c.loss.phase == fastRecovery, c.hasYielded():
		flight, f.trial = 0, noTrial
	case c.loss.phase == noLoss:
		c.loss.undo.Begin(&f.Ledger)
		f.trial = awaitsAck
	default:
		c.loss.undo.Begin(&f.Ledger)
		f.trial = noTrial
	}
	c.rtt.backoff = min(c.rtt.backoff+1, mostBackoff)
	c.confirmClaim(now)
	c.suspectSize(now)
	c.cc.OnEvent(now, cc.Event{Kind: cc.Timeout, InFlight: flight})
	c.noteReduced()
	c.loss.phase, c.loss.point, c.loss.probed = afterTimeout, c.snd.nxt, notProbed
	f.full, f.since, f.late, f.dupes, f.again = c.snd.una, now, clock.Never, 0, false
	// The pace would have the segment wait for what a path delivers on which all is lost: the
	// timer would fire again and again, and nothing leave.
	f.next, f.held, f.behind = now, false, false
	f.LoseAll()
	c.tellLost(now)
	c.armRetransmit(now)
}

// tailProbe says whether a tail loss probe is under way.
type tailProbe uint8

const (
	notProbed tailProbe = iota
	probedNew           // with new text
	probedOld           // with the last segment, again
)

// buildTail makes a tail loss probe: a segment of new text if the peer's window has
// room, or else the last one again. It goes past the congestion window.
// https://www.rfc-editor.org/rfc/rfc8985#section-7.3
func (c *Conn) buildTail(now clock.Time, out *Output) bool {
	if c.owes&owesTail == 0 {
		return false
	}
	c.owes &^= owesTail
	if c.flight == nil || !c.state.Synchronized() {
		return false
	}
	// New text is the better probe: it is of use even if nothing was lost.
	pos, what := c.snd.nxt, probedNew
	n := min(int(c.out.end().Diff(pos)), int(c.snd.una.Add(c.snd.wnd).Diff(pos)), c.payload())
	if n <= 0 {
		what = probedOld
		pos, n = c.lastSegment()
		out.again = true
	}
	if !c.buildText(now, out, pos, n) {
		return false
	}
	c.cfg.stats.TCPLossProbes++
	c.loss.probed, c.loss.tail = what, c.snd.nxt
	c.armRetransmit(now)
	return true
}

// lastSegment returns the text of the last segment that is out.
func (c *Conn) lastSegment() (pos seq.Num, n int) {
	runs := c.flight.Runs()
	pos = runs[len(runs)-1].Start
	n = max(int(c.out.end().Diff(pos)), 0) // less when a FIN follows
	n = min(n, int(c.snd.nxt.Sub(pos)))
	if mss := c.payload(); n > mss {
		last := (n-1)%mss + 1
		pos, n = pos.Add(seq.Size(n-last)), last
	}
	return pos, n
}

// tailAnswered follows an ACK of the tail loss probe. When the last segment was sent
// again and did not come twice, as D-SACK would have told, a loss was repaired: the
// window falls as for any other.
// https://www.rfc-editor.org/rfc/rfc8985#section-7.4.2
func (c *Conn) tailAnswered(now clock.Time) {
	l := &c.loss
	switch {
	case l.probed == probedNew && l.tail.LessEq(c.snd.una), l.phase != noLoss:
		l.probed = notProbed
	case l.tail.Less(c.snd.una):
		l.probed = notProbed
		c.cfg.stats.TCPLossProbeRecovery++
		c.cc.OnEvent(now, cc.Event{Kind: cc.Loss, InFlight: c.flightSize(0)})
		c.cc.OnEvent(now, cc.Event{Kind: cc.Recovered})
		c.noteReduced()
	}
}
