package tcp

import (
	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/wire"
)

// keepTimeWait stores c, which is in TIME-WAIT and whose program has gone, in
// compact form.
func (e *Endpoint) keepTimeWait(now clock.Time, c *Conn) {
	if len(e.timeWait.entries) >= e.cfg.MaxTimeWait {
		e.dropOldestTimeWait()
	}
	e.timeWait.put(c.tuple, c.compactTimeWait())
}

// dropOldestTimeWait makes room by ending the wait that is nearest its end.
func (e *Endpoint) dropOldestTimeWait() {
	for len(e.timeWait.due.items) > 0 {
		it := e.timeWait.due.pop()
		if e.timeWait.counts(it.at, it.key) {
			delete(e.timeWait.entries, it.key)
			e.stats.TimeWaitOverflow++
			return
		}
	}
}

// arrivedTimeWait meets a segment for a connection in TIME-WAIT.
func (e *Endpoint) arrivedTimeWait(now clock.Time, path Path, t *wire.Tuple, f flow, w *timeWait, s *Segment) Verdict {
	c := e.expandWaiting(now, t, f, w)
	if e.reopens(now, c, s) {
		last := c.snd.nxt
		c.closed(now, NoFailure, CauseReuse)
		delete(e.timeWait.entries, *t)
		return e.arrivedStray(now, path, t, f, s, last)
	}
	v := c.Receive(now, path, s)
	if c.state != TimeWait {
		delete(e.timeWait.entries, *t)
		return v
	}
	e.timeWait.put(*t, c.compactTimeWait())
	if c.owes != 0 {
		e.compact.push(*t)
	}
	return v
}

func (e *Endpoint) expandWaiting(now clock.Time, t *wire.Tuple, f flow, w *timeWait) *Conn {
	c := &e.scratch
	c.init(e.cfg, *t, Path{MTU: int(w.mtu)}, f.tsOffset, e.trace)
	c.expandTimeWait(now, w)
	return c
}

// advanceTimeWait ends the waits that lasted 2MSL.
func (e *Endpoint) advanceTimeWait(now clock.Time) {
	for t, w, ok := e.timeWait.expired(now); ok; t, w, ok = e.timeWait.expired(now) {
		e.expandWaiting(now, &t, e.cookies.flow(&t), &w).Advance(now)
		delete(e.timeWait.entries, t)
	}
}
