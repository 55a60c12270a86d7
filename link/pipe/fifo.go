package pipe

import (
	"sync"

	"github.com/handfast-tcp/handfast/engine/buf"
)

// chunkLen is how many packets are stored together: with a pointer 512 bytes.
const chunkLen = 63

// chunk is a part of a FIFO.
type chunk struct {
	packets [chunkLen]*buf.Packet
	next    *chunk
}

// chunks are those that are not in use. The garbage collector takes them, so
// that the memory of a burst does not stay.
var chunks = sync.Pool{New: func() any { return new(chunk) }}

// fifo is one direction of one queue. The lock is taken once per batch, and
// the reader is woken only when it sleeps.
type fifo struct {
	mu       sync.Mutex
	nonEmpty sync.Cond
	sleepers int

	first, last *chunk // nil before the first packet
	head, tail  int    // index of the oldest packet in first, and of the next one in last
	count       int    // how many packets wait
	bound       int    // count never exceeds it

	dropped                    uint64
	readerClosed, writerClosed bool
}

func newFIFO(bound int) *fifo {
	f := &fifo{bound: bound}
	f.nonEmpty.L = &f.mu
	return f
}

// put appends batch and takes over its packets. What does not fit is
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
	f.mu.Unlock() // the one who is woken needs it

	if wake {
		f.nonEmpty.Signal()
	}
	release(batch[fits:])
	return !closed
}

func (f *fifo) push(batch []*buf.Packet) {
	f.count += len(batch)
	for len(batch) > 0 {
		if f.last == nil || f.tail == chunkLen {
			f.extend()
		}
		n := copy(f.last.packets[f.tail:], batch)
		f.tail += n
		batch = batch[n:]
	}
}

// extend appends a chunk.
func (f *fifo) extend() {
	c := chunks.Get().(*chunk)
	if f.last == nil {
		f.first = c
	} else {
		f.last.next = c
	}
	f.last, f.tail = c, 0
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

// pop moves packets out, a run of a chunk at a time. Their places are cleared: a chunk that
// lies around must hold no packet alive.
func (f *fifo) pop(batch []*buf.Packet) int {
	total := min(len(batch), f.count)
	for n := 0; n < total; {
		here := f.first.packets[f.head:min(chunkLen, f.head+total-n)]
		n += copy(batch[n:], here)
		clear(here)
		if f.head += len(here); f.head == chunkLen {
			f.dropFirst()
		}
	}
	f.count -= total
	return total
}

// dropFirst goes on to the next chunk; the only one is used again.
func (f *fifo) dropFirst() {
	f.head = 0
	c := f.first
	if c == f.last {
		f.tail = 0
		return
	}
	f.first, c.next = c.next, nil
	chunks.Put(c)
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

// closeWriter leaves the reader waiting: like a cable that is unplugged at the other end.
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
