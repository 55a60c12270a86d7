package tcp

import (
	"fmt"
	"testing"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Malformed segments: all combinations of flags, text where there must be none, and
// numbers at every edge. What is asserted is what must never be, whatever the engine
// makes of a segment otherwise; conformance/answers compares with the kernel.

// oddity is a segment that arrives in some state.
type oddity struct {
	world
	state    State
	flags    wire.Flags
	seq, ack int64 // relative to the first numbers
	n        int
}

func (o *oddity) String() string {
	return fmt.Sprintf("%v: %v %d:%d(%d) ack %d", o.state, o.flags, o.seq, o.seq+int64(o.n), o.n, o.ack)
}

func (o *oddity) segment() Segment {
	s := Segment{TCP: wire.TCP{SrcPort: o.tuple.RemotePort, DstPort: o.tuple.LocalPort, Seq: o.peer + seq.Num(o.seq), Flags: o.flags, Window: 5000},
		Len: o.n, Views: twoViews(patternBytes(o.seq, o.n))}
	if o.flags.Has(wire.ACK) {
		s.Ack = o.own + seq.Num(o.ack)
	}
	if o.flags.Has(wire.URG) {
		s.Urgent = 40000
	}
	return s
}

// effect is what a segment brought about, as far as anybody can tell.
type effect struct {
	state    State
	readable int
	eof      bool
	una      seq.Num
	answers  int
	reset    bool // it is answered by a RST without the connection
	answer   wire.TCP
}

// meaning are the flags that decide about a segment. The others say nothing to who has
// agreed on nothing.
const meaning = wire.FIN | wire.SYN | wire.RST | wire.ACK

// TestEveryFlagInEveryState: all 512 combinations in all eleven states, with numbers at
// every edge, with text and without.
func TestEveryFlagInEveryState(t *testing.T) {
	for _, w := range worlds(t)[2:][:few(3)] {
		for s := range State(NumStates) {
			t.Run(fmt.Sprintf("%v/%v", w, s), func(t *testing.T) {
				w.T = t
				c := w.reach(s)
				nxt, edge := int64(c.conn.rcv.nxt-w.peer), int64(c.conn.rcv.edge-w.peer)
				if s < SynReceived {
					nxt, edge = 1, 65536
				}
				una, sent := int64(c.conn.snd.una-w.own), int64(c.conn.snd.nxt-w.own)
				for _, at := range []int64{0, nxt - 1, nxt, nxt + 1, edge - 1, edge, edge + 1, nxt + 1<<31, nxt - 1<<31 + 1} {
					for _, ack := range []int64{0, una - 1, una, sent, sent + 1, una - 65535, una - 65536, una + 1<<31, una - 1<<31 + 1} {
						for _, n := range []int{0, 3} {
							o := oddity{world: w, state: s, seq: at, ack: ack, n: n}
							o.everyFlag(c)
						}
					}
				}
			})
		}
	}
}

// everyFlag has the segment arrive with all flags there are, each time at a clone.
func (o *oddity) everyFlag(c *testConn) {
	o.Helper()
	var base [16]effect
	for f := range wire.AE << 1 {
		o.flags = f
		e := o.arriveAt(c)
		which := f&0x7 | f&wire.ACK>>1
		if f&^meaning == 0 {
			base[which] = e
			o.judge(c, &e)
		} else if e.answer.Flags &^= wire.ECE | wire.CWR | wire.AE; e != base[which] {
			o.Fatalf("%v: %+v, and without flags that mean nothing %+v", o, e, base[which])
		}
	}
}

// arriveAt has the segment arrive at a clone of the connection, and says what came of it.
func (o *oddity) arriveAt(c *testConn) (e effect) {
	o.Helper()
	d := c.conn.Clone(nil)
	before, s := d.snapshot(), o.segment()
	borrowed := s.Views
	v := d.receive(c.now, &c.path, &s)
	for _, b := range borrowed {
		b.Release()
	}
	if err := d.check(before); err != nil {
		o.Fatalf("%v: %v", o, err)
	}
	e.reset = v.fate == isRefused
	for out := (Output{}); d.NextSegment(c.now, &out); e.answers++ {
		e.answer = out.TCP
	}
	if err := d.checkQuiet(); err != nil {
		o.Fatalf("%v: %v", o, err)
	}
	e.state, e.readable, e.eof, e.una = d.state, d.Buffered(), d.is(finReceived), d.snd.una
	d.release()
	return e
}

// judge holds an effect against what must never be.
func (o *oddity) judge(c *testConn, e *effect) {
	o.Helper()
	synchronized := o.state.Synchronized()
	changed := e.state != o.state || e.readable > 0 || e.eof != c.conn.is(finReceived) || e.una != c.conn.snd.una
	acks := o.acceptableAck(&c.conn)
	switch {
	case e.answers > 1, e.answers == 1 && e.reset:
		o.Fatalf("%v: %d answers, RST %v", o, e.answers, e.reset)
	case e.reset && (o.flags.Has(wire.RST) || synchronized):
		o.Fatalf("%v: answered by a RST", o)
	case o.flags.Has(wire.RST) && e.answers > 0 && (!synchronized && o.state != SynReceived || o.state == TimeWait):
		o.Fatalf("%v: a RST is answered by %v", o, e.answer.Flags)
	case e.answers > 0 && synchronized && (e.answer.Flags != wire.ACK || e.answer.Seq != c.conn.snd.nxt):
		o.Fatalf("%v: answered by %v", o, &e.answer)
	case changed && !o.mayChange(&c.conn):
		o.Fatalf("%v: %+v", o, *e)
	case e.state != o.state && !CanMove(o.state, e.state) && !(o.state < Established && CanMove(Established, e.state)):
		o.Fatalf("%v: to %v", o, e.state)
	case e.readable > 0 && (!acks || o.flags.Has(wire.RST) || o.flags.Has(wire.SYN) && o.state != SynSent && o.state != SynReceived):
		o.Fatalf("%v: %d bytes are read", o, e.readable)
	case o.state.Synchronized() && (e.una != c.conn.snd.una || e.eof != c.conn.is(finReceived)) && !acks:
		o.Fatalf("%v: %+v, by an ACK that is none", o, *e)
	}
}

// acceptableAck reports whether the segment acknowledges what may be acknowledged.
func (o *oddity) acceptableAck(c *Conn) bool {
	if !o.flags.Has(wire.ACK) {
		return false
	}
	una, sent := int64(c.snd.una-o.own), int64(c.snd.nxt-o.own)
	if c.opening() {
		return o.ack > una && o.ack <= sent
	}
	return o.ack <= sent && o.ack >= una-65535
}

// mayChange reports whether a segment may change anything: RFC 9293 §3.10.7 with RFC
// 5961, by what can be said of a segment before it is looked at in detail.
func (o *oddity) mayChange(c *Conn) bool {
	rst, syn, ack := o.flags.Has(wire.RST), o.flags.Has(wire.SYN), o.flags.Has(wire.ACK)
	nxt, edge := int64(c.rcv.nxt-o.peer), int64(c.rcv.edge-o.peer)
	length := int64(o.n)
	if o.flags.Has(wire.FIN) {
		length++
	}
	last := o.seq + max(length-1, 0)
	inside := o.seq <= edge && last >= nxt-1
	switch o.state {
	case Closed:
		return false
	case Listen:
		return syn && !rst && !ack && !o.flags.Has(wire.FIN)
	case SynSent:
		return rst && o.acceptableAck(c) || syn && !rst && (!ack && !o.flags.Has(wire.FIN) || o.acceptableAck(c))
	case SynReceived:
		return inside && (rst && o.seq == nxt || syn && !rst || o.acceptableAck(c))
	case TimeWait:
		return false
	}
	if rst {
		return o.seq == nxt
	}
	return !syn && inside && o.acceptableAck(c)
}
