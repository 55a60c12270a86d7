package handfast

import (
	"net"
	"sync"
	"time"

	"github.com/handfast-tcp/handfast/engine/auth"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/ports"
)

// resetPatience is how long Close waits, for each shard, for its resets to leave: a link that
// takes nothing must not keep a program from ending.
const resetPatience = time.Second

// Host is an IP host of the program's own: addresses on links, and TCP and UDP
// on them. Its methods may be called by several goroutines at the same time.
type Host struct {
	shared
	cfg    Config
	flows  host.FlowKey
	shards []*shard
	ports  *ports.Picker
	dialer Dialer // the one of Dial and DialContext: all defaults

	mu        sync.Mutex
	err       error // why the host no longer works
	done      chan struct{}
	addresses []wire.Addr               // the host's own
	listeners map[uint16][]*TCPListener // by port
	sockets   map[socket]struct{}
	keyTimer  *time.Timer // asks for Config.CookieKeys again

	flood floodLog
	names struct { // the client of Config.NameServers
		once   sync.Once
		client *net.Resolver
	}
}

// socket is a UDPConn or an EchoConn. What knows all sockets does so by this
// interface: a program that opens none is linked without them.
type socket interface {
	stop(err error) bool
	info() (i UDPInfo, isUDP bool)
	forwards(f *host.Forwarded) // adds the addresses that it has
}

// New returns a host that has no link yet. It fails when cfg contradicts
// itself.
func New(cfg Config) (*Host, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	h := &Host{
		cfg:       cfg,
		flows:     host.NewFlowKey(cfg.TCP.Secret),
		done:      make(chan struct{}),
		listeners: map[uint16][]*TCPListener{},
		sockets:   map[socket]struct{}{},
	}
	if err := h.setNameServers(); err != nil {
		return nil, err
	}
	// The first second is left out: some fields count a zero as "never".
	h.epoch = time.Now().Add(-time.Second)
	h.attached.Store(new([]*attachment))
	h.watches.set(&cfg)
	h.ask, h.lost, h.floodChanged, h.conflict = askListener, tellLost, h.logFlood, h.settleConflict
	h.dialer.Host = h
	h.ports = ports.New(cfg.FirstPort, cfg.LastPort)
	for i := range cfg.Shards {
		h.shards = append(h.shards, newShard(&h.shared, i, cfg.hostConfig(i)))
	}
	if cfg.CookieKeys != nil {
		h.turnKeys()
	}
	return h, nil
}

// stop ends the host, and resets its connections when reset says so. It reports whether
// the host was running.
func (h *Host) stop(err error, reset bool) bool {
	h.mu.Lock()
	if h.err != nil {
		h.mu.Unlock()
		return false
	}
	h.err = err
	h.running.Add(1) // another Close waits for this one
	defer h.running.Done()
	if h.keyTimer != nil && h.keyTimer.Stop() {
		h.running.Done()
	}
	close(h.done)
	listeners, sockets := h.listeners, h.sockets
	h.listeners, h.sockets = nil, nil
	h.mu.Unlock()

	// The host's lock is free again: shards call back into what takes it. From here on
	// nobody can open anything, because h.err is set. Shards come before links, so that
	// their resets still have a way out.
	for _, s := range h.shards {
		s.stop(err, reset)
	}
	for _, same := range listeners {
		for _, l := range same {
			l.stop(err)
		}
	}
	for u := range sockets {
		u.stop(err)
	}
	for _, a := range *h.attached.Load() {
		a.link.Close()
	}
	h.watches.close()
	return true
}

// Close resets every connection, makes every blocked call and every later one
// fail with net.ErrClosed, closes the links, and waits until no goroutine of
// the host is left. A program that wants its connections to end in peace
// closes them first.
func (h *Host) Close() error {
	h.stop(net.ErrClosed, true)
	h.running.Wait()
	return nil
}

// Done returns a channel that is closed when the host no longer works: it was
// closed, or its last link is gone.
func (h *Host) Done() <-chan struct{} { return h.done }

// Err returns why the host no longer works: net.ErrClosed after Close, a
// *LinkError after the last link has gone, and nil while it works.
func (h *Host) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// CookieKeys is where hosts get the keys of their SYN cookies from, if they
// share them: a keyring.Ring. With an error the keys are still used.
type CookieKeys interface {
	Keys(now time.Time) (tcp.CookieKeys, error)
}

// keyCheck is how often Config.CookieKeys is asked.
const keyCheck = 5 * time.Second

// turnKeys gives all shards the keys of now, and does so again and again until
// the host is closed.
func (h *Host) turnKeys() {
	keys, err := h.cfg.CookieKeys.Keys(time.Now())
	if err != nil {
		h.cfg.Logger.Warn("cookie keys", "error", err)
	}
	for _, s := range h.shards {
		s.mu.Lock()
		s.tcp.ShareCookieKeys(keys)
		s.mu.Unlock()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.running.Add(1)
		// A timer of its own for each turn, counted as a goroutine of the host's: Close waits
		// for one that has begun, and stops one that has not.
		h.keyTimer = time.AfterFunc(keyCheck, func() {
			defer h.running.Done()
			h.turnKeys()
		})
	}
}

// SetAuthenticator replaces the keys with which the host and its peers sign their segments,
// the TCP Authentication Option of RFC 5925: see Config.TCP.Authenticator and package
// [github.com/handfast-tcp/handfast/engine/ao], which makes them. It is how keys are rolled
// over: connections go on, and nothing that is under way is lost, when both hosts learn the
// new key behind the old one, then each puts it first, and then both forget the old one.
//
// A connection that began without a key goes on without one, and one whose keys are not
// among the new ones keeps its own. nil is no key for new connections.
// https://www.rfc-editor.org/rfc/rfc5925#section-6.1
func (h *Host) SetAuthenticator(a auth.Authenticator) {
	for _, s := range h.shards {
		now := s.lock()
		s.host.SetAuthenticator(a)
		s.flushAndUnlock(now)
	}
}
