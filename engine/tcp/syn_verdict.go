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

// SynVerdict is what becomes of a SYN that waits.
type SynVerdict uint8

// The verdicts.
const (
	SynAccept SynVerdict = iota // SYN-ACK
	SynReset                    // RST
	SynIgnore                   // nothing: the peer will try again
)

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
// is still to be asked about. It reports false when it does not wait any more, or
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

// Decide passes the verdict on a SYN. It returns false when that does not wait
// any more: the peer gave up, Config.VerdictTimeout has passed, or it had to
// make room for others.
func (e *Endpoint) Decide(now clock.Time, y Syn, v SynVerdict) bool {
	f := e.cookies.flow(&y.Tuple)
	at := e.halfOpen.find(f, &y.Tuple)
	if at == 0 {
		return false
	}
	h := e.halfOpen.at(at)
	if !h.is(markAsking) || h.irs != y.ISN {
		return false
	}
	if v == SynAccept {
		e.halfOpen.unschedule(at)
		h.marks &^= markAsking
		h.due = pack(clock.Never)
		e.watch(now)
		e.detector.Answering(f.id(y.ISN), y.Tuple.Remote)
		e.oweHalfOpen(&y.Tuple, f, h)
		return true
	}
	e.halfOpen.remove(f, at)
	if v == SynReset {
		e.pushReset(now, &y.Tuple, wire.TCP{Flags: wire.RST | wire.ACK, Ack: y.ISN.Add(1)})
	}
	return true
}
