package tcp

import (
	"slices"
	"sort"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// maxParts bounds the pieces that wait out of order when they hold so many bytes:
// full segments of any usual size that fill a window always have room, and whoever
// sends less has 2048, however large the window is: the more parts there are, the more
// has to be moved for one that comes between them. A segment that would make one more is
// dropped and will be sent again.
func maxParts(held int32) int { return max(2048, 1024+int(held)/512) }

// The parts lie in a sorted slice: what comes out of order is nearly always appended
// at the end or fills the first hole, and a search takes a dozen steps among 2048.

// part is a piece of the stream that came too early.
type part struct {
	seq  seq.Num
	view buf.View
}

func (p part) end() seq.Num { return p.seq.Add(seq.Size(p.view.Len())) }

// keptBlocks is for how many runs there is a SACK block, if there are so many: four fit
// into an ACK. maxBlocks bounds those that wait for one, when several segments come
// before an ACK leaves; the oldest is then not told until nothing newer is there.
const (
	keptBlocks = 4
	maxBlocks  = 16
)

// outOfOrder is what came out of order, and what the next ACK says of it.
//
// The parts are disjoint, sorted, all beyond RCV.NXT and inside the window, and
// none lies beyond the peer's FIN. Of bytes that arrive twice the first stay.
type outOfOrder struct {
	parts  []part
	blocks [maxBlocks]wire.SACKBlock // RFC 2018: most recently changed first
	twice  wire.SACKBlock            // RFC 2883: what the last segment repeated; empty: nothing
	keeping
	bytes  int32 // of all parts
	count  uint8 // how many of blocks are used
	untold uint8 // of them, so many in front have not been the first of an ACK
	hasFin bool
	fin    seq.Num // sequence number of the peer's FIN
}

// nothing reports whether there is neither text nor FIN to wait for, nor
// anything to say.
func (o *outOfOrder) nothing() bool {
	return len(o.parts) == 0 && !o.hasFin && isEmpty(o.twice)
}

// insertion is what became of a segment that came too early.
type insertion struct {
	repeats
	held  wire.SACKBlock // the first run of bytes in it that are held now
	fresh bool           // something in it was new
	full  bool           // there was no room for all of it
}

// insert adds the text of s where nothing is held yet.
func (q *recvQueue) insert(s *Segment) insertion {
	if q.ooo == nil {
		q.ooo = &outOfOrder{}
	}
	in, at := insertion{repeats: s.repeats()}, s.Seq
	forEachPart(s.Views, s.skip, s.Len, func(v buf.View) {
		q.insertView(&in, at, v)
		at = at.Add(seq.Size(v.Len()))
	})
	if !isEmpty(in.held) {
		q.ooo.noteBlock(in.held)
	}
	return in
}

// insertView adds the bytes of v that no part covers yet.
func (q *recvQueue) insertView(in *insertion, s seq.Num, v buf.View) {
	o := q.ooo
	end := s.Add(seq.Size(v.Len()))
	i := sort.Search(len(o.parts), func(i int) bool { return s.Less(o.parts[i].end()) })
	// In turn what lies before the next part, which is new, and what the part covers.
	for at := s; at.Less(end); i++ {
		stop := end
		if i < len(o.parts) {
			stop = seq.Min(end, o.parts[i].seq)
		}
		if at.Less(stop) {
			if len(o.parts) >= maxParts(o.bytes) {
				in.full = true
				return
			}
			piece := o.keep(v.Slice(int(at.Sub(s)), int(stop.Sub(s))), max(q.bytes, 1)) // more follows
			o.bytes += int32(piece.Len())
			if o.extend(i, at, piece) { // the one before took it: part i is still the next
				i--
			} else {
				o.parts = append(o.parts, part{})
				copy(o.parts[i+1:], o.parts[i:])
				o.parts[i] = part{at, piece}
			}
			in.fresh = true
		} else {
			stop = seq.Min(end, o.parts[i].end())
			in.note(at, stop)
		}
		in.held = joined(in.held, at, stop)
		at = stop
	}
}

// extend makes the part before part i longer by a view that begins at number s, if
// that follows it in the stream and in its block, as small segments do that are
// copied one after the other. The view's reference is not needed then.
func (o *outOfOrder) extend(i int, s seq.Num, v buf.View) bool {
	if i == 0 || o.parts[i-1].end() != s || !v.Follows(o.parts[i-1].view) {
		return false
	}
	o.parts[i-1].view.Grow(v.Len())
	v.Release()
	return true
}

// noteBlock keeps the list of SACK blocks: the block that holds b, of the
// segment just received, comes first, whether that brought anything new or not.
// https://www.rfc-editor.org/rfc/rfc2018#section-4
func (o *outOfOrder) noteBlock(b wire.SACKBlock) {
	b = o.absorb(b)
	if whole := o.grow(b); whole != b {
		b = o.absorb(whole)
	}
	o.putFirst(b)
	o.untold = min(o.untold+1, o.count)
	o.count = min(o.count, o.untold+keptBlocks-1)
	o.refill()
}

// putFirst puts a block that is not on the list in front of it. The last may fall off.
func (o *outOfOrder) putFirst(b wire.SACKBlock) {
	n := min(int(o.count), len(o.blocks)-1)
	copy(o.blocks[1:], o.blocks[:n])
	o.blocks[0], o.count = b, uint8(n+1)
}

// keepBlocks takes those off the list of which keep says so.
func (o *outOfOrder) keepBlocks(keep func(wire.SACKBlock) bool) {
	n, untold := uint8(0), uint8(0)
	for i, b := range o.blocks[:o.count] {
		if !keep(b) {
			continue
		}
		if i < int(o.untold) {
			untold++
		}
		o.blocks[n] = b
		n++
	}
	o.count, o.untold = n, untold
}

// absorb takes the blocks that touch b off the list and returns all as one.
func (o *outOfOrder) absorb(b wire.SACKBlock) wire.SACKBlock {
	o.keepBlocks(func(old wire.SACKBlock) bool {
		if old.Right.Less(b.Left) || b.Right.Less(old.Left) {
			return true
		}
		b.Left, b.Right = seq.Min(b.Left, old.Left), seq.Max(b.Right, old.Right)
		return false
	})
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

// refill lists runs of parts that are not on the list while there is room, the
// lowest first: they fell off it when there were too many, and the peer must not
// send again what it has not heard of.
func (o *outOfOrder) refill() {
	for i := 0; i < len(o.parts) && o.count < keptBlocks; {
		b, listed := o.listed(o.parts[i].seq)
		if !listed {
			b = o.grow(wire.SACKBlock{Left: o.parts[i].seq, Right: o.parts[i].end()})
			o.blocks[o.count] = b
			o.count++
		}
		i += sort.Search(len(o.parts)-i, func(n int) bool { return b.Right.Less(o.parts[i+n].end()) })
	}
}

// listed returns the block that holds a number, if it is on the list.
func (o *outOfOrder) listed(n seq.Num) (wire.SACKBlock, bool) {
	for _, b := range o.blocks[:o.count] {
		if n.In(b.Left, b.Right.Sub(b.Left)) {
			return b, true
		}
	}
	return wire.SACKBlock{}, false
}

// noteFin remembers a FIN that came out of order. Of several the lowest
// counts, as if all had come in order. What lies beyond it is no part of the
// stream and is given up: RFC 2018 §8 lets a receiver forget.
func (o *outOfOrder) noteFin(fin seq.Num) {
	if o.hasFin && o.fin.LessEq(fin) {
		return
	}
	o.fin, o.hasFin = fin, true
	for n := len(o.parts) - 1; n >= 0 && fin.Less(o.parts[n].end()); n-- {
		o.count, o.untold = 0, 0
		p := &o.parts[n]
		o.bytes -= int32(p.view.Len())
		if p.seq.Less(fin) {
			p.view = p.view.Slice(0, int(fin.Sub(p.seq)))
			o.bytes += int32(p.view.Len())
			break
		}
		p.view.Release()
		o.parts = o.parts[:n]
	}
	o.refill()
}

// dropBlocks forgets the blocks that lie before nxt.
func (o *outOfOrder) dropBlocks(nxt seq.Num) {
	o.keepBlocks(func(b wire.SACKBlock) bool { return nxt.Less(b.Left) })
	o.refill()
}

// drain gives push all parts that follow nxt without a gap, and returns the
// number after them.
func (o *outOfOrder) drain(nxt seq.Num, push func(buf.View)) seq.Num {
	n := 0
	for ; n < len(o.parts) && o.parts[n].seq == nxt; n++ {
		nxt = o.parts[n].end()
		o.bytes -= int32(o.parts[n].view.Len())
		push(o.parts[n].view)
	}
	if n > 0 {
		o.parts = slices.Delete(o.parts, 0, n)
		o.dropBlocks(nxt)
	}
	return nxt
}
