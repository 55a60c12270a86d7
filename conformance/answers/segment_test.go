package answers

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// segment is a TCP segment whose numbers are said by what the stack expects, so
// that it means the same to every stack.
type segment struct {
	flags    wire.Flags
	seq, ack point
	text     int
	window   window
	urgent   uint16
	options  string // a key of optionKinds; "": those of a peer of good faith
}

// point is a number relative to one that both ends know.
type point struct {
	base base
	plus int64
}

type base uint8

const (
	usual base = iota // RCV.NXT for a sequence number, SND.NXT for an acknowledgment
	next              // RCV.NXT
	edge              // the end of the stack's receive window
	end               // SND.NXT
	una               // SND.UNA
)

var baseNames = []string{"", "rcv.nxt", "rcv.edge", "snd.nxt", "snd.una"}

func (p point) String() string {
	if p.plus == 0 {
		return baseNames[p.base]
	}
	return fmt.Sprintf("%s%+d", baseNames[p.base], p.plus)
}

// window is what a segment says of its sender's window.
type window uint8

const (
	open window = iota
	closed
	tiny
	narrow
)

// length is SEG.LEN.
func (s segment) length() seq.Size {
	n := seq.Size(s.text)
	if s.flags.Has(wire.SYN) {
		n++
	}
	if s.flags.Has(wire.FIN) {
		n++
	}
	return n
}

// String writes the segment in the manner of packetdrill.
func (s segment) String() string {
	s.seq, s.ack = s.resolved()
	text := fmt.Sprintf("%v %v(%d)", s.flags, s.seq, s.text)
	if s.flags.Has(wire.ACK) {
		text += fmt.Sprintf(" ack %v", s.ack)
	}
	switch s.window {
	case closed:
		text += " win 0"
	case tiny:
		text += " win 1"
	case narrow:
		text += " win 20"
	}
	if s.urgent != 0 {
		text += fmt.Sprintf(" urg %d", s.urgent)
	}
	if s.options != "" {
		text += " <" + s.options + ">"
	}
	return text
}

// resolved returns the points with the usual ones spelled out.
func (s segment) resolved() (sequence, ack point) {
	sequence, ack = s.seq, s.ack
	if sequence.base == usual {
		sequence.base = next
	}
	if ack.base == usual {
		ack.base = end
	}
	return sequence, ack
}

// number returns the number that a point means in p's conversation.
func (p *peer) number(at point) seq.Num {
	return map[base]seq.Num{usual: p.next, next: p.next, edge: p.edge, end: p.end, una: p.una}[at.base] + seq.Num(at.plus)
}

// packet makes the segment a packet of p's.
func (p *peer) packet(s segment) []byte {
	at, ack := s.resolved()
	h := tcpHeader{
		from: p.here.Port(), to: p.there.Port(), seq: uint32(p.number(at)), flags: s.flags,
		window: p.window(s), urgent: s.urgent, options: p.options(s),
	}
	if s.flags.Has(wire.ACK) {
		h.ack = uint32(p.number(ack))
	}
	return p.header().packet(tcpMessage(p.header(), h, p.text(p.number(at), s)))
}

// text is the stream's: what has the same number is the same byte.
func (p *peer) text(first seq.Num, s segment) []byte {
	rel := uint32(first - p.irs)
	if s.flags.Has(wire.SYN) {
		rel++
	}
	b := make([]byte, s.text)
	for i := range b {
		b[i] = pattern(rel + uint32(i))
	}
	return b
}

func pattern(rel uint32) byte { return byte(rel ^ rel>>7 ^ rel>>13 ^ rel>>21) }

// ownShift is the scale of our windows.
const ownShift = 7

func (p *peer) window(s segment) uint16 {
	switch {
	case s.window == closed:
		return 0
	case s.window == tiny:
		return 1
	case s.window == narrow:
		return 20
	case p.offer.scale && !s.flags.Has(wire.SYN):
		return 64000 >> ownShift
	}
	return 64000
}

// offer is which options a peer has in its SYN, and then uses.
type offer struct {
	timestamps, sack, scale bool
	mss                     uint16 // 0: 1460
	noMSS, reversed         bool   // no MSS option; the options in another order
}

func (o offer) String() string {
	text := ""
	for _, option := range []struct {
		on   bool
		name string
	}{
		{o.timestamps, " TS"}, {o.sack, " sackOK"}, {o.scale, " wscale"}, {o.noMSS, " no mss"}, {o.reversed, " reversed"},
		{o.mss > 0, fmt.Sprintf(" mss %d", o.mss)},
	} {
		if option.on {
			text += option.name
		}
	}
	return text
}

// options returns the options of a segment of p's.
func (p *peer) options(s segment) []byte {
	p.tsval++
	own := p.ownOptions(s)
	if s.options == "" {
		return own
	}
	return optionKinds[s.options](p, own)
}

func (p *peer) ownOptions(s segment) []byte {
	var all [][]byte
	if p.offer.timestamps {
		all = append(all, p.timestamps(p.tsval, p.tsecr))
	}
	if s.flags.Has(wire.SYN) {
		all = append(all, p.offer.ofSyn()...)
	}
	if p.offer.reversed {
		slices.Reverse(all)
	}
	return slices.Concat(all...)
}

// ofSyn returns the options that only a SYN has.
func (o offer) ofSyn() (all [][]byte) {
	if !o.noMSS {
		all = append(all, be.AppendUint16([]byte{2, 4}, cmp.Or(o.mss, 1460)))
	}
	if o.sack {
		all = append(all, []byte{1, 1, 4, 2})
	}
	if o.scale {
		all = append(all, []byte{1, 3, 3, ownShift})
	}
	return all
}

func (p *peer) timestamps(val, ecr uint32) []byte {
	return be.AppendUint32(be.AppendUint32([]byte{1, 1, 8, 10}, val), ecr)
}

// optionKinds are option fields that are not what a peer of good faith sends;
// own is that.
var optionKinds = map[string]func(p *peer, own []byte) []byte{
	"none":         func(p *peer, own []byte) []byte { return nil },
	"TS same":      func(p *peer, own []byte) []byte { return p.timestamps(p.tsval-1, p.tsecr) },
	"TS old":       func(p *peer, own []byte) []byte { return p.timestamps(p.tsval-3, p.tsecr) },
	"TS ancient":   func(p *peer, own []byte) []byte { return p.timestamps(p.tsval-1<<31+10, p.tsecr) },
	"TS half away": func(p *peer, own []byte) []byte { return p.timestamps(p.tsval-1+1<<31-1, p.tsecr) },
	"TS ecr 0":     func(p *peer, own []byte) []byte { return p.timestamps(p.tsval, 0) },
	"TS ecr late":  func(p *peer, own []byte) []byte { return p.timestamps(p.tsval, p.tsecr+100000) },
	"TS ecr early": func(p *peer, own []byte) []byte { return p.timestamps(p.tsval, p.tsecr-100000) },
	"TS twice":     func(p *peer, own []byte) []byte { return append(p.timestamps(p.tsval, p.tsecr), p.timestamps(1, 1)...) },
	"TS short":     func(p *peer, own []byte) []byte { return append([]byte{8, 6, 0, 0, 0, 1}, own...) },
	"NOPs":         func(p *peer, own []byte) []byte { return append(slices.Clone(own), 1, 1, 1, 1) },
	"unknown":      func(p *peer, own []byte) []byte { return append([]byte{253, 4, 1, 2}, own...) },
	"length 0":     func(p *peer, own []byte) []byte { return append(slices.Clone(own), 253, 0, 0, 0) },
	"length 1":     func(p *peer, own []byte) []byte { return append([]byte{253, 1, 1, 1}, own...) },
	"too long":     func(p *peer, own []byte) []byte { return append(slices.Clone(own), 1, 1, 253, 9) },
	"lone kind":    func(p *peer, own []byte) []byte { return append(slices.Clone(own), 1, 1, 1, 253) },
	"end first":    func(p *peer, own []byte) []byte { return append([]byte{0, 0, 0, 0}, own...) },
	"mss":          func(p *peer, own []byte) []byte { return append(slices.Clone(own), 2, 4, 0, 100) },
	"sack":         func(p *peer, own []byte) []byte { return append(slices.Clone(own), p.sackBlock(p.una+1, p.end)...) },
	"sack forged":  func(p *peer, own []byte) []byte { return append(slices.Clone(own), p.sackBlock(p.end+1, p.end+9)...) },
}

// optionNames are the keys of optionKinds, in order.
var optionNames = slices.Sorted(maps.Keys(optionKinds))

func (p *peer) sackBlock(left, right seq.Num) []byte {
	return be.AppendUint32(be.AppendUint32([]byte{1, 1, 5, 10}, uint32(left)), uint32(right))
}
