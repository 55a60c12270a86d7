package tcp

import (
	"reflect"
	"testing"

	"github.com/handfast-tcp/handfast/buf"
	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/seq"
)

// snapshot is what must not go back from one step to the next.
type snapshot struct {
	state    State
	una, nxt seq.Num
	rcv      seq.Num
	edge     seq.Num
}

func (c *testConn) look() snapshot { return lookAt(&c.conn) }

func lookAt(c *Conn) snapshot {
	return snapshot{c.state, c.snd.una, c.snd.nxt, c.rcv.nxt, c.rcv.edge}
}

// failer is how a broken invariant is told.
type failer interface {
	Helper()
	fail(format string, args ...any)
}

// checkInvariants holds a connection against what must be true after every
// step, whatever came before.
func checkInvariants(f failer, c *Conn, before snapshot) {
	f.Helper()
	checkSender(f, c, before)
	checkReceiver(f, c, before)
	checkTimers(f, c)
}

// checkSender: the send sequence space is in order, SND.UNA never goes back,
// and nothing is sent that was not written.
func checkSender(f failer, c *Conn, before snapshot) {
	f.Helper()
	s := &c.snd
	if !s.una.LessEq(s.resend) || !s.resend.LessEq(s.nxt) {
		f.fail("not una <= resend <= nxt: %d %d %d after iss", s.una-s.iss, s.resend-s.iss, s.nxt-s.iss)
	}
	if before.state >= SynSent && c.state >= SynSent {
		if s.una.Less(before.una) || s.nxt.Less(before.nxt) {
			f.fail("SND.UNA or SND.NXT went back: %d %d", s.una.Diff(before.una), s.nxt.Diff(before.nxt))
		}
		if before.nxt.Less(s.una) {
			f.fail("SND.UNA is beyond all that was sent")
		}
	}
	if c.state < Established {
		return
	}
	if s.una != s.nxt && c.live.stalled == 0 {
		f.fail("something is under way, and nobody knows since when")
	}
	end := c.out.end()
	if c.is(finQueued) {
		end = end.Add(1)
	}
	if end.Less(s.nxt) {
		f.fail("%d numbers are sent that nobody wrote", s.nxt.Diff(end))
	}
	n := 0
	for _, v := range c.out.views[c.out.head:] {
		n += v.Len()
	}
	if n != c.out.len() {
		f.fail("the send queue says %d bytes and holds %d", c.out.len(), n)
	}
}

// checkReceiver: RCV.NXT and the right edge never go back, the edge by no more
// than the window scale rounds; what waits out of order is sorted, disjoint and
// inside the window.
func checkReceiver(f failer, c *Conn, before snapshot) {
	f.Helper()
	r := &c.rcv
	if before.state >= SynReceived && c.state >= SynReceived {
		if r.nxt.Less(before.rcv) {
			f.fail("RCV.NXT went back by %d", before.rcv.Diff(r.nxt))
		}
		if back := before.edge.Diff(r.edge); back >= 1<<r.shift {
			f.fail("the right edge went back by %d", back)
		}
	}
	if c.state >= Established && r.edge.Less(r.nxt) {
		f.fail("the right edge is behind RCV.NXT")
	}
	checkInOrder(f, c)
	if c.in.ooo == nil {
		return
	}
	o := c.in.ooo
	switch {
	case len(o.parts) > maxParts:
		f.fail("%d parts wait", len(o.parts))
	case c.is(finReceived) && (len(o.parts) > 0 || o.hasFin || o.count > 0):
		f.fail("%d parts wait behind the peer's FIN", len(o.parts))
	case o.hasFin && (o.fin.LessEq(r.nxt) || r.edge.Less(o.fin)):
		f.fail("the peer's FIN, at %d, is not to come", o.fin.Diff(r.nxt))
	case o.hasFin && len(o.parts) > 0 && o.fin.Less(o.parts[len(o.parts)-1].end()):
		f.fail("%d bytes are kept beyond the peer's FIN", o.parts[len(o.parts)-1].end().Diff(o.fin))
	}
	last := r.nxt
	for i, p := range o.parts {
		if !last.Less(p.seq) && (i == 0 || last != p.seq) || r.edge.Less(p.end()) {
			f.fail("part %d [%d,%d) is out of its place", i, p.seq.Diff(r.nxt), p.end().Diff(r.nxt))
		}
		last = p.end()
	}
	checkBlocks(f, c)
}

// checkInOrder: RCV.NXT counts what has been read and what waits to be, and the
// queue holds what it says.
func checkInOrder(f failer, c *Conn) {
	f.Helper()
	n := 0
	for _, v := range c.in.views[c.in.head:] {
		n += v.Len()
	}
	if n != c.in.buffered() {
		f.fail("the receive queue says %d bytes and holds %d", c.in.buffered(), n)
	}
	if c.state < Established || c.cc == nil {
		return // in TIME-WAIT's compact form nothing is known of before
	}
	if got := seq.Num(c.tally.bytesReceived); c.rcv.irs+1+got != c.rcv.nxt && (!c.is(finReceived) || c.rcv.irs+2+got != c.rcv.nxt) {
		f.fail("RCV.NXT is %d after the first number, and %d bytes came", c.rcv.nxt-c.rcv.irs, c.tally.bytesReceived)
	}
}

// checkBlocks: what a SACK block reports is held, no two report the same, and
// while there are runs that none reports the list is full.
func checkBlocks(f failer, c *Conn) {
	f.Helper()
	o := c.in.ooo
	runs := 0
	for i, p := range o.parts {
		if i == 0 || o.parts[i-1].end() != p.seq {
			runs++
		}
	}
	if int(o.count) != min(runs, len(o.blocks)) {
		f.fail("%d SACK blocks for %d runs", o.count, runs)
	}
	if !isEmpty(o.twice) && (!o.twice.Left.Less(o.twice.Right) || c.rcv.edge.Less(o.twice.Right)) {
		f.fail("D-SACK block [%d,%d)", o.twice.Left.Diff(c.rcv.nxt), o.twice.Right.Diff(c.rcv.nxt))
	}
	for _, b := range o.blocks[:o.count] {
		at := b.Left
		for _, p := range o.parts {
			if p.end() == b.Left || p.seq == b.Right {
				f.fail("SACK block [%d,%d) is not whole", b.Left.Diff(c.rcv.nxt), b.Right.Diff(c.rcv.nxt))
			}
			if p.seq == at {
				at = p.end()
			}
		}
		if !c.rcv.nxt.Less(b.Left) || !b.Left.Less(b.Right) || at.Less(b.Right) {
			f.fail("SACK block [%d,%d) is not held", b.Left.Diff(c.rcv.nxt), b.Right.Diff(c.rcv.nxt))
		}
	}
}

// checkTimers: who owes something has a timer running or output to give, and
// who is CLOSED has neither.
func checkTimers(f failer, c *Conn) {
	f.Helper()
	t := &c.timers
	switch {
	case c.is(orphan) && c.state >= SynReceived && c.state < FinWait1:
		f.fail("%v, and nobody will ever close it", c.state)
	case c.state == FinWait1 && c.snd.una == c.finEnd():
		f.fail("FIN-WAIT-1, and the FIN is acknowledged")
	case c.state == Closed && c.Deadline() != clock.Never:
		f.fail("CLOSED, and a timer runs")
	case c.state == TimeWait && !t.armed(TimerLife):
		f.fail("TIME-WAIT without its timer")
	case c.state == FinWait2 && c.is(orphan) && !t.armed(TimerLife):
		f.fail("FIN-WAIT-2 for ever")
	}
}

// checkQuiet is checkTimers for a connection that has no output to give.
func checkQuiet(f failer, c *Conn) {
	f.Helper()
	if c.state < SynSent {
		return
	}
	unsent := c.state.Synchronized() && (c.out.end().Diff(c.snd.resend) > 0 || c.is(finQueued) && c.snd.nxt != c.finEnd())
	if c.snd.una == c.snd.nxt && !unsent {
		return
	}
	if c.owes != 0 || c.rcv.dupAcks != 0 || c.in.hasTwice() {
		f.fail("no output, and something is owed: %b, %d ACKs", c.owes, c.rcv.dupAcks)
	}
	if !c.timers.armed(TimerRetransmit) && !c.timers.armed(TimerPersist) {
		f.fail("%d in flight, unsent %v, and no timer runs", c.snd.nxt.Diff(c.snd.una), unsent)
	}
}

// eachBlock calls f with every block that the connection holds.
func (c *Conn) eachBlock(f func(*buf.Block)) {
	for _, v := range c.out.views[c.out.head:] {
		f(v.Block)
	}
	for _, v := range c.in.views[c.in.head:] {
		f(v.Block)
	}
	if c.in.tail != nil {
		f(c.in.tail)
	}
	if c.in.ooo != nil {
		for _, p := range c.in.ooo.parts {
			f(p.view.Block)
		}
	}
}

// references returns how many references to b there are.
func references(b *buf.Block) int64 {
	return reflect.ValueOf(b).Elem().FieldByName("refs").FieldByName("v").Int()
}

func checkNoReferences(t testing.TB, blocks map[*buf.Block]bool) {
	t.Helper()
	for b := range blocks {
		if n := references(b); n != 0 {
			t.Errorf("a block of %d bytes has %d references left", b.Cap(), n)
			return
		}
	}
}
