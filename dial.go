package handfast

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/host"
	"github.com/handfast-tcp/handfast/tcp"
	"github.com/handfast-tcp/handfast/wire"
)

// Dialer has the options of a dial that are rarely wanted.
type Dialer struct {
	Host *Host

	// LocalAddr is where the connection comes from: a *net.TCPAddr or a
	// *net.UDPAddr. A nil or unspecified address is chosen by the route, and
	// port zero by RFC 6056.
	LocalAddr net.Addr
}

// Dial connects to address, "host:port", on one of the networks tcp, tcp4,
// tcp6, udp, udp4 and udp6. The host is a numeric address unless
// Config.Resolver is set; the port may be a service's name. It waits until the
// connection is made or the engine gives up. Errors are those of package net.
func (h *Host) Dial(network, address string) (net.Conn, error) {
	return h.DialContext(context.Background(), network, address)
}

// DialContext is Dial with a context that ends the attempt, not the connection
// once it is made. It is what http.Transport.DialContext wants.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return (&Dialer{Host: h}).DialContext(ctx, network, address)
}

// DialContext connects like Host.DialContext.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	n, err := parseNetwork(network, netTCP, netUDP6)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	local, err := d.local(n)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	remotes, err := d.Host.resolve(ctx, n, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Source: d.LocalAddr, Err: contextError(err)}
	}
	return d.dialFirst(ctx, n, local, remotes)
}

// dialFirst tries remotes one after the other, until one answers.
func (d *Dialer) dialFirst(ctx context.Context, n network, local endpoint, remotes []endpoint) (net.Conn, error) {
	var first error
	for _, remote := range remotes {
		c, err := d.dialOne(ctx, n, local, remote)
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

func (d *Dialer) dialOne(ctx context.Context, n network, local, remote endpoint) (net.Conn, error) {
	if n >= netUDP {
		c, err := d.Host.dialUDP(n, local, remote)
		if err != nil {
			return nil, &net.OpError{Op: "dial", Net: n.String(), Source: d.LocalAddr, Addr: udpAddr(remote.addr, remote.port), Err: err}
		}
		return c, nil
	}
	c, err := d.Host.dialTCP(ctx, n, local, remote)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: n.String(), Source: d.LocalAddr, Addr: tcpAddr(remote.addr, remote.port), Err: err}
	}
	return c, nil
}

// local returns LocalAddr as we write it.
func (d *Dialer) local(n network) (endpoint, error) {
	var ip net.IP
	var port int
	switch a := d.LocalAddr.(type) {
	case nil:
		return endpoint{}, nil
	case *net.TCPAddr:
		ip, port = a.IP, a.Port
	case *net.UDPAddr:
		ip, port = a.IP, a.Port
	}
	if d.LocalAddr.Network() != n.String()[:3] {
		return endpoint{}, addrError("mismatched local address type", d.LocalAddr.String())
	}
	if len(ip) == 0 || ip.IsUnspecified() {
		return endpoint{port: uint16(port)}, nil
	}
	a, err := parseIP(n, ip.String())
	return endpoint{a, uint16(port)}, err
}

// dialTCP opens a connection and waits for it.
func (h *Host) dialTCP(ctx context.Context, n network, local, remote endpoint) (*TCPConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, contextError(err)
	}
	c, err := h.connect(n, local, remote)
	if err != nil {
		return nil, err
	}
	return c, c.awaitHandshake(ctx)
}

// connect sends the SYN, from a port that is free towards remote.
func (h *Host) connect(n network, local, remote endpoint) (*TCPConn, error) {
	source, err := h.source(local.addr, remote.addr)
	if err != nil {
		return nil, err
	}
	if local.port != 0 {
		return h.connectFrom(n, wire.Tuple{Local: source, LocalPort: local.port, Remote: remote.addr, RemotePort: remote.port})
	}
	for port := range h.picker.candidates(flow{source, remote.addr, remote.port}) {
		if h.listens(port) {
			continue
		}
		c, err := h.connectFrom(n, wire.Tuple{Local: source, LocalPort: port, Remote: remote.addr, RemotePort: remote.port})
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
	return h.shards[host.ShardOf(host.TupleHash(h.seed, t), len(h.shards))]
}

// connectFrom sends the SYN of the flow t.
func (h *Host) connectFrom(n network, t wire.Tuple) (*TCPConn, error) {
	s := h.shardOf(t)
	now := s.enter()
	defer func() { s.leave(now) }()
	if s.err != nil {
		return nil, s.err
	}
	c := newTCPConn(s, n)
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
