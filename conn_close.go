package handfast

import (
	"net"
	"os"
	"syscall"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// Close ends the connection. Blocked calls fail with net.ErrClosed. What was
// written is still sent, in the background; SetLinger changes that. When
// received data was not read the peer gets a reset.
func (c *TCPConn) Close() error {
	s := c.shard
	now := s.enter()
	if c.flags&connClosed != 0 {
		s.leave(now)
		return c.opError("close", net.ErrClosed)
	}
	c.flags |= connClosed
	c.wakeAll()
	switch {
	case s.err != nil:
	case c.linger == 0:
		s.tcp.Abort(now, c.entry)
	default:
		s.tcp.Close(now, c.entry)
		now = c.waitClosed(now)
	}
	s.leave(now)
	return nil
}

// waitClosed waits until the peer has acknowledged everything, our FIN
// included, but no longer than SetLinger says.
func (c *TCPConn) waitClosed(now clock.Time) clock.Time {
	if c.linger < 0 {
		return now
	}
	deadline := now.Add(time.Duration(c.linger) * time.Second)
	for !c.entry.Delivered() && now < deadline && c.shard.err == nil {
		now = c.shard.wait(&c.shard.lingering, now, deadline)
	}
	return now
}

// CloseRead shuts down the reading side: Read returns io.EOF from now on. What
// the peer still sends is acknowledged and thrown away.
func (c *TCPConn) CloseRead() error {
	return c.shutdown(func(now clock.Time) {
		c.flags |= connReadClosed
		c.shard.tcp.CloseRead(now, c.entry)
		c.readers.wakeAll()
	})
}

// CloseWrite shuts down the writing side: the peer reads what was written, then
// the end of the stream. Reading goes on.
func (c *TCPConn) CloseWrite() error {
	return c.shutdown(func(now clock.Time) {
		c.shard.tcp.CloseWrite(now, c.entry)
		c.writers.wakeAll()
	})
}

// shutdown does what shutdown(2) does, with its error when there is no
// connection any more.
func (c *TCPConn) shutdown(do func(now clock.Time)) error {
	s := c.shard
	now := s.enter()
	defer s.leave(now)
	if err := c.dead(); err != nil {
		return c.opError("close", err)
	}
	if st := c.entry.State(); st == tcp.Closed || st == tcp.TimeWait {
		return c.opError("close", os.NewSyscallError("shutdown", syscall.ENOTCONN))
	}
	do(now)
	return nil
}
