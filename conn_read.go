package handfast

import (
	"io"
	"net"
	"syscall"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/internal/descriptor"
)

// Read reads what has arrived, at most len(p) bytes, and waits when there is
// nothing. It returns io.EOF after the peer's last byte.
func (c *TCPConn) Read(p []byte) (int, error) {
	n, err := c.read(p)
	if err != nil && err != io.EOF {
		err = c.opError("read", err)
	}
	return n, err
}

const (
	// takeViews is how many pieces of received data a call takes without
	// allocating.
	takeViews = 32
	// copyInside is up to how many bytes a call copies while it has the lock. To take
	// the pieces out of the connection and give them back costs more than that copy, and
	// the list of them would be most of a goroutine's first stack.
	copyInside = 4 << 10
)

func (c *TCPConn) read(p []byte) (int, error) {
	if len(p) > copyInside {
		return c.readOutside(p)
	}
	now, err := c.awaitText(len(p))
	n := 0
	if err == nil {
		n = c.shard.tcp.Read(now, c.entry, p)
	}
	c.shard.flushAndUnlock(now)
	return n, err
}

// readOutside copies without the lock: the views belong to this call, and a long copy would keep
// the whole shard waiting.
func (c *TCPConn) readOutside(p []byte) (n int, err error) {
	var room [takeViews]buf.View
	views, err := c.take(len(p), room[:0])
	for _, v := range views {
		n += copy(p[n:], v.Bytes())
		v.Release()
	}
	return n, err
}

// take waits for received bytes and appends up to limit of them to dst. The
// caller owns the views.
func (c *TCPConn) take(limit int, dst []buf.View) ([]buf.View, error) {
	now, err := c.awaitText(limit)
	if err == nil {
		dst = c.shard.tcp.Take(now, c.entry, limit, dst)
	}
	c.shard.flushAndUnlock(now)
	return dst, err
}

// awaitText locks the shard, and waits there until received bytes can be read, or it is known
// why none ever will. It does not wait for nothing, which a limit of 0 asks for.
func (c *TCPConn) awaitText(limit int) (clock.Time, error) {
	s := c.shard
	now := s.lock()
	for {
		// A read of nothing succeeds at once, also past a deadline, as in package net.
		if err := c.dead(); err != nil || limit == 0 {
			return now, err
		}
		err := c.usable(now, c.readDeadline)
		if err == nil {
			err = c.endOfStream()
		}
		if err != nil || c.entry.Buffered() > 0 {
			return now, err
		}
		s.tcp.SendSyn(now, c.entry) // which may wait for a Write
		now = s.wait(&c.readers, now, c.readDeadline)
	}
}

// endOfStream returns how the stream has ended, nil when it has not or when
// there are bytes to take.
func (c *TCPConn) endOfStream() error {
	e := c.entry
	switch {
	// What has come is handed out before how it ended: a reset takes nothing back that
	// had arrived in order.
	case e.Buffered() > 0:
		return nil
	case e.EOF() || c.flags&connReadClosed != 0:
		return io.EOF
	case e.Failure() != tcp.NoFailure:
		c.flags |= connFailed
		return failed("read", e.Failure())
	case e.State() == tcp.Closed:
		return io.EOF
	}
	return nil
}

// Peek reads what Read would read next, at most len(p) bytes, and leaves it to be read, as
// recv(2) with MSG_PEEK does. It waits when there is nothing, and returns io.EOF at the end.
func (c *TCPConn) Peek(p []byte) (n int, err error) {
	var room [takeViews]buf.View
	var views []buf.View
	now, err := c.awaitText(len(p))
	if err == nil {
		views = c.entry.Peek(len(p), room[:0])
	}
	c.shard.flushAndUnlock(now)
	for _, v := range views {
		n += copy(p[n:], v.Bytes())
		v.Release()
	}
	if err != nil && err != io.EOF {
		err = c.opError("read", err)
	}
	return n, err
}

// Queued returns how many bytes wait to be read (SIOCINQ of Linux), how many were written and
// are not acknowledged (SIOCOUTQ), and how many of those were never sent (SIOCOUTQNSD). A FIN
// counts as one of the latter two.
func (c *TCPConn) Queued() (in, out, notSent int, err error) {
	err = c.set(func(clock.Time) { in, out, notSent = c.entry.Queued() })
	return in, out, notSent, err
}

// WriteTo writes what it reads to w until the stream ends. w gets the very
// memory that was received; only small pieces are put together first. It
// implements io.WriterTo, which io.Copy uses.
func (c *TCPConn) WriteTo(w io.Writer) (int64, error) {
	n, err := c.writeTo(w)
	if err != nil {
		err = c.opError("writeto", err)
	}
	return n, err
}

// copyAtOnce is how many received bytes are taken at once for WriteTo: enough for a lock to be
// nothing beside it.
const copyAtOnce = 256 << 10

func (c *TCPConn) writeTo(w io.Writer) (total int64, err error) {
	var room [takeViews]buf.View
	for {
		views, err := c.take(copyAtOnce, room[:0])
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, c.opError("read", err)
		}
		n, err := writeViews(w, views)
		total += n
		if err != nil {
			return total, err
		}
	}
}

// writeViews writes views to w and releases them. Those at the front of what is
// left that together fit into a block are put together when there are several:
// a write may be a system call.
func writeViews(w io.Writer, views []buf.View) (total int64, err error) {
	for len(views) > 0 {
		n := gatherable(views)
		if err == nil {
			var written int
			written, err = writeGathered(w, views[:n])
			total += int64(written)
		}
		for _, v := range views[:n] {
			v.Release()
		}
		views = views[n:]
	}
	return total, err
}

// gatherable returns how many views, at least one, go into one write.
func gatherable(views []buf.View) int {
	size := 0
	for i, v := range views {
		if size += v.Len(); size > chunkSize || v.Len() > buf.MediumSize {
			return max(i, 1)
		}
	}
	return len(views)
}

func writeGathered(w io.Writer, views []buf.View) (int, error) {
	if len(views) == 1 {
		return writeAll(w, views[0].Bytes())
	}
	b := buf.Get(chunkSize)
	defer b.Release()
	n := 0
	for _, v := range views {
		n += copy(b.Bytes()[n:], v.Bytes())
	}
	return writeAll(w, b.Bytes()[:n])
}

func writeAll(w io.Writer, p []byte) (int, error) {
	n, err := w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}

// noSocket is the syscall.RawConn of what has no socket.
type noSocket struct{}

func (noSocket) Control(func(fd uintptr)) error    { return descriptor.ErrNoSocket }
func (noSocket) Read(func(fd uintptr) bool) error  { return descriptor.ErrNoSocket }
func (noSocket) Write(func(fd uintptr) bool) error { return descriptor.ErrNoSocket }

// SyscallConn returns what pools of connections look through whether an idle
// one was closed. Of the RawConn only Read works: its function gets a
// descriptor of the kernel's that lives as long as the call, and on which
// recv(2) says what it would say of this connection: EAGAIN when there is
// nothing to read, bytes when there are some, zero at the end of the stream,
// ECONNRESET when the connection has failed. It shows one byte, which is zero,
// and what is read from it is not taken from the connection. When the function
// returns false it is called again when something has changed.
//
// Control, Write, and on systems without socket pairs Read, return an error
// that is errors.ErrUnsupported: there is no socket to set options of.
func (c *TCPConn) SyscallConn() (syscall.RawConn, error) { return rawConn{c}, nil }

// rawConn is the syscall.RawConn of a connection.
type rawConn struct{ conn *TCPConn }

func (r rawConn) Control(func(fd uintptr)) error {
	return &net.OpError{Op: "raw-control", Net: r.conn.network.String(), Addr: r.conn.LocalAddr(), Err: descriptor.ErrNoSocket}
}

func (r rawConn) Read(f func(fd uintptr) bool) error {
	if err := r.conn.showTo(f); err != nil {
		return r.conn.opError("raw-read", err)
	}
	return nil
}

func (r rawConn) Write(func(fd uintptr) bool) error {
	return r.conn.opError("raw-write", descriptor.ErrNoSocket)
}

// prospect tells without taking anything. The caller has locked the shard.
func (c *TCPConn) prospect() descriptor.Prospect {
	e := c.entry
	switch {
	case e.Buffered() > 0:
		return descriptor.DataWaits
	case e.EOF() || c.flags&connReadClosed != 0:
		return descriptor.StreamEnded
	case e.Failure() != tcp.NoFailure:
		return descriptor.Broken
	case e.State() == tcp.Closed:
		return descriptor.StreamEnded
	}
	return descriptor.Nothing
}

// showTo shows f what a Read would meet, again and again until f has seen
// enough.
func (c *TCPConn) showTo(f func(fd uintptr) bool) error {
	s := c.shard
	now := s.lock()
	for {
		if err := c.usable(now, c.readDeadline); err != nil {
			s.flushAndUnlock(now)
			return err
		}
		seen := c.prospect()
		s.flushAndUnlock(now)
		if enough, err := descriptor.Show(seen, f); enough || err != nil {
			return err
		}
		// The lock was free while f looked: what it did not see may have come meanwhile.
		if now = s.lock(); seen == c.prospect() {
			now = s.wait(&c.readers, now, c.readDeadline)
		}
	}
}
