package tcp

import "github.com/handfast-tcp/handfast/engine/clock"

// A program that writes in pieces can say so, in two ways that Linux has too, and what is
// less than a full segment waits for the next piece.
//
// With TCP_CORK (SetCork) it waits until the cork is out. With MSG_MORE (MoreFollows), which
// is for one write, it waits until something comes from the peer: then Nagle's algorithm
// decides, or no delay. Such a segment has no PSH. With either a timer ends the wait, that
// of window probes, after an RTO in which nothing else was out: the end of what is written
// reaches the peer whatever the program forgets. A close ends it at once.

// tail is what the program has said of the end of what is queued. While it is not zero the
// flag noDelay is off: so a connection without such a word does not look here.
type tail uint8

const (
	corked     tail = 1 << iota
	moreToCome      // the last write said that more follows
	letGo           // what is queued may leave all the same, once
	prompt          // the program wants no delay, when there is neither
)

// hold begins a wait for the rest.
func (c *Conn) hold(t tail) {
	q := &c.out
	if c.is(noDelay) {
		q.tail |= prompt
		c.set(noDelay, false)
	}
	q.tail = q.tail&^letGo | t
	c.ecn.heldSince = uint16(c.tally.segsIn)
}

// unhold ends it, unless there is another reason.
func (c *Conn) unhold(t tail) {
	q := &c.out
	if q.tail &^= t; q.tail&(corked|moreToCome) == 0 {
		c.set(noDelay, q.tail&prompt != 0)
		q.tail = 0
	}
}

// setNoDelay turns Nagle's algorithm off, or on. What is held leaves, even with a cork: as
// in Linux the program pushes once.
func (c *Conn) setNoDelay(on bool) {
	q := &c.out
	switch {
	case q.tail == 0:
		c.set(noDelay, on)
	case on:
		q.tail |= prompt | letGo
	default:
		q.tail &^= prompt
	}
}

// worthHolding is worthSending for n bytes, all that is queued, of which the program has said
// something: full segments go, and their rest where it may.
func (c *Conn) worthHolding(n int) int {
	q, rest := &c.out, n%c.payload()
	nagle := q.tail&prompt == 0 && c.smallOut()
	held := q.tail&corked != 0 || c.ecn.heldSince == uint16(c.tally.segsIn) || nagle
	if rest > 0 && held && q.tail&letGo == 0 {
		return n - rest
	}
	q.tail &^= letGo
	return n
}

// heldLongEnough is for the persist timer: it lets go of what only the program's word holds.
func (c *Conn) heldLongEnough() bool {
	q := &c.out
	if q.tail&(corked|moreToCome) == 0 || q.tail&letGo != 0 || c.snd.wnd == 0 {
		return false
	}
	q.tail = q.tail&^moreToCome | letGo
	return true
}

// SetCork holds back what is less than a full segment until it is called again with false,
// as TCP_CORK does in Linux; but for an RTO at most when nothing else is out.
func (e *Endpoint) SetCork(now clock.Time, en *Entry, on bool) {
	if on {
		en.hold(corked)
	} else {
		en.unhold(corked)
	}
	e.update(now, en)
}

// MoreFollows says after Send or SendCopy that the program will write more, as MSG_MORE does
// in Linux: what is less than a full segment is held back until then, or until something
// comes from the peer, or for an RTO at most when nothing else is out; without PSH.
func (e *Endpoint) MoreFollows(now clock.Time, en *Entry) {
	if en.takesData() {
		en.hold(moreToCome)
	}
	e.update(now, en)
}
