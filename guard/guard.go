package guard

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/internal/splice"
)

// Guard carries connections to back ends. Its methods may be called by several
// goroutines at the same time.
type Guard struct {
	dial    Dial
	changed func(Backend, error)
	ctx     context.Context // until Close
	end     context.CancelFunc
	running sync.WaitGroup
	counts  counts

	replacing sync.Mutex // of the settings
	mu        sync.Mutex
	settings  Settings
	backends  []*backend
	turn      int // of the back end that was chosen last
	limits    limits
	listeners []*handfast.TCPListener
	state     state
	left      chan struct{} // closed when a draining guard carries nothing more
}

// state is whether a guard takes connections.
type state uint8

const (
	working state = iota
	draining
	closed
)

// counts only grow.
type counts struct {
	carried, overLimit, noBackend, failed atomic.Uint64
	sent, received                        atomic.Int64
}

// New starts a guard. It returns when every back end has been asked once whether it lives,
// or has taken Settings.CheckTimeout. That none does is no error.
func New(cfg Config) (*Guard, error) {
	s, err := Check(cfg.Settings)
	if err != nil {
		return nil, err
	}
	g := &Guard{dial: cfg.Dial, changed: cfg.Changed, settings: s}
	if g.dial == nil {
		g.dial = DialKernel
	}
	if g.changed == nil {
		g.changed = func(Backend, error) {}
	}
	g.limits.init()
	g.ctx, g.end = context.WithCancel(context.Background())
	g.replace(s)
	return g, nil
}

// Set changes the settings. Connections that are carried go on, also those to back ends
// that are no longer named. With an error nothing has changed.
func (g *Guard) Set(s Settings) error {
	s, err := Check(s)
	if err == nil {
		g.replace(s)
	}
	return err
}

// Serve carries what l accepts, and takes its verdicts. It returns when l is closed, which
// Drain and Close do.
func (g *Guard) Serve(l *handfast.TCPListener) error {
	g.mu.Lock()
	if g.state != working {
		g.mu.Unlock()
		l.Close()
		return net.ErrClosed
	}
	g.listeners = append(g.listeners, l)
	l.SetVerdict(g.verdict())
	g.mu.Unlock()
	for {
		c, err := l.AcceptTCP()
		if err != nil {
			return err
		}
		g.take(c)
	}
}

// verdict is what SYNs are answered now. The caller holds g.mu.
func (g *Guard) verdict() func(*handfast.Request) {
	switch {
	case g.state == working && g.anyAlive():
		return nil // nothing is asked, so that in a flood nothing is kept
	case g.settings.Silent:
		return func(r *handfast.Request) { r.Ignore() } // fails when the peer gave up
	}
	return func(r *handfast.Request) { r.Reset() }
}

// decide has all listeners answer as things stand. The caller holds g.mu.
func (g *Guard) decide() {
	for _, l := range g.listeners {
		l.SetVerdict(g.verdict())
	}
}

// take carries a connection, if its client may have one more. While a guard drains it takes
// those whose handshakes had begun.
func (g *Guard) take(c *handfast.TCPConn) {
	client := addrPort(c.RemoteAddr())
	g.mu.Lock()
	admitted := g.state != closed && g.limits.enter(client.Addr(), &g.settings)
	if admitted {
		g.running.Add(1)
	}
	g.mu.Unlock()
	if !admitted {
		g.counts.overLimit.Add(1)
		splice.Abort(c)
		return
	}
	go func() {
		defer g.running.Done()
		g.carry(c, client)
		g.mu.Lock()
		g.limits.leave(client.Addr())
		g.checkLeft()
		g.mu.Unlock()
	}()
}

// lastWords is how many seconds a client may take at most to acknowledge what was said last.
const lastWords = 10

// carry copies both ways until both have ended.
func (g *Guard) carry(c *handfast.TCPConn, client netip.AddrPort) {
	other, b := g.reach(client, addrPort(c.LocalAddr()))
	if b == nil {
		splice.Abort(c)
		return
	}
	g.counts.carried.Add(1)
	sent, received, err := splice.Both(g.ctx, c, other, splice.Go)
	other.Close() // first: its FIN may still be due
	// Until the client has all of it: a guard that has drained takes its host with it.
	c.SetLinger(lastWords) // fails on one that was reset
	c.Close()
	g.counts.sent.Add(sent)
	g.counts.received.Add(received)
	if err != nil {
		g.counts.failed.Add(1)
	}
	g.release(b)
}

// reach opens a connection to a back end, and tells it who the client is.
func (g *Guard) reach(client, local netip.AddrPort) (net.Conn, *backend) {
	var tried []*backend
	for {
		b, s := g.choose(tried)
		if b == nil {
			g.counts.noBackend.Add(1)
			return nil, nil
		}
		c, err := g.open(b, s, client, local)
		if err == nil {
			return c, b
		}
		g.release(b)
		if g.ctx.Err() != nil {
			return nil, nil
		}
		g.learn(b, err)
		tried = append(tried, b)
	}
}

func (g *Guard) open(b *backend, s *Settings, client, local netip.AddrPort) (net.Conn, error) {
	ctx, give := context.WithTimeout(g.ctx, s.DialTimeout)
	defer give()
	var source netip.AddrPort
	if s.Transparent {
		source = client
	}
	c, err := g.dial(ctx, source, b.address)
	if err != nil {
		return nil, err
	}
	if h := s.Header.Append(nil, client, local); len(h) > 0 {
		if _, err = c.Write(h); err != nil {
			splice.Abort(c)
			return nil, err
		}
	}
	return c, nil
}

// lastHandshakes is how long a guard that drains waits for handshakes that had begun.
const lastHandshakes = 500 * time.Millisecond

// Drain takes no new connections, and returns when those that there are have ended; then
// the guard is closed. With ctx's error some are still carried: Close cuts them off.
func (g *Guard) Drain(ctx context.Context) error {
	g.mu.Lock()
	if g.state == working {
		g.state, g.left = draining, make(chan struct{})
		g.decide()
	}
	left := g.left
	g.mu.Unlock()
	if left == nil {
		return nil // it is closed
	}
	select {
	case <-time.After(lastHandshakes):
	case <-ctx.Done():
		return ctx.Err()
	}
	g.mu.Lock()
	for _, l := range g.listeners {
		l.Close() // one that somebody has closed already says so
	}
	g.listeners = nil
	g.checkLeft()
	g.mu.Unlock()
	select {
	case <-left:
		return g.Close()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// checkLeft tells Drain when the last connection has gone. The caller holds g.mu.
func (g *Guard) checkLeft() {
	if g.state == draining && g.listeners == nil && g.limits.all == 0 {
		select {
		case <-g.left:
		default:
			close(g.left)
		}
	}
}

// Close closes the listeners and resets all connections. It returns when no goroutine of
// the guard is left.
func (g *Guard) Close() error {
	g.mu.Lock()
	g.state = closed
	var errs []error
	for _, l := range g.listeners {
		errs = append(errs, l.Close())
	}
	g.listeners = nil
	g.mu.Unlock()
	g.end()
	g.running.Wait()
	return errors.Join(errs...)
}

// Stats is what a guard has done, and how it stands.
type Stats struct {
	Active         int       // connections that are carried or dialled now
	Carried        uint64    // connections that reached a back end so far
	Failed         uint64    // those of them that ended with a reset or an error
	NoBackend      uint64    // connections that no back end took
	OverLimit      uint64    // connections that were refused by a limit
	Sent, Received int64     // bytes of clients' and for them, of connections that have ended
	Backends       []Backend // in the order of Settings.Backends
}

// Stats returns how it stands.
func (g *Guard) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := Stats{Active: g.limits.all, Carried: g.counts.carried.Load(), Failed: g.counts.failed.Load(),
		NoBackend: g.counts.noBackend.Load(), OverLimit: g.counts.overLimit.Load(),
		Sent: g.counts.sent.Load(), Received: g.counts.received.Load()}
	for _, b := range g.backends {
		s.Backends = append(s.Backends, b.snapshot())
	}
	return s
}

// addrPort is an address of ours as the PROXY protocol and maps want it.
func addrPort(a net.Addr) netip.AddrPort {
	t, _ := a.(*net.TCPAddr)
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
}
