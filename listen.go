package handfast

import (
	"cmp"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/ports"
	"github.com/handfast-tcp/handfast/internal/setting"
)

// ListenOptions are options of ListenTCP.
type ListenOptions struct {
	// Backlog is how many established connections wait at most for Accept, and
	// more have to try again: 1 to MaxBacklog. Default Config.Backlog.
	Backlog int

	// Prefix is whose connections a forwarder takes; the zero one: everybody's. A
	// listener has none.
	Prefix netip.Prefix

	// Verdict is asked about every connection before its SYN is answered. It
	// must not block: it calls one of the Request's methods, now or later and
	// from any goroutine. Until then the request costs one entry of 96 bytes.
	// Nil accepts all.
	Verdict func(*Request)

	// Lost gets what Request.AcceptWith was given for a connection that will never be
	// accepted: its handshake was not completed, or the listener or the host was
	// closed. It must not block.
	Lost func(what any)

	// CongestionControl is the name of what accepted connections begin with, one
	// of CongestionControls(). Default Config.TCP.CongestionControl.
	CongestionControl string

	// TOS and TTL are those of all packets of accepted connections, from the SYN-ACK on,
	// MaxSegment what our MSS option says at most, SynRetries how often a SYN-ACK is repeated,
	// NotSentLowat how much may wait to be sent: IP_TOS, IP_TTL, TCP_MAXSEG, TCP_SYNCNT and
	// TCP_NOTSENT_LOWAT of Linux. Zero is the default of each: none, 64, as the path has it, as
	// Config.TCP has them.
	TOS, TTL, MaxSegment, SynRetries, NotSentLowat int

	// DeferAccept is for how long Accept does not return a connection whose client has sent
	// nothing after the handshake: TCP_DEFER_ACCEPT of Linux. It comes with its first text, or
	// when that time is over and the client answers once more; until then it costs no more than
	// any half-open one. It is rounded up to when a SYN-ACK would be repeated (1, 3, 7, 15, 31
	// seconds), and ends with the last time. For servers whose clients speak first. Zero: none.
	DeferAccept time.Duration

	// ECN says whether accepted connections use explicit congestion notification
	// when their peers ask, and AccECN: one of the modes. Default Config.TCP.ECN.
	ECN cc.ECNMode

	// FastOpen is how many connections Accept may return by Fast Open before their clients
	// have shown that they hear us: TCP_FASTOPEN of Linux, and at most MaxBacklog. Where
	// Config.TCP.FastOpen has fastopen.Server, such a connection comes with the text of its
	// SYN, and may be answered at once. Zero is none, unless there is fastopen.EveryListener.
	// A listener with a Verdict has none.
	FastOpen int
	// FastOpenKeys make and check its cookies, TCP_FASTOPEN_KEY of Linux: hosts with the same key
	// take each other's. Without a first one it has those of Config.TCP.
	FastOpenKeys fastopen.Keys
}

// check refuses what is outside its range.
func (o *ListenOptions) check(forwards bool) error {
	if o.Prefix.IsValid() && !forwards {
		return errors.New("handfast: ListenOptions.Prefix is for Host.Forward: a listener names its address")
	}
	b := o.beforehand()
	return cmp.Or(b.check("ListenOptions", tcp.MaxSynAckRetries), setting.Of("ListenOptions.Backlog", &o.Backlog, 0, 1, MaxBacklog).Check(),
		setting.Of("ListenOptions.DeferAccept", &o.DeferAccept, 0, 0, tcp.MaxTimeout).Check(),
		setting.Of("ListenOptions.FastOpen", &o.FastOpen, 0, 1, MaxBacklog).Check(),
		setting.Of("ListenOptions.ECN", &o.ECN, cc.ECNDefault, cc.ECNOff, cc.ECNAccurate).Check(), cc.Check(o.CongestionControl))
}

func (o *ListenOptions) beforehand() beforehand {
	return beforehand{o.TOS, o.TTL, o.MaxSegment, o.SynRetries, o.NotSentLowat}
}

// TCPListener is a port that is listened on. It is a net.Listener that behaves
// like a *net.TCPListener, without what needs a file descriptor. Its methods
// may be called by several goroutines at the same time.
type TCPListener struct {
	owner   *Host
	network network
	local   endpoint
	parts   []*tcp.Listener // one in each shard
	options ListenOptions
	verdict atomic.Pointer[func(*Request)] // nil: all are accepted
	all     bool                           // a forwarder: every address and port

	inbox // of connections to accept
}

// Listen listens on address, "host:port", of one of the networks tcp, tcp4 and
// tcp6. Without a host, or with 0.0.0.0 or [::], it listens on every address;
// port 0 is replaced by a free one, which Addr tells. Errors are those of
// package net: EADDRINUSE, EADDRNOTAVAIL.
func (h *Host) Listen(network, address string) (*TCPListener, error) {
	return h.ListenTCP(network, address, ListenOptions{})
}

// ListenTCP is Listen with options.
func (h *Host) ListenTCP(network, address string, o ListenOptions) (*TCPListener, error) {
	n, err := parseNetwork(network, netTCP, netTCP6)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	local, err := parseLocal(n, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	return h.listen(n, local, o)
}

func (h *Host) listen(n network, local endpoint, o ListenOptions) (*TCPListener, error) {
	l := &TCPListener{owner: h, network: n, local: local, options: o, inbox: inbox{deadline: clock.Never}}
	if err := h.bind(l); err != nil {
		return nil, &net.OpError{Op: "listen", Net: n.String(), Addr: tcpAddr(local.addr, local.port), Err: err}
	}
	return l, nil
}

// bind gives l its port. It holds the host's lock from the look for a free one to the
// last shard: two listeners must not find the same port free.
func (h *Host) bind(l *TCPListener) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.err != nil:
		return h.err
	case !isAny(l.local.addr) && !h.has(l.local.addr):
		return os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	case l.local.port != 0:
		return h.bindPort(l)
	}
	for port := range h.ports.Candidates(ports.Destination{Local: l.local.addr}) {
		l.local.port = port
		if err := h.bindPort(l); !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
	l.local.port = 0
	return os.NewSyscallError("bind", syscall.EADDRINUSE)
}

// bindPort makes l listen in every shard. The caller holds h.mu.
func (h *Host) bindPort(l *TCPListener) error {
	if err := l.options.check(l.all); err != nil {
		return err
	}
	l.keepVerdict(l.options.Verdict)
	same := h.listeners[l.local.port]
	// All addresses of a port are compared here, not in the shards: one of these would
	// refuse after others had agreed.
	for _, o := range same {
		if l.overlaps(o) {
			return os.NewSyscallError("bind", syscall.EADDRINUSE)
		}
	}
	backlog := l.options.Backlog
	if backlog == 0 {
		backlog = h.cfg.Backlog
	}
	// Each shard has its part of the queue, because nothing is shared where SYNs arrive:
	// rounded up, or a backlog of one would be none in most of them.
	backlog = (backlog + len(h.shards) - 1) / len(h.shards)
	for _, s := range h.shards {
		now := s.lock()
		part, err := l.listen(s.tcp, backlog)
		if err == nil {
			part.Ask = l.verdict.Load() != nil
			part.IPv6Only = part.IPv6Only || l.network == netTCP6 // a forwarder goes by its prefix
			b := l.options.beforehand()
			b.listen(part)
			part.FastOpen = (l.options.FastOpen + len(h.shards) - 1) / len(h.shards)
			part.SetFastOpenKeys(l.options.FastOpenKeys)
			part.DeferAccept = l.options.DeferAccept
			part.CongestionControl, part.ECN = l.options.CongestionControl, l.options.ECN
		}
		s.flushAndUnlock(now)
		if err != nil {
			l.closeParts()
			return refused("bind", err)
		}
		l.parts = append(l.parts, part)
	}
	h.listeners[l.local.port] = append(same, l)
	return nil
}

// listen makes one shard listen for l.
func (l *TCPListener) listen(e *tcp.Endpoint, backlog int) (*tcp.Listener, error) {
	if l.all {
		return e.Forward(l.options.Prefix, backlog, l)
	}
	return e.Listen(l.local.addr, l.local.port, backlog, l)
}

// SetVerdict replaces ListenOptions.Verdict for the SYNs that come from now on; nil accepts
// all, and under a flood then nothing is kept of a SYN. Who waits for a verdict already waits
// for the former one's.
func (l *TCPListener) SetVerdict(verdict func(*Request)) {
	h := l.owner
	h.mu.Lock()
	defer h.mu.Unlock()
	l.keepVerdict(verdict)
	for i, part := range l.parts {
		s := h.shards[i]
		s.mu.Lock()
		part.Ask = verdict != nil
		s.mu.Unlock()
	}
}

func (l *TCPListener) keepVerdict(verdict func(*Request)) {
	if verdict == nil {
		l.verdict.Store(nil)
	} else {
		l.verdict.Store(&verdict)
	}
}

// decide answers a SYN that waits for the program. That it waits was decided before, so there
// may be nobody to ask by now.
func (l *TCPListener) decide(r *Request) {
	if verdict := l.verdict.Load(); verdict != nil {
		(*verdict)(r)
	} else {
		r.Accept() // fails when the peer gave up
	}
}

// overlaps reports whether l and o, on the same port, would get the same
// connections.
func (l *TCPListener) overlaps(o *TCPListener) bool {
	a, b := l.local.addr, o.local.addr
	if l.all {
		return l.options.Prefix.Masked() == o.options.Prefix.Masked()
	}
	if isAny(a) || isAny(b) {
		return l.families()&o.families() != 0
	}
	return a == b
}

// families returns the address families that l listens for: bit 0 is IPv4, bit
// 1 is IPv6.
func (l *TCPListener) families() uint8 {
	switch {
	case l.network == netTCP4 || l.local.addr.Is4():
		return 1
	case l.network == netTCP6 || !isAny(l.local.addr):
		return 2
	}
	return 3
}

// has reports whether a is an address of the host's own.
func (h *Host) has(a wire.Addr) bool {
	s := h.shards[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.host.HasAddress(a)
}

// listens reports whether a listener has the port.
func (h *Host) listens(port uint16) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.listeners[port]) > 0
}

// closeParts makes the shards forget l. Connections not yet accepted are reset.
func (l *TCPListener) closeParts() {
	for i, part := range l.parts {
		s := l.owner.shards[i]
		now := s.lock()
		if s.err == nil {
			s.tcp.CloseListener(now, part)
		}
		s.flushAndUnlock(now)
	}
	l.parts = nil
}

// Accept waits for a connection and returns it.
func (l *TCPListener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptTCP is Accept with the connection's own type.
func (l *TCPListener) AcceptTCP() (*TCPConn, error) {
	c, _, err := l.AcceptPrepared()
	return c, err
}

// AcceptPrepared is AcceptTCP that also returns what Request.AcceptWith was given
// for the connection. That is nil where the connection was accepted without, and
// where it had to make room for others in a flood and its handshake was completed
// in spite of that, by a SYN cookie: then Lost got it.
func (l *TCPListener) AcceptPrepared() (c *TCPConn, what any, err error) {
	for {
		shard, err := l.awaitShard(&l.owner.shared)
		if err != nil {
			return nil, nil, &net.OpError{Op: "accept", Net: l.network.String(), Addr: l.Addr(), Err: err}
		}
		if c, what = l.acceptFrom(l.owner.shards[shard]); c != nil {
			return c, what, nil
		}
	}
}

// acceptFrom takes a connection out of a shard; nil when it has none.
func (l *TCPListener) acceptFrom(s *shard) (c *TCPConn, what any) {
	now := s.lock()
	defer s.flushAndUnlock(now)
	if s.err != nil || l.failure() != nil {
		return nil, nil
	}
	// The shard said so, and yet there may be none: another Accept was faster, or the
	// connection was reset while it waited.
	e := s.tcp.Accept(l.parts[s.index])
	if e == nil {
		return nil, nil
	}
	if p, ok := e.Owner.(*prepared); ok {
		what = p.what
	}
	c = newTCPConn(s, l.network, l.owner.cfg.probes())
	c.start(now, e)
	l.becomeReady(s.index, tcp.Acceptable) // there may be more
	return c, what
}

// Close stops listening. Connections not yet accepted are reset;
// accepted ones go on.
func (l *TCPListener) Close() error {
	if !l.stop(net.ErrClosed) {
		return &net.OpError{Op: "close", Net: l.network.String(), Addr: l.Addr(), Err: net.ErrClosed}
	}
	h := l.owner
	h.mu.Lock()
	defer h.mu.Unlock()
	l.closeParts()
	h.forget(l)
	if l.all {
		h.setForwarded()
	}
	return nil
}

// forget frees l's port. The caller holds h.mu.
func (h *Host) forget(l *TCPListener) {
	rest := h.listeners[l.local.port]
	for i, o := range rest {
		if o == l {
			rest = append(rest[:i:i], rest[i+1:]...)
			break
		}
	}
	if len(rest) == 0 {
		delete(h.listeners, l.local.port) // also from nil: a host that is closed has none
		return
	}
	h.listeners[l.local.port] = rest
}

// Addr returns where l listens, a *net.TCPAddr.
func (l *TCPListener) Addr() net.Addr { return tcpAddr(l.local.addr, l.local.port) }

// SetDeadline sets when an Accept that waits, now or later, fails with
// os.ErrDeadlineExceeded. The zero time is never.
func (l *TCPListener) SetDeadline(t time.Time) error {
	at := l.owner.clockTime(t)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.deadline = at
	l.waiting.wakeAll()
	return nil
}
