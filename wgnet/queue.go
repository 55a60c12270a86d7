package wgnet

import (
	"sync"

	"github.com/handfast-tcp/handfast/engine/buf"
)

// Bounds of a queue. A packet that finds it full is dropped, as on a network card. What
// several connections have under way while they begin fits: WireGuard enciphers more
// slowly than TCP sends, and a loss would cost more than the wait.
const (
	maxPackets = 16384
	maxBytes   = 32 << 20
)

// queue is packets on their way between a host and WireGuard, in one direction.
type queue struct {
	mu       sync.Mutex
	nonEmpty sync.Cond
	sleepers int

	ring  []*buf.Packet // as long as it ever had to be
	head  int           // the oldest
	count int
	bytes int

	dropped uint64
	closed  bool
}

func newQueue() *queue {
	q := new(queue)
	q.nonEmpty.L = &q.mu
	return q
}

// put appends packets, which are the queue's from here on. It returns false when the
// queue is closed.
func (q *queue) put(batch []*buf.Packet) bool {
	q.mu.Lock()
	fits := 0
	for _, p := range batch {
		// Bytes are compared before and not with this packet: a full queue takes no more, and any
		// packet finds an empty one large enough.
		if q.closed || q.count == maxPackets || q.bytes > maxBytes {
			break
		}
		if q.count == len(q.ring) {
			q.grow()
		}
		q.ring[(q.head+q.count)%len(q.ring)] = p
		q.count++
		q.bytes += p.Len()
		fits++
	}
	q.dropped += uint64(len(batch) - fits)
	open, wake := !q.closed, fits > 0 && q.sleepers > 0
	q.mu.Unlock()

	if wake {
		q.nonEmpty.Signal()
	}
	for _, p := range batch[fits:] {
		p.Release()
	}
	clear(batch)
	return open
}

// grow makes the ring twice as long. It is never made shorter: the bound is that of one device.
func (q *queue) grow() {
	ring := make([]*buf.Packet, max(64, 2*len(q.ring)))
	n := copy(ring, q.ring[q.head:])
	copy(ring[n:], q.ring[:q.head])
	q.ring, q.head = ring, 0
}

// take waits until there are packets and moves as many as there are, and as fit,
// into batch. After close it returns what is left, and then 0.
func (q *queue) take(batch []*buf.Packet) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.count == 0 && !q.closed {
		q.sleepers++
		q.nonEmpty.Wait()
		q.sleepers--
	}
	n := min(len(batch), q.count)
	for i := range n {
		p := &q.ring[q.head]
		batch[i] = *p
		q.bytes -= (*p).Len()
		*p = nil
		q.head = (q.head + 1) % len(q.ring)
	}
	q.count -= n
	return n
}

// close ends every put, and every take when nothing is left.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.nonEmpty.Broadcast()
}

// drain drops what waits.
func (q *queue) drain() {
	var batch [64]*buf.Packet
	q.close()
	for n := q.take(batch[:]); n > 0; n = q.take(batch[:]) {
		release(batch[:n])
	}
}

func release(batch []*buf.Packet) {
	for i, p := range batch {
		p.Release()
		batch[i] = nil
	}
}
