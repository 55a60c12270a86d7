package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// connLog is where a connection tells what happens to it. Whole connections have one of
// their own where something is kept of them (Trace.Keep, Trace.Account); all others,
// half-open ones and those in TIME-WAIT among them, share the trace's.
type connLog struct {
	trace   *Trace
	ring    *eventRing // nil: it has none now
	account *flowCount // nil: nobody wants one
	wants   bool       // it is worth a call when something happens
	keeps   bool       // a ring is taken when something happens
}

// wanted is asked for each segment, and inlined.
func (l *connLog) wanted() bool { return l != nil && l.wants }

// log returns the one that connections without their own share.
func (t *Trace) log() *connLog {
	if t == nil {
		return nil
	}
	if t.shared == nil {
		t.shared = &connLog{trace: t, wants: !t.wish.none}
	}
	return t.shared
}

// enroll gives a whole connection that begins what is kept of it.
func (t *Trace) enroll(now clock.Time, c *Conn) {
	if t == nil || !t.rings.on() && !t.book.on() {
		return
	}
	l := &connLog{trace: t, wants: true, keeps: t.rings.samples()}
	if t.book.on() {
		l.account = &flowCount{began: now, last: now}
	}
	if l.keeps || l.account != nil {
		c.log = l
	}
}

// enrollAccepted does so for a connection whose handshake its ACK, a, has completed:
// what came before is told in short.
func (t *Trace) enrollAccepted(a *arrival, c *Conn) {
	t.enroll(a.now, c)
	l := c.log
	if l == nil || l == t.shared {
		return
	}
	if l.account != nil {
		l.account.handshakeOf(a, c)
	}
	if k := l.record(c); k != nil {
		k.segment(a.now, SegmentReceived, c.state, a.segment)
	}
	if k := l.record(c); k != nil {
		*k = record{at: a.now, kind: StateChanged, from: SynReceived, state: c.state, why: uint8(CauseAckOfSyn)}
		l.ring.moved(c, CauseAckOfSyn)
	}
}

// arrives tells of a segment before it arrives, so that a trace reads from cause to
// effect. What became of it is filled in afterwards.
func (l *connLog) arrives(now clock.Time, c *Conn, s *Segment) outcome {
	event := -1
	if l.account != nil || !l.trace.wish.none {
		event = l.begins(now, c, s)
	}
	r := l.ring
	if r == nil || r.n == r.room {
		r = l.roomy(c)
	}
	if r == nil {
		o := c.arrives(now, s)
		l.trace.finish(event, c, o.why)
		return o
	}
	n, from := r.n, c.state
	r.next().segment(now, SegmentReceived, from, s)
	o := c.arrives(now, s)
	if c.state != from || o.why != wire.None {
		l.ring.at(n).judged(c.state, o.why)
	}
	l.trace.finish(event, c, o.why)
	return o
}

// begins has a segment that arrives accounted for and traced, and returns which event it is.
func (l *connLog) begins(now clock.Time, c *Conn, s *Segment) int {
	if l.account != nil {
		l.account.received(now, c, s)
	}
	if l.trace.wish.none {
		return -1
	}
	return l.trace.begin(now, c, s)
}

// sent tells of a segment that leaves.
func (l *connLog) sent(now clock.Time, c *Conn, out *Output) {
	if l.account != nil {
		l.account.sent(now, c, out)
	}
	if k := l.record(c); k != nil {
		k.segment(now, SegmentSent, c.state, &out.Segment)
		k.again = out.again
	}
	if l.trace.wish.none {
		return
	}
	if e := l.trace.next(now, c, SegmentSent); e != nil {
		e.Segment, e.Len, e.Retransmit, e.ACE = out.TCP, out.Len, out.again, out.ACE
	}
}

// moved tells of a change of state.
func (l *connLog) moved(now clock.Time, c *Conn, from State, why Cause) {
	if l.account != nil {
		l.account.moved(now, c, why)
	}
	if k := l.record(c); k != nil {
		*k = record{at: now, kind: StateChanged, from: from, state: c.state, why: uint8(why)}
		l.ring.moved(c, why)
	}
	if e := l.trace.next(now, c, StateChanged); e != nil {
		e.From, e.Cause = from, why
	}
}

// fired tells of a timer.
func (l *connLog) fired(now clock.Time, c *Conn, n Timer) {
	if k := l.record(c); k != nil {
		*k = record{at: now, kind: TimerFired, from: c.state, state: c.state, why: uint8(n)}
	}
	if e := l.trace.next(now, c, TimerFired); e != nil {
		e.Timer = n
	}
}

// end is for a whole connection that leaves the table.
func (l *connLog) end(now clock.Time, c *Conn) {
	if l == nil || l == l.trace.shared {
		return
	}
	if r := l.ring; r != nil {
		l.trace.rings.ended(r, endingOf(r.why, c.failure).Failed())
	}
	if a := l.account; a != nil {
		l.trace.book.enter(a.flow(c))
	}
	c.log = l.trace.shared
}

// origin returns the first numbers of a connection whose compact form is expanded.
func (l *connLog) origin(tuple *wire.Tuple, iss, irs seq.Num) (seq.Num, seq.Num) {
	if l == nil {
		return iss, irs
	}
	return l.trace.origin(tuple, iss, irs)
}
