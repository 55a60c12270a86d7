package tcp

import (
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// processAck is the fifth check for a synchronized connection whose ACK is
// acceptable: what is acknowledged is forgotten, the window is updated.
func (c *Conn) processAck(now clock.Time, s *Segment) {
	c.noteFull(now)
	window := c.snd.wnd
	c.updateWindow(now, s)
	switch {
	case c.snd.una.Less(s.Ack):
		c.acknowledge(now, s)
	case c.isDuplicateAck(s, window):
		c.duplicateAck(now)
	}
}

// acknowledge takes an ACK of something new.
func (c *Conn) acknowledge(now clock.Time, s *Segment) {
	newly := int(s.Ack.Sub(c.snd.una))
	limited := c.limited()
	c.snd.una = s.Ack
	c.loss.full = seq.Max(c.loss.full, s.Ack)
	if c.snd.resend.Less(s.Ack) {
		c.snd.resend = s.Ack
	}
	c.forget(s.Ack)
	sample := c.rttAcked(now, s)
	if c.out.claim != sizeProven {
		c.sizeAcked(newly)
	}
	c.progress(now)
	if c.cc != nil {
		recovery := c.phase >= fastRecovery
		c.lossAcked(now, newly)
		c.cc.OnAck(now, cc.Ack{Delivered: newly, InFlight: c.inFlight(), Total: uint64(c.snd.una.Sub(c.snd.iss)),
			RTT: sample, Limited: limited, Recovery: recovery})
	}
	c.rearmRetransmit(now)
}

// forget drops the acknowledged bytes. SYN and FIN are no bytes of the queue.
func (c *Conn) forget(una seq.Num) {
	una = seq.Min(una, c.out.end())
	if c.out.start.Less(una) {
		c.tally.bytesAcked += uint64(una.Sub(c.out.start))
		c.out.ack(una)
	}
	if c.is(urgentSent) && c.snd.up.LessEq(una) {
		c.set(urgentSent, false)
	}
}

// updateWindow takes SEG.WND if the segment is not older than the one that
// the window was last taken from (SND.WL1, SND.WL2). One that acknowledges
// something new is not, whatever its own number.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4-2.5.2.2.2.3
func (c *Conn) updateWindow(now clock.Time, s *Segment) {
	if s.Ack.Less(c.snd.una) {
		return
	}
	if from := s.last(); c.snd.una.Less(s.Ack) || c.snd.wl1.Less(from) || c.snd.wl1 == from && c.snd.wl2.LessEq(s.Ack) {
		old := c.snd.wnd
		c.takeWindow(s, c.scaled(s))
		if c.snd.wnd > old {
			c.windowOpened(now)
		}
	}
}

func (c *Conn) takeWindow(s *Segment, wnd seq.Size) {
	c.snd.wnd = wnd
	c.snd.maxWnd = max(c.snd.maxWnd, wnd)
	c.snd.wl1, c.snd.wl2 = s.last(), s.Ack
}

// scaled returns SEG.WND in octets, RFC 7323 §2.3.
func (c *Conn) scaled(s *Segment) seq.Size { return seq.Size(s.Window) << c.snd.shift }

// isDuplicateAck is the definition of RFC 5681 §2. With a shut window it is the
// answer to a probe and tells nothing of a loss.
// https://www.rfc-editor.org/rfc/rfc5681#section-2
func (c *Conn) isDuplicateAck(s *Segment, window seq.Size) bool {
	return s.Ack == c.snd.una && c.snd.una != c.snd.nxt && s.Len == 0 &&
		s.Flags&(wire.SYN|wire.FIN) == 0 && c.scaled(s) == window && window > 0
}

// finEnd is the number after our FIN.
func (c *Conn) finEnd() seq.Num { return c.out.end().Add(1) }

// inFlight is how many numbers are sent and, as far as we know, not lost.
func (c *Conn) inFlight() int { return int(c.snd.resend.Sub(c.snd.una)) }
