package tcp

import (
	"slices"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// recvQueue holds the bytes that arrived in order and wait for the program,
// and those that came out of order.
type recvQueue struct {
	views views // views[head:] are used
	head  int32
	bytes int32
	keeping
	ooo *outOfOrder
}

// pinShare is how much of its block must have arrived, this payload and those
// before it that lay next to it, for a payload to be kept as it is. Others are
// copied, so that what we hold is at most pinShare times what the window
// promises, and the block that the program is reading from.
const pinShare = 4

func (q *recvQueue) buffered() int { return int(q.bytes) }

// keeping decides in what memory payloads are kept. Those in order and those out of
// order have a block for copies each: so what is copied in order lies together, and
// is one view.
type keeping struct {
	used   int32      // bytes used of copies
	run    int32      // bytes that arrived one after the other in the block of to
	copies *buf.Block // small payloads are copied here, so that they do not hold large blocks
	to     buf.Place  // where the last bytes that arrived ended
}

// arrived notes that v came.
func (k *keeping) arrived(v buf.View) {
	// Only what arrives in a row pins a block: one payload here and one there may be
	// all that a large block still holds.
	if v.Start() != k.to {
		k.run = 0
	}
	k.run += int32(v.Len())
	k.to = v.End()
}

// keep returns a view with v's bytes and a reference of its own: v itself when
// its block has arrived well enough, a copy otherwise.
func (k *keeping) keep(v buf.View, waiting int32) buf.View {
	k.arrived(v)
	if int(k.run)*pinShare >= v.Block.Cap() {
		return v.Retain()
	}
	return k.copy(v, waiting)
}

// copy returns a view of a copy of v's bytes. In a new block there is room for as
// much as waits already, since so much may follow.
func (k *keeping) copy(v buf.View, waiting int32) buf.View {
	n := v.Len()
	if k.copies != nil && int(k.used)+n > k.copies.Cap() {
		k.forget()
	}
	if k.copies == nil {
		k.copies, k.used = buf.Get(roomFor(n, min(int(waiting), buf.MediumSize))), 0
	}
	c := buf.MakeView(k.copies, int(k.used), n)
	copy(k.copies.Bytes()[k.used:], v.Bytes())
	k.used += int32(n)
	return c.Retain()
}

// roomFor is how large a block is taken for n bytes, behind so many that wait. A first
// message may be all that comes, and is kept in as little as it needs.
func roomFor(n, waiting int) int {
	if waiting > 0 {
		n = max(n, waiting, buf.SmallSize)
	}
	return n
}

// forget lets go of the block for copies.
func (k *keeping) forget() {
	if k.copies != nil {
		k.copies.Release()
		k.copies, k.used = nil, 0
	}
}

// push appends a view whose reference the queue takes over.
func (q *recvQueue) push(v buf.View) {
	if q.extend(v) {
		v.Release()
		return
	}
	q.bytes += int32(v.Len())
	q.views = buf.AppendView(q.views, v)
}

// extend makes the last view longer when v is what follows it in its block. It
// needs no reference then, and the block, which may be in use on another core,
// is not touched.
func (q *recvQueue) extend(v buf.View) bool {
	last := len(q.views) - 1
	if last < int(q.head) || !v.Follows(q.views[last]) {
		return false
	}
	q.bytes += int32(v.Len())
	q.views[last].Grow(v.Len())
	return true
}

// pushAll appends what is in vs from byte skip on, n bytes.
func (q *recvQueue) pushAll(vs views, skip, n int) {
	forEachPart(vs, skip, n, func(v buf.View) {
		if q.extend(v) {
			q.arrived(v)
		} else {
			q.push(q.keep(v, q.bytes))
		}
	})
}

// forEachPart calls f with the parts of vs that hold n bytes from byte skip on.
func forEachPart(vs views, skip, n int, f func(buf.View)) {
	for _, v := range vs {
		if skip >= v.Len() {
			skip -= v.Len()
			continue
		}
		part := v.Slice(skip, min(v.Len(), skip+n))
		skip = 0
		if part.Len() == 0 {
			return
		}
		n -= part.Len()
		f(part)
	}
}

// take moves up to n bytes to dst, references and all: the caller copies them outside
// of the shard's lock, and the connection goes on meanwhile.
func (q *recvQueue) take(dst views, n int) views {
	for n > 0 && q.bytes > 0 {
		v := &q.views[q.head]
		if n < v.Len() {
			dst = append(dst, v.Slice(0, n).Retain())
			*v = v.Slice(n, v.Len())
			q.bytes -= int32(n)
			break
		}
		n -= v.Len()
		q.bytes -= int32(v.Len())
		dst = append(dst, *v)
		*v = buf.View{}
		q.head++
	}
	q.compact()
	return dst
}

// read copies up to len(p) bytes to p.
func (q *recvQueue) read(p []byte) (n int) {
	for n < len(p) && q.bytes > 0 {
		v := &q.views[q.head]
		k := copy(p[n:], v.Bytes())
		n += k
		q.bytes -= int32(k)
		if k < v.Len() {
			*v = v.Slice(k, v.Len())
			break
		}
		v.Release()
		*v = buf.View{}
		q.head++
	}
	q.compact()
	return n
}

// compact lets go of what was read. An idle connection keeps neither the slice nor a
// block.
func (q *recvQueue) compact() {
	if q.bytes == 0 {
		buf.FreeViews(q.views)
		q.views, q.head = nil, 0
		q.keeping.forget()
		return
	}
	// The rest is moved only when it is the smaller part, so that each view moves once
	// on average.
	if int(q.head) > len(q.views)/2 && q.head >= 16 {
		q.views = slices.Delete(q.views, 0, int(q.head))
		q.head = 0
	}
}

// dropOutOfOrder gives up what waits out of order: the stream has ended, or the
// connection has, or there is no memory. It returns how many parts that were.
func (q *recvQueue) dropOutOfOrder() int {
	if q.ooo == nil {
		return 0
	}
	n := len(q.ooo.parts)
	for _, p := range q.ooo.parts {
		p.view.Release()
	}
	q.ooo.forget()
	q.ooo = nil
	return n
}

// tidy lets go of the reassembly queue when there is nothing in it.
func (q *recvQueue) tidy() {
	if q.ooo != nil && q.ooo.nothing() {
		q.dropOutOfOrder()
	}
}

func (q *recvQueue) clear() {
	q.dropOutOfOrder()
	for i := int(q.head); i < len(q.views); i++ {
		q.views[i].Release()
	}
	q.keeping.forget()
	*q = recvQueue{}
}

// clone returns a copy with references of its own: bytes that have arrived are never
// written again, so both may hold them.
func (q *recvQueue) clone() recvQueue {
	c := *q
	c.views = slices.Clone(q.views[q.head:])
	// The block for copies stays with the original: two that write into one block
	// would overwrite each other's bytes.
	c.head, c.copies, c.used = 0, nil, 0
	for _, v := range c.views {
		v.Retain()
	}
	if q.ooo != nil {
		o := *q.ooo
		o.copies, o.used = nil, 0
		o.parts = slices.Clone(o.parts)
		for _, p := range o.parts {
			p.view.Retain()
		}
		c.ooo = &o
	}
	return c
}

// fillGap appends the text of s, the first of which has number nxt, and all that
// follows it of what came out of order: of bytes that came twice the first
// stay. It returns the number after that, whether the peer's FIN lies there, and
// what came twice.
func (q *recvQueue) fillGap(nxt seq.Num, s *Segment) (_ seq.Num, fin bool, twice wire.SACKBlock) {
	start, end, r := nxt, nxt.Add(seq.Size(s.Len)), s.repeats()
	for nxt.Less(end) && !fin {
		stop := end
		if len(q.ooo.parts) > 0 {
			stop = seq.Min(end, q.ooo.parts[0].seq)
		}
		q.pushAll(s.Views, s.skip+int(nxt.Sub(start)), int(stop.Sub(nxt)))
		nxt, fin = q.collect(stop)
		r.note(stop, seq.Min(nxt, end))
	}
	return nxt, fin, r.run
}

// collect moves what has come into order to the in-order queue and returns
// the number after it, and whether the peer's FIN lies there.
func (q *recvQueue) collect(nxt seq.Num) (seq.Num, bool) {
	nxt = q.ooo.drain(nxt, q.gather)
	return nxt, q.ooo.hasFin && q.ooo.fin == nxt
}

// gather is push for what comes out of the reassembly queue. What was copied there
// is copied again, behind what is in order: a view for each few bytes would take
// more memory than they do, and hold a block that has no other use.
func (q *recvQueue) gather(v buf.View) {
	if v.Len()*pinShare < v.Block.Cap() {
		held := v
		v = q.copy(held, q.bytes)
		held.Release()
	}
	q.push(v)
}

// noteFin remembers a FIN that came out of order.
func (q *recvQueue) noteFin(fin seq.Num) {
	if q.ooo == nil {
		q.ooo = &outOfOrder{}
	}
	q.ooo.noteFin(fin)
}
