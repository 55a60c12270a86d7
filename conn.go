package handfast

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/internal/descriptor"
)

// TCPConn is a TCP connection. It is a net.Conn that behaves like a
// *net.TCPConn, without what needs a file descriptor of its own. Its methods may be called
// by several goroutines at the same time.
//
// It differs in what the package documentation lists, and in this: a connection that was reset goes on failing with
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
// caller has locked the shard.
func (c *TCPConn) start(now clock.Time, e *tcp.Entry) {
	c.entry, e.Owner = e, c
	c.shard.tcp.SetNoDelay(now, e, true)
	if c.probes.on {
		c.shard.tcp.SetKeepAlive(now, e, c.probes.config())
	}
}

// becomeReady wakes the calls that wait for what c has become ready for.
func (c *TCPConn) becomeReady(_ int, r tcp.Ready) {
	// Readers are woken by all but room to write: a failure concerns both sides, and
	// so does the handshake, for whose end a dial waits among the readers.
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

// dead returns why all calls fail from now on, nil while they work.
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

// opError dresses err as package net does.
func (c *TCPConn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: c.network.String(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// Close ends the connection. Blocked calls fail with net.ErrClosed. What was
// written is still sent, in the background; SetLinger changes that. When
// received data was not read the peer gets a reset.
func (c *TCPConn) Close() error {
	s := c.shard
	now := s.lock()
	if c.flags&connClosed != 0 {
		s.flushAndUnlock(now)
		return c.opError("close", net.ErrClosed)
	}
	// Before anything waits: a call that is blocked must fail, and not see the end that
	// follows as one of the peer's.
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
	s.flushAndUnlock(now)
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

// CloseRead shuts down the reading side: Read returns io.EOF when there is nothing to read,
// and does not wait. As with the kernel's the peer is not told: what it still sends is
// acknowledged, and read, until the receive buffer is full.
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
// connection any more. In TIME-WAIT both directions are over: the kernel calls that
// not connected, too.
func (c *TCPConn) shutdown(do func(now clock.Time)) error {
	s := c.shard
	now := s.lock()
	defer s.flushAndUnlock(now)
	if err := c.dead(); err != nil {
		return c.opError("close", err)
	}
	if st := c.entry.State(); st == tcp.Closed || st == tcp.TimeWait {
		return c.opError("close", os.NewSyscallError("shutdown", syscall.ENOTCONN))
	}
	do(now)
	return nil
}

// RelayFrom sends what it reads from r, and CloseWrite follows when r has ended: the FIN
// goes with the last bytes where both are there at the same time. It is for programs that
// carry a connection on. When it fails the direction is not closed.
func (c *TCPConn) RelayFrom(r io.Reader) (int64, error) {
	n, closed, err := c.relaySocket(r)
	if errors.Is(err, errNoSocket) {
		n, err = c.readFrom(r)
	}
	if err != nil {
		return n, c.opError("readfrom", err)
	}
	if !closed {
		c.CloseWrite() // fails where the connection has ended meanwhile: then nothing is left to say
	}
	return n, nil
}

// errNoSocket is of what has no descriptor that we could use: all is copied by its methods.
var errNoSocket = errors.New("handfast: no socket")

// fromSocket is a RelayFrom of a socket. It reads until there is nothing more before it sends:
// so the FIN that follows an answer is found in time, and a read that finds nothing is made once.
type fromSocket struct {
	conn   *TCPConn
	in     filler
	total  int64
	left   buf.View // what could not be queued at once
	closed bool     // the FIN is queued
	over   bool     // r has ended, or failed
	err    error
}

// relaySocket is RelayFrom of a *net.TCPConn. Closed says that CloseWrite is done.
func (c *TCPConn) relaySocket(r io.Reader) (n int64, closed bool, err error) {
	t, ok := r.(*net.TCPConn)
	if !ok || !descriptor.Works {
		return 0, false, errNoSocket
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return 0, false, err
	}
	p := fromSocket{conn: c}
	defer p.in.release()
	pump := p.pump
	for !p.over {
		// While the socket is locked nothing waits but for it: its Close waits for us.
		if err := c.waitForSpace(); err != nil {
			return p.total, false, err
		}
		if err := raw.Read(pump); err != nil {
			return p.total, false, err
		}
		if err := p.sendLeft(); err != nil {
			return p.total, false, err
		}
	}
	return p.total, p.closed, p.err
}

// sendLeft sends what could not be queued at once.
func (p *fromSocket) sendLeft() error {
	n := p.left.Len()
	if n == 0 {
		return nil
	}
	v := p.left
	p.left = buf.View{}
	if err := p.conn.sendView(v); err != nil {
		return err
	}
	p.total += int64(n)
	return nil
}

// pump reads and sends what there is. It returns false when that is nothing.
func (p *fromSocket) pump(fd uintptr) bool {
	for p.conn.hasSpace() {
		v, err := p.in.drain(fd)
		p.over = err != nil && err != syscall.EAGAIN
		if v.Len() > 0 && !p.send(v, err == io.EOF) {
			return true
		}
		switch err {
		case nil:
		case syscall.EAGAIN:
			p.in.release() // an idle connection holds no block
			return false
		case io.EOF:
			return true
		default:
			p.err = os.NewSyscallError("read", err)
			return true
		}
	}
	return true
}

// send queues v, with the FIN behind it if this was the last. It reports false when somebody
// else writes, or the connection has ended: sendLeft waits, and says why.
func (p *fromSocket) send(v buf.View, last bool) bool {
	c := p.conn
	s := c.shard
	now := s.lock()
	if c.writable(now) != nil || c.flags&connWriting != 0 {
		s.mu.Unlock()
		p.left = v
		return false
	}
	p.total += int64(v.Len())
	s.tcp.Send(now, c.entry, v)
	if last {
		s.tcp.CloseWrite(now, c.entry)
		c.writers.wakeAll()
		p.closed = true
	}
	s.flushAndUnlock(now)
	return true
}

// hasSpace reports whether something may be queued.
func (c *TCPConn) hasSpace() bool {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	return c.dead() == nil && c.entry.SendSpace() > 0
}

// drain reads until the room is full (nil), nothing is there (EAGAIN) or nothing will
// come: io.EOF, or the error. The caller owns the view.
func (f *filler) drain(fd uintptr) (v buf.View, err error) {
	room := f.room()
	n := 0
	for m := 0; n < len(room) && err == nil; n += m {
		if m, err = descriptor.Read(fd, room[n:]); m == 0 && err == nil {
			err = io.EOF
		}
	}
	return f.view(n, len(room)), err
}
