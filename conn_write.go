package handfast

import (
	"io"
	"net"
	"os"
	"syscall"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// smallWrite is up to how many bytes a write is copied while the shard is
// locked, behind what is queued; copying more would keep others waiting.
const smallWrite = 4 << 10

// chunkSize is how much of a write is copied and queued at once, in bytes.
const chunkSize = 64 << 10

// firstChunk returns how much of a write of n bytes goes into the next block. A
// block is not taken for a small part of it: what is queued holds all of it. What follows
// is queued a moment later, so a chunk ends with the largest segment that there is: a small
// one between any two chunks would cost as much as a large one.
func firstChunk(n, segment int) int {
	switch {
	case n < buf.LargeSize/2:
		return min(n, buf.MediumSize)
	case n <= chunkSize || segment > chunkSize:
		return min(n, chunkSize)
	}
	return chunkSize - chunkSize%segment
}

// Write queues p to be sent, and waits while the send buffer is full. The
// writes of several goroutines do not mix. When it fails, n bytes of p were
// queued.
//
// A small Write that follows others while the peer has acknowledged nothing
// yet, is sent by another goroutine, at once but perhaps together with those
// that come next.
func (c *TCPConn) Write(p []byte) (n int, err error) {
	pieces := [1][]byte{p}
	n, err = c.write(pieces[:], streams)
	if err != nil {
		err = c.opError("write", err)
	}
	return n, err
}

// WriteBuffers writes all of v as one Write, in as few segments as it takes, and
// removes from v what was written. It is for what net.Buffers.WriteTo does with
// connections of package net alone: for ours that calls Write for each piece.
func (c *TCPConn) WriteBuffers(v *net.Buffers) (int64, error) {
	n, err := c.write(*v, streams)
	consume(v, n)
	if err != nil {
		err = c.opError("write", err)
	}
	return int64(n), err
}

// WriteMore is Write for a program that will write more soon, as send(2) with MSG_MORE in Linux:
// what is less than a full segment waits for that, until something comes from the peer, or for
// a retransmission timeout, 200 ms or more, in which nothing else is under way.
func (c *TCPConn) WriteMore(p []byte) (n int, err error) {
	pieces := [1][]byte{p}
	n, err = c.write(pieces[:], moreFollows)
	if err != nil {
		err = c.opError("write", err)
	}
	return n, err
}

// WriteRecord is Write of what ends a record, as send(2) with MSG_EOR in Linux: no segment carries
// text from before that end and from behind it, whether it is sent for the first time or again.
// The peer reads a stream all the same.
func (c *TCPConn) WriteRecord(p []byte) (n int, err error) {
	pieces := [1][]byte{p}
	n, err = c.write(pieces[:], endsRecord)
	if err != nil {
		err = c.opError("write", err)
	}
	return n, err
}

// writeEnd is what a program says of the end of a write.
type writeEnd uint8

const (
	streams     writeEnd = iota
	moreFollows          // MSG_MORE
	endsRecord           // MSG_EOR
)

// write queues pieces as one write.
func (c *TCPConn) write(pieces [][]byte, end writeEnd) (n int, err error) {
	s := c.shard
	rest := unwritten{pieces: pieces}
	size := rest.count()
	now, err := c.beginWrite(s.lock())
	if err != nil {
		s.flushAndUnlock(now)
		return 0, err
	}
	// This write alone appends until endWrite, however often the lock is free between:
	// the bytes of a Write are one piece of the stream.
	soon := false
	for {
		if now, err = c.awaitSpace(now); err != nil {
			break
		}
		most := s.tcp.WriteLimit()
		if size-n <= min(smallWrite, most) {
			soon = size <= smallWrite && c.piecemeal()
			for len(rest.pieces) > 0 {
				s.tcp.SendCopy(now, c.entry, rest.next())
			}
			c.endPiece(now, end, true)
			n = size
			break
		}
		// A large write is copied without the lock, a chunk at a time: others use the
		// shard, and the first chunk is on its way while the next is copied.
		chunk := min(firstChunk(size-n, c.entry.LargestSegment()), most)
		s.flushAndUnlock(now)
		v := rest.copyIn(chunk)
		now = s.lock()
		// The connection may have ended during the copy: queue asks again.
		if err = c.queue(now, v); err != nil {
			break
		}
		n += v.Len()
		if c.endPiece(now, end, n == size); n == size {
			break
		}
	}
	c.endWrite()
	if soon {
		s.unlockAndFlushSoon(now)
	} else {
		s.flushAndUnlock(now)
	}
	return n, err
}

// endPiece follows a piece of a write, which may be its last.
func (c *TCPConn) endPiece(now clock.Time, end writeEnd, last bool) {
	switch {
	case end == moreFollows:
		c.shard.tcp.MoreFollows(now, c.entry)
	case end == endsRecord && last:
		c.shard.tcp.EndRecord(now, c.entry)
	}
}

// unwritten is what is left of the pieces of a write, which stay as they are.
type unwritten struct {
	pieces [][]byte
	used   int // bytes of the first one that are written
}

func (u *unwritten) count() (n int) {
	for _, p := range u.pieces {
		n += len(p)
	}
	return n
}

// next takes what is left of the first piece.
func (u *unwritten) next() []byte {
	p := u.pieces[0][u.used:]
	u.pieces, u.used = u.pieces[1:], 0
	return p
}

// copyIn takes n bytes into memory of ours.
func (u *unwritten) copyIn(n int) buf.View {
	b := buf.Get(n)
	for room := b.Bytes()[:n]; len(room) > 0; {
		k := copy(room, u.pieces[0][u.used:])
		room = room[k:]
		if u.used += k; u.used == len(u.pieces[0]) {
			u.next()
		}
	}
	return buf.MakeView(b, 0, n)
}

// consume removes n bytes from v, as net.Buffers.WriteTo does: a caller that goes on
// after an error writes what is left. The used pieces are forgotten, or v's array would
// keep their memory.
func consume(v *net.Buffers, n int) {
	for len(*v) > 0 && n >= len((*v)[0]) {
		n -= len((*v)[0])
		(*v)[0] = nil
		*v = (*v)[1:]
	}
	if n > 0 {
		(*v)[0] = (*v)[0][n:]
	}
}

// piecemeal reports whether a small write is at least the third one of which
// the peer has acknowledged nothing: a program that writes in pieces. Whoever
// asks and waits for the answer, or answers in two writes, is not meant.
func (c *TCPConn) piecemeal() bool {
	switch {
	case c.entry.Unsent() == 0:
		c.flags &^= connPiecemeal
	case c.flags&connPiecemeal != 0:
		return true
	default:
		c.flags |= connPiecemeal
	}
	return false
}

// beginWrite waits until no other write is under way and begins one. The caller
// has locked the shard, and on success calls endWrite.
func (c *TCPConn) beginWrite(now clock.Time) (clock.Time, error) {
	for {
		if err := c.writable(now); err != nil {
			return now, err
		}
		if c.flags&connWriting == 0 {
			c.flags |= connWriting
			return now, nil
		}
		// Two writes that took turns for each chunk would mix their bytes in the
		// stream.
		now = c.shard.wait(&c.writers, now, c.writeDeadline)
	}
}

// endWrite lets the next write begin. All are woken, because those that wait for room
// are on the same list.
func (c *TCPConn) endWrite() {
	c.flags &^= connWriting
	c.writers.wakeAll()
}

// writable returns why nothing can be written, nil when something can. Like the
// kernel's, the first call that finds the connection broken learns why, later
// ones get EPIPE, and so does one that wrote to a peer that had closed.
func (c *TCPConn) writable(now clock.Time) error {
	if err := c.usable(now, c.writeDeadline); err != nil {
		return err
	}
	e := c.entry
	switch f := e.Failure(); {
	case f != tcp.NoFailure && c.flags&connFailed == 0 && !e.EOF():
		c.flags |= connFailed
		return failed("write", f)
	case f != tcp.NoFailure || e.WriteClosed() || e.State() == tcp.Closed:
		return os.NewSyscallError("write", syscall.EPIPE)
	}
	return nil
}

// awaitSpace waits until there is room in the send buffer. Its size is a soft
// limit: any amount fits while there is room at all.
func (c *TCPConn) awaitSpace(now clock.Time) (clock.Time, error) {
	for {
		if err := c.writable(now); err != nil {
			return now, err
		}
		if c.entry.SendSpace() > 0 {
			return now, nil
		}
		now = c.shard.wait(&c.writers, now, c.writeDeadline)
	}
}

// queue sends v, whose reference it takes. The caller has locked the shard.
func (c *TCPConn) queue(now clock.Time, v buf.View) error {
	if err := c.writable(now); err != nil {
		v.Release()
		return err
	}
	c.shard.tcp.Send(now, c.entry, v)
	return nil
}

// ReadFrom sends what it reads from r until r ends. r reads straight into the
// memory that is sent. It implements io.ReaderFrom, which io.Copy uses.
func (c *TCPConn) ReadFrom(r io.Reader) (int64, error) {
	n, err := c.readFrom(r)
	if err != nil {
		err = c.opError("readfrom", err)
	}
	return n, err
}

func (c *TCPConn) readFrom(r io.Reader) (total int64, err error) {
	if v, ok := r.(*net.Buffers); ok {
		return c.WriteBuffers(v)
	}
	var in filler
	defer in.release()
	// Room is waited for before r is read: what was read and cannot be sent would be lost
	// to the caller, who is told how much of r was written.
	for {
		if err := c.waitForSpace(); err != nil {
			return total, c.opError("write", err)
		}
		v, readErr := in.read(r)
		if v.Len() > 0 {
			if err := c.sendView(v); err != nil {
				return total, c.opError("write", err)
			}
			total += int64(v.Len())
		}
		if readErr == io.EOF {
			return total, nil
		}
		if readErr != nil {
			return total, readErr
		}
	}
}

// waitForSpace waits until there is room in the send buffer.
func (c *TCPConn) waitForSpace() error {
	s := c.shard
	now, err := c.awaitSpace(s.lock())
	s.flushAndUnlock(now)
	return err
}

// sendView sends v, whose reference it takes, when no other write is under way.
func (c *TCPConn) sendView(v buf.View) error {
	s := c.shard
	now, err := c.beginWrite(s.lock())
	if err != nil {
		s.flushAndUnlock(now)
		v.Release()
		return err
	}
	err = c.queue(now, v)
	c.endWrite()
	s.flushAndUnlock(now)
	return err
}

// filler reads into blocks, several reads into one, so that a source of small
// pieces does not pin much memory. Blocks are small until reads fill them.
type filler struct {
	block *buf.Block
	used  int
	full  bool // the last read filled all the room that it got
}

// read reads once from r. The caller owns the view.
func (f *filler) read(r io.Reader) (buf.View, error) {
	room := f.room()
	n, err := r.Read(room)
	return f.view(n, len(room)), err
}

// room is where the next bytes go.
func (f *filler) room() []byte {
	if f.block == nil {
		size := buf.MediumSize
		if f.full {
			size = chunkSize
		}
		f.block, f.used = buf.Get(size), 0
	}
	room := f.block.Bytes()[f.used:]
	return room[:min(len(room), chunkSize)]
}

// view is the n bytes that came, of so many for which there was room. The caller owns it.
func (f *filler) view(n, room int) buf.View {
	if f.full = n == room; n == 0 {
		return buf.View{}
	}
	v := buf.MakeView(f.block, f.used, n)
	v.Retain()
	// A small rest of a block would make small reads: it is given up.
	if f.used += n; f.used > f.block.Cap()*3/4 {
		f.release()
	}
	return v
}

func (f *filler) release() {
	if f.block != nil {
		f.block.Release()
		f.block = nil
	}
}
