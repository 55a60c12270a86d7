package tcp

import (
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/recovery"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// NextSegment fills out with the next segment to send and reports whether
// there is one. It builds a segment and gives it up when it comes out empty:
// nothing else answers the question whether there is something to send.
// The order is part of the rules. A RST ends everything else. Text comes before what
// only carries an ACK, because it carries the ACK too.
func (c *Conn) NextSegment(now clock.Time, out *Output) bool {
	out.again = false
	var ok bool
	if c.owes&^owesAck == 0 {
		ok = c.buildData(now, out) || c.buildAck(now, out)
	} else {
		ok = c.buildReset(now, out) || c.buildSyn(now, out) || c.buildReflection(now, out) ||
			c.buildEcho(now, out) || c.buildTail(now, out) ||
			c.buildData(now, out) || c.buildProbe(now, out) || c.buildKeepAlive(now, out) || c.buildAck(now, out)
	}
	if !ok && (c.out.claim < sizeSearch || !c.buildSizeProbe(now, out)) {
		c.fallQuiet(now)
		return false
	}
	if a := c.options.auth; a != nil {
		c.authenticate(a, out)
	}
	c.tally.sent(out)
	if c.log.wanted() {
		c.log.sent(now, c, out)
	}
	return true
}

// begin makes out an empty segment of the connection.
func (c *Conn) begin(out *Output) {
	out.Service = c.ecn.service
	out.Tuple, out.GSOSize, out.Len, out.ECN, out.ACE = c.tuple, 0, 0, 0, false
	out.Views = out.views[:0]
	out.TCP = wire.TCP{SrcPort: c.tuple.LocalPort, DstPort: c.tuple.RemotePort}
}

// buildReset makes the RST of an abort, RFC 9293 §3.10.5. A timestamp "SHOULD be
// sent in a RST segment".
// https://www.rfc-editor.org/rfc/rfc7323#section-3.2
func (c *Conn) buildReset(now clock.Time, out *Output) bool {
	if c.owes&owesReset == 0 {
		return false
	}
	// Nothing follows a RST, not even the ACK that was owed. Its number has to be the
	// one that the peer expects next: any other gets a challenge ACK, and the peer keeps
	// what has ended for a round trip more, or for good when that is lost.
	// https://www.rfc-editor.org/rfc/rfc5961#section-3.2
	c.owes = 0
	c.begin(out)
	out.Seq, out.Ack, out.Flags = c.emptySeq(), c.rcv.nxt, wire.RST|wire.ACK
	c.addTimestamp(now, &out.Options)
	return true
}

// buildSyn makes our SYN, with an ACK if the peer's has come.
func (c *Conn) buildSyn(now clock.Time, out *Output) bool {
	if c.owes&owesSyn == 0 || c.state < SynSent || !c.opening() || c.awaitsText() {
		return false
	}
	c.owes &^= owesSyn
	c.begin(out)
	// SND.NXT has moved past ISS once our SYN went out: what is built now repeats it.
	if out.again = c.snd.nxt != c.snd.iss; out.again {
		c.cfg.stats.TCPSynRetrans++
		c.bare()
	}
	y := ourSyn{iss: c.snd.iss, flags: wire.SYN, mss: c.path.ours, stamp: c.timestamp(now), echo: c.ts.recent}
	if c.state == SynSent {
		y.offer = ourOffer(c.cfg)
		y.flags |= c.synFlags()
	} else {
		y.offer = c.offered()
		y.flags, y.ack, y.plain = wire.SYN|wire.ACK, c.rcv.nxt, c.plainness(out.again)
		c.ackSent()
	}
	y.old = c.fast != nil && c.fast.old
	y.fast = c.fastOption(out.again)
	y.write(&out.TCP, &c.tuple, c.cfg)
	if c.state == SynSent && c.cfg.UserTimeoutOption && !out.again && y.fast == nil { // else there may be no room
		out.Options.Set |= wire.OptUserTimeout
		out.Options.UserTimeout = c.advertised()
	}
	c.rcv.edge = seq.Max(c.rcv.edge, c.rcv.nxt.Add(seq.Size(out.Window))) // an ACK between offers what the program asked for
	c.fillSyn(out)
	c.sentSyn(now, out.Len)
	return true
}

// sentSyn notes that our SYN is under way, with so many bytes of text.
func (c *Conn) sentSyn(now clock.Time, text int) {
	if c.snd.nxt == c.snd.iss {
		c.snd.nxt = c.snd.iss.Add(1 + seq.Size(text))
		if c.early() {
			c.snd.una, c.fast.at = c.snd.nxt, microseconds(now)
		} else {
			c.live.at = microseconds(now)
		}
		// Only the first SYN is timed: by Karn's rule the ACK of a repeated one tells
		// nothing.
		c.set(rttTiming, true)
	}
	c.noteSent(now)
	if !c.timers.armed(TimerRetransmit) {
		c.armRetransmit(now)
	}
}

// buildData makes the next segment of text, with the FIN if it is the last: what is
// lost before what is new.
func (c *Conn) buildData(now clock.Time, out *Output) bool {
	if c.cc == nil || c.state == Closed {
		return false // our SYN is not acknowledged yet, or nothing counts any more
	}
	if f := c.flight; f != nil {
		if f.held && !f.mayLeave(now) {
			return false
		}
		// The peer's program cannot read past a hole, so the hole is filled first.
		if f.LostBytes() > 0 && c.buildLost(now, out) {
			return true
		}
	}
	return c.buildNew(now, out)
}

// buildLost sends again what is lost.
func (c *Conn) buildLost(now clock.Time, out *Output) bool {
	if c.flight.trial == awaitsMore {
		return false
	}
	pos, lost, _ := c.flight.NextLost()
	n, ok := c.allowedAgain(pos, lost)
	out.again = ok // what leaves instead is not
	return ok && c.buildText(now, out, pos, n)
}

// buildNew sends what was never sent.
func (c *Conn) buildNew(now clock.Time, out *Output) bool {
	// Negative when the FIN is out: it has a number, and no byte in the queue.
	left := int(c.out.end().Diff(c.snd.nxt))
	if left < 0 || left == 0 && !c.is(finQueued) {
		switch {
		case c.flight != nil:
			c.countTime(now, c.waitsForText())
		case c.waits != nothing:
			c.waitFor(now, nothing)
		}
		return false
	}
	if c.idled(now) {
		c.cc.OnEvent(now, cc.Event{Kind: cc.Idle})
	}
	// Asked for each segment and not once for all: what leaves changes what may leave next.
	out.again = false
	n, w := c.allowed(left)
	if w != nothing {
		c.countTime(now, w)
		return false
	}
	return c.buildText(now, out, c.snd.nxt, n)
}

// buildText makes the segment of n bytes from number pos on.
func (c *Conn) buildText(now clock.Time, out *Output, pos seq.Num, n int) bool {
	c.begin(out)
	record := c.toRecordEnd(pos)
	n = min(n, record)
	if n > 0 {
		out.Views, out.Len = c.out.fill(out.Views, pos, n)
		out.wholeSegments(n, c.payload())
	}
	end, small := pos.Add(seq.Size(out.Len)), false
	out.Seq = pos
	out.Flags |= wire.ACK
	if out.Len == record {
		small = out.Len%int(c.path.mss) != 0
		out.Flags |= wire.PSH
	}
	if end == c.out.end() {
		small = out.Len%int(c.path.mss) != 0 // one that SACK blocks have made so counts, too
		if out.Len > 0 && c.out.tail&moreToCome == 0 {
			out.Flags |= wire.PSH // nothing more is queued: RFC 9293 §3.9.1.2 (MUST-60, MUST-61)
		}
		// A FIN takes a number of the peer's window as a byte does. With nothing else
		// out it goes into a shut window too, as its own probe.
		if c.is(finQueued) && int(end.Sub(c.snd.una)) < max(int(c.snd.wnd), 1) {
			out.Flags |= wire.FIN
			end = end.Add(1)
		}
	}
	if end == pos {
		return false
	}
	c.addUrgent(out)
	// A segment with text is the ACK that was owed as well, and no bare one follows it: it
	// has to tell of holes too. The room for that is already off n: see payload.
	if c.in.ooo != nil && c.sackSize() > 0 {
		c.addBlocks(out, c.in.ooo.blocks[:c.in.ooo.count])
	}
	if c.cfg.AsLinux && out.Len > 0 && int(c.live.quick) < c.cfg.QuickAcks {
		c.answers(now)
	}
	c.finish(now, out)
	if c.sent(now, out, end); small && !(out.again && c.cfg.AsLinux) {
		c.flight.small = end
	}
	return true
}

// wholeSegments cuts a super-segment that could not take all n bytes, because
// they lie in too many blocks, down to whole segments. The rest follows at once: a
// short segment here would be one in the middle of the stream, and each of those
// costs the network a header and the peer an ACK.
func (out *Output) wholeSegments(n, mss int) {
	if out.Len < n && out.Len > mss {
		out.cutBack(out.Len % mss)
	}
	if out.Len > mss {
		out.GSOSize = mss
		// As Linux does: the receiver's GRO hands a burst on with PSH, and would wait for
		// more, in vain, without.
		out.Flags = wire.PSH
	}
}

// cutBack takes n bytes off the end. What a view loses it still holds: only a whole one gives
// its reference back.
func (out *Output) cutBack(n int) {
	out.Len -= n
	for n > 0 {
		last := &out.Views[len(out.Views)-1]
		if n < last.Len() {
			*last = last.Slice(0, last.Len()-n)
			return
		}
		n -= last.Len()
		last.Release()
		out.Views = out.Views[:len(out.Views)-1]
	}
}

// addUrgent sets the pointer to the end of urgent data, RFC 6093 §3. The field has 16
// bits: of an end that lies further away it says as much as it can, and later segments
// say the rest. https://www.rfc-editor.org/rfc/rfc6093#section-3
func (c *Conn) addUrgent(out *Output) {
	if c.is(urgentSent) && out.Seq.Less(c.snd.up) {
		out.Flags |= wire.URG
		out.Urgent = uint16(min(c.snd.up.Sub(out.Seq), 0xffff))
	}
}

// finish puts in what every segment after the SYN carries: ACK, window, timestamp.
func (c *Conn) finish(now clock.Time, out *Output) {
	out.Ack = c.rcv.nxt
	out.Window = c.offer()
	c.addTimestamp(now, &out.Options)
	out.Flags |= c.ecn.ace
	if c.ecn.marks != nil {
		c.mark(out)
	}
	if c.is(tellTimeout) {
		c.tellUserTimeout(out)
	}
	c.ackSent()
}

// addTimestamp adds the option where both SYNs had it: "in every non-<RST> segment"
// from then on. https://www.rfc-editor.org/rfc/rfc7323#section-3.2
func (c *Conn) addTimestamp(now clock.Time, o *wire.Options) {
	if c.has(stamping) {
		o.Set |= wire.OptTimestamps
		o.TSVal, o.TSEcr = c.timestamp(now), c.ts.recent
	}
}

// ackSent notes that the peer is told RCV.NXT.
func (c *Conn) ackSent() {
	c.owes &^= owesAck
	c.rcv.acked = c.rcv.nxt
	c.timers.disarm(TimerDelayedAck)
}

// sent notes that the numbers up to end are under way.
func (c *Conn) sent(now clock.Time, out *Output, end seq.Num) {
	if c.flight == nil {
		c.takeOff(now, out.Seq)
	}
	f, m := c.flight, recovery.Marks(0)
	if c.snd.wnd == 0 {
		m = recovery.Probe // an answer may take as long as the window stays shut
	}
	if f.wants&cc.WantsSend == 0 || out.Len == 0 {
		f.Sent(now, out.Seq, end, m)
	} else {
		c.tellSent(now, out, end, m)
	}
	if out.again {
		c.sentAgain(out)
		c.loss.undo.Resent(now, end, out.Len)
	}
	if c.loss.phase == fastRecovery {
		f.prr.Sent(out.Len)
	}
	c.snd.nxt = seq.Max(c.snd.nxt, end)
	c.noteSent(now)
}

// tellSent notes the numbers up to end, and tells a controller that wants to know what
// is sent. When the program has no more, although the congestion window has room, that
// is marked; whether the peer's window has room is told with the next ACKs.
func (c *Conn) tellSent(now clock.Time, out *Output, end seq.Num, m recovery.Marks) {
	f := c.flight
	s := cc.Send{Bytes: out.Len, InFlight: f.Pipe()}
	s.Limited = c.window()-s.InFlight-s.Bytes < int(c.path.mss)
	c.cc.OnSend(now, s)
	c.pace(now, out.Len)
	if f.HeldBack() {
		m |= recovery.Limited
	}
	f.Sent(now, out.Seq, end, m)
	f.shut = !s.Limited && int(c.snd.una.Add(c.snd.wnd).Diff(end)) < int(c.path.mss)
	if !s.Limited && out.Seq.Add(seq.Size(out.Len)) == c.out.end() {
		f.HoldBack()
	}
}

// noteSent notes that something was sent that the peer must acknowledge.
func (c *Conn) noteSent(now clock.Time) {
	c.live.sent = now
	if c.live.stalled == clock.Never {
		c.live.stalled = now
	}
}

// buildProbe makes a zero-window probe: one octet, or the FIN, or as much as a
// silly window takes. https://www.rfc-editor.org/rfc/rfc9293#section-3.8.6.1
func (c *Conn) buildProbe(now clock.Time, out *Output) bool {
	if c.owes&owesProbe == 0 {
		return false
	}
	c.owes &^= owesProbe
	n := min(int(c.out.end().Diff(c.snd.una)), c.payload(), max(int(c.snd.wnd), 1))
	if !c.state.Synchronized() || n < 0 || n == 0 && !c.is(finQueued) {
		return false
	}
	out.again = c.snd.una.Less(c.snd.nxt)
	ok := c.buildText(now, out, c.snd.una, n)
	if ok {
		c.cfg.stats.TCPWinProbe++
	}
	if ok && c.snd.wnd == 0 {
		c.flight.LoseFirst(max(out.Len, 1)) // the peer will not take it
	}
	return ok
}

// buildKeepAlive makes a probe that the peer must answer: a number that it has
// acknowledged already. That is unacceptable to any living connection, which answers
// with an ACK, and a host that knows of none answers with a RST. It has no text, as
// the RFC asks.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.8.4
func (c *Conn) buildKeepAlive(now clock.Time, out *Output) bool {
	if c.owes&owesAlive == 0 {
		return false
	}
	c.owes &^= owesAlive
	c.begin(out)
	c.cfg.stats.TCPKeepAlive++
	out.Seq, out.Flags = c.snd.una-1, wire.ACK
	c.finish(now, out)
	return true
}

// emptySeq returns the number of a segment without text: SND.NXT, unless that
// lies past the peer's window, because of a probe or because the window shrank by
// more than its field rounds. The peer would not believe it then.
func (c *Conn) emptySeq() seq.Num {
	end := c.snd.una.Add(c.snd.wnd)
	beyond := c.snd.nxt.Diff(end)
	if beyond <= 0 || c.opening() || c.snd.wnd > 0 && beyond < 1<<c.snd.shift {
		return c.snd.nxt
	}
	return end
}

// buildAck makes an ACK without text, with what we hold out of order.
func (c *Conn) buildAck(now clock.Time, out *Output) bool {
	switch {
	case c.state < SynReceived:
		return false
	// One for each segment that came out of order, however many came at once: a peer
	// without SACK counts them to find a loss, RFC 5681 §4.2.
	case c.rcv.dupAcks > 0:
		c.rcv.dupAcks--
	case c.owes&owesAck == 0 && !c.toTell():
		return false
	}
	c.begin(out)
	out.Seq, out.Flags = c.emptySeq(), wire.ACK
	c.addSACK(out)
	c.finish(now, out)
	return true
}

// addSACK lists what came out of order or twice.
// https://www.rfc-editor.org/rfc/rfc2018#section-4
func (c *Conn) addSACK(out *Output) {
	if !c.has(sackOK) || c.in.ooo == nil || c.has(accurateOK) && c.ecn.marks.is(ackOfAcks) {
		return
	}
	if twice := c.in.ooo.twice; !isEmpty(twice) {
		c.cfg.stats.toldTwice(twice.Right.LessEq(c.rcv.nxt))
	}
	var blocks [len(out.Options.SACK)]wire.SACKBlock
	c.addBlocks(out, blocks[:c.in.ooo.report(blocks[:c.sackRoom()])])
	c.in.tidy()
}

// addBlocks puts in as many blocks as there is room for.
func (c *Conn) addBlocks(out *Output, blocks []wire.SACKBlock) {
	if n := copy(out.Options.SACK[:c.sackRoom()], blocks); n > 0 {
		out.Options.Set |= wire.OptSACK
		out.Options.SACKBlocks = uint8(n)
	}
}
