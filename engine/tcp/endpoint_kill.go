package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Kill ends the connection with these ends although its program has not asked
// for it, whatever form it is kept in: ABORT of RFC 9293 §3.10.5. The peer gets a RST
// where one is due, and a program that still holds the connection learns that
// it failed with Aborted. It reports whether there was a connection.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.5
func (e *Endpoint) Kill(now clock.Time, t wire.Tuple) bool {
	if en := e.conns.find(&t); en != nil {
		held := en.holds()
		en.abort(now)
		e.charge(now, en, held)
		e.update(now, en)
		return true
	}
	f := e.cookies.flow(&t)
	if at := e.halfOpen.find(f, &t); at != 0 {
		h := e.halfOpen.at(at)
		c := e.expandAt(now, &t, f, h)
		if !h.is(markAsking) { // to a SYN that has no answer yet, there is nothing to take back
			r := wire.TCP{Flags: wire.RST | wire.ACK, Seq: c.snd.nxt, Ack: c.rcv.nxt}
			c.addTimestamp(now, &r.Options)
			e.pushReset(now, &t, r, c.options.service.TOS())
		}
		// Told after it has gone: whoever reads the event may open the four-tuple again.
		e.halfOpen.remove(f, at)
		c.closed(now, Aborted, CauseAbort)
		return true
	}
	// In TIME-WAIT all has been said: the peer knows of both FINs, and a RST could only
	// hurt a new connection of the same name.
	if w := e.timeWait.find(f, &t); w != 0 {
		c := e.expandWaiting(now, &t, f, w)
		e.forgetTimeWait(now, f, w, &t)
		c.closed(now, Aborted, CauseAbort)
		return true
	}
	return false
}
