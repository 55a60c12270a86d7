package handfast

import (
	"net"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
)

// smallWrite is up to how many bytes a write is copied while the shard is
// locked, behind what is queued; copying more would keep others waiting.
const smallWrite = 4 << 10

// chunkSize is how much of a write is copied and queued at once, in bytes.
const chunkSize = 64 << 10

// firstChunk returns how much of a write of n bytes goes into the next block. A
// block is not taken for a small part of it: what is queued holds all of it.
func firstChunk(n int) int {
	if n < buf.LargeSize/2 {
		return min(n, buf.MediumSize)
	}
	return min(n, chunkSize)
}

// Write queues p to be sent, and waits while the send buffer is full. The
// writes of several goroutines do not mix. When it fails, n bytes of p were
// queued.
//
// A small Write that follows others, of which the peer has acknowledged nothing
// yet, is sent by another goroutine, at once but perhaps together with those
// that come next.
func (c *TCPConn) Write(p []byte) (n int, err error) {
	pieces := [1][]byte{p}
	n, err = c.write(pieces[:])
	if err != nil {
		err = c.opError("write", err)
	}
	return n, err
}

// WriteBuffers writes all of v as one Write, in as few segments as it takes, and
// removes from v what was written. It is for what net.Buffers.WriteTo does with
// connections of package net alone: for ours that calls Write for each piece.
func (c *TCPConn) WriteBuffers(v *net.Buffers) (int64, error) {
	n, err := c.write(*v)
	consume(v, n)
	if err != nil {
		err = c.opError("write", err)
	}
	return int64(n), err
}

func (c *TCPConn) write(pieces [][]byte) (n int, err error) {
	s := c.shard
	rest := unwritten{pieces: pieces}
	size := rest.count()
	now, err := c.beginWrite(s.enter())
	if err != nil {
		s.leave(now)
		return 0, err
	}
	soon := false
	for {
		if now, err = c.awaitSpace(now); err != nil {
			break
		}
		if size-n <= smallWrite {
			soon = size <= smallWrite && c.piecemeal()
			for len(rest.pieces) > 0 {
				s.tcp.SendCopy(now, c.entry, rest.next())
			}
			n = size
			break
		}
		s.leave(now)
		v := rest.copyIn(firstChunk(size - n))
		now = s.enter()
		if err = c.queue(now, v); err != nil {
			break
		}
		if n += v.Len(); n == size {
			break
		}
	}
	c.endWrite()
	if soon {
		s.leaveSoon(now)
	} else {
		s.leave(now)
	}
	return n, err
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

// consume removes n bytes from v, as net.Buffers.WriteTo does.
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
// is in the shard, and on success calls endWrite.
func (c *TCPConn) beginWrite(now clock.Time) (clock.Time, error) {
	for {
		if err := c.writable(now); err != nil {
			return now, err
		}
		if c.flags&connWriting == 0 {
			c.flags |= connWriting
			return now, nil
		}
		now = c.shard.wait(&c.writers, now, c.writeDeadline)
	}
}

func (c *TCPConn) endWrite() {
	c.flags &^= connWriting
	c.writers.wakeAll()
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

// queue sends v, whose reference it takes. The caller is in the shard.
func (c *TCPConn) queue(now clock.Time, v buf.View) error {
	if err := c.writable(now); err != nil {
		v.Release()
		return err
	}
	c.shard.tcp.Send(now, c.entry, v)
	return nil
}
