package handfast

import (
	"context"
	"errors"
	"os"
	"syscall"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// dialTCP opens a connection and waits for it.
func (h *Host) dialTCP(ctx context.Context, n network, local, remote endpoint, p probes) (*TCPConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, contextError(err)
	}
	if remote.port == 0 { // nobody can listen there
		return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	c, err := h.connect(n, local, remote, p)
	if err != nil {
		return nil, err
	}
	return c, c.awaitHandshake(ctx)
}

// connect sends the SYN, from a port that is free towards remote.
func (h *Host) connect(n network, local, remote endpoint, p probes) (*TCPConn, error) {
	source, err := h.source(local.addr, remote.addr)
	if err != nil {
		return nil, err
	}
	if local.port != 0 {
		return h.connectFrom(n, wire.Tuple{Local: source, LocalPort: local.port, Remote: remote.addr, RemotePort: remote.port}, p)
	}
	for port := range h.picker.candidates(flow{source, remote.addr, remote.port}) {
		if h.listens(port) {
			continue
		}
		c, err := h.connectFrom(n, wire.Tuple{Local: source, LocalPort: port, Remote: remote.addr, RemotePort: remote.port}, p)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return c, err
		}
	}
	return nil, os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)
}

// source returns the address that a flow to remote leaves from, which decides
// on the shard.
func (h *Host) source(local, remote wire.Addr) (wire.Addr, error) {
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

func (h *Host) shardOf(t wire.Tuple) *shard {
	return h.shards[host.ShardOf(h.flows.TupleHash(t), len(h.shards))]
}

// connectFrom sends the SYN of the flow t.
func (h *Host) connectFrom(n network, t wire.Tuple, p probes) (*TCPConn, error) {
	s := h.shardOf(t)
	now := s.enter()
	defer func() { s.leave(now) }()
	if s.err != nil {
		return nil, s.err
	}
	c := newTCPConn(s, n, p)
	e, err := s.host.Connect(now, t.Local, t.LocalPort, t.Remote, t.RemotePort, c)
	if err != nil {
		return nil, refused("connect", err)
	}
	c.start(now, e)
	return c, nil
}

// awaitHandshake waits until the connection is made; if it is not, the
// connection is given up.
func (c *TCPConn) awaitHandshake(ctx context.Context) error {
	s := c.shard
	now := s.enter()
	for {
		done, err := c.handshake(ctx)
		if err != nil {
			c.abandon(now)
		}
		if done {
			s.leave(now)
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
	case e.State().Synchronized():
		return true, nil
	case e.State() == tcp.Closed:
		return true, failed("connect", tcp.Refused)
	case ctx.Err() != nil:
		return true, contextError(ctx.Err())
	}
	return false, nil
}

// abandon gives up a connection that nobody will get.
func (c *TCPConn) abandon(now clock.Time) {
	c.flags |= connClosed
	if c.shard.err == nil {
		c.shard.tcp.Abort(now, c.entry)
	}
}
