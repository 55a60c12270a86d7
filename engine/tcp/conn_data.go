package tcp

import (
	"math"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// ackEvery is after how many full segments an ACK goes out without waiting,
// RFC 9293 §3.8.6.3 (SHLD-19).
const ackEvery = 2

// surelyFull is how many bytes a segment has that stands for full ones: of smaller ones the
// peer may just have no more to say, and wants no more ACKs for that.
const surelyFull = 536

// quickAcks is how many of a connection's first segments are acknowledged at
// once: the peer is in slow start and waits for them.
const quickAcks = 16

// arrivedText takes the text of a segment that lies inside the window, in
// order or out of it.
func (c *Conn) arrivedText(now clock.Time, s *Segment) wire.Drop {
	if s.Len == 0 {
		return wire.None
	}
	if end := s.Seq.Add(seq.Size(s.Len)); s.Flags.Has(wire.PSH) && c.rcv.push.Less(end) {
		c.rcv.push = end
	}
	// Dropped unread and not acknowledged: the peer keeps it and sends it again, which is
	// what its own memory is for. The window is not taken back.
	if c.cfg.memory.full() && !c.accepts(s) {
		return wire.NoMemory
	}
	c.ts.textAt = now.Milliseconds()
	if s.Seq != c.rcv.nxt {
		return c.textTooEarly(s)
	}
	nxt, fin, hadGap := c.rcv.nxt.Add(seq.Size(s.Len)), false, c.in.ooo != nil
	if hadGap {
		var twice wire.SACKBlock
		size := s.GSOSize
		if c.cfg.AsLinux { // there what was joined on the way is one segment
			s.GSOSize = 0
		}
		nxt, fin, twice = c.in.fillGap(c.rcv.nxt, s)
		s.GSOSize = size
		c.repeated(twice.Left, twice.Right)
		c.in.tidy()
	} else {
		c.in.pushAll(s.Views, s.skip, s.Len)
	}
	c.tally.bytesReceived += uint64(nxt.Sub(c.rcv.nxt))
	c.rcv.nxt, c.rcv.dupAcks = nxt, 0
	c.noteEcho(s)
	// A FIN that had waited behind the gap counts now, as the eighth check would.
	if fin {
		c.takeFin(now)
	}
	c.scheduleAck(now, s, hadGap)
	return wire.None
}

// textTooEarly keeps text that came out of order. It is answered at once,
// once for each segment: the peer counts those ACKs (RFC 5681 §4.2).
func (c *Conn) textTooEarly(s *Segment) wire.Drop {
	n := s.Count()
	c.rcv.dupAcks = uint8(min(int(c.rcv.dupAcks)+n, maxDupAcksOwed))
	c.tally.early += uint32(n)
	c.cfg.stats.TCPOFOQueue += uint64(n)
	in := c.in.insert(s)
	c.repeated(in.run.Left, in.run.Right)
	switch {
	case in.full:
		c.cfg.stats.TCPOFODrop++
		return wire.ReassemblyFull
	case !in.fresh:
		return wire.Duplicate
	}
	return wire.None
}

// maxDupAcksOwed bounds the ACKs that one batch of segments can make us owe. Three tell
// a peer without SACK of a loss, and each further one lets it send a segment.
const maxDupAcksOwed = 64

// scheduleAck is the rule of the delayed ACK: every second full segment has one
// (SHLD-19), also when the second is not full, as in Linux: it may be the end of what the peer
// has to say, and wait for this ACK. None waits for longer than Config.DelayedAck (MUST-40). It only says that
// one is owed: what leaves for another reason takes it along (MUST-58), and all that came
// in one batch is looked at before (MUST-59).
// https://www.rfc-editor.org/rfc/rfc9293#section-3.8.6.3
func (c *Conn) scheduleAck(now clock.Time, s *Segment, hadGap bool) {
	// What the peer takes for a full segment is not known: its path may allow less
	// than our MSS option. The largest so far stands for it.
	c.rcv.mss = max(c.rcv.mss, uint16(min(s.largest(), int(c.path.ours))))
	waiting, mss := int(c.rcv.nxt.Sub(c.rcv.acked)), int(c.rcv.mss)
	switch {
	// A peer that fills a gap is in recovery and counts on this ACK (RFC 5681 §4.2);
	// one that has overrun the window waits for more of it.
	// https://www.rfc-editor.org/rfc/rfc5681#section-4.2
	case hadGap, waiting >= ackEvery*mss, waiting > mss && mss >= surelyFull, s.cut:
		c.owes |= owesAck
	default:
		c.ackSoon(now)
	}
}

// ackSoon has what came acknowledged: at once while the connection is young, or else when
// something leaves, or time is up.
func (c *Conn) ackSoon(now clock.Time) {
	switch {
	case int(c.live.quick) < c.cfg.QuickAcks:
		c.live.quick++
		c.owes |= owesAck
	case !c.timers.armed(TimerDelayedAck):
		c.timers.arm(TimerDelayedAck, now.Add(c.cfg.DelayedAck))
	}
}

// answering is the count of quick ACKs of a connection whose program answers what comes
// before an ACK would have to leave by itself: with Config.AsLinux ACKs wait for its answers from
// then on, also that of a FIN, which it answers by its own. So a request and its response are two
// segments, and not three. It ends when an ACK has waited in vain. Linux calls this pingpong.
const answering = math.MaxUint8

// answers notes that text leaves, which may be such an answer. Text that goes with the ACK of
// a SYN-ACK is one where the SYN had text too: both ends have spoken.
func (c *Conn) answers(now clock.Time) {
	heard := c.tally.bytesReceived > 0 || c.fast != nil && c.owes&owesAck != 0
	if heard && now.Milliseconds()-c.ts.textAt < uint32(c.cfg.DelayedAck.Milliseconds()) {
		c.live.quick = answering
	}
}

// ackFin has the peer's FIN acknowledged.
func (c *Conn) ackFin(now clock.Time) {
	if c.state != Established || !c.cfg.AsLinux {
		c.owes |= owesAck
		return
	}
	if c.live.quick > 0 { // there was text before: the program will answer by a FIN of its own
		c.live.quick = answering
	}
	c.ackSoon(now)
}
