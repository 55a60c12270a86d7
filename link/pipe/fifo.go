package pipe

import (
	"sync"

	"github.com/handfast-tcp/handfast/buf"
)

// firstRing is how many packets a FIFO has room for at first; it grows up to
// its bound when they are not enough.
const firstRing = 64

// fifo is one direction of one queue. The lock is taken once per batch, and
// the reader is woken only when it sleeps.
type fifo struct {
	mu       sync.Mutex
	nonEmpty sync.Cond
	sleepers int

	ring  []*buf.Packet // length is a power of two
	head  int           // index of the oldest packet
	count int           // how many packets wait
	bound int           // count never exceeds it

	dropped                    uint64
	readerClosed, writerClosed bool
}

func newFIFO(bound int) *fifo {
	f := &fifo{bound: bound}
	f.nonEmpty.L = &f.mu
	return f
}

// put appends batch, whose packets it takes over. What does not fit is
// dropped. It returns false when the writer's end is closed.
func (f *fifo) put(batch []*buf.Packet) bool {
	f.mu.Lock()
	fits := min(len(batch), f.bound-f.count)
	if f.readerClosed || f.writerClosed {
		fits = 0
	}
	f.push(batch[:fits])
	f.dropped += uint64(len(batch) - fits)
	closed, wake := f.writerClosed, fits > 0 && f.sleepers > 0
	f.mu.Unlock()

	if wake {
		f.nonEmpty.Signal()
	}
	release(batch[fits:])
	return !closed
}

func (f *fifo) push(batch []*buf.Packet) {
	f.grow(f.count + len(batch))
	for i, p := range batch {
		f.ring[(f.head+f.count+i)&(len(f.ring)-1)] = p
	}
	f.count += len(batch)
}

// grow makes room for need packets.
func (f *fifo) grow(need int) {
	if need <= len(f.ring) {
		return
	}
	size := max(firstRing, len(f.ring))
	for size < need {
		size *= 2
	}
	ring := make([]*buf.Packet, size)
	n := copy(ring, f.ring[f.head:])
	copy(ring[n:], f.ring[:f.head])
	f.ring, f.head = ring, 0
}

// take waits until there are packets and moves as many as there are, and as
// fit, into batch. It returns false when the reader's end is closed.
func (f *fifo) take(batch []*buf.Packet) (int, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.count == 0 && !f.readerClosed {
		f.sleepers++
		f.nonEmpty.Wait()
		f.sleepers--
	}
	if f.readerClosed {
		return 0, false
	}
	return f.pop(batch), true
}

func (f *fifo) pop(batch []*buf.Packet) int {
	n := min(len(batch), f.count)
	for i := range n {
		slot := (f.head + i) & (len(f.ring) - 1)
		batch[i], f.ring[slot] = f.ring[slot], nil
	}
	f.head = (f.head + n) & max(len(f.ring)-1, 0)
	f.count -= n
	return n
}

// closeReader wakes the readers and drops what waits.
func (f *fifo) closeReader() {
	f.mu.Lock()
	rest := make([]*buf.Packet, f.count)
	f.pop(rest)
	f.dropped += uint64(len(rest))
	f.readerClosed = true
	f.mu.Unlock()
	f.nonEmpty.Broadcast()
	release(rest)
}

func (f *fifo) closeWriter() {
	f.mu.Lock()
	f.writerClosed = true
	f.mu.Unlock()
}

func (f *fifo) drops() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dropped
}

func release(batch []*buf.Packet) {
	for i, p := range batch {
		p.Release()
		batch[i] = nil
	}
}
