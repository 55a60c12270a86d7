package handfast

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/internal/descriptor"
)

// RelayTo is WriteTo for a w to which nobody else writes until it returns. What is little, and
// goes to a *net.TCPConn, is written by the goroutine that has received it: another one would
// have to be woken first.
func (c *TCPConn) RelayTo(w io.Writer) (int64, error) {
	n, err := c.relayToSocket(w)
	if errors.Is(err, descriptor.ErrNoSocket) { // none that we could use: all is copied by its methods
		n, err = c.writeTo(w)
	}
	if err != nil {
		err = c.opError("writeto", err)
	}
	return n, err
}

// relayToSocket is RelayTo a *net.TCPConn.
func (c *TCPConn) relayToSocket(w io.Writer) (int64, error) {
	t, ok := w.(*net.TCPConn)
	if !ok || !descriptor.Works {
		return 0, descriptor.ErrNoSocket
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return 0, err
	}
	out := toSocket{conn: t, raw: raw}
	out.once = out.writeOnce
	k := eager{conn: c, write: out.write}
	return k.relayTo(w)
}

// toSocket writes without waiting.
type toSocket struct {
	conn *net.TCPConn
	raw  syscall.RawConn
	once func(fd uintptr) bool // made once

	text []byte
	n    int
	err  error
}

// write writes what the socket takes, and returns the rest. It releases the others.
func (o *toSocket) write(views []buf.View) (rest []buf.View, err error) {
	for len(views) > 0 {
		v := views[0]
		o.text = v.Bytes()
		if err := o.raw.Write(o.once); err != nil {
			return views, err
		}
		switch {
		case o.err == syscall.EAGAIN:
			return views, nil
		case o.err != nil:
			err := os.NewSyscallError("write", o.err)
			return views, &net.OpError{Op: "write", Net: "tcp", Source: o.conn.LocalAddr(), Addr: o.conn.RemoteAddr(), Err: err}
		case o.n < v.Len():
			views[0] = v.Slice(o.n, v.Len()) // it has v's reference
			return views, nil
		}
		v.Release()
		views = views[1:]
	}
	return nil, nil
}

// writeOnce is what a RawConn calls. It never asks to be called again.
func (o *toSocket) writeOnce(fd uintptr) bool {
	o.n, o.err = descriptor.Write(fd, o.text)
	o.text = nil
	return true
}

func length(views []buf.View) (n int64) {
	for _, v := range views {
		n += int64(v.Len())
	}
	return n
}

// mostEager is how many bytes a goroutine writes that has something else to do: larger
// amounts are worth one of their own, beside which more is received.
const mostEager = 16 << 10

// eager is a RelayTo that waits. When something has come for it, whoever has unlocked the
// shard calls deliver. The shard's lock guards it.
type eager struct {
	conn  *TCPConn
	write func(views []buf.View) (rest []buf.View, err error) // does not block

	waiter   *waiter
	deadline clock.Time // until which it waits
	waiting  bool       // the goroutine of RelayTo does nothing else
	queued   bool       // deliver is due, or runs
	next     *eager

	room  [takeViews]buf.View
	left  []buf.View // what write did not take
	total int64
	err   error // of write
}

// wake has deliver called. The shard is locked.
func (k *eager) wake() {
	if s := k.conn.shard; !k.queued {
		k.queued = true
		k.next, s.eager = s.eager, k
	}
}

// takeEager returns the list of those for whom something has come.
func (s *shard) takeEager() *eager {
	k := s.eager
	s.eager = nil
	return k
}

// deliverAll serves a list without the shard's lock.
func (k *eager) deliverAll() {
	for k != nil {
		next := k.next // before deliver: then k may be on another list
		k.deliver()
		k = next
	}
}

// deliver writes what has come while that is little. All else, an end and an error too, is
// for the goroutine that waits.
func (k *eager) deliver() {
	c := k.conn
	s := c.shard
	now := s.lock()
	for k.waiting && k.little() {
		views := s.tcp.Take(now, c.entry, mostEager, k.room[:0])
		s.flushAndUnlock(now)
		n := length(views)
		rest, err := k.write(views)
		now = s.lock()
		k.total += n - length(rest)
		if k.left, k.err = rest, err; len(rest) > 0 || err != nil {
			break
		}
	}
	if k.queued = false; k.done() {
		k.waiter.hand()
	}
	s.flushAndUnlock(now)
}

// done reports whether the goroutine that waits has something to do.
func (k *eager) done() bool {
	c := k.conn
	return !k.waiting || len(k.left) > 0 || k.err != nil || c.dead() != nil ||
		c.prospect() != descriptor.Nothing || c.readDeadline != k.deadline
}

// little reports whether so much waits that deliver may write it.
func (k *eager) little() bool {
	n := k.conn.entry.Buffered()
	return n > 0 && n <= mostEager && k.conn.dead() == nil
}

// wait waits until there is something for the goroutine of RelayTo, and locks the shard again.
func (k *eager) wait(now clock.Time) clock.Time {
	c := k.conn
	s := c.shard
	w := s.waiters.begin(&c.readers, now, c.readDeadline)
	w.eager, k.waiter, k.waiting, k.deadline = k, w, true, c.readDeadline
	s.flushAndUnlock(now)
	w.await(nil)
	now = s.lock()
	// A deadline may come while another goroutine delivers: what that has taken is written first.
	for k.waiting = false; k.queued; now = s.lock() {
		s.mu.Unlock()
		<-w.wake
	}
	w.eager = nil
	s.waiters.end(&c.readers, w)
	return now
}

// nextViews takes what is for the goroutine of RelayTo: what write left, or what has come.
func (k *eager) nextViews(dst []buf.View) ([]buf.View, error) {
	c := k.conn
	s := c.shard
	now := s.lock()
	for {
		err := c.usable(now, c.readDeadline)
		switch {
		case k.err != nil || len(k.left) > 0:
			views := append(dst, k.left...)
			k.left = nil
			s.flushAndUnlock(now)
			return views, k.err
		case err == nil:
			if err = c.endOfStream(); err == nil {
				dst = s.tcp.Take(now, c.entry, copyAtOnce, dst)
			}
		}
		if err != nil || len(dst) > 0 {
			s.flushAndUnlock(now)
			return dst, err
		}
		s.tcp.SendSyn(now, c.entry) // which may wait for a Write
		now = k.wait(now)
	}
}

// relayTo writes to w until the stream ends.
func (k *eager) relayTo(w io.Writer) (int64, error) {
	var room [takeViews]buf.View
	for {
		views, err := k.nextViews(room[:0])
		if err != nil {
			for _, v := range views {
				v.Release()
			}
			if err == io.EOF {
				err = nil
			}
			return k.sum(0), err
		}
		n, err := writeViews(w, views)
		if total := k.sum(n); err != nil {
			return total, err
		}
	}
}

// sum counts n more bytes, and returns how many were written.
func (k *eager) sum(n int64) int64 {
	k.conn.shard.mu.Lock()
	defer k.conn.shard.mu.Unlock()
	k.total += n
	return k.total
}

// RelayFrom sends what it reads from r, and CloseWrite follows when r has ended: the FIN
// goes with the last bytes where both are there at the same time. It is for programs that
// carry a connection on. When it fails the direction is not closed.
func (c *TCPConn) RelayFrom(r io.Reader) (int64, error) {
	n, closed, err := c.relaySocket(r)
	if errors.Is(err, descriptor.ErrNoSocket) {
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
		return 0, false, descriptor.ErrNoSocket
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
