package handfast

import (
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// TCPConn is a TCP connection. It is a net.Conn that behaves like a
// *net.TCPConn, without what needs a file descriptor of its own. Its methods may be called
// by several goroutines at the same time.
//
// It differs in one thing: a connection that was reset goes on failing with
// ECONNRESET when it is read, where the kernel says so once and then pretends
// an orderly end of the stream.
type TCPConn struct {
	shard *shard
	entry *tcp.Entry

	// The shard's lock guards the rest.
	readers, writers            waitList
	readDeadline, writeDeadline clock.Time
	probes                      probes
	linger                      int32 // seconds; below zero: Close does not wait
	network                     network
	flags                       connFlags
}

// connFlags are what a connection remembers of the program's calls.
type connFlags uint8

const (
	connClosed     connFlags = 1 << iota // Close was called
	connReadClosed                       // CloseRead was called
	connWriting                          // a Write is under way: others wait
	connFailed                           // a call has returned why the connection failed
	connPiecemeal                        // the last small write found data that was not acknowledged
)

func newTCPConn(s *shard, n network, p probes) *TCPConn {
	return &TCPConn{
		shard: s, network: n, linger: -1, probes: p,
		readDeadline: clock.Never, writeDeadline: clock.Never,
	}
}

// start gives a new connection the options that package net gives it. The
// caller is in the shard.
func (c *TCPConn) start(now clock.Time, e *tcp.Entry) {
	c.entry, e.Owner = e, c
	c.shard.tcp.SetNoDelay(now, e, true)
	if c.probes.on {
		c.shard.tcp.SetKeepAlive(now, e, c.probes.config())
	}
}

// becomeReady wakes the calls that wait for what c has become ready for.
func (c *TCPConn) becomeReady(r tcp.Ready) {
	if r&^tcp.Writable != 0 {
		c.readers.wakeAll()
	}
	if r&^tcp.Readable != 0 {
		c.writers.wakeAll()
	}
}

func (c *TCPConn) wakeAll() {
	c.readers.wakeAll()
	c.writers.wakeAll()
}

// dead returns why no call can do anything any more, nil when one can.
func (c *TCPConn) dead() error {
	if c.flags&connClosed != 0 {
		return net.ErrClosed
	}
	return c.shard.err
}

// usable returns why a call that waits cannot go on.
func (c *TCPConn) usable(now, deadline clock.Time) error {
	if err := c.dead(); err != nil {
		return err
	}
	if deadline <= now {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// Read reads what has arrived, at most len(p) bytes, and waits when there is
// nothing. It returns io.EOF after the peer's last byte.
func (c *TCPConn) Read(p []byte) (int, error) {
	n, err := c.read(p)
	if err != nil && err != io.EOF {
		err = c.opError("read", err)
	}
	return n, err
}

// takeViews is how many pieces of received data a call takes without
// allocating.
const takeViews = 32

func (c *TCPConn) read(p []byte) (n int, err error) {
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
	s := c.shard
	now := s.enter()
	for {
		if err := c.dead(); err != nil || limit == 0 {
			s.leave(now)
			return nil, err
		}
		err := c.usable(now, c.readDeadline)
		if err == nil {
			dst = s.tcp.Take(now, c.entry, limit, dst)
			err = c.endOfStream(len(dst))
		}
		if err != nil || len(dst) > 0 {
			s.leave(now)
			return dst, err
		}
		now = s.wait(&c.readers, now, c.readDeadline)
	}
}

// endOfStream returns how the stream has ended, nil when it has not or when
// there were bytes to take.
func (c *TCPConn) endOfStream(taken int) error {
	e := c.entry
	switch {
	case taken > 0:
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

// LocalAddr returns our end, a *net.TCPAddr.
func (c *TCPConn) LocalAddr() net.Addr {
	t := c.entry.Tuple()
	return tcpAddr(t.Local, t.LocalPort)
}

// RemoteAddr returns the peer's end, a *net.TCPAddr.
func (c *TCPConn) RemoteAddr() net.Addr {
	t := c.entry.Tuple()
	return tcpAddr(t.Remote, t.RemotePort)
}

func tcpAddr(a wire.Addr, port uint16) *net.TCPAddr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.Netip(), port))
}

// opError dresses err as package net does.
func (c *TCPConn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: c.network.String(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
