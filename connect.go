package handfast

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/ports"
)

// minShare is what an address gets at least of the time that a dial has, if
// there is as much left: as in package net.
const minShare = 2 * time.Second

// dialling is a dial that is under way. It goes by value: only a race keeps one.
type dialling struct {
	*Dialer
	network network
	local   endpoint
	remotes []wire.Addr // in the order to try them
	port    uint16
}

// dial tries the addresses: both families beside each other if there are two
// and the network leaves the choice, otherwise one after the other.
func (w dialling) dial(ctx context.Context) (net.Conn, error) {
	// A program that names a family has made the choice itself.
	if len(w.remotes) > 1 && w.network == netTCP && w.FallbackDelay >= 0 {
		if first, second := families(w.remotes); len(second) > 0 {
			return w.race(ctx, first, second)
		}
	}
	return w.inTurn(ctx, w.remotes)
}

// families splits remotes into those of the first one's family and the rest. The resolver has
// put the better family first.
func families(remotes []wire.Addr) (first, second []wire.Addr) {
	for _, r := range remotes {
		if r.Is4() == remotes[0].Is4() {
			first = append(first, r)
		} else {
			second = append(second, r)
		}
	}
	return first, second
}

// inTurn tries remotes one after the other, until one answers. The first one's
// error is the one that tells most.
func (w dialling) inTurn(ctx context.Context, remotes []wire.Addr) (net.Conn, error) {
	var first error
	for i, remote := range remotes {
		// Those that are left share what time is left: the last one has all of it.
		c, err := w.dialShare(ctx, remote, len(remotes)-i)
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// dialShare tries one of left addresses, in its share of the time.
func (w dialling) dialShare(ctx context.Context, remote wire.Addr, left int) (net.Conn, error) {
	if end, ok := ctx.Deadline(); ok && left > 1 {
		rest := time.Until(end)
		var cancel context.CancelFunc
		// An address that does not answer must not use up the time of those behind it.
		ctx, cancel = context.WithTimeout(ctx, max(rest/time.Duration(left), min(rest, minShare)))
		defer cancel()
	}
	return w.dialOne(ctx, endpoint{remote, w.port})
}

func (w dialling) dialOne(ctx context.Context, remote endpoint) (net.Conn, error) {
	if w.network.isPing() {
		return w.dialPing(ctx, remote)
	}
	if w.network >= netUDP {
		var c *UDPConn
		err := w.control(ctx, w.network, remote)
		if err == nil {
			c, err = w.Host.dialUDP(w.network, w.local, remote)
		}
		if err != nil {
			return nil, w.failed(udpAddr(remote.addr, remote.port), err)
		}
		return c, nil
	}
	var c *TCPConn
	err := w.control(ctx, w.network, remote)
	if err == nil {
		c, err = w.Host.dialTCP(ctx, w.network, w.local, remote, w.opening())
	}
	if err != nil {
		return nil, w.failed(tcpAddr(remote.addr, remote.port), err)
	}
	return c, nil
}

// failed dresses err as package net does. The address is the one that was tried, which a
// name alone would not tell.
func (w dialling) failed(remote net.Addr, err error) error {
	return &net.OpError{Op: "dial", Net: w.network.String(), Source: w.LocalAddr, Addr: remote, Err: err}
}

// racer is how one family's attempts have ended.
type racer struct {
	conn  net.Conn
	err   error
	first bool
}

// race is the two families beside each other, the second one after
// FallbackDelay, or when the first has failed.
// https://www.rfc-editor.org/rfc/rfc8305#section-5
func (w dialling) race(ctx context.Context, first, second []wire.Addr) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Room for both, so that no racer is ever stuck with its result.
	results := make(chan racer, 2)
	start := func(remotes []wire.Addr, isFirst bool) {
		go func() {
			c, err := w.inTurn(ctx, remotes)
			results <- racer{c, err, isFirst}
		}()
	}
	start(first, true)
	delay := time.NewTimer(w.fallbackDelay())
	defer delay.Stop()
	var firstErr error
	for running, waiting := 1, true; running > 0 || waiting; {
		select {
		case <-delay.C:
			start(second, false)
			running, waiting = running+1, false
		case r := <-results:
			running--
			if r.err == nil {
				cancel()
				dismiss(results, running)
				return r.conn, nil
			}
			// The preferred family's error is the one to tell, whichever failed last: the
			// other one is often not there at all.
			if r.first {
				firstErr = r.err
			}
			// The first family has failed: there is nothing left to wait for.
			if waiting {
				delay.Reset(0)
			}
		}
	}
	return nil, firstErr
}

// dismiss waits for n racers that were cancelled: none outlives its dial, so that a
// program which closes the host after Dial finds nothing of it running. One may have
// arrived all the same.
func dismiss(results <-chan racer, n int) {
	for range n {
		if r := <-results; r.conn != nil {
			r.conn.Close()
		}
	}
}

func (d *Dialer) fallbackDelay() time.Duration {
	if d.FallbackDelay == 0 {
		return defaultFallbackDelay
	}
	return d.FallbackDelay
}

// opening is what a dialer wants of a connection before its SYN leaves. What can be set
// afterwards as well is not here.
type opening struct {
	probes probes
	ecn    cc.ECNMode
	beforehand
	fast bool
}

// dialTCP opens a connection and waits for it.
func (h *Host) dialTCP(ctx context.Context, n network, local, remote endpoint, o opening) (*TCPConn, error) {
	// No program can listen there, and the kernel answers so without a packet.
	if remote.port == 0 {
		return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	c, err := h.connect(n, local, remote, o)
	if err != nil {
		return nil, err
	}
	return c, c.awaitHandshake(ctx)
}

// connect sends the SYN, from a port that is free towards remote.
func (h *Host) connect(n network, local, remote endpoint, o opening) (*TCPConn, error) {
	source, err := h.source(local.addr, remote.addr)
	if err != nil {
		return nil, err
	}
	if local.port != 0 {
		return h.connectFrom(n, wire.Tuple{Local: source, LocalPort: local.port, Remote: remote.addr, RemotePort: remote.port}, o)
	}
	for port := range h.ports.Candidates(ports.Destination{Local: source, Remote: remote.addr, RemotePort: remote.port}) {
		if h.listens(port) {
			continue
		}
		c, err := h.connectFrom(n, wire.Tuple{Local: source, LocalPort: port, Remote: remote.addr, RemotePort: remote.port}, o)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return c, err
		}
	}
	return nil, os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)
}

// source returns the address that a flow to remote leaves from, which decides
// on the shard. Any shard can say: all have the same addresses and routes.
func (h *Host) source(local, remote wire.Addr) (wire.Addr, error) {
	h.shareScope(remote)
	s := h.shards[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return local, s.err
	}
	if err := s.lost(remote); err != nil {
		return local, err
	}
	if !isAny(local) {
		return local, nil
	}
	source, _, ok := s.host.Source(remote)
	if !ok {
		return local, refused("connect", host.ErrNoRoute)
	}
	return source, nil
}

// shardOf returns where a flow's packets arrive: the same hash as on the way in, so that
// the connection lies where its segments will be looked for.
func (h *Host) shardOf(t wire.Tuple) *shard {
	return h.shards[host.ShardOf(h.flows.TupleHash(t), len(h.shards))]
}

// connectFrom sends the SYN of the flow t.
func (h *Host) connectFrom(n network, t wire.Tuple, o opening) (*TCPConn, error) {
	s := h.shardOf(t)
	now := s.lock()
	defer s.flushAndUnlock(now)
	if s.err != nil {
		return nil, s.err
	}
	// Made before the SYN: the owner is what the shard wakes when something comes.
	c := newTCPConn(s, n, o.probes)
	e, err := s.host.Connect(now, t.Local, t.LocalPort, t.Remote, t.RemotePort, c)
	if err != nil {
		return nil, refused("connect", err)
	}
	// Before the lock is free: the SYN leaves with flushAndUnlock, and asks for ECN or not.
	s.tcp.SetECN(e, o.ecn)
	o.open(s.tcp, now, e)
	if o.fast {
		s.tcp.FastOpen(now, e, s.shared.fast.hint(now, t))
	}
	c.start(now, e)
	return c, nil
}

// awaitHandshake waits until the connection is made; if it is not, the
// connection is given up.
func (c *TCPConn) awaitHandshake(ctx context.Context) error {
	s := c.shard
	now := s.lock()
	for {
		done, err := c.handshake(ctx)
		if err != nil {
			// The caller gets an error and no connection, so nobody else could ever
			// close it.
			c.abandon(now)
		}
		if done {
			s.flushAndUnlock(now)
			return err
		}
		now = s.waitOr(ctx.Done(), &c.readers, now, clock.Never)
	}
}

// handshake reports whether the handshake has come to an end, and how.
func (c *TCPConn) handshake(ctx context.Context) (done bool, err error) {
	switch e := c.entry; {
	case c.shard.err != nil:
		return true, c.shard.err
	case e.Failure() != tcp.NoFailure:
		return true, failed("connect", e.Failure())
	// Before the context is asked: a handshake that was done in time is a connection,
	// however late this goroutine runs.
	case e.Connected():
		return true, nil
	case e.State() == tcp.Closed:
		return true, failed("connect", tcp.Refused)
	case ctx.Err() != nil:
		return true, contextError(ctx.Err())
	}
	return false, nil
}

// abandon gives up a connection that no caller will get.
func (c *TCPConn) abandon(now clock.Time) {
	c.flags |= connClosed
	if c.shard.err == nil {
		c.shard.tcp.Abort(now, c.entry)
	}
}
