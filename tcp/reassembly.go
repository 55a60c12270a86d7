package tcp

import (
	"slices"
	"sort"

	"github.com/handfast-tcp/handfast/buf"
	"github.com/handfast-tcp/handfast/seq"
	"github.com/handfast-tcp/handfast/wire"
)

// maxParts bounds the pieces that wait out of order; a segment that would make
// one more is dropped and will be sent again.
const maxParts = 2048

// part is a piece of the stream that came too early.
type part struct {
	seq  seq.Num
	view buf.View
}

func (p part) end() seq.Num { return p.seq.Add(seq.Size(p.view.Len())) }

// outOfOrder is the reassembly queue: disjoint parts, sorted, all beyond
// RCV.NXT and inside the window. Of bytes that arrive twice the first stay.
type outOfOrder struct {
	parts  []part
	blocks [4]wire.SACKBlock // RFC 2018: most recently changed first
	count  uint8             // how many of blocks are used
	hasFin bool
	fin    seq.Num // sequence number of the peer's FIN
}

// insert adds the bytes of vs from byte skip on, n bytes, the first of which has
// number s. It reports whether there was anything new, and room for it.
func (q *recvQueue) insert(s seq.Num, vs views, skip, n int) (fresh, room bool) {
	if q.ooo == nil {
		q.ooo = &outOfOrder{}
	}
	room = true
	at := s
	forEachPart(vs, skip, n, func(v buf.View) {
		f, r := q.insertView(at, v)
		fresh, room = fresh || f, room && r
		at = at.Add(seq.Size(v.Len()))
	})
	return fresh, room
}

// insertView adds the parts of v that no part covers yet.
func (q *recvQueue) insertView(s seq.Num, v buf.View) (fresh, room bool) {
	o := q.ooo
	end := s.Add(seq.Size(v.Len()))
	i := sort.Search(len(o.parts), func(i int) bool { return s.Less(o.parts[i].end()) })
	for at := s; at.Less(end); {
		stop := end
		if i < len(o.parts) {
			stop = seq.Min(end, o.parts[i].seq)
		}
		if at.Less(stop) {
			if len(o.parts) >= maxParts {
				return fresh, false
			}
			piece := q.own(v.Slice(int(at.Sub(s)), int(stop.Sub(s))))
			o.parts = slices.Insert(o.parts, i, part{at, piece})
			o.noteBlock(at, stop)
			fresh = true
			i++
		}
		if i == len(o.parts) {
			break
		}
		at = seq.Max(at, o.parts[i].end())
		i++
	}
	return fresh, true
}

// noteBlock keeps the list of SACK blocks, RFC 2018 §4: the block that holds
// the segment just received comes first.
func (o *outOfOrder) noteBlock(left, right seq.Num) {
	block := o.absorb(wire.SACKBlock{Left: left, Right: right})
	if whole := o.grow(block); whole != block {
		block = o.absorb(whole)
	}
	n := min(int(o.count), len(o.blocks)-1)
	copy(o.blocks[1:], o.blocks[:n])
	o.blocks[0], o.count = block, uint8(n+1)
}

// absorb takes the blocks that touch b off the list and returns all as one.
func (o *outOfOrder) absorb(b wire.SACKBlock) wire.SACKBlock {
	n := uint8(0)
	for _, old := range o.blocks[:o.count] {
		if old.Right.Less(b.Left) || b.Right.Less(old.Left) {
			o.blocks[n] = old
			n++
			continue
		}
		b.Left, b.Right = seq.Min(b.Left, old.Left), seq.Max(b.Right, old.Right)
	}
	o.count = n
	return b
}

// grow extends b over the parts that touch it: a block that reported them may
// have fallen off the list, and "the bytes just below the block, and just above
// the block, have not been received".
// https://www.rfc-editor.org/rfc/rfc2018#section-3
func (o *outOfOrder) grow(b wire.SACKBlock) wire.SACKBlock {
	i := sort.Search(len(o.parts), func(i int) bool { return b.Right.Less(o.parts[i].end()) })
	for ; i < len(o.parts) && o.parts[i].seq.LessEq(b.Right); i++ {
		b.Right = o.parts[i].end()
	}
	i = sort.Search(len(o.parts), func(i int) bool { return !o.parts[i].seq.Less(b.Left) }) - 1
	for ; i >= 0 && !o.parts[i].end().Less(b.Left); i-- {
		b.Left = o.parts[i].seq
	}
	return b
}

// dropBeyond gives up what lies beyond the peer's FIN, and the blocks that may
// report it: RFC 2018 §8 lets a receiver forget.
func (o *outOfOrder) dropBeyond(fin seq.Num) {
	for n := len(o.parts) - 1; n >= 0 && fin.Less(o.parts[n].end()); n-- {
		o.count = 0
		p := &o.parts[n]
		if p.seq.Less(fin) {
			p.view = p.view.Slice(0, int(fin.Sub(p.seq)))
			return
		}
		p.view.Release()
		o.parts = o.parts[:n]
	}
}

// dropBlocks forgets the blocks that lie before nxt.
func (o *outOfOrder) dropBlocks(nxt seq.Num) {
	n := uint8(0)
	for _, b := range o.blocks[:o.count] {
		if nxt.Less(b.Left) {
			o.blocks[n] = b
			n++
		}
	}
	o.count = n
}

// drain gives push all parts that follow nxt without a gap, and returns the
// number after them.
func (o *outOfOrder) drain(nxt seq.Num, push func(buf.View)) seq.Num {
	n := 0
	for ; n < len(o.parts) && o.parts[n].seq == nxt; n++ {
		nxt = o.parts[n].end()
		push(o.parts[n].view)
	}
	if n > 0 {
		o.parts = slices.Delete(o.parts, 0, n)
		o.dropBlocks(nxt)
	}
	return nxt
}
