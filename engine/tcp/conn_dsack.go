package tcp

import (
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// D-SACK tells the peer what came twice, so that it knows a retransmission that
// was not needed. RFC 2883. https://www.rfc-editor.org/rfc/rfc2883#section-4

// repeated has the next ACK say that the numbers from left to right came once
// more, as far as they have ever come.
func (c *Conn) repeated(left, right seq.Num) {
	if left == right || !c.has(sackOK) || c.state < Established || c.state == TimeWait {
		return
	}
	// A segment may begin before the stream does, as one of an older connection: what never
	// came has not come twice.
	if left.Less(c.rcv.nxt) {
		left = seq.Max(left, c.rcv.nxt-seq.Num(c.came()))
	}
	if left.Less(right) {
		c.in.noteTwice(wire.SACKBlock{Left: left, Right: right})
	}
}

// came is how many numbers of the peer's text and FIN came, but not more than can
// be told from those to come.
func (c *Conn) came() uint64 {
	n := c.tally.bytesReceived
	if c.is(finReceived) {
		n++
	}
	return min(n, 1<<30)
}

// noteTwice remembers what a segment repeated until an ACK tells the peer: of
// several that come before it the last, or all if they follow one another.
func (q *recvQueue) noteTwice(b wire.SACKBlock) {
	if q.ooo == nil {
		q.ooo = &outOfOrder{}
	}
	if q.ooo.twice.Right != b.Left {
		q.ooo.twice = wire.SACKBlock{}
	}
	q.ooo.twice = joined(q.ooo.twice, b.Left, b.Right)
}

// finish gives up all that waits: the peer's FIN is reached. An ACK can still say
// what came twice.
func (q *recvQueue) finish() {
	if q.ooo == nil {
		return
	}
	twice := q.ooo.twice
	q.dropOutOfOrder()
	if !isEmpty(twice) {
		q.noteTwice(twice)
	}
}

// repeats finds what a segment brings again: the first run of such bytes. What an ACK
// says of a super-segment must be what it would say of its parts, because the peer counts
// segments: whether they were joined on the way is no business of its. When
// it stands for several, it is what they would tell one after the other: the
// first run of the last that has one, joined to what it follows.
type repeats struct {
	run   wire.SACKBlock
	first seq.Num  // number of the segment's first byte
	size  seq.Size // bytes in each that it stands for
	told  int      // which of them had its run last, counted from 1
}

func (s *Segment) repeats() repeats {
	r := repeats{first: s.Seq - seq.Num(s.skip), size: seq.Size(s.skip + s.Len)}
	if s.GSOSize > 0 {
		r.size = seq.Size(s.GSOSize)
	}
	if n := seq.Size(s.skip); n%r.size > 0 {
		r.told = int(n/r.size) + 1 // what was cut off is its run
	}
	return r
}

// note takes bytes that are held already, in ascending order.
func (r *repeats) note(left, right seq.Num) {
	for left.Less(right) {
		n := int(left.Sub(r.first)/r.size) + 1
		stop := seq.Min(right, r.first.Add(seq.Size(n)*r.size))
		follows := !isEmpty(r.run) && r.run.Right == left
		switch {
		case n == r.told && !follows:
		case !follows:
			r.run = wire.SACKBlock{Left: left, Right: stop}
		default:
			r.run.Right = stop
		}
		r.told = n
		left = stop
	}
}

// joined returns b with the numbers from left to right if they follow it, or
// instead of it if it is empty.
func joined(b wire.SACKBlock, left, right seq.Num) wire.SACKBlock {
	switch {
	case isEmpty(b):
		return wire.SACKBlock{Left: left, Right: right}
	case b.Right == left:
		b.Right = right
	}
	return b
}

func isEmpty(b wire.SACKBlock) bool { return b.Left == b.Right }

// report fills dst with the blocks of the next ACK: what the last segment
// repeated, then the block that holds it, if it is not acknowledged, then what
// changed most recently. It returns how many they are. When several segments came
// since the last ACK there are as many ACKs, and each says what it would have said
// then: the peer takes what it never hears of for lost.
// https://www.rfc-editor.org/rfc/rfc2883#section-4
func (o *outOfOrder) report(dst []wire.SACKBlock) int {
	twice, list := o.twice, dst[:0]
	o.twice = wire.SACKBlock{}
	if !isEmpty(twice) && len(dst) > 0 {
		list = append(list, twice)
		if b, ok := o.listed(twice.Left); ok {
			o.absorb(b)
			o.putFirst(b)
			return len(list) + copy(dst[len(list):], o.blocks[:o.count])
		}
	}
	o.untold = max(o.untold, 1) - 1
	n := len(list) + copy(dst[len(list):], o.blocks[o.untold:o.count])
	o.count = min(o.count, o.untold+keptBlocks)
	return n
}

// toTell reports whether an ACK has to say what came twice, or out of order.
func (c *Conn) toTell() bool {
	o := c.in.ooo
	return o != nil && c.has(sackOK) && (!isEmpty(o.twice) || o.untold > 0)
}
