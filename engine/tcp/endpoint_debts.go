package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// A whole connection links itself into the queue of those that send. A compact one has
// no room for a link: it is named in a queue of names, and names outlive what they
// name. So each item is checked when its turn comes, and too many stale ones are swept.

// owing is a connection in compact form that owes a segment. With the hash of its name, which
// is not computed again for the look-up.
type owing struct {
	tuple wire.Tuple
	flow
}

// oweHalfOpen has a half-open connection send what it owes, if that is anything
// and it is not about to.
func (e *Endpoint) oweHalfOpen(t *wire.Tuple, f flow, h *halfOpen) {
	if h.is(markQueued) || !h.is(markResend) && h.owes == 0 {
		return
	}
	h.marks |= markQueued
	e.owe(t, f)
}

// oweTimeWait is oweHalfOpen for a connection in TIME-WAIT.
func (e *Endpoint) oweTimeWait(t *wire.Tuple, f flow, w *timeWait) {
	if w.flags&(waitQueued|waitOwesAck) != waitOwesAck {
		return
	}
	w.flags |= waitQueued
	e.owe(t, f)
}

// owe puts a connection, which is marked already, into the queue of those that
// send. The item of one that goes meanwhile stays behind: such items are swept
// out before they are more than those that live.
func (e *Endpoint) owe(t *wire.Tuple, f flow) {
	if e.compact.tooLong(e.halfOpen.count + e.timeWait.count) {
		e.compact.sweep(func(o *owing) bool { return e.remark(o, false) }) // the first of two for one connection counts
		e.compact.sweep(func(o *owing) bool { return e.remark(o, true) })
	}
	e.compact.push(owing{*t, f})
}

// remark changes whether a connection in compact form is marked as in the queue
// of those that send. It reports false when there is none, or it was so.
func (e *Endpoint) remark(o *owing, queued bool) (changed bool) {
	if at := e.halfOpen.find(o.flow, &o.tuple); at != 0 {
		h := e.halfOpen.at(at)
		changed = h.is(markQueued) != queued
		h.mark(markQueued, queued)
	} else if at := e.timeWait.find(o.flow, &o.tuple); at != 0 {
		w := e.timeWait.at(at)
		changed = (w.flags&waitQueued != 0) != queued
		w.flags &^= waitQueued
		if queued {
			w.flags |= waitQueued
		}
	}
	return changed
}

// outputCompact fills out with what the next compact connection owes. A debt
// whose debtor has gone, or is another one of the same name, is forgotten.
func (e *Endpoint) outputCompact(now clock.Time, out *Output) bool {
	o, _ := e.compact.pop()
	t, f := &o.tuple, o.flow
	if at := e.halfOpen.find(f, t); at != 0 {
		h := e.halfOpen.at(at)
		return h.is(markQueued) && e.outputHalfOpen(now, out, &o, h, at)
	}
	if w := e.timeWait.find(f, t); w != 0 && e.timeWait.at(w).flags&waitQueued != 0 {
		e.timeWait.at(w).flags &^= waitQueued
		c := e.expandWaiting(now, t, f, w)
		sent := c.NextSegment(now, out)
		e.putTimeWait(f, c)
		return sent
	}
	return false
}

func (e *Endpoint) outputHalfOpen(now clock.Time, out *Output, o *owing, h *halfOpen, at ref) bool {
	h.marks &^= markQueued
	c := e.expandAt(now, &o.tuple, o.flow, h)
	sent := c.NextSegment(now, out)
	e.halfOpen.update(at, c)
	e.oweHalfOpen(&o.tuple, o.flow, h)
	return sent
}
