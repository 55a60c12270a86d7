package tcp

import (
	"github.com/handfast-tcp/handfast/engine/seq"
)

// This is our window; the peer's, in which we send, is taken by updateWindow.

// offer returns the window field of the next segment and moves the right edge
// to where the field says it is. The edge never moves left, and it moves right
// only by steps worth a segment: silly window avoidance, RFC 9293 §3.8.6.2.2 (MUST-39). In
// TIME-WAIT no more data may come, and the window stays as it was. Before our SYN is
// acknowledged it stays what the SYN offered: which buffer there will be is settled then,
// and a half-open connection that is kept in its small form knows of no other.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.8.6.2.2
func (c *Conn) offer() uint16 {
	if next := c.rcv.nxt.Add(c.freeWindow()); c.state != TimeWait && !c.opening() && c.worthOffering(next) {
		c.rcv.edge = next
	}
	wnd := c.rcv.edge.Sub(c.rcv.nxt) >> c.rcv.shift
	if wnd > 0xffff {
		wnd = 0xffff
		c.rcv.edge = c.rcv.nxt.Add(wnd << c.rcv.shift)
	}
	return uint16(wnd)
}

// freeWindow is what the receive buffer has room for, in units of the scale.
func (c *Conn) freeWindow() seq.Size {
	free := max(int(c.rcv.limit)-c.in.buffered(), 0)
	return min(seq.Size(free)>>c.rcv.shift, 0xffff) << c.rcv.shift
}

// worthOffering reports whether moving the right edge to next gains at least
// min(half the buffer, one segment).
func (c *Conn) worthOffering(next seq.Num) bool {
	// Fr is 1/2, and the segment is the largest that we let the peer send. Smaller
	// steps would bring small segments, and an ACK for each.
	gain := next.Diff(c.rcv.edge)
	return gain > 0 && gain >= min(c.rcv.limit/2, int32(c.path.ours))
}

// windowUpdateDue reports whether the program has read so much that the peer
// should hear of it: a quarter of the buffer, or anything worth offering when
// the peer has less than two segments left.
func (c *Conn) windowUpdateDue() bool {
	if c.is(finReceived) || c.state < Established || c.opening() { // then offer would not say it
		return false
	}
	next := c.rcv.nxt.Add(c.freeWindow())
	if !c.worthOffering(next) {
		return false
	}
	// Otherwise the next ACK tells it soon enough: an update for every Read would be a
	// segment for every Read.
	left := c.rcv.edge.Sub(c.rcv.nxt)
	return next.Diff(c.rcv.edge) >= c.rcv.limit/4 || left < 2*seq.Size(c.path.ours)
}
