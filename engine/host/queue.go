package host

import "github.com/handfast-tcp/handfast/engine/buf"

// fifo is a first-in first-out queue. Its room follows what waits in it, also
// when it is never quite empty: pushing and popping in turn moves no more items
// than are pushed, and the room of a burst goes back.
type fifo[T any] struct {
	entries []T
	head    int
}

// keptRoom is how many entries' room an empty queue keeps: what one burst has needed is not
// kept by every socket and neighbour that has ever had one.
const keptRoom = 256

func (q *fifo[T]) len() int { return len(q.entries) - q.head }

func (q *fifo[T]) push(e T) {
	if len(q.entries) == cap(q.entries) && 2*q.head >= len(q.entries) {
		q.moveUp()
	}
	q.entries = append(q.entries, e)
}

// moveUp makes room at the end, of what was popped. When little is left of
// much, it takes a smaller place.
func (q *fifo[T]) moveUp() {
	waiting := q.entries[q.head:]
	if 8*len(waiting) < cap(q.entries) && cap(q.entries) > keptRoom {
		q.entries, q.head = append(make([]T, 0, 2*len(waiting)), waiting...), 0
		return
	}
	n := copy(q.entries, waiting)
	clear(q.entries[n:])
	q.entries, q.head = q.entries[:n], 0
}

func (q *fifo[T]) pop() (e T, ok bool) {
	if q.head == len(q.entries) {
		return e, false
	}
	e, q.entries[q.head] = q.entries[q.head], e
	q.head++
	if q.head == len(q.entries) {
		q.entries, q.head = q.entries[:0], 0
		if cap(q.entries) > keptRoom {
			q.entries = nil
		}
	}
	return e, true
}

// queued is a packet with the link that it leaves by; shard is for packets that
// are handed to another shard.
type queued struct {
	packet *buf.Packet
	iface  int
	shard  int
	held   int // bytes of memory that it keeps from being used again
}

// packetQueue is a queue of packets, bounded in number and in memory. It keeps
// what it has: when it is full the new packet is dropped.
type packetQueue struct {
	fifo[queued]
	limit, maxBytes int
	bytes           int
	last            *buf.Block // the last one that was counted
}

// push takes over the packet. It reports false, and has released the packet,
// when the queue is full.
//
// An empty queue takes any packet, or one that is larger than the bound would never leave.
func (q *packetQueue) push(e queued) bool {
	if q.len() == 0 {
		q.bytes, q.last = 0, nil
	}
	e.held = heldBy(e.packet, &q.last)
	if q.len() >= q.limit || q.len() > 0 && q.bytes+e.held > q.maxBytes {
		e.packet.Release()
		return false
	}
	q.bytes += e.held
	q.fifo.push(e)
	return true
}

func (q *packetQueue) pop() (queued, bool) {
	e, ok := q.fifo.pop()
	q.bytes -= e.held
	return e, ok
}

// packetSize is what a packet takes without its blocks, headers included.
const packetSize = 256

// heldBy is how many bytes of memory p keeps from being used again. The block
// last counted is not counted again: the fragments of a datagram share one.
func heldBy(p *buf.Packet, last **buf.Block) int {
	n := packetSize
	count := func(b *buf.Block) {
		if b != nil && b != *last {
			n += b.Cap()
			*last = b
		}
	}
	count(p.Block)
	for i := range p.N {
		count(p.Views[i].Block)
	}
	return n
}

// keep returns a reference of its own to v's bytes. It copies them when they
// would hold much more memory than they are: a ping in a block of 64 KiB would take a
// thousand times its size from the bound of whatever it waits in.
func keep(v buf.View) buf.View {
	if v.Block.Cap() <= 4*v.Len()+buf.SmallSize {
		return v.Retain()
	}
	b := buf.Get(v.Len())
	return buf.MakeView(b, 0, copy(b.Bytes(), v.Bytes()))
}

// held is how many bytes of memory v keeps from being used again.
func held(v buf.View) int { return v.Block.Cap() }
