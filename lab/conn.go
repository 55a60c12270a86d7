package lab

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/oracle"
)

// Errors of a program's calls, in the words of the system calls' errors. The
// end of the stream is io.EOF.
var (
	ErrReset       = errors.New("connection reset")
	ErrRefused     = errors.New("connection refused")
	ErrTimedOut    = errors.New("timed out")
	ErrUnreachable = errors.New("unreachable")
	ErrAborted     = errors.New("aborted")
	ErrClosed      = errors.New("closed")
	ErrInUse       = errors.New("address in use")
	ErrNoHost      = errors.New("no such host")
)

// failureError names a failure as a program would hear of it: of the engine's reasons some
// are one errno.
func failureError(f tcp.Failure) error {
	switch f {
	case tcp.Reset:
		return ErrReset
	case tcp.Refused:
		return ErrRefused
	case tcp.TimedOut:
		return ErrTimedOut
	case tcp.HostUnreachable, tcp.NetworkUnreachable, tcp.ProtocolError:
		return ErrUnreachable
	case tcp.Aborted:
		return ErrAborted
	}
	return ErrClosed
}

// Conn is a program's end of a connection.
type Conn struct {
	proc *Proc
	*end
}

// end is what programs share that use the same connection.
type end struct {
	entry  *tcp.Entry
	boot   int // of the host when the connection was made
	linger time.Duration
	closed bool
	stream oracle.Stream // that it writes
}

// For returns the same connection for another program on the same host.
func (c *Conn) For(p *Proc) *Conn { return &Conn{p, c.end} }

// Listener is a port on which a program listens.
type Listener struct {
	proc *Proc
	l    *tcp.Listener
	boot int
}

// Listen listens on a port. It fails with ErrInUse.
func (p *Proc) Listen(port uint16, backlog int) (*Listener, error) {
	l, err := p.node.host.TCP().Listen(wire.Addr{}, port, backlog, p)
	if err != nil {
		return nil, ErrInUse
	}
	return &Listener{proc: p, l: l, boot: p.node.boots}, nil
}

// Accept waits for a connection, at most until the given instant: it fails
// with ErrTimedOut then.
func (l *Listener) Accept(until clock.Time) (*Conn, error) {
	p := l.proc
	var en *tcp.Entry
	p.Wait(func() bool {
		// A host that has rebooted has a new endpoint, in which the old listener means
		// nothing.
		if en == nil && l.boot == p.node.boots {
			en = p.node.host.TCP().Accept(l.l)
		}
		return en != nil
	}, until)
	if en == nil {
		return nil, ErrTimedOut
	}
	return newConn(p, en), nil
}

// Close stops listening.
func (l *Listener) Close() {
	if l.boot == l.proc.node.boots {
		l.proc.node.host.TCP().CloseListener(l.proc.node.now(), l.l)
		l.proc.node.react()
	}
}

// newConn makes p the owner. That a linger of 0 aborts leaves less than 0 for none.
func newConn(p *Proc, en *tcp.Entry) *Conn {
	c := &Conn{p, &end{entry: en, boot: p.node.boots, linger: -1}}
	en.Owner = c
	c.beginStream()
	return c
}

// Open begins a connection to a port of a host, from a local port (0: any).
// It does not wait for the handshake.
func (p *Proc) Open(to string, port, from uint16) (*Conn, error) {
	return p.open(to, port, from, false)
}

// OpenFast is Open by TCP Fast Open, which the hosts must have: with a cookie of the peer's
// the connection may be written at once, and the SYN waits for the text that goes on it.
func (p *Proc) OpenFast(to string, port, from uint16) (*Conn, error) {
	return p.open(to, port, from, true)
}

func (p *Proc) open(to string, port, from uint16, fast bool) (*Conn, error) {
	n := p.world.node(to)
	if n == nil {
		return nil, ErrNoHost
	}
	// Ports are counted up and not drawn, so that a scenario can name them.
	if from == 0 {
		from = p.node.nextPort()
	}
	en, err := p.node.host.Connect(p.node.now(), wire.Addr{}, from, n.addr, port, p)
	switch {
	case errors.Is(err, tcp.ErrInUse):
		return nil, ErrInUse
	case err != nil:
		return nil, ErrUnreachable
	}
	if fast {
		t := en.Tuple()
		p.node.host.TCP().FastOpen(p.node.now(), en, p.node.known.Hint(p.node.now(), t.Local, t.Remote))
	}
	c := newConn(p, en)
	p.node.react()
	return c, nil
}

// Opened waits until the connection can be written: with Fast Open that is before it is
// established.
func (c *Conn) Opened() error {
	if c.usable() && c.entry.Writable() {
		return nil
	}
	return c.Established()
}

// Dial opens a connection and waits for it to be established.
func (p *Proc) Dial(to string, port, from uint16) (*Conn, error) {
	c, err := p.Open(to, port, from)
	if err != nil {
		return nil, err
	}
	return c, c.Established()
}

// Established waits for the handshake, and returns what it failed with.
func (c *Conn) Established() error {
	c.wait(func() bool { return c.entry.State().Synchronized() || c.entry.State() == tcp.Closed }, clock.Never)
	return c.dead()
}

// wait stands still until ready, which is asked only while the host still has
// the connection.
func (c *Conn) wait(ready func() bool, until clock.Time) bool {
	return c.proc.Wait(func() bool { return !c.usable() || ready() }, until)
}

// usable reports whether the entry may still be looked at.
func (c *Conn) usable() bool { return !c.closed && c.boot == c.proc.node.boots }

// dead returns why nothing can be done with the connection, or nil.
func (c *Conn) dead() error {
	if !c.usable() {
		return ErrClosed
	}
	if c.entry.State() == tcp.Closed && c.entry.Failure() != tcp.NoFailure {
		return failureError(c.entry.Failure())
	}
	return nil
}

// State returns the connection's state, CLOSED after the program closed it.
func (c *Conn) State() tcp.State {
	if !c.usable() {
		return tcp.Closed
	}
	return c.entry.State()
}

// act calls the endpoint and puts on the wire what comes of it, at once: the packet is in the
// record behind the call that has caused it.
func (c *Conn) act(call func(e *tcp.Endpoint, now clock.Time)) {
	if c.usable() {
		call(c.proc.node.host.TCP(), c.proc.node.now())
		c.proc.node.react()
	}
}

// Read waits for data and reads up to len(b) bytes of it. It returns io.EOF
// after the last byte before the peer's FIN.
func (c *Conn) Read(b []byte) (int, error) { return c.ReadUntil(b, clock.Never) }

// ReadUntil is Read that fails with ErrTimedOut when nothing came by then.
func (c *Conn) ReadUntil(b []byte, until clock.Time) (n int, err error) {
	if !c.wait(func() bool { return c.entry.Readable() }, until) {
		return 0, ErrTimedOut
	}
	c.act(func(e *tcp.Endpoint, now clock.Time) {
		for _, v := range e.Take(now, c.entry, len(b), nil) {
			n += copy(b[n:], v.Bytes())
			v.Release()
		}
		c.judgeRead(b[:n])
	})
	switch err := c.dead(); {
	case n > 0:
		return n, nil
	case err != nil:
		c.judgeEnd(false)
		return 0, err
	}
	c.judgeEnd(true)
	return 0, io.EOF
}

// Write queues all of b, and waits while the send buffer is full.
func (c *Conn) Write(b []byte) (n int, err error) { return c.write(b, false) }

// WriteUrgent is Write of data that the reader should hurry to (RFC 6093).
func (c *Conn) WriteUrgent(b []byte) (n int, err error) { return c.write(b, true) }

func (c *Conn) write(b []byte, urgent bool) (n int, err error) {
	for n < len(b) {
		c.wait(func() bool { return c.entry.Writable() }, clock.Never)
		if err := c.dead(); err != nil {
			return n, err
		}
		took := false
		// No more than there is room for: the engine would take all, and the scenario
		// would never show a program that waits.
		k := min(len(b)-n, max(c.entry.SendSpace(), 0))
		c.act(func(e *tcp.Endpoint, now clock.Time) {
			took = k > 0 && e.SendCopy(now, c.entry, b[n:n+k])
			if took {
				c.judge(c.proc.world.Streams.Wrote(c.stream, b[n:n+k]))
			}
			if took && urgent {
				e.MarkUrgent(now, c.entry)
			}
		})
		if !took {
			return n, ErrClosed
		}
		n += k
	}
	return n, nil
}

// CloseWrite closes the sending side.
func (c *Conn) CloseWrite() error {
	if err := c.dead(); err != nil {
		return err
	}
	c.act(func(e *tcp.Endpoint, now clock.Time) { e.CloseWrite(now, c.entry) })
	c.proc.world.Streams.Closed(c.stream)
	return nil
}

// SetLinger says what Close does: less than 0, the default, it leaves the rest
// to the host; 0 it aborts; else it waits so long for the rest to be delivered.
func (c *Conn) SetLinger(d time.Duration) { c.linger = d }

// Close lets go of the connection.
func (c *Conn) Close() error {
	switch {
	case !c.usable():
		return ErrClosed
	case c.linger == 0:
		return c.Abort()
	case c.linger > 0:
		// The connection must still be held while it waits, so the FIN goes first and
		// the close follows.
		c.CloseWrite()
		c.wait(func() bool { return c.entry.Delivered() }, c.proc.world.now.Add(c.linger))
	}
	c.act(func(e *tcp.Endpoint, now clock.Time) { e.Close(now, c.entry) })
	if c.entry.Failure() != tcp.Aborted {
		c.proc.world.Streams.Closed(c.stream)
	}
	c.closed = true
	return nil
}

// Abort ends the connection with a RST.
func (c *Conn) Abort() error {
	if !c.usable() {
		return ErrClosed
	}
	c.act(func(e *tcp.Endpoint, now clock.Time) { e.Abort(now, c.entry) })
	c.closed = true
	return nil
}

// SetNoDelay turns Nagle's algorithm off, or on.
func (c *Conn) SetNoDelay(on bool) {
	c.act(func(e *tcp.Endpoint, now clock.Time) { e.SetNoDelay(now, c.entry, on) })
}

// SetKeepAlive sets the probing of an idle peer.
func (c *Conn) SetKeepAlive(k tcp.KeepAlive) {
	c.act(func(e *tcp.Endpoint, now clock.Time) { e.SetKeepAlive(now, c.entry, k) })
}

// SetUserTimeout sets how long data may stay unacknowledged.
func (c *Conn) SetUserTimeout(d time.Duration) {
	c.act(func(e *tcp.Endpoint, now clock.Time) { e.SetUserTimeout(now, c.entry, d) })
}

// SetReceiveBuffer and SetSendBuffer set the sizes of the buffers, in bytes.
func (c *Conn) SetReceiveBuffer(n int) {
	c.act(func(e *tcp.Endpoint, now clock.Time) { e.SetReceiveBuffer(now, c.entry, n) })
}

// SetSendBuffer sets at how many queued bytes Write has to wait.
func (c *Conn) SetSendBuffer(n int) {
	c.act(func(e *tcp.Endpoint, now clock.Time) { e.SetSendBuffer(now, c.entry, n) })
}

// Urgent returns how many bytes lie before the end of urgent data; 0: none is ahead.
func (c *Conn) Urgent() int {
	if !c.usable() {
		return 0
	}
	return c.entry.Urgent()
}

func (c *Conn) String() string {
	t := c.entry.Tuple()
	return fmt.Sprintf("%s:%d > %s:%d", c.proc.node.Name, t.LocalPort, c.proc.world.record.name(t.Remote), t.RemotePort)
}

// Proc returns the program whose end it is.
func (c *Conn) Proc() *Proc { return c.proc }

// Failure returns why the connection ended before its time.
func (c *Conn) Failure() tcp.Failure { return c.entry.Failure() }
