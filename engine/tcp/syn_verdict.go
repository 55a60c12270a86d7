package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Syn is a SYN that waits for a verdict.
type Syn struct {
	Listener *Listener
	Tuple    wire.Tuple
	ISN      seq.Num // the peer's
}

// ask lets NextSyn return a SYN whose entry is h. As in owe, those that have gone
// meanwhile are swept out before they are more than those that wait.
func (e *Endpoint) ask(y Syn, h *halfOpen) {
	h.marks |= markUnasked
	if e.asked.tooLong(e.halfOpen.count) {
		e.asked.sweep(func(y *Syn) bool { return e.remarkSyn(y, false) })
		e.asked.sweep(func(y *Syn) bool { return e.remarkSyn(y, true) })
	}
	e.asked.push(y)
}

// remarkSyn changes whether a SYN that waits is marked as one that the program
// is still to be asked about. It reports false when it no longer waits, or
// was marked so.
func (e *Endpoint) remarkSyn(y *Syn, unasked bool) (changed bool) {
	at := e.halfOpen.find(e.cookies.flow(&y.Tuple), &y.Tuple)
	if at == 0 {
		return false
	}
	h := e.halfOpen.at(at)
	if !h.is(markAsking) || h.irs != y.ISN || h.is(markUnasked) == unasked {
		return false
	}
	h.mark(markUnasked, unasked)
	return true
}

// HasSyn reports whether NextSyn may have something to tell. That is asked after
// every packet.
func (e *Endpoint) HasSyn() bool { return e.asked.len() > 0 }

// NextSyn returns the next SYN that waits, of a listener that asks, since it was
// asked last.
func (e *Endpoint) NextSyn() (y Syn, ok bool) {
	for y, ok = e.asked.pop(); ok && !e.remarkSyn(&y, false); {
		y, ok = e.asked.pop()
	}
	return y, ok
}

// AcceptSyn answers a SYN that waits with a SYN-ACK. As with the other verdicts,
// false means that it no longer waits: the peer gave up,
// Config.VerdictTimeout has passed, or it had to make room for others.
func (e *Endpoint) AcceptSyn(now clock.Time, y Syn) bool { return e.AcceptSynWith(now, y, nil) }

// AcceptSynWith is AcceptSyn for a program that has made something ready for the
// connection: owner is the Owner of what Accept returns. If it never does, NextLost
// returns owner. When the SYN no longer waits it is not kept.
func (e *Endpoint) AcceptSynWith(now clock.Time, y Syn, owner any) bool {
	f, at := e.asking(&y)
	if at == 0 {
		return false
	}
	h := e.halfOpen.at(at)
	e.halfOpen.unschedule(at)
	h.marks &^= markAsking
	h.due = pack(clock.Never)
	if owner != nil {
		h.marks |= markPrepared
		e.halfOpen.prepared.put(&y.Tuple, owner)
	}
	e.watch(now)
	e.watcher().Answering(f.id(y.ISN), y.Tuple.Remote)
	e.oweHalfOpen(&y.Tuple, f, h)
	return true
}

// ResetSyn answers a SYN that waits with a RST. See AcceptSyn.
func (e *Endpoint) ResetSyn(now clock.Time, y Syn) bool {
	if !e.IgnoreSyn(y) {
		return false
	}
	e.pushReset(now, &y.Tuple, wire.TCP{Flags: wire.RST | wire.ACK, Ack: y.ISN.Add(1)}, 0)
	return true
}

// IgnoreSyn forgets a SYN that waits: the peer will try again. See AcceptSyn.
func (e *Endpoint) IgnoreSyn(y Syn) bool {
	f, at := e.asking(&y)
	if at != 0 {
		e.halfOpen.remove(f, at)
	}
	return at != 0
}

// asking finds the entry of a SYN that waits; 0: there is none.
func (e *Endpoint) asking(y *Syn) (f flow, at ref) {
	f = e.cookies.flow(&y.Tuple)
	if at = e.halfOpen.find(f, &y.Tuple); at != 0 {
		if h := e.halfOpen.at(at); !h.is(markAsking) || h.irs != y.ISN {
			at = 0
		}
	}
	return f, at
}
