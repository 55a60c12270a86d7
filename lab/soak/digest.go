package soak

import (
	"fmt"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// digest is a number for all that hosts send, and when, as it would be if every stream
// began with 0 and every clock too. Lives that differ in nothing else have the same.
type digest struct {
	sum   uint64
	bases map[stream]*base
	lines []string // what it is made of, for who asks why two differ
	keep  bool
	// vague says that a SYN-ACK was repeated, perhaps because a SYN was, and not by a timer: its echo tells
	// the round trip to half a second, and the half seconds begin where the numbers do. Or that a RST at
	// number 0 may belong to a connection, or to none. Or that a Fast Open cookie was replaced, as those of
	// the last period of keys are, which the clock divides.
	vague bool
}

// stream is one direction of a connection.
type stream struct {
	side     int
	from, to uint16
}

func (s stream) reverse() stream { return stream{1 - s.side, s.to, s.from} }

// base is where the numbers of a stream begin.
type base struct {
	isn       seq.Num
	timestamp uint32
	stamped   bool
	syns      int  // how many with that number were sent
	cookie    bool // its SYN brought one of Fast Open
}

// opens notes a SYN or a SYN-ACK of b, whose peer is far.
func (g *digest) opens(h *wire.TCP, b, far *base) {
	if h.Seq != b.isn {
		*b = base{isn: h.Seq}
	}
	b.syns++
	if h.Flags.Has(wire.ACK) && h.Options.Has(wire.OptTimestamps) {
		g.vague = g.vague || b.syns > 1 && far.syns > 1
	}
	if h.Options.Has(wire.OptFastOpen) {
		b.cookie = h.Options.FastOpen().Len() > 0
		g.vague = g.vague || h.Flags.Has(wire.ACK) && far.cookie
	}
}

func newDigest(keep bool) *digest { return &digest{bases: map[stream]*base{}, keep: keep} }

// add adds a packet.
func (g *digest) add(now clock.Time, side int, ip *wire.IP, h *wire.TCP, n int) {
	s := stream{side, h.SrcPort, h.DstPort}
	b := g.base(s)
	far := g.base(s.reverse())
	if h.Flags.Has(wire.SYN) {
		g.opens(h, b, far)
	}
	number := h.Seq - b.isn
	if h.Flags.Has(wire.RST) && h.Seq == 0 { // of who knows of no connection: that is no place in a stream
		g.vague = g.vague || number <= 1<<26 // unless it is, where the stream passes zero
		number = 0
	}
	head := []uint64{uint64(now), uint64(side), uint64(ip.TOS), uint64(h.SrcPort)<<16 | uint64(h.DstPort), uint64(number), uint64(h.Flags), uint64(h.Window),
		uint64(n), uint64(h.Urgent), uint64(h.Options.Set)}
	if h.Flags.Has(wire.ACK) {
		head = append(head, uint64(h.Ack-far.isn))
	}
	if n > 0 && !h.Flags.Has(wire.SYN) && h.Options.Has(wire.OptTimestamps) && !b.stamped {
		b.timestamp, b.stamped = h.Options.TSVal, true
	}
	head = g.options(head, h, b, far)
	for _, v := range head {
		g.sum = (g.sum ^ v) * 0x9e3779b97f4a7c15
		g.sum ^= g.sum >> 29
	}
	if g.keep {
		g.lines = append(g.lines, fmt.Sprintf("%v %d>%d from %d: %v seq %d len %d win %d TOS %d, then %v", now, h.SrcPort, h.DstPort, side, h.Flags,
			number, n, h.Window, ip.TOS, head[8:]))
	}
}

// options adds the options, as they would be if numbers and clocks began with 0.
func (g *digest) options(head []uint64, h *wire.TCP, b, far *base) []uint64 {
	o := &h.Options
	head = append(head, uint64(o.MSS), uint64(o.WindowScale))
	for _, k := range o.SACK[:o.SACKBlocks] {
		head = append(head, uint64(k.Left-far.isn), uint64(k.Right-far.isn))
	}
	// Until a connection is established its timestamps say what the SYN said, and are up to
	// half a second old: they count from the first text on. What echoes them is no better.
	if o.Has(wire.OptTimestamps) && b.stamped {
		head = append(head, uint64(o.TSVal-b.timestamp))
	}
	return head
}

func (g *digest) base(s stream) *base {
	b := g.bases[s]
	if b == nil {
		b = &base{}
		g.bases[s] = b
	}
	return b
}
