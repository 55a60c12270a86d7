package tcp

import (
	"slices"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// sendQueue holds the bytes that the program wrote and the peer has not
// acknowledged, as views in order.
type sendQueue struct {
	views views   // views[head:] are used
	head  int32   // index of the first view
	bytes int32   // length of all views
	limit int32   // where the program has to wait; the queue may go past it by one write
	start seq.Num // sequence number of the first byte
	// at is the view that holds number atSeq: where the last segment ended.
	at    int32
	atSeq seq.Num
	own   bool // the last view's block is ours to append to
	tail  tail // what the program has said of the end

	// What is known of the size of segments: see packetTooBig. It lies here
	// because here is room.
	claim uint16  // the MTU that ICMP claims, sizeProven or sizeUnproven; or how far the search for a larger one is
	sized seq.Num // from here on segments have the size; disputed: the segment quoted; searched: the end of the probe
}

func (q *sendQueue) len() int     { return int(q.bytes) }
func (q *sendQueue) end() seq.Num { return q.start.Add(seq.Size(q.bytes)) }

// push appends v and takes over its reference.
func (q *sendQueue) push(v buf.View) {
	q.add(v)
	q.own = false
}

// copyIn appends a copy of b: to the last view's block if there is room.
func (q *sendQueue) copyIn(b []byte) {
	if q.own && q.bytes > 0 {
		last := &q.views[len(q.views)-1]
		n := copy(last.Room(), b)
		last.Grow(n)
		q.bytes += int32(n)
		b = b[n:]
	}
	for len(b) > 0 {
		// As large as what waits already, since so much may follow: a program that
		// writes faster than it is sent gets few blocks, and one that writes little a
		// small one.
		block := buf.Get(min(roomFor(len(b), int(q.bytes)), buf.LargeSize))
		n := copy(block.Bytes(), b)
		q.add(buf.MakeView(block, 0, n))
		q.own = true
		b = b[n:]
	}
}

// add appends v. Into an empty queue it also sets the cursor, which clear and ack
// leave anywhere.
func (q *sendQueue) add(v buf.View) {
	if q.bytes == 0 {
		q.at, q.atSeq = q.head, q.start
	}
	q.views = buf.AppendView(q.views, v)
	q.bytes += int32(v.Len())
}

// ack drops all bytes before una.
func (q *sendQueue) ack(una seq.Num) {
	n := int32(una.Sub(q.start))
	q.start = una
	q.bytes -= n
	for n > 0 {
		v := &q.views[q.head]
		if int(n) < v.Len() {
			*v = v.Slice(int(n), v.Len())
			break
		}
		n -= int32(v.Len())
		v.Release()
		*v = buf.View{}
		q.head++
	}
	if q.at < q.head || q.atSeq.Less(una) {
		q.at, q.atSeq = q.head, una
	}
	q.compact()
}

// compact lets go of the slice when it is empty, and of its used part when
// that is the larger one.
func (q *sendQueue) compact() {
	if q.bytes == 0 {
		buf.FreeViews(q.views)
		q.views, q.head, q.at = nil, 0, 0
		return
	}
	if int(q.head) > len(q.views)/2 && q.head >= 16 {
		q.views = slices.Delete(q.views, 0, int(q.head))
		q.at -= q.head
		q.head = 0
	}
}

// fill appends to dst views of up to n bytes from number from on, each with a
// reference of its own, and returns them and their length. It stops early when
// dst is full. The bytes stay in the queue until they are acknowledged, and the
// segment points at the same ones: a retransmission is a second look, no copy.
func (q *sendQueue) fill(dst views, from seq.Num, n int) (views, int) {
	q.seek(from)
	total, at, skip := 0, int(q.at), int(from.Sub(q.atSeq))
	// The queue may be acknowledged while the segment waits in a link: hence Retain.
	for total < n && at < len(q.views) && len(dst) < cap(dst) {
		v := q.views[at]
		v = v.Slice(skip, min(v.Len(), skip+n-total))
		dst = append(dst, v.Retain())
		total += v.Len()
		skip = 0
		at++
	}
	return dst, total
}

// seek moves the cursor to the view that holds number s.
func (q *sendQueue) seek(s seq.Num) {
	// Seldom: new text is sent in order. A retransmission walks from the head.
	if s.Less(q.atSeq) {
		q.at, q.atSeq = q.head, q.start
	}
	for int(q.at) < len(q.views)-1 {
		next := q.atSeq.Add(seq.Size(q.viewLen(q.at)))
		if s.Less(next) {
			return
		}
		q.at, q.atSeq = q.at+1, next
	}
}

func (q *sendQueue) viewLen(i int32) int { return q.views[i].Len() }

// clear drops everything. The queue keeps its end, so that the numbers of what was
// sent stay what they were.
func (q *sendQueue) clear() {
	for i := int(q.head); i < len(q.views); i++ {
		q.views[i].Release()
	}
	*q = sendQueue{limit: q.limit, start: q.end(), tail: q.tail}
}

// clone returns a copy with references of its own to the same bytes.
func (q *sendQueue) clone() sendQueue {
	c := *q
	c.views = slices.Clone(q.views[q.head:])
	c.at -= q.head
	c.head = 0
	// Only the original may go on writing into its last block.
	c.own = false
	for _, v := range c.views {
		v.Retain()
	}
	return c
}
