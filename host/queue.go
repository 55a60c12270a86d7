package host

import "github.com/handfast-tcp/handfast/buf"

// queued is a packet with the link that it leaves by; shard is for packets that
// are handed to another shard.
type queued struct {
	packet *buf.Packet
	iface  int
	shard  int
}

// packetQueue is a bounded first-in first-out queue. It keeps what it has: when
// it is full the new packet is dropped.
type packetQueue struct {
	entries []queued
	head    int
	limit   int
}

func (q *packetQueue) len() int { return len(q.entries) - q.head }

// push takes over the packet. It reports false, and has released the packet,
// when the queue is full.
func (q *packetQueue) push(e queued) bool {
	if q.len() >= q.limit {
		e.packet.Release()
		return false
	}
	if q.head > 0 && len(q.entries) == cap(q.entries) {
		n := copy(q.entries, q.entries[q.head:])
		clear(q.entries[n:])
		q.entries, q.head = q.entries[:n], 0
	}
	q.entries = append(q.entries, e)
	return true
}

func (q *packetQueue) pop() (queued, bool) {
	if q.head == len(q.entries) {
		return queued{}, false
	}
	e := q.entries[q.head]
	q.entries[q.head] = queued{}
	q.head++
	if q.head == len(q.entries) {
		q.entries, q.head = q.entries[:0], 0
	}
	return e, true
}
