package capture

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Side is what one end of a connection has sent.
type Side struct {
	Packets int64 // segments
	IPBytes int64 // with their headers
	// Bytes is how many bytes of its stream it has sent, by their numbers: what the
	// capture has missed is in, and what was sent again is not.
	Bytes int64
	// Payload is how many bytes of payload were captured, repeats included.
	Payload          int64
	SYNs, FINs, RSTs int
	Flags            wire.Flags // of all its segments

	Offer Offer // of its SYN

	Repeats       Repeats
	RepeatedBytes int64
	OutOfOrder    int   // segments that filled a gap at once: another one overtook them
	Missed        int64 // bytes that the peer has acknowledged and the capture has not
	DupAcks       int   // ACKs that say the same as the one before
	DSACKs        int   // times that it told of something that had come twice
	ZeroWindows   int   // times that its window shut
	KeepAlives    int
	WindowProbes  int
	Marked        int // packets marked CE on the way from it
	MaxWindow     int // the largest that it has offered, in bytes
	// RTT is how long what it sent took to be acknowledged, from where the capture was
	// made to its peer and back.
	RTT RTT

	ranges
	states
	answers

	isn        seq.Num
	other      seq.Num // of a SYN-ACK before
	doubtful   bool    // the peer may have taken that one
	ttl        uint8
	lastSent   clock.Time
	lastPacket int
}

// Offer are the options of a SYN. Scale is -1 without the option.
type Offer struct {
	MSS              int
	Scale            int
	SACK, Timestamps bool
}

// answers are what one end has last told of what it received.
type answers struct {
	acked    seq.Num // the last that it acknowledged
	hasAcked bool
	window   int  // as last offered, in bytes
	dups     int  // duplicate ACKs since acked moved
	sacks    bool // it has told of a gap since
}

// Repeats count segments of what was sent before, by why they were sent.
type Repeats struct {
	Fast     int // the peer had told of a gap
	Timeout  int // nothing was told: a timer fired
	Spurious int // the peer had it already
}

// All is how many segments were sent again.
func (r Repeats) All() int { return r.Fast + r.Timeout + r.Spurious }

// SegmentKind is what a segment is beside those that its side has sent before.
type SegmentKind uint8

// The kinds.
const (
	Plain      SegmentKind = iota
	FastRepeat             // as Repeats has it, and the next two
	TimeoutRepeat
	SpuriousRepeat
	OutOfOrder // it fills a gap, and was overtaken
	BehindGap  // something before it was not seen
	KeepAlive
	WindowProbe
)

// Repeat reports whether it was sent before.
func (k SegmentKind) Repeat() bool {
	return k == FastRepeat || k == TimeoutRepeat || k == SpuriousRepeat
}

func (e *Side) init() { e.Offer.Scale, e.states.state = -1, tcp.Closed }

// memory is what a side has allocated.
type memory struct {
	moves, waiting []Move
	gaps           []gap
	counts         *[buckets]uint32
}

func (e *Side) memory() memory { return memory{e.Moves, e.waiting, e.gaps, e.RTT.counts} }

// reuse takes over the memory of a side that nobody needs any more.
func (e *Side) reuse(old *memory) {
	e.Moves, e.waiting, e.gaps = old.moves[:0], old.waiting[:0], old.gaps[:0]
	if e.RTT.counts = old.counts; e.RTT.counts != nil {
		*e.RTT.counts = [buckets]uint32{}
	}
}

// send takes a segment of this side.
func (e *Side) send(s *segment, peer *Side) (what SegmentKind) {
	e.Packets++
	e.IPBytes += int64(s.ip.TotalLen)
	e.Payload += int64(s.length)
	if s.ip.ECN() == wire.CE {
		e.Marked++
	}
	f := s.tcp.Flags
	e.Flags |= f
	if f.Has(wire.SYN) {
		e.offer(s, peer)
	}
	if f.Has(wire.RST) {
		e.RSTs++
	} else {
		e.ttl = s.ip.TTL
	}
	if f.Has(wire.FIN) {
		e.FINs++
	}
	what = e.place(s, peer)
	e.lastSent, e.lastPacket = s.time, s.number
	return what
}

// offer takes the options of a SYN.
func (e *Side) offer(s *segment, peer *Side) {
	o := &s.tcp.Options
	if e.SYNs++; e.SYNs > 1 && e.isn == s.tcp.Seq {
		return
	}
	if e.SYNs > 1 && s.tcp.Flags.Has(wire.ACK) {
		if peer.hasAcked && e.isn.Less(peer.acked) {
			return // the peer has taken the one before
		}
		e.other, e.doubtful = e.isn, true
	}
	e.isn, e.Offer = s.tcp.Seq, Offer{Scale: -1, SACK: o.Has(wire.OptSACKPermitted), Timestamps: o.Has(wire.OptTimestamps)}
	e.ranges, e.Bytes, e.Missed = ranges{}, 0, 0 // what came before belongs to another connection
	if o.Has(wire.OptMSS) {
		e.Offer.MSS = int(o.MSS)
	}
	if o.Has(wire.OptWindowScale) {
		e.Offer.Scale = int(o.WindowScale)
	}
}

// choose learns from an ACK of the peer which of two SYN-ACKs with different numbers it has
// taken: who answers a repeated SYN anew, as some do that keep nothing, has sent both.
func (e *Side) choose(s *segment) {
	if !e.doubtful || s.tcp.Flags&(wire.ACK|wire.SYN|wire.RST) != wire.ACK {
		return
	}
	e.doubtful = false
	if s.tcp.Ack == e.other.Add(1) {
		e.isn, e.ranges = e.other, ranges{}
		e.begin(s.tcp.Ack)
	}
}

// place says what a segment is beside what was sent before, and counts it.
func (e *Side) place(s *segment, peer *Side) SegmentKind {
	first, end := s.tcp.Seq, s.end()
	if f := s.tcp.Flags; f.Has(wire.RST) || f.Has(wire.SYN) && first != e.isn {
		return Plain
	}
	if !e.begun {
		e.begin(first)
	}
	if what := e.probes(s, peer); what != Plain {
		return what
	}
	if first == end || e.isLateFIN(s, end) {
		return Plain
	}
	what := e.compare(s, peer, first, end)
	switch what {
	case FastRepeat:
		e.Repeats.Fast++
	case TimeoutRepeat:
		e.Repeats.Timeout++
	case SpuriousRepeat:
		e.Repeats.Spurious++
	case OutOfOrder:
		e.OutOfOrder++
	}
	if what.Repeat() {
		e.RepeatedBytes += int64(s.length)
		e.RTT.forget()
	}
	e.Bytes += e.take(s.moment(), first, end, s.tcp.Flags)
	if !what.Repeat() && what != OutOfOrder {
		e.RTT.time(s.time, end)
	}
	return what
}

// probes counts a segment that asks for an ACK alone.
func (e *Side) probes(s *segment, peer *Side) SegmentKind {
	if s.length > 1 || s.tcp.Flags&(wire.SYN|wire.FIN) != 0 || s.tcp.Seq != e.next-1 || e.Packets == 1 || !peer.hasAcked {
		return Plain
	}
	switch {
	case peer.window == 0:
		e.WindowProbes++
		return WindowProbe
	case peer.acked == e.next:
		e.KeepAlives++
		return KeepAlive
	}
	return Plain
}

// isLateFIN takes a FIN that was acknowledged before it was captured: its number was taken
// for a byte. It reports whether that is all of the segment.
func (e *Side) isLateFIN(s *segment, end seq.Num) bool {
	if !s.tcp.Flags.Has(wire.FIN) || e.FINs != 1 || end != e.next {
		return false
	}
	e.Missed--
	e.Bytes--
	return s.length == 0
}

// compare finds the kind of a segment that has numbers.
func (e *Side) compare(s *segment, peer *Side, first, end seq.Num) SegmentKind {
	switch {
	case first == e.next:
		return Plain
	case e.next.Less(first):
		return BehindGap
	}
	if since, ok := e.gap(first, end); ok && s.moment().overtaken(since, max(e.RTT.Min, 3e6)) {
		return OutOfOrder
	}
	switch {
	case peer.hasAcked && end.LessEq(peer.acked):
		return SpuriousRepeat
	case (peer.dups >= 2 || peer.sacks) && s.time.Sub(peer.lastSent) < max(leastRTO, 2*e.RTT.Max):
		return FastRepeat
	}
	return TimeoutRepeat
}

// leastRTO is the shortest timeout that is in use: Linux's.
const leastRTO = 200 * time.Millisecond

// acknowledge takes the ACK, the window and the SACK blocks of a segment. It returns what is
// acknowledged of the peer's stream and was never seen.
func (e *Side) acknowledge(s *segment, peer *Side) (missed holes) {
	f := s.tcp.Flags
	if f.Has(wire.RST) {
		return missed
	}
	window := int(s.tcp.Window)
	if !f.Has(wire.SYN) && e.Offer.Scale >= 0 && peer.Offer.Scale >= 0 {
		window <<= e.Offer.Scale
	}
	if window == 0 && !f.Has(wire.SYN) && (e.window != 0 || !e.hasAcked) {
		e.ZeroWindows++
	}
	switch ack := s.tcp.Ack; {
	case !e.hasAcked || e.acked.Less(ack):
		e.acked, e.hasAcked, e.dups, e.sacks = ack, true, 0, false
		peer.RTT.acknowledged(s.time, ack)
		if peer.settled().Synchronized() {
			var on int64
			missed, on = peer.miss(ack)
			peer.Missed += missed.bytes
			peer.Bytes += on
		}
	case ack == e.acked && s.tcp.Seq == s.end() && window == e.window && peer.begun && ack != peer.next:
		e.DupAcks++
		e.dups++
	}
	e.window, e.MaxWindow = window, max(e.MaxWindow, window)
	e.hearSACK(s)
	return missed
}

// hearSACK takes SACK blocks: of a gap, or first of something that came twice.
// https://www.rfc-editor.org/rfc/rfc2883#section-4
func (e *Side) hearSACK(s *segment) {
	o := &s.tcp.Options
	if !o.Has(wire.OptSACK) || o.SACKBlocks == 0 {
		return
	}
	b := o.SACK[0]
	if b.Left.Less(s.tcp.Ack) || o.SACKBlocks > 1 && o.SACK[1].Left.LessEq(b.Left) && b.Right.LessEq(o.SACK[1].Right) {
		e.DSACKs++
		return
	}
	e.sacks = true
}
