package tcp

import (
	"cmp"
	"fmt"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// Audit returns a check of the endpoint's connections, for tests and for worlds in
// virtual time: what must be true of them after every step, whatever has come
// before. Each call of the check compares with how things were at the call before,
// and returns what is wrong, which is a fault of this package; nil when nothing is.
// While connections are in the queue of those that send, as within a batch, it leaves out
// what is true only when there is no output left to give.
func (e *Endpoint) Audit() func() error {
	a := new(audit)
	return func() error { return a.check(e, e.sending.first == nil) }
}

// audit remembers how each connection was the last time.
type audit struct{ before, spare map[*Entry]snapshot }

func (a *audit) check(e *Endpoint, quiet bool) error {
	// The memory is checked as a sum: each connection's own count may be right, and still
	// one that ended have taken its share with it.
	// A world in virtual time asks millions of times: the two maps take turns.
	now, held := a.spare, int64(0)
	if now == nil {
		now = map[*Entry]snapshot{}
	}
	clear(now)
	for en := range e.All {
		before, known := a.before[en]
		if !known {
			before = en.snapshot()
		}
		err := en.check(before)
		if err == nil && quiet {
			err = cmp.Or(en.checkQuiet(), en.checkTimeout(before))
		}
		if err == nil && quiet && e.Deadline() > en.Deadline() {
			err = fmt.Errorf("due at %v, the endpoint at %v", en.Deadline(), e.Deadline())
		}
		if err != nil {
			return fmt.Errorf("%v in %v: %w", en.tuple, en.state, err)
		}
		held += int64(en.holds())
		now[en] = en.snapshot()
	}
	if e.cfg.memory.used < held {
		return fmt.Errorf("%d bytes are counted, and connections hold %d", e.cfg.memory.used, held)
	}
	a.before, a.spare = now, a.before
	return nil
}

// snapshot is what must not go back from one step to the next.
type snapshot struct {
	state    State
	agreed   agreed
	flags    connFlags
	una, nxt seq.Num
	rcv      seq.Num
	edge     seq.Num
	ts       timestamps
	backoff  uint8
	sent     uint32 // segments
}

func (c *Conn) snapshot() snapshot {
	return snapshot{c.state, c.snd.agreed, c.flags, c.snd.una, c.snd.nxt, c.rcv.nxt, c.rcv.edge, c.ts, c.rtt.backoff, c.tally.segsOut}
}

// check returns what is wrong with a connection that was as before a step ago.
func (c *Conn) check(before snapshot) error {
	for _, f := range []func(*Conn, snapshot) error{
		(*Conn).checkStates, (*Conn).checkSending, (*Conn).checkFlight, (*Conn).checkReceiving, (*Conn).checkInOrder, (*Conn).checkWaiting, (*Conn).checkBlocks,
	} {
		if err := f(c, before); err != nil {
			return err
		}
	}
	return nil
}

// once are the facts that stay once they are so.
const once = finQueued | readClosed | orphan | finReceived

// checkStates: the state is what the flags say, and no connection is stuck in it.
// A state that contradicts the flags answers one segment by the one and the next by
// the other. A state that nothing can end holds its memory until the program does.
func (c *Conn) checkStates(before snapshot) error {
	switch t := &c.timers; {
	case before.state >= SynSent && before.flags&^c.flags&once != 0:
		return fmt.Errorf("flags %b are no longer so", before.flags&^c.flags&once)
	// RFC 7323 §3.2: what was negotiated holds for the life of the connection.
	// https://www.rfc-editor.org/rfc/rfc7323#section-3.2
	case before.state.Synchronized() && !c.opening() && c.snd.agreed != before.agreed:
		return fmt.Errorf("what the handshake settled, %b, is now %b", before.agreed, c.snd.agreed)
	case c.state == Closed && c.Deadline() != clock.Never:
		return fmt.Errorf("CLOSED, and a timer runs")
	case c.state == Closed && (c.out.len() > 0 || c.in.ooo != nil):
		return fmt.Errorf("CLOSED, and text is kept")
	case c.state == Closed:
		return nil
	// The program that would have closed it has gone without doing so.
	case c.is(orphan) && c.state >= SynReceived && c.state < FinWait1:
		return fmt.Errorf("nothing will ever close it")
	case c.state >= Established && c.is(finQueued) != (c.state >= FinWait1):
		return fmt.Errorf("closed by the program: %v", c.is(finQueued))
	case c.state >= Established && c.is(finReceived) != (c.state == CloseWait || c.state == Closing || c.state == LastAck || c.state == TimeWait):
		return fmt.Errorf("closed by the peer: %v", c.is(finReceived))
	case c.state.Synchronized() && c.opening() && c.state != FinWait1:
		return fmt.Errorf("our SYN is not acknowledged")
	case c.is(finQueued) && !c.opening() && (c.snd.una == c.finEnd()) != (c.state == FinWait2 || c.state == TimeWait):
		return fmt.Errorf("our FIN is acknowledged: %v", c.snd.una == c.finEnd())
	case c.state == TimeWait && (!t.armed(TimerLife) || c.Deadline() != t[TimerLife]):
		return fmt.Errorf("2MSL never end, or something else is waited for")
	case c.state == FinWait2 && c.is(orphan) && !t.armed(TimerLife):
		return fmt.Errorf("waits forever")
	}
	return nil
}

// checkSending: the send sequence space is in order, SND.UNA never goes back,
// and nothing is sent that was not written.
func (c *Conn) checkSending(before snapshot) error {
	s, end, held := &c.snd, c.out.end(), 0
	if c.is(finQueued) {
		end = end.Add(1)
	}
	for _, v := range c.out.views[c.out.head:] {
		held += v.Len()
	}
	switch live := before.state >= SynSent && c.state >= SynSent; {
	case !s.una.LessEq(s.nxt):
		return fmt.Errorf("not una <= nxt: %d %d after iss", s.una-s.iss, s.nxt-s.iss)
	case live && (s.una.Less(before.una) || s.nxt.Less(before.nxt)):
		return fmt.Errorf("SND.UNA or SND.NXT went back: %d %d", s.una.Diff(before.una), s.nxt.Diff(before.nxt))
	case live && before.nxt.Less(s.una) && !c.early(): // where our SYN counts as heard
		return fmt.Errorf("SND.UNA is beyond all that was sent")
	case held != c.out.len():
		return fmt.Errorf("the send queue says %d bytes and holds %d", c.out.len(), held)
	// The sizes are kept instead of being computed for every segment: whatever changes
	// what they follow from must call updateMSS.
	case c.path != c.pathAfresh():
		return fmt.Errorf("the path is noted as %+v, and is %+v", c.path, c.pathAfresh())
	case c.state < Established:
		return nil
	case s.una != s.nxt && c.live.stalled == clock.Never:
		return fmt.Errorf("something is under way since an unknown time")
	case end.Less(s.nxt):
		return fmt.Errorf("%d numbers are sent that were never written", s.nxt.Diff(end))
	// Less than a segment could never be used: silly window avoidance would wait for
	// more, and no ACK would come to bring it.
	case c.cc != nil && c.cc.Limits().Window < int(c.path.mss):
		return fmt.Errorf("the congestion window is %d bytes, a segment %d", c.cc.Limits().Window, c.path.mss)
	case c.rtt.rto <= 0 || c.rtt.timeout(c.cfg) <= 0 || c.rtt.timeout(c.cfg) > c.cfg.MaxRTO:
		return fmt.Errorf("the RTO is %v, with back-off %v", c.rtt.rto, c.rtt.timeout(c.cfg))
	}
	return nil
}

// pathAfresh returns the path with what follows from it computed again.
func (c *Conn) pathAfresh() path {
	again := Conn{options: c.options, tuple: c.tuple, snd: c.snd, path: c.path}
	again.updateMSS()
	return again.path
}

// checkFlight: the ledger holds what is out, and there is none when nothing is. What is
// out and not in the ledger can never be found to be lost.
func (c *Conn) checkFlight(snapshot) error {
	f := c.flight
	switch out := c.snd.nxt.Sub(c.snd.una); {
	case f == nil && out > 0 && c.state != Closed && !c.opening():
		return fmt.Errorf("%d numbers are out, and no ledger says so", out)
	case f == nil:
		return nil
	case out == 0 || c.state == Closed:
		return fmt.Errorf("nothing is out, and there is a ledger")
	case f.full.Less(c.snd.una):
		return fmt.Errorf("what filled the window lies before SND.UNA")
	}
	return f.Check(c.snd.una, c.snd.nxt)
}

// checkReceiving: RCV.NXT, TS.Recent and the right edge never go back, the edge by
// no more than the window scale rounds; RCV.NXT does not pass the peer's FIN.
// A peer may have filled the window as soon as it was told of it, so a promise cannot
// be taken back (RFC 9293 §3.8.6, "shrinking the window").
// https://www.rfc-editor.org/rfc/rfc9293#section-3.8.6
func (c *Conn) checkReceiving(before snapshot) error {
	r := &c.rcv
	live := before.state >= SynReceived && c.state >= SynReceived
	switch back := before.edge.Diff(r.edge); {
	case live && r.nxt.Less(before.rcv):
		return fmt.Errorf("RCV.NXT went back by %d", before.rcv.Diff(r.nxt))
	case live && back >= 1<<r.shift:
		return fmt.Errorf("the right edge went back by %d", back)
	case live && before.flags&finReceived != 0 && r.nxt != before.rcv:
		return fmt.Errorf("RCV.NXT is %d past the peer's FIN", r.nxt.Diff(before.rcv))
	case live && before.agreed&stamping != 0 && int32(c.ts.recent-before.ts.recent) < 0 && c.ts.at.Sub(before.ts.at) <= staleTimestamp:
		return fmt.Errorf("TS.Recent went back by %d", before.ts.recent-c.ts.recent)
	case c.state >= Established && r.edge.Less(r.nxt):
		return fmt.Errorf("the right edge is behind RCV.NXT")
	case c.state >= Established && r.nxt.Less(r.acked):
		return fmt.Errorf("%d numbers are acknowledged that did not come", r.acked.Diff(r.nxt))
	}
	return nil
}

// checkInOrder: RCV.NXT counts all that came, and the queue holds what it says. A byte
// that is counted and not held is one that the peer will never send again.
func (c *Conn) checkInOrder(snapshot) error {
	held := 0
	for _, v := range c.in.views[c.in.head:] {
		held += v.Len()
	}
	if held != c.in.buffered() {
		return fmt.Errorf("the receive queue says %d bytes and holds %d", c.in.buffered(), held)
	}
	if c.state < Established || c.cc == nil {
		return nil // the compact form of TIME-WAIT does not know what came
	}
	next := c.rcv.irs.Add(1) + seq.Num(c.tally.bytesReceived)
	if c.is(finReceived) {
		next = next.Add(1)
	}
	if next != c.rcv.nxt {
		return fmt.Errorf("RCV.NXT is %d after the first number, and %d bytes came", c.rcv.nxt-c.rcv.irs, c.tally.bytesReceived)
	}
	return nil
}

// checkWaiting: what came out of order is sorted, disjoint, inside the window
// and not beyond the peer's FIN.
// What lies twice in the queue would be delivered twice; what lies beyond the window
// was never allowed, and bounds nothing.
func (c *Conn) checkWaiting(snapshot) error {
	o, nxt, edge := c.in.ooo, c.rcv.nxt, c.rcv.edge
	if o == nil {
		return nil
	}
	last, held := nxt, 0
	for i, p := range o.parts {
		held += p.view.Len()
		if !last.Less(p.seq) && (i == 0 || last != p.seq) || edge.Less(p.end()) {
			return fmt.Errorf("part %d [%d,%d) is out of its place", i, p.seq.Diff(nxt), p.end().Diff(nxt))
		}
		last = p.end()
	}
	switch {
	case held != int(o.bytes):
		return fmt.Errorf("what waits is %d bytes, and %d are counted", held, o.bytes)
	case len(o.parts) > maxParts(max(c.rcv.limit, int32(c.cfg.ReceiveBuffer))):
		return fmt.Errorf("%d parts wait", len(o.parts))
	case c.is(finReceived) && (len(o.parts) > 0 || o.hasFin):
		return fmt.Errorf("%d parts wait behind the peer's FIN", len(o.parts))
	case o.hasFin && (o.fin.LessEq(nxt) || edge.Less(o.fin)):
		return fmt.Errorf("the peer's FIN, at %d, is not to come", o.fin.Diff(nxt))
	case o.hasFin && o.fin.Less(last):
		return fmt.Errorf("%d bytes are kept beyond the peer's FIN", last.Diff(o.fin))
	}
	return nil
}

// checkBlocks: a SACK block is a whole run of what waits, no run has two, and the
// list is full while there are runs without one. RFC 2018 §4 asks for as many blocks as
// there is room for: what is not told is sent again for nothing.
// https://www.rfc-editor.org/rfc/rfc2018#section-4
func (c *Conn) checkBlocks(snapshot) error {
	o, nxt := c.in.ooo, c.rcv.nxt
	if o == nil {
		return nil
	}
	runs := map[seq.Num]seq.Num{}
	for i := 0; i < len(o.parts); {
		left, right := o.parts[i].seq, o.parts[i].end()
		for i++; i < len(o.parts) && o.parts[i].seq == right; i++ {
			right = o.parts[i].end()
		}
		runs[left] = right
	}
	if n := int(o.count); n < min(len(runs), keptBlocks) || n > keptBlocks+int(o.untold) || o.untold > o.count {
		return fmt.Errorf("%d SACK blocks, %d untold, for %d runs", o.count, o.untold, len(runs))
	}
	for _, b := range o.blocks[:o.count] {
		if right, ok := runs[b.Left]; !ok || right != b.Right || !nxt.Less(b.Left) {
			return fmt.Errorf("SACK block [%d,%d) is no run, or the second of one", b.Left.Diff(nxt), b.Right.Diff(nxt))
		}
		delete(runs, b.Left)
	}
	if !isEmpty(o.twice) && (!o.twice.Left.Less(o.twice.Right) || c.rcv.edge.Less(o.twice.Right)) {
		return fmt.Errorf("D-SACK block [%d,%d)", o.twice.Left.Diff(nxt), o.twice.Right.Diff(nxt))
	}
	return nil
}

// checkQuiet returns what is wrong with a connection that has no output to give:
// it owes nothing, and what it waits for has a timer.
// A connection that owes a segment and is not asked again, or waits without a timer,
// hangs for good: the fault that no other test finds, because nothing happens.
func (c *Conn) checkQuiet() error {
	if c.state < SynSent || c.awaitsText() {
		return nil
	}
	unsent := c.state.Synchronized() && (c.out.end().Diff(c.snd.nxt) > 0 || c.is(finQueued) && c.snd.nxt != c.finEnd())
	repeats := c.timers.armed(TimerRetransmit) || c.timers.armed(TimerPersist)
	switch {
	case c.owes != 0 || c.rcv.dupAcks != 0 || c.toTell():
		return fmt.Errorf("nothing to send, and it owes %b and %d ACKs", c.owes, c.rcv.dupAcks)
	case (c.snd.una != c.snd.nxt || unsent || c.opening()) && !repeats:
		return fmt.Errorf("%d in flight, unsent %v, and no timer runs", c.snd.nxt.Diff(c.snd.una), unsent)
	case c.state >= Established && c.rcv.acked != c.rcv.nxt && !c.timers.armed(TimerDelayedAck):
		return fmt.Errorf("%d numbers came that will never be acknowledged", c.rcv.nxt.Diff(c.rcv.acked))
	case (c.is(orphan) || c.state >= FinWait1 && c.state <= LastAck) && c.Deadline() == clock.Never:
		return fmt.Errorf("waits forever")
	case c.options.alive.on() && c.state >= Established && !c.opening() && c.state != TimeWait && !c.timers.armed(TimerKeepAlive):
		return fmt.Errorf("nothing checks whether the peer is alive")
	}
	return nil
}

// checkTimeout: when the retransmission timer has fired, something was sent. Whatever holds
// that back holds it until the next timeout, which is twice as far away.
// https://www.rfc-editor.org/rfc/rfc6298#section-5
func (c *Conn) checkTimeout(before snapshot) error {
	if min(before.state, c.state) >= Established && c.rtt.backoff > before.backoff && c.snd.wnd > 0 && c.tally.segsOut == before.sent {
		return fmt.Errorf("the retransmission timer has fired, and nothing was sent")
	}
	return nil
}
