package capture

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// The two sides of a connection.
const (
	Client = 0 // who has opened it
	Server = 1
)

// Conn is one connection of a capture.
type Conn struct {
	// Stream is its number, from 0 on: Wireshark's tcp.stream.
	Stream int
	// Tuple has the client as Local.
	Tuple                   wire.Tuple
	First, Last             clock.Time // its first and last segment
	FirstPacket, LastPacket int
	Sides                   [2]Side
	// Opened says that a SYN was seen. Without one who is the client is a guess.
	Opened bool
	// Handshake is the time from the SYN to the SYN-ACK, and from there to the ACK: the
	// way to the server and that to the client, seen from where the capture was made.
	// 0: not seen.
	Handshake [2]time.Duration
	// Completeness has a bit for each part that was seen, exactly as Wireshark's
	// tcp.completeness has it.
	Completeness Completeness
	// Cut says that more may have come: it was forgotten because too many were open.
	Cut bool
	// Verdict is why it ended. It counts when the connection is told.
	Verdict Verdict

	held            Completeness // of a first segment that is no SYN
	begun           bool         // something else than SYNs and SYN-ACKs was seen
	history         history
	kept            *kept
	contents        *[2]contents // of both sides, where they are followed
	evidence        evidence
	proofs          [3]int // what Verdict.Evidence has
	synAt, synAckAt clock.Time
	handshake

	entry
}

// Completeness is what was seen of a connection.
// https://www.wireshark.org/docs/wsug_html_chunked/ChAdvTCPAnalysis.html
type Completeness uint8

// Its bits.
const (
	SawSYN Completeness = 1 << iota
	SawSYNACK
	SawACK  // without text, which acknowledges something as well
	SawData // not on a SYN
	SawFIN
	SawRST
)

// seen are the bits of a segment. Wireshark counts a SYN that it meets first.
func seen(f wire.Flags, length int, first bool) (k Completeness) {
	add := func(when bool, bit Completeness) {
		if when {
			k |= bit
		}
	}
	syn, ack := f.Has(wire.SYN), f.Has(wire.ACK)
	add(syn && !ack && first, SawSYN)
	add(syn && ack, SawSYNACK)
	add(!syn && ack && length == 0, SawACK)
	add(!syn && length > 0, SawData)
	add(f.Has(wire.FIN), SawFIN)
	add(f.Has(wire.RST), SawRST)
	return k
}

// complete adds a segment. The first of all counts together with the second, unless it is
// a SYN: of a single segment Wireshark says 0.
func (c *Conn) complete(s *segment) {
	first := c.Sides[Client].Packets+c.Sides[Server].Packets == 0
	k := seen(s.tcp.Flags, s.length, first)
	if first && k&SawSYN == 0 {
		c.held = k
		return
	}
	c.Completeness |= k | c.held
}

// Duration is from the first to the last segment.
func (c *Conn) Duration() time.Duration { return c.Last.Sub(c.First) }

// start sets both sides up for the connection's first segment. Of one that was open
// before the capture begins, both ends are taken for established.
func (c *Conn) start(syn bool) {
	for i := range c.Sides {
		c.Sides[i].init()
	}
	if syn {
		c.Sides[Server].state = tcp.Listen
		return
	}
	c.Sides[Client].state, c.Sides[Server].state = tcp.Established, tcp.Established
}

// from is which side sent a segment with this tuple.
func (c *Conn) from(sent wire.Tuple) int {
	if sent == c.Tuple {
		return Client
	}
	return Server
}

// startsAnew reports whether a segment is the SYN of another connection with the same
// tuple: it has another number than the SYN of that side before.
func (c *Conn) startsAnew(from int, s *segment) bool {
	if !s.tcp.Flags.Has(wire.SYN) || s.tcp.Flags.Has(wire.ACK) {
		return false
	}
	side := &c.Sides[from]
	if side.SYNs == 0 { // of a simultaneous open, or of who was known from the middle only
		return c.Opened && side.Packets > 0 || !c.Opened
	}
	return side.isn != s.tcp.Seq
}

// over reports whether nothing but repeats should come.
func (c *Conn) over() bool {
	done := func(s tcp.State) bool { return s == tcp.Closed || s == tcp.TimeWait || s == tcp.Listen }
	a, b := c.Sides[Client].settled(), c.Sides[Server].settled()
	return done(a) && done(b) && c.Sides[Client].Packets+c.Sides[Server].Packets > 1
}

// arrive takes a segment of one side.
func (c *Conn) arrive(from int, s *segment) {
	me, peer := &c.Sides[from], &c.Sides[1-from]
	c.Last, c.LastPacket = s.time, s.number
	c.note(from, s)
	peer.choose(s)
	c.move(from, s)
	c.evidence.watch(c, from, s)
	what := me.send(s, peer)
	var missed holes
	if s.tcp.Flags.Has(wire.ACK) {
		missed = me.acknowledge(s, peer)
	}
	c.history.add(from, s, missed, [2]bool{len(c.Sides[Client].gaps) > 0, len(c.Sides[Server].gaps) > 0})
	if c.kept != nil {
		c.keep(from, s, what)
	}
}

// keep notes a segment that both sides have taken.
func (c *Conn) keep(from int, s *segment, what SegmentKind) {
	me, peer := &c.Sides[from], &c.Sides[1-from]
	k := Segment{Number: s.number, Time: s.time, From: from, TCP: s.tcp, Length: s.length, Kind: what, First: me.placeOf(s.tcp.Seq), Window: me.window}
	if s.tcp.Flags.Has(wire.ACK) {
		k.Ack = peer.placeOf(s.tcp.Ack)
	}
	c.kept.add(k)
}

// note takes what is told of the connection as a whole.
func (c *Conn) note(from int, s *segment) {
	f := s.tcp.Flags
	syn, ack := f.Has(wire.SYN), f.Has(wire.ACK)
	c.complete(s)
	c.begun = c.begun || !syn
	switch {
	case syn && ack:
		if c.synAt > 0 && c.synAckAt == 0 {
			c.Handshake[0] = s.time.Sub(c.synAt)
		}
		c.synAckAt = s.time
		c.Opened = true
	case syn:
		if c.synAckAt == 0 {
			c.synAt = s.time
		}
		c.Opened = true
	case ack && from == Client && c.synAckAt > 0 && c.Handshake[1] == 0 && !f.Has(wire.RST):
		c.Handshake[1] = s.time.Sub(c.synAckAt)
	}
}

// hear notes an ICMP error about a segment of one side.
func (c *Conn) hear(about int, k icmpKind, number int) {
	c.evidence.icmp[k]++
	if c.evidence.icmpAt[k] == 0 {
		c.evidence.icmpAt[k] = number
	}
	c.evidence.icmpAbout, c.evidence.icmpLast = about, number
}

// finish is for the end of the connection's story.
func (c *Conn) finish(now clock.Time) {
	for i := range c.Sides {
		c.Sides[i].settle(clock.Never)
	}
	c.Verdict = c.judge(now)
}

// end is the number behind a segment, counting its SYN and FIN.
func (s *segment) end() seq.Num {
	n := seq.Size(s.length)
	if s.tcp.Flags.Has(wire.SYN) {
		n++
	}
	if s.tcp.Flags.Has(wire.FIN) {
		n++
	}
	return s.tcp.Seq.Add(n)
}
