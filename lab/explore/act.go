package explore

import (
	"errors"
	"fmt"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/internal/look"
	"github.com/handfast-tcp/handfast/lab/oracle"
)

// act is one thing that can happen.
type act struct {
	kind actKind
	at   uint8 // call: the end; of a packet: the place in world.wire
	how  uint8 // mutate: which of mutations
}

type actKind uint8

const (
	nothing   actKind = iota
	call              // a program makes its next call
	deliver           // a packet arrives
	pass              // time passes, to the next deadline
	drop              // a packet is lost
	duplicate         // a packet arrives, and stays under way
	mutate            // a packet is changed on its way
	together          // a packet arrives in one batch with what happens next
	twice             // the same, and stays under way
)

// Budget is how much may go wrong in one world.
type Budget struct {
	Drop, Duplicate, Mutate uint8
	// Early is how often a timer may fire although a packet is under way or a program
	// could call.
	Early uint8
	// Together is how many segments may be in a batch with what comes behind them: the end
	// takes in the next one, or its program calls, before what it has to send is taken.
	Together uint8
}

// mutation is a way to change a packet.
type mutation struct {
	name string
	f    func(k *packet)
}

// unstamped is how many mutations make a difference where timestamps are off: all but the
// last two.
var unstamped = len(mutations) - 2

// mutations toggle each flag, and put SEQ and ACK at the edges of what can be right.
var mutations = makeMutations()

func makeMutations() (all []mutation) {
	for _, f := range []wire.Flags{wire.FIN, wire.SYN, wire.RST, wire.ACK, wire.URG} {
		all = append(all, mutation{"toggles " + f.String(), func(k *packet) { k.segment.Flags ^= f }})
	}
	for _, d := range []int64{-1, 1, -unit, 1 << 16, 1 << 31} {
		all = append(all, mutation{fmt.Sprintf("SEQ %+d", d), func(k *packet) { k.segment.Seq += seq.Num(d) }},
			mutation{fmt.Sprintf("ACK %+d", d), func(k *packet) { k.segment.Ack += seq.Num(d) }})
	}
	return append(all, mutation{"without payload", func(k *packet) { k.segment.Len = 0 }},
		mutation{"window 0", func(k *packet) { k.segment.Window = 0 }},
		mutation{"an old timestamp", func(k *packet) { k.segment.Options.TSVal -= 1 << 30 }},
		mutation{"without timestamp", func(k *packet) { k.segment.Options.Set &^= wire.OptTimestamps }})
}

// fair returns what happens next when nothing goes wrong: programs call as soon as they
// can, packets arrive in order, and time passes when there is nothing else. nothing
// when that is all: the world has ended.
func (w *world) fair(r *Rung) act {
	if w.batch.open {
		return w.goesOn(r, w.batch.at)
	}
	for i := range w.ends {
		if _, ready := w.pending(r, i); ready {
			return act{kind: call, at: uint8(i)}
		}
	}
	if len(w.wire) > 0 {
		return act{kind: deliver}
	}
	if w.deadline() != clock.Never {
		return act{kind: pass}
	}
	return act{}
}

// choices returns all that can happen, what is fair first.
func (w *world) choices(r *Rung) []act {
	first := w.fair(r)
	if first.kind == nothing {
		return nil
	}
	if r.Prompt && first.kind == call {
		return []act{first}
	}
	acts := []act{first}
	add := func(a act) {
		if a != first {
			acts = append(acts, a)
		}
	}
	if w.batch.open {
		w.choicesInBatch(r, add)
		return acts
	}
	for i := range w.ends {
		if _, ready := w.pending(r, i); ready {
			add(act{kind: call, at: uint8(i)})
		}
	}
	if w.left.Early > 0 && w.deadline() != clock.Never {
		add(act{kind: pass})
	}
	var passed [2]int // packets to each end that were looked at
	for i := range w.wire {
		to := w.wire[i].to
		if passed[to]++; passed[to] > r.Reorder {
			continue
		}
		w.arrivals(r, uint8(i), add)
		w.accidents(r, uint8(i), add)
	}
	return acts
}

// accidents adds what may befall a packet on its way.
func (w *world) accidents(r *Rung, at uint8, add func(act)) {
	if w.left.Drop > 0 {
		add(act{kind: drop, at: at})
	}
	if w.left.Mutate > 0 {
		for how := range mutations {
			if how < unstamped || !r.Config.NoTimestamps {
				add(act{kind: mutate, at: at, how: uint8(how)})
			}
		}
	}
}

// arrivals adds the ways in which a packet can arrive.
func (w *world) arrivals(r *Rung, at uint8, add func(act)) {
	add(act{kind: deliver, at: at})
	if w.left.Together > 0 && w.mayHold(r, &w.wire[at]) {
		add(act{kind: together, at: at})
	}
	if w.left.Duplicate > 0 {
		add(act{kind: duplicate, at: at})
		if w.left.Together > 0 {
			add(act{kind: twice, at: at})
		}
	}
}

// step returns the world after a.
func (w *world) step(x *explorer, a act) *world {
	n := w.next()
	switch a.kind {
	case call:
		n.batch = batch{}
		n.watch(x, int(a.at), func() { n.call(x.rung, int(a.at)) })
	case together, twice:
		n.batch.print = x.printer.after(w.print(x.printer), a)
		n.arrive(x, a)
	case deliver, duplicate:
		n.arrive(x, a)
	case drop:
		n.left.Drop--
		n.take(a.at)
	case mutate:
		n.left.Mutate--
		n.bent = true
		mutations[a.how].f(&n.wire[a.at])
	case pass:
		n.pass(x, w.fair(x.rung) != a)
	}
	return n
}

// take takes a packet off the wire.
func (w *world) take(at uint8) packet {
	k := w.wire[at]
	w.wire = append(w.wire[:at], w.wire[at+1:]...)
	return k
}

func (w *world) arrive(x *explorer, a act) {
	k := w.take(a.at)
	if a.kind == duplicate || a.kind == twice {
		w.left.Duplicate--
		w.wire = append(w.wire, k)
	}
	t, s, before := k.tuple, k.segment, len(w.wire)
	judged := oracle.Step{Before: look.View(w.ends[k.to].tcp.Look(t)), Segment: segmentOf(&s)}
	w.batch.open = false
	w.watch(x, k.to, func() {
		x.views = appendStream(x.views[:0], k.life, k.offset, s.Len)
		s.Views = x.views
		w.ends[k.to].tcp.Receive(w.now, tcp.Path{MTU: mtu}, &t, &s)
		w.holdsBack(x.rung, a, k.to)
	})
	if w.wrong != nil {
		return
	}
	x.replies = x.replies[:0]
	for i := range w.wire[before:] {
		if r := &w.wire[before+i]; r.tuple == k.tuple.Reverse() {
			x.replies = append(x.replies, segmentOf(&r.segment))
		}
	}
	judged.Replies, judged.After = x.replies, look.View(w.ends[k.to].tcp.Look(k.tuple))
	w.wrong = w.judge(x, &judged)
}

func segmentOf(s *tcp.Segment) oracle.Segment {
	return oracle.Segment{Seq: uint32(s.Seq), Ack: uint32(s.Ack), Flags: uint16(s.Flags), Len: s.Len,
		Stamped: s.Options.Has(wire.OptTimestamps), Stamp: s.Options.TSVal}
}

// pass lets time pass to the next deadline. No packet lives longer than the MSL.
func (w *world) pass(x *explorer, early bool) {
	if early {
		w.left.Early--
	}
	at := w.deadline()
	if at < w.now {
		w.wrong = fmt.Errorf("a deadline %v in the past", w.now.Sub(at))
		return
	}
	w.now = at
	for i := len(w.wire) - 1; i >= 0; i-- {
		if w.now.Sub(w.wire[i].sent) > x.rung.Config.MSL {
			w.take(uint8(i))
		}
	}
	for i := range w.ends {
		if w.ends[i].tcp.Deadline() > at {
			continue
		}
		w.watch(x, i, func() { w.ends[i].tcp.Advance(w.now) })
		if w.wrong == nil && w.ends[i].tcp.Deadline() <= at {
			w.wrong = fmt.Errorf("firing its timers does not move its deadline")
		}
	}
}

// watch does something to one end, with the audit before and after, and puts what it
// sends on the wire, unless the batch goes on.
func (w *world) watch(x *explorer, i int, f func()) {
	e := w.touch(x.copier, i)
	audit := e.tcp.Audit()
	if err := audit(); err != nil {
		w.wrong = err
		return
	}
	f()
	if w.wrong == nil && !w.batch.open {
		w.settle(x, i)
	}
	if w.wrong == nil {
		w.wrong = audit()
	}
	// Old duplicates must not open one: RFC 9293 §3.4.1.
	if w.wrong == nil && e.at == len(x.rung.Scripts[i]) && e.listener != nil && e.listener.Waiting() > 0 {
		w.wrong = errors.New("a connection that nobody opened waits to be accepted")
	}
}

// settle puts what an end has to send on the wire.
func (w *world) settle(x *explorer, i int) {
	e := w.ends[i]
	for n := 0; e.tcp.Output(w.now, &x.out); n++ {
		out := &x.out
		if n > 100 {
			w.wrong = fmt.Errorf("it does not stop sending")
			return
		}
		if out.Flags.Has(wire.SYN) {
			e.iss = out.Seq
		}
		k := packet{id: w.sent, from: i, to: w.peer(i), sent: w.now, tuple: out.Tuple.Reverse(), segment: out.Segment, life: e.life}
		k.segment.Views = nil
		if out.Len > 0 {
			k.offset = int(out.Seq - e.iss - 1)
		}
		w.checkText(x, e, &k)
		w.sent++
		w.wire = append(w.wire, k)
	}
	for _, _, ok := e.tcp.NextReady(); ok; _, _, ok = e.tcp.NextReady() {
	}
}

// checkText: what leaves is what the program has written there.
func (w *world) checkText(x *explorer, e *end, k *packet) {
	at := k.offset
	for _, v := range x.out.Views {
		if at < 0 || at+v.Len() > e.written || !isStream(e.life, at, v.Bytes()) {
			w.wrong = fmt.Errorf("what leaves at %d is not what was written there", at)
		}
		at += v.Len()
		v.Release()
	}
}
