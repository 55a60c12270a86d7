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
	if c.in.ooo == nil {
		return
	}
	o := c.in.ooo
	if len(o.parts) > maxParts {
		f.fail("%d parts wait", len(o.parts))
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

// checkBlocks: what a SACK block reports is held.
func checkBlocks(f failer, c *Conn) {
	f.Helper()
	o := c.in.ooo
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
