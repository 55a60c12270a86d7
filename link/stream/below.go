package stream

import (
	"net"
	"time"
)

// below is the socket's own buffer, in which flows do not take turns: where the machine
// reads slowly it is made as small as what the machine reads in a few milliseconds.
type below struct {
	conn     writeBuffer // nil: it cannot be set, or is no local one
	size     int         // at present; 0: as it was
	smallest int
	largest  int
	since    time.Duration // when a call had to wait last
	bytes    int           // that were taken since
}

type writeBuffer interface{ SetWriteBuffer(bytes int) error }

const (
	// messageBuffer is how many bytes of messages wait in the kernel, where it allows that.
	// The usual is a dozen frames.
	messageBuffer = 4 << 20
	// usualBuffer and smallestBuffer bound the buffer of a local connection of bytes.
	usualBuffer    = 104 << 10
	smallestBuffer = 4 << 10
	// unhindered is how many buffers are taken without a wait before it may grow.
	unhindered = 8
	// socketDelay is how long a frame may wait there.
	socketDelay = 4 * time.Millisecond
)

func (b *below) init(c net.Conn, o *Options) {
	// A message has to fit as a whole.
	b.smallest, b.largest = max(smallestBuffer, 2*o.MTU), max(usualBuffer, 2*o.MTU)
	if o.Framing == Message {
		b.setMessages(c)
	}
	// TCP has a far end, whose window and congestion say what is to wait.
	if u, ok := c.(*net.UnixConn); ok {
		b.conn = u
	}
}

// setMessages makes room for messages.
func (b *below) setMessages(c net.Conn) {
	if r, ok := c.(interface{ SetReadBuffer(bytes int) error }); ok {
		r.SetReadBuffer(messageBuffer) // with less it is slower, nothing worse
	}
	if w, ok := c.(writeBuffer); ok {
		w.SetWriteBuffer(messageBuffer)
	}
	b.largest = messageBuffer
}

// begin is for a queue in which nothing waits: what comes next is timed anew.
func (b *below) begin(now time.Duration) { b.since, b.bytes = now, 0 }

// wrote follows a system call that took so many bytes, and whether it had to wait for
// the machine. Most calls find room: a kernel wakes who waits for it when much of the buffer
// is free. So what counts is what the machine has read between two of those that waited.
func (b *below) wrote(now time.Duration, bytes int, waited bool) {
	if b.conn == nil {
		return
	}
	b.bytes += bytes
	size := b.now()
	switch {
	case waited:
		rate := float64(b.bytes) / float64(max(now-b.since, 1))
		want := min(max(int(rate*float64(socketDelay)), b.smallest), b.largest)
		if want < size*3/4 || want > size*3/2 {
			b.set(want)
		}
		b.begin(now)
	case b.bytes > unhindered*size:
		if b.size != 0 {
			b.set(min(2*b.size, b.largest))
		}
		b.begin(now)
	}
}

// now is the size at present.
func (b *below) now() int {
	if b.size == 0 {
		return b.largest
	}
	return b.size
}

func (b *below) set(size int) {
	if b.conn.SetWriteBuffer(size) == nil {
		b.size = size % b.largest // 0 again: the largest
	}
}
