package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/recovery"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// processAck is the fifth check for a synchronized connection whose ACK is
// acceptable: the window is updated, what is acknowledged is forgotten.
func (c *Conn) processAck(now clock.Time, s *Segment) {
	// Whether an ACK is a duplicate depends on the window before it: one that changes
	// the window is an update, and tells nothing of a loss.
	window := c.snd.wnd
	if f := c.flight; f != nil && (now != c.live.heard || f.full.LessEq(c.snd.una)) {
		c.noteFull()
	}
	c.updateWindow(now, s)
	// Nearly every ACK takes the first way: all that it covers has arrived in order and
	// once, and none of the questions about losses has to be asked.
	switch {
	case c.untroubled(s) && (!c.has(ecnOK) || c.calm(s)):
		c.acknowledgeInOrder(now, s)
	case c.flight != nil || s.Options.Has(wire.OptSACK):
		c.acknowledge(now, s, window)
	}
}

// acknowledgeInOrder is acknowledge for an ACK that has nothing to do with a loss: all
// before it has arrived, and once.
func (c *Conn) acknowledgeInOrder(now clock.Time, s *Segment) {
	f, trip := c.flight, time.Duration(0)
	// Asked before SND.UNA moves: it is about the flight that is acknowledged.
	limited := c.snd.una.Less(f.full)
	n, first, last := f.Advance(now, s.Ack)
	c.advance(now, s.Ack, n)
	if last.Marks&recovery.Probe == 0 {
		// At least 1, because 0 means that nothing was measured.
		trip = max(now.Sub(last.At), 1)
		c.loss.shortest(now, trip)
	}
	if f.round.LessEq(s.Ack) {
		c.noteRate(n, f.RateOf(now, last), limited)
		if f.round.Less(s.Ack) {
			c.measureTimeout(now, s, first, last.Marks&recovery.Probe == 0)
		}
	}
	f.rack.Take(now, last, s.Ack)
	a := cc.Ack{Delivered: n, InFlight: f.Out(), Total: c.tally.bytesAcked, RTT: trip, Limited: limited}
	if f.wants&cc.WantsSend != 0 {
		a.Rate, a.Shut = ratio(f.RateOf(now, last)), f.shut
	}
	c.cc.OnAck(now, a)
	if f.Empty() {
		c.timers.disarm(TimerRetransmit)
		c.land()
		return
	}
	c.restartTimer(now, n)
}

// acknowledge takes an ACK in turn: what it delivered, what that measures, what is
// lost, whether and how that is repaired, how much may be out, and what to wait for.
// Before it the peer's window was as given.
func (c *Conn) acknowledge(now clock.Time, s *Segment, window seq.Size) {
	var d recovery.Delivery
	// An ACK that was overtaken moves nothing back, but its SACK blocks may be news.
	a := recovery.Ack{Now: now, Una: seq.Max(c.snd.una, s.Ack), MSS: int(c.path.mss), MinRTT: c.loss.least}
	if c.has(stamping) && s.Options.Has(wire.OptTimestamps) {
		a.Echo, a.HasEcho = s.Options.TSEcr-c.ts.offset, true
	}
	var twice wire.SACKBlock
	if c.has(sackOK) && s.Options.Has(wire.OptSACK) {
		a.Blocks, twice = c.readSACK(s)
	}
	// With nothing out, all that it can still tell is that a retransmission was not
	// needed.
	if c.flight == nil {
		c.cameTwice(now, twice, &d)
		return
	}
	// Both are asked before what follows changes them: they are about the flight that
	// is acknowledged.
	limited, repaired := c.limited(), c.loss.phase == fastRecovery
	c.deliver(&a, &d)
	h := c.hear(s, &d)
	trip := c.measure(&a, s, &d, limited)
	c.flight.rack.Advance(now, &d)
	c.cameTwice(now, twice, &d)
	c.detectLoss(&a, &d, s, window)
	c.recover(&a, &d)
	// Congestion control hears of a loss, in recover, before it hears of the delivery:
	// the window does not first grow by the ACK that shrinks it.
	if d.Bytes > 0 {
		c.tellDelivered(now, h, &d, cc.Ack{RTT: trip, Limited: limited && (d.Acked > 0 || c.loss.reorder.Seen), Recovery: repaired || c.loss.phase == fastRecovery})
	}
	if c.has(ecnOK) {
		c.yield(now, h, &d)
	}
	switch f := c.flight; {
	case f.Empty():
		c.timers.disarm(TimerRetransmit)
		c.land()
	case d.Acked > 0 || f.late != clock.Never:
		c.restartTimer(now, d.Acked)
	}
}

// tellDelivered tells congestion control what an ACK delivered.
func (c *Conn) tellDelivered(now clock.Time, h heard, d *recovery.Delivery, a cc.Ack) {
	f := c.flight
	a.Delivered, a.Lost, a.InFlight = d.Bytes+min(d.Guess, 0), d.Lost, f.Pipe() // what duplicate ACKs told does not count again
	a.Total = c.tally.bytesAcked + uint64(f.Early())
	if f.wants&cc.WantsSend != 0 {
		a.Rate, a.Shut = ratio(f.Rate(now, d)), f.shut
	}
	if c.has(ecnOK) {
		c.heed(h, &a)
	}
	c.cc.OnAck(now, a)
}

// ratio hands a rate on: neither of the two packages imports the other. So a controller
// can be tried out on numbers alone, and the ledger serves others than a controller.
func ratio(r recovery.Rate) cc.Rate {
	return cc.Rate{Delivered: r.Delivered, Interval: r.Interval, InFlight: r.InFlight, Lost: r.Lost, AppLimited: r.Limited}
}

// tellLost counts what was lost, and tells a controller that wants to know.
func (c *Conn) tellLost(now clock.Time) {
	if n := c.flight.LostAgain(); n > 0 {
		c.cfg.stats.TCPLostRetransmit += uint64(c.segments(n))
	}
	if c.flight.wants&cc.WantsLost == 0 {
		return
	}
	for bytes, r := range c.flight.Unheard {
		c.cc.OnEvent(now, cc.Event{Kind: cc.Lost, Bytes: bytes, Sent: ratio(r)})
	}
}

// readSACK returns what the peer says that it holds, and the D-SACK block if there
// is one that can be true. What the ACK says is seen from its own number: an ACK that
// is overtaken by one of more tells of nothing that came twice.
func (c *Conn) readSACK(s *Segment) (blocks []wire.SACKBlock, twice wire.SACKBlock) {
	blocks = s.Options.SACK[:s.Options.SACKBlocks]
	if !isDSACK(blocks, s.Ack) {
		return blocks, twice
	}
	if first := blocks[0]; !c.snd.nxt.Less(first.Right) && c.snd.una.Diff(first.Left) <= int32(c.snd.maxWnd)+1 {
		twice = first // neither of what was never sent nor of long ago
	}
	return blocks[1:], twice
}

// isDSACK reports whether the first block tells what came twice: it lies before the
// number acknowledged, or in the second block.
// https://www.rfc-editor.org/rfc/rfc2883#section-4
func isDSACK(blocks []wire.SACKBlock, una seq.Num) bool {
	if len(blocks) == 0 || !blocks[0].Left.Less(blocks[0].Right) {
		return false
	}
	b := blocks[0]
	return b.Right.LessEq(una) || len(blocks) > 1 && blocks[1].Left.LessEq(b.Left) && b.Right.LessEq(blocks[1].Right)
}

// deliver takes what has arrived out of the flight and the send queue.
func (c *Conn) deliver(a *recovery.Ack, d *recovery.Delivery) {
	f := c.flight
	f.Deliver(a, d)
	if d.Reneged {
		c.cfg.stats.TCPSACKReneging++
	}
	if d.Acked > 0 {
		c.advance(a.Now, a.Una, d.Acked)
	}
}

// advance moves SND.UNA by n numbers.
func (c *Conn) advance(now clock.Time, una seq.Num, n int) {
	f := c.flight
	c.snd.una = una
	if f.full.Less(una) {
		f.full = una
	}
	c.forget(una)
	if c.out.claim != sizeProven {
		c.sizeAcked(n)
	}
	c.progress(now)
}

// acknowledgeSyn takes the ACK of our SYN.
func (c *Conn) acknowledgeSyn(now clock.Time, s *Segment) {
	c.snd.una = s.Ack
	c.forget(s.Ack)
	c.timeSyn(now, s)
}

// timeSyn ends what our SYN has begun: it is acknowledged.
func (c *Conn) timeSyn(now clock.Time, s *Segment) {
	c.owes &^= owesSyn
	switch {
	case c.is(rttTiming):
		at := c.live.at
		if c.early() {
			at = c.fast.at
		}
		c.rtt.sample(max(time.Duration(microseconds(now)-at)*time.Microsecond, 1), c.cfg)
		c.loss.shortest(now, c.rtt.smoothed)
	case c.rtt.backoff > 0:
		// The SYN was sent more than once. Only the peer's echo says which copy this
		// answers.
		if trip := c.echoedSyn(now, s); trip > 0 {
			c.rtt.sample(trip, c.cfg)
		}
	}
	// From here on the ledger knows when each segment left, and measures.
	c.set(rttTiming, false)
	c.progress(now)
	c.timers.disarm(TimerRetransmit)
}

// forget drops the acknowledged bytes. SYN and FIN are no bytes of the queue: they have
// numbers, so an ACK may reach one beyond its end.
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

// takeWindow believes the window of s. The largest ever is kept: it tells the size of
// the peer's buffer, which silly window avoidance goes by.
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

// measure takes the round trips that an ACK tells, and returns that of the newest
// of what arrived, 0 when none is sure.
func (c *Conn) measure(a *recovery.Ack, s *Segment, d *recovery.Delivery, limited bool) (newest time.Duration) {
	if d.HasNewest && d.Newest.Marks&recovery.Probe == 0 {
		newest = max(a.Now.Sub(d.Newest.At), 1)
		c.loss.shortest(a.Now, newest)
	}
	if f := c.flight; d.Acked > 0 && f.round.LessEq(c.snd.una) {
		c.noteRate(d.Acked, f.Rate(a.Now, d), limited)
	}
	if d.Acked > 0 && (c.flight.round.Less(c.snd.una) || c.rtt.backoff > 0) {
		c.measureTimeout(a.Now, s, d.First, d.HasFirst && !d.Repaired)
	}
	if c.rtt.smoothed == 0 && newest > 0 { // nothing was ever measured, and this one is sure
		c.rtt.sample(newest, c.cfg)
	}
	return newest
}
