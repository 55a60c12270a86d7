package handfast

import (
	"net"
	"os"
	"syscall"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/internal/setting"
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

// minBuffer is the least that SetReadBuffer and SetWriteBuffer give, in bytes.
const minBuffer = 4 << 10

// directions are those in which a connection is used.
type directions uint8

const (
	reading directions = 1 << iota
	writing
)

// SetDeadline sets both deadlines.
func (c *TCPConn) SetDeadline(t time.Time) error { return c.setDeadlines(t, reading|writing) }

// SetReadDeadline sets when a Read that waits, now or later, fails with
// os.ErrDeadlineExceeded. The zero time is never.
func (c *TCPConn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, reading) }

// SetWriteDeadline sets when a Write that waits, now or later, fails with
// os.ErrDeadlineExceeded. The zero time is never.
func (c *TCPConn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, writing) }

// setDeadlines wakes the calls that wait, each of which then goes by the new deadline:
// also one that is later, or that has passed already.
func (c *TCPConn) setDeadlines(t time.Time, of directions) error {
	at := c.shard.shared.clockTime(t)
	return c.setLocal(func(clock.Time) {
		if of&reading != 0 {
			c.readDeadline = at
			c.readers.wakeAll()
		}
		if of&writing != 0 {
			c.writeDeadline = at
			c.writers.wakeAll()
		}
	})
}

// set changes an option.
func (c *TCPConn) set(do func(now clock.Time)) error {
	if err := c.change(do); err != nil {
		return c.opError("set", err)
	}
	return nil
}

// setLocal changes an option that package net takes for one of the local end
// alone, which shows in its errors.
func (c *TCPConn) setLocal(do func(now clock.Time)) error {
	if err := c.change(do); err != nil {
		return &net.OpError{Op: "set", Net: c.network.String(), Addr: c.LocalAddr(), Err: err}
	}
	return nil
}

func (c *TCPConn) change(do func(now clock.Time)) error {
	s := c.shard
	now := s.lock()
	defer s.flushAndUnlock(now)
	if err := c.dead(); err != nil {
		return err
	}
	do(now)
	return nil
}

// SetLinger says what Close does with data that is not acknowledged. Below
// zero, the default, it is sent in the background. Zero throws it away and
// resets the connection. Above zero Close waits that many seconds, at most,
// until all of it is acknowledged; the rest is sent in the background.
func (c *TCPConn) SetLinger(sec int) error {
	return c.set(func(clock.Time) { c.linger = int32(min(max(sec, -1), 1<<30)) })
}

// SetNoDelay says whether data is sent at once (true, the default) or small
// segments wait for an acknowledgement, by Nagle's algorithm.
func (c *TCPConn) SetNoDelay(noDelay bool) error {
	return c.set(func(now clock.Time) { c.shard.tcp.SetNoDelay(now, c.entry, noDelay) })
}

// SetCork holds back what is less than a full segment until it is called again with false, as
// TCP_CORK does in Linux: for who writes a message in pieces. It holds nothing for longer than
// a retransmission timeout, 200 ms or more, in which nothing else was under way.
func (c *TCPConn) SetCork(on bool) error {
	return c.set(func(now clock.Time) { c.shard.tcp.SetCork(now, c.entry, on) })
}

// SetQuickAck has what has arrived acknowledged now, and the next segments at once, as many as
// Config.TCP.QuickAcks; or, with false, all with the usual delay. Like TCP_QUICKACK in Linux it
// does not stay.
func (c *TCPConn) SetQuickAck(on bool) error {
	return c.set(func(now clock.Time) { c.shard.tcp.SetQuickAck(now, c.entry, on) })
}

// SetNotSentLowat sets how many bytes may wait to be sent for the first time before a Write
// waits, as TCP_NOTSENT_LOWAT does in Linux: it goes on when less than half of them wait. 0 is
// Config.TCP.NotSentLowat.
func (c *TCPConn) SetNotSentLowat(bytes int) error {
	return c.set(func(now clock.Time) { c.shard.tcp.SetNotSentLowat(now, c.entry, max(bytes, 0)) })
}

// SetTOS sets the DiffServ field of what is sent, the upper six bits of the octet TOS or traffic
// class, as IP_TOS and IPV6_TCLASS do in Linux. The lower two belong to ECN, whatever tos has
// there. It fails with EINVAL outside 0 to 255.
func (c *TCPConn) SetTOS(tos int) error {
	if tos < 0 || tos > 255 {
		return c.opError("set", os.NewSyscallError("setsockopt", syscall.EINVAL))
	}
	return c.set(func(now clock.Time) { c.shard.tcp.SetTOS(now, c.entry, uint8(tos)) })
}

// SetTTL sets the TTL, or hop limit, of what is sent, as IP_TTL and IPV6_UNICAST_HOPS do in
// Linux: 1 to 255, or -1 for the default, 64. It fails with EINVAL for all else.
func (c *TCPConn) SetTTL(ttl int) error {
	if ttl < -1 || ttl == 0 || ttl > 255 {
		return c.opError("set", os.NewSyscallError("setsockopt", syscall.EINVAL))
	}
	return c.set(func(now clock.Time) { c.shard.tcp.SetTTL(now, c.entry, uint8(max(ttl, 0))) })
}

// beforehand is what a dialer or a listener sets before the first segment: what Linux takes as
// options of a socket that is not connected.
type beforehand struct{ tos, ttl, mss, synRetries, lowat int }

// check refuses what is outside its range. of is whose fields they are.
func (b beforehand) check(of string, mostRetries int) error {
	return setting.Check([]setting.Setting{
		setting.Of(of+".TOS", &b.tos, 0, 0, 255),
		setting.Of(of+".TTL", &b.ttl, 0, 0, 255),
		setting.Of(of+".MaxSegment", &b.mss, 0, tcp.MinMaxSegment, tcp.MaxMaxSegment),
		setting.Of(of+".SynRetries", &b.synRetries, 0, 0, mostRetries),
		setting.Of(of+".NotSentLowat", &b.lowat, 0, 0, tcp.MaxBuffer),
	})
}

// open sets it for a connection whose SYN has not left.
func (b *beforehand) open(e *tcp.Endpoint, now clock.Time, en *tcp.Entry) {
	if *b == (beforehand{}) {
		return
	}
	e.SetTOS(now, en, uint8(b.tos))
	e.SetTTL(now, en, uint8(b.ttl))
	e.SetMaxSegment(now, en, b.mss)
	e.SetSynRetries(now, en, b.synRetries)
	e.SetNotSentLowat(now, en, b.lowat)
}

// listen sets it for what a listener accepts.
func (b *beforehand) listen(l *tcp.Listener) {
	l.SetTOS(uint8(b.tos))
	l.SetTTL(uint8(b.ttl))
	l.SetMaxSegment(b.mss)
	l.SetSynRetries(b.synRetries)
	l.SetNotSentLowat(b.lowat)
}

// SetReadBuffer sets how many bytes may wait to be read: at least two full
// segments, unless the buffer was smaller before. With less the peer, which has
// seen a larger window, would wait for a timer before each segment. From then on the
// buffer does not follow need, as with SO_RCVBUF of Linux.
func (c *TCPConn) SetReadBuffer(bytes int) error {
	return c.setLocal(func(now clock.Time) {
		c.shard.tcp.SetReceiveBuffer(now, c.entry, max(bytes, minBuffer))
	})
}

// SetWriteBuffer sets how many bytes may wait to be sent and acknowledged
// before a Write waits. From then on that does not follow need, as with SO_SNDBUF of
// Linux.
func (c *TCPConn) SetWriteBuffer(bytes int) error {
	return c.setLocal(func(now clock.Time) {
		c.shard.tcp.SetSendBuffer(now, c.entry, max(bytes, minBuffer))
	})
}

// SetUserTimeout sets how long data may stay unacknowledged, from when it was first sent,
// before the connection fails with ETIMEDOUT; and with keep-alive how long a silent peer is
// believed to be there. It is rounded up to milliseconds; 0 is Config.TCP.UserTimeout. As
// TCP_USER_TIMEOUT does in Linux. Where Config.TCP.UserTimeoutOption is on the peer is told,
// and its advice no longer counts (RFC 5482).
func (c *TCPConn) SetUserTimeout(d time.Duration) error {
	return c.set(func(now clock.Time) { c.shard.tcp.SetUserTimeout(now, c.entry, d) })
}

// CongestionControls returns the names of the congestion controls that there are.
func CongestionControls() []string { return cc.Names() }

// SetCongestionControl gives the connection another congestion control, one of
// CongestionControls(), as TCP_CONGESTION does in Linux. It goes on with the window
// that there is. The error of a name that does not exist lists those that do.
func (c *TCPConn) SetCongestionControl(name string) error {
	var err error
	if failed := c.set(func(now clock.Time) { err = c.shard.tcp.SetCongestionControl(now, c.entry, name) }); failed != nil {
		return failed
	}
	if err != nil {
		return c.opError("set", err)
	}
	return nil
}

// MultipathTCP reports whether the connection is one of Multipath TCP; it never
// is.
func (c *TCPConn) MultipathTCP() (bool, error) { return false, nil }

// probes are a connection's keep-alive settings, in seconds.
type probes struct {
	idle, interval uint32
	count          uint16
	on             bool
}

// defaultProbes are those of package net.
var defaultProbes = probes{idle: 15, interval: 15, count: 9}

// probes returns the keep-alive settings of a new connection.
func (c *Config) probes() probes {
	p := defaultProbes
	p.on = !c.NoKeepAlive
	return p
}

func (p *probes) config() tcp.KeepAlive {
	if !p.on {
		return tcp.KeepAlive{}
	}
	return tcp.KeepAlive{
		Idle:     time.Duration(p.idle) * time.Second,
		Interval: time.Duration(p.interval) * time.Second,
		Count:    int(p.count),
	}
}

// Linux's limits of what probes can be set to.
const (
	maxProbeSeconds = 32767
	maxProbeCount   = 127
)

// setSeconds sets a field as package net does: rounded up to a second, zero is
// the default, below zero leaves it alone.
func setSeconds(field *uint32, d time.Duration, byDefault uint32) {
	switch {
	case d == 0:
		*field = byDefault
	case d > 0:
		*field = uint32(min((d-1)/time.Second+1, maxProbeSeconds))
	}
}

func (c *TCPConn) setProbes(change func(p *probes)) error {
	return c.set(func(now clock.Time) {
		change(&c.probes)
		c.shard.tcp.SetKeepAlive(now, c.entry, c.probes.config())
	})
}

// SetKeepAlive says whether an idle connection is probed.
func (c *TCPConn) SetKeepAlive(keepalive bool) error {
	return c.setProbes(func(p *probes) { p.on = keepalive })
}

// SetKeepAlivePeriod sets how long a connection is idle before it is probed;
// zero is 15 s, below zero leaves it as it is. Like Linux it fails with EINVAL
// above 32767 s.
func (c *TCPConn) SetKeepAlivePeriod(d time.Duration) error {
	if d > maxProbeSeconds*time.Second {
		return c.opError("set", os.NewSyscallError("setsockopt", syscall.EINVAL))
	}
	return c.setProbes(func(p *probes) { setSeconds(&p.idle, d, defaultProbes.idle) })
}

// SetKeepAliveConfig sets all that concerns keep-alive. As in package net a
// field that is zero means its default (15 s, 15 s, 9 probes), and one below
// zero leaves the setting as it is. Like Linux it fails with EINVAL above
// 32767 s and 127 probes, and then changes nothing.
func (c *TCPConn) SetKeepAliveConfig(config net.KeepAliveConfig) error {
	if max(config.Idle, config.Interval) > maxProbeSeconds*time.Second || config.Count > maxProbeCount {
		return c.opError("set", os.NewSyscallError("setsockopt", syscall.EINVAL))
	}
	return c.setProbes(func(p *probes) { p.set(config) })
}

func (p *probes) set(config net.KeepAliveConfig) {
	p.on = config.Enable
	setSeconds(&p.idle, config.Idle, defaultProbes.idle)
	setSeconds(&p.interval, config.Interval, defaultProbes.interval)
	switch {
	case config.Count == 0:
		p.count = defaultProbes.count
	case config.Count > 0:
		p.count = uint16(min(config.Count, maxProbeCount))
	}
}
