package gateway

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/internal/setting"
)

// Dialer opens the other side of a flow: *net.Dialer, *handfast.Dialer, or what
// speaks with a proxy. Network is tcp or udp. A connection that has no CloseWrite is
// closed when either direction ends. Writing to one of UDP must not block for long:
// all sessions wait for it.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Config says what a gateway does. Only Host is needed.
type Config struct {
	// Host is where the flows end. The gateway takes its Forward, ForwardPacket and
	// ForwardEcho.
	Host *handfast.Host
	// Prefix is whose flows the gateway takes; the zero one: everybody's.
	Prefix netip.Prefix
	// Dialer opens the other side; default a net.Dialer.
	Dialer Dialer
	// Policy decides about each new flow before anything is dialled. It must not
	// block, and is called by several goroutines at the same time. Nil lets all pass.
	Policy func(Flow) Route

	// Ping opens what carries echo requests to an address; default DialPing. It must
	// not block. Where it fails the client is told that it is prohibited, or why there
	// is no way.
	Ping func(to netip.Addr) (Pinger, error)

	// Ended is told of each flow that has ended, by several goroutines at the same time.
	// It must not block. Nil: nobody is.
	Ended func(End)

	// MaxDials is how many dials are under way at most, 1 to MaxEntries; default
	// 1024. Another one takes the place of one of the client, or to the destination, that
	// has the most; where all have a few, of the oldest. The client will try again: dead
	// destinations delay nobody, and who scans a network delays only himself.
	MaxDials int
	// DialTimeout is when a dial is given up, 1 ms to an hour; default 30 s. Nothing
	// is answered then.
	DialTimeout time.Duration
	// MaxSessions is how many UDP sessions there are at most, and how many of echo
	// requests, 1 to MaxEntries; default 4096. Another one takes the place of the one
	// that is idle the longest.
	MaxSessions int
	// UDPIdle and DNSIdle are after which time without a datagram a session ends, in
	// general and to port 53, 1 ms to an hour; default 30 s and 5 s. RFC 4787 §4.3 asks a
	// NAT for two minutes at least, and allows less for the well-known ports. Sessions of
	// echo requests end after UDPIdle.
	UDPIdle, DNSIdle time.Duration
}

// MaxEntries is the largest MaxDials and MaxSessions.
const MaxEntries = 1 << 20

func (c *Config) setDefaults() error {
	if c.Host == nil {
		return errors.New("gateway: Config.Host is nil: give it the host where the flows end")
	}
	if c.Dialer == nil {
		c.Dialer = &net.Dialer{}
	}
	if c.Ping == nil {
		c.Ping = DialPing
	}
	if c.Ended == nil {
		c.Ended = func(End) {}
	}
	if c.Policy == nil {
		c.Policy = func(Flow) Route { return Route{} }
	}
	table := []setting.Setting{
		setting.Of("gateway.Config.MaxDials", &c.MaxDials, 1024, 1, MaxEntries),
		setting.Of("gateway.Config.DialTimeout", &c.DialTimeout, 30*time.Second, time.Millisecond, time.Hour),
		setting.Of("gateway.Config.MaxSessions", &c.MaxSessions, 4096, 1, MaxEntries),
		setting.Of("gateway.Config.UDPIdle", &c.UDPIdle, 30*time.Second, time.Millisecond, time.Hour),
		setting.Of("gateway.Config.DNSIdle", &c.DNSIdle, 5*time.Second, time.Millisecond, time.Hour),
	}
	err := setting.Check(table)
	setting.Settle(table)
	return err
}

// Flow names a flow as its client does. The source port of echo requests is their
// identifier; their destination has none.
type Flow struct {
	Network     string // tcp, udp or icmp
	Source      netip.AddrPort
	Destination netip.AddrPort
}

// End is what became of a flow.
type End struct {
	Flow           Flow
	Began          time.Time
	Took           time.Duration
	Sent, Received int64    // bytes of the client's, and for it
	Info           tcp.Info // of the connection with the client, when it ended; zero when there was none
	// Err is nil when both directions ended with a FIN, or when a session was idle;
	// otherwise why the dial or the connection failed.
	Err error
}

// ErrPolicy is the end of a flow that the policy did not accept.
var ErrPolicy = errors.New("gateway: the policy does not accept it")

// Verdict is what becomes of a flow.
type Verdict uint8

// The verdicts.
const (
	Accept   Verdict = iota // it is carried on
	Refuse                  // TCP gets a RST, UDP port unreachable, an echo request host unreachable
	Prohibit                // ICMP: administratively prohibited
	Drop                    // nothing is answered
)

// Route is a policy's answer. The zero Route lets a flow pass as it is.
type Route struct {
	Verdict Verdict
	Dialer  Dialer // nil: Config.Dialer
	// Address is what is dialled, "host:port"; empty: the flow's destination. Of echo
	// requests it must be an IP address, and its port does not count.
	Address string
}

// Gateway carries flows. Its methods may be called by several goroutines at the
// same time.
type Gateway struct {
	cfg      Config
	ctx      context.Context // until Close
	end      context.CancelFunc
	listener *handfast.TCPListener
	socket   *handfast.UDPConn
	dials    dials
	echo     *handfast.EchoConn
	sessions sessions[net.Conn]
	pings    sessions[Pinger]
	carried  atomic.Int64 // connections

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
	crew    crew
}

// New starts a gateway. It fails when cfg has a number outside its range, and when
// the host has a forwarder of that prefix.
func New(cfg Config) (*Gateway, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	g := &Gateway{cfg: cfg}
	g.ctx, g.end = context.WithCancel(context.Background())
	g.dials.init(cfg.MaxDials)
	g.sessions.init(cfg.MaxSessions)
	g.pings.init(cfg.MaxSessions)
	g.crew.init()
	if err := g.open(); err != nil {
		return nil, err
	}
	// One goroutine for each kind of traffic: none of the three waits for a peer. What waits,
	// a dial or a copy, has its own.
	g.start(g.accept)
	g.start(g.receive)
	g.start(g.receiveEchoes)
	return g, nil
}

// open takes what comes to other addresses from the host.
func (g *Gateway) open() (err error) {
	to := g.cfg.Prefix
	g.listener, err = g.cfg.Host.Forward(handfast.ListenOptions{Prefix: to, Verdict: g.decide, Lost: hangUp})
	if err != nil {
		return err
	}
	if g.socket, err = g.cfg.Host.ForwardPacket(to); err != nil {
		g.listener.Close()
		return err
	}
	if g.echo, err = g.cfg.Host.ForwardEcho(to); err != nil {
		g.listener.Close()
		g.socket.Close()
	}
	return err
}

// start runs f in a goroutine that Close waits for. After Close it reports false.
func (g *Gateway) start(f func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed && !g.crew.offer(f) {
		g.running.Go(func() { g.crew.serve(f) })
	}
	return !g.closed
}

// beside is start for a part of what Close waits for already: it runs f in any case.
func (g *Gateway) beside(f func()) {
	if !g.start(f) {
		go f()
	}
}

// Close ends all flows: connections are reset. It returns when no goroutine of the
// gateway is left. The host goes on.
func (g *Gateway) Close() error {
	// First nothing new may start, then what dials gives up, what listens ends, and at last
	// what waits in a session wakes up: so each goroutine has its end before it is waited for.
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		g.crew.dismiss()
	}
	g.mu.Unlock()
	g.end()
	err := cmp.Or(g.listener.Close(), g.socket.Close(), g.echo.Close())
	g.sessions.end()
	g.pings.end()
	g.running.Wait()
	return err
}

// Stats is how many flows there are.
type Stats struct {
	Dialling    int // dials under way
	Connections int // of TCP that are carried
	Sessions    int // of UDP
	Pings       int // sessions of echo requests
}

// Stats returns how many flows there are.
func (g *Gateway) Stats() Stats {
	return Stats{Dialling: g.dials.len(), Connections: int(g.carried.Load()), Sessions: g.sessions.len(), Pings: g.pings.len()}
}

func (g *Gateway) dialer(r Route) Dialer {
	if r.Dialer != nil {
		return r.Dialer
	}
	return g.cfg.Dialer
}

func (r Route) address(f Flow) string { return cmp.Or(r.Address, f.Destination.String()) }
