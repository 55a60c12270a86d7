package handfast

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// PingConn is a ping socket: what is written to it leaves as echo requests, and what is
// read are the replies. It is a net.PacketConn and a net.Conn of whole ICMP messages, as
// golang.org/x/net/icmp and a *net.IPConn have them, but it hears replies to its own
// requests only: each socket has an identifier of its own, which it fills in, with the
// checksum. Its methods may be called by several goroutines at the same time.
type PingConn struct{ u UDPConn }

// ListenPing opens a ping socket at one of the host's addresses, or at every one of a
// family with 0.0.0.0 or [::], that asks anybody.
func (h *Host) ListenPing(local netip.Addr) (*PingConn, error) {
	c, err := h.openPing(local, netip.Addr{}, "bind")
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: pingNetwork(local).String(), Addr: ipAddr(wire.AddrFrom(local)), Err: err}
	}
	return c, nil
}

// DialPing opens a ping socket that asks remote only, and is told when a router says that
// remote cannot be reached. Local is one of the host's addresses, or not valid: the route
// gives one then.
func (h *Host) DialPing(local, remote netip.Addr) (*PingConn, error) {
	c, err := h.openPing(local, remote, "connect")
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: pingNetwork(remote).String(), Addr: ipAddr(wire.AddrFrom(remote)), Err: err}
	}
	return c, nil
}

// pingNetwork is what package net calls ICMP of a's family.
func pingNetwork(a netip.Addr) network {
	if a.Unmap().Is4() {
		return netPing4
	}
	return netPing6
}

func (h *Host) openPing(local, remote netip.Addr, call string) (*PingConn, error) {
	family := remote // what listens has none
	if call == "bind" {
		family = local
	}
	n := pingNetwork(family)
	if !family.IsValid() || local.IsValid() && pingNetwork(local) != n {
		return nil, addrError("missing or mismatched address", local.String())
	}
	c := &PingConn{UDPConn{
		owner: h, network: n, ping: true, inbox: inbox{deadline: clock.Never}, writeDeadline: clock.Never,
	}}
	u := &c.u
	if u.local.addr = n.any(); local.IsValid() && !isAny(wire.AddrFrom(local)) {
		u.local.addr = wire.AddrFrom(local)
	}
	if call == "connect" {
		u.remote.addr = wire.AddrFrom(remote)
		source, err := h.source(u.local.addr, u.remote.addr)
		if err != nil {
			return nil, err
		}
		u.local.addr = source
	}
	return c, u.openAnywhere(call)
}

// LocalAddr returns our address, a *net.IPAddr.
func (c *PingConn) LocalAddr() net.Addr { return c.u.LocalAddr() }

// RemoteAddr returns the address that was dialled, a *net.IPAddr, or nil.
func (c *PingConn) RemoteAddr() net.Addr { return c.u.RemoteAddr() }

// Read receives a reply; what of it does not fit into p is lost.
func (c *PingConn) Read(p []byte) (int, error) { return c.u.Read(p) }

// ReadFrom receives a reply and says where it came from, a *net.IPAddr.
func (c *PingConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromAddr(p)
	if err != nil {
		return n, nil, err
	}
	return n, ipAddr(wire.AddrFrom(from)), nil
}

// ReadFromAddr is ReadFrom without the allocation.
func (c *PingConn) ReadFromAddr(p []byte) (n int, from netip.Addr, err error) {
	n, _, d, err := c.u.read(p)
	if err != nil {
		return n, from, err
	}
	return n, d.Src.Netip(), nil
}

// Write sends an echo request to the address that was dialled.
func (c *PingConn) Write(p []byte) (int, error) { return c.u.Write(p) }

// WriteTo sends an echo request to a, a *net.IPAddr. Any other message fails with EINVAL.
func (c *PingConn) WriteTo(p []byte, a net.Addr) (int, error) {
	to, ok := a.(*net.IPAddr)
	if !ok {
		return 0, c.u.opError("write", a, syscall.EINVAL)
	}
	ip, _ := netip.AddrFromSlice(to.IP)
	return c.WriteToAddr(p, ip)
}

// WriteToAddr is WriteTo without the allocation.
func (c *PingConn) WriteToAddr(p []byte, to netip.Addr) (int, error) {
	var err error
	switch u := &c.u; {
	case u.remote != (endpoint{}):
		err = net.ErrWriteToConnected
	case !to.IsValid() || pingNetwork(to) != u.network:
		err = addrError("missing or mismatched address", to.String())
	case to.IsUnspecified():
		err = os.NewSyscallError("sendto", syscall.EINVAL)
	default:
		err = u.send(p, endpoint{}, endpoint{addr: wire.AddrFrom(to)}, "sendto")
	}
	if err != nil {
		return 0, c.u.opError("write", ipAddr(wire.AddrFrom(to)), err)
	}
	return len(p), nil
}

// Close closes the socket. Blocked calls fail with net.ErrClosed.
func (c *PingConn) Close() error { return c.u.Close() }

// SetDeadline sets both deadlines.
func (c *PingConn) SetDeadline(t time.Time) error { return c.u.SetDeadline(t) }

// SetReadDeadline sets when a read that waits, now or later, fails with
// os.ErrDeadlineExceeded. The zero time is never.
func (c *PingConn) SetReadDeadline(t time.Time) error { return c.u.SetReadDeadline(t) }

// SetWriteDeadline sets from when on writes fail with os.ErrDeadlineExceeded. The zero
// time is never.
func (c *PingConn) SetWriteDeadline(t time.Time) error { return c.u.SetWriteDeadline(t) }

// EchoConn gets the echo requests, the pings, to addresses that are not the host's. It is
// no net.PacketConn: an answer has to say which request it is for, and what it carries
// is the program's business.
// Its methods may be called by several goroutines at the same time.
type EchoConn struct {
	owner  *Host
	prefix netip.Prefix      // zero: all addresses
	parts  []*host.UDPSocket // one in each shard

	inbox // of requests to read
}

// Echo is an echo request.
type Echo struct {
	From, To netip.Addr
	// ID is who has sent it, among the programs there, and Seq which of theirs it is.
	ID, Seq uint16
	TTL     uint8 // hop limit that it came with
}

// ForwardEcho opens a socket that gets the ICMP and ICMPv6 echo requests to the
// addresses of a prefix; the zero prefix has all addresses. The host answers those to
// its own itself. Of several sockets the longest prefix counts.
func (h *Host) ForwardEcho(p netip.Prefix) (*EchoConn, error) {
	e := &EchoConn{owner: h, prefix: p, inbox: inbox{deadline: clock.Never}}
	h.mu.Lock()
	defer h.mu.Unlock()
	err := h.err
	if err == nil {
		err = e.open()
	}
	if err != nil {
		return nil, e.opError("listen", err)
	}
	h.setForwarded()
	return e, nil
}

// open opens e in every shard. The caller holds the host's lock.
func (e *EchoConn) open() error {
	for _, s := range e.owner.shards {
		now := s.lock()
		part, err := s.host.OpenAnyEcho(e.prefix, e)
		s.flushAndUnlock(now)
		if err != nil {
			e.closeParts()
			return refused("bind", err)
		}
		e.parts = append(e.parts, part)
	}
	e.owner.sockets[e] = struct{}{}
	return nil
}

func (e *EchoConn) closeParts() {
	for i, part := range e.parts {
		s := e.owner.shards[i]
		now := s.lock()
		s.host.CloseUDP(part)
		s.flushAndUnlock(now)
	}
	e.parts = nil
}

func (e *EchoConn) forwards(f *host.Forwarded) { f.Echo = append(f.Echo, prefixes(e.prefix)...) }

func (e *EchoConn) info() (i UDPInfo, isUDP bool) { return i, false }

// Read receives a request, and copies what it carries into p; what does not fit is
// lost. It fails with net.ErrClosed after Close.
func (e *EchoConn) Read(p []byte) (n int, r Echo, err error) {
	for {
		shard, err := e.awaitShard(&e.owner.shared)
		if err != nil {
			return 0, Echo{}, e.opError("read", err)
		}
		// Copied outside of the shard's lock, as for UDP.
		if d, ok := e.receiveFrom(e.owner.shards[shard]); ok {
			n = copy(p, d.Payload.Bytes())
			d.Payload.Release()
			return n, Echo{From: d.Src.Netip(), To: d.Dst.Netip(), ID: d.SrcPort, Seq: d.DstPort, TTL: d.TTL}, nil
		}
	}
}

func (e *EchoConn) receiveFrom(s *shard) (d host.Datagram, ok bool) {
	now := s.lock()
	defer s.flushAndUnlock(now)
	if s.err == nil && e.failure() == nil {
		if d, ok = e.parts[s.index].Receive(); ok {
			e.becomeReady(s.index, 0) // there may be more
		}
	}
	return d, ok
}

// Reply answers a request from the address that it asks, with what p holds.
func (e *EchoConn) Reply(to Echo, p []byte) error {
	return e.inShard(to, func(now clock.Time, h *host.Host, d *host.Datagram) error {
		if err := h.AnswerEcho(now, d, p); err != nil {
			return refused("sendto", err)
		}
		return nil
	})
}

// Refuse answers a request that carries so many bytes with an ICMP error. By is who
// says so, such as a router on the way; the zero Addr is the address that was asked.
func (e *EchoConn) Refuse(to Echo, bytes int, by netip.Addr, why host.Unreachable) error {
	return e.inShard(to, func(now clock.Time, h *host.Host, d *host.Datagram) error {
		if by.IsValid() && by.Unmap().Is4() != d.Dst.Is4() {
			return os.NewSyscallError("sendto", syscall.EINVAL)
		}
		h.RefuseEcho(now, d, bytes, wire.AddrFrom(by), why)
		return nil
	})
}

// inShard answers a request in the shard that has got it, found by its addresses again:
// the program may answer much later, from any goroutine, or twice.
func (e *EchoConn) inShard(to Echo, answer func(clock.Time, *host.Host, *host.Datagram) error) error {
	d := host.Datagram{Src: wire.AddrFrom(to.From), Dst: wire.AddrFrom(to.To), SrcPort: to.ID, DstPort: to.Seq}
	err := os.NewSyscallError("sendto", syscall.EINVAL)
	if to.From.IsValid() && d.Src.Is4() == d.Dst.Is4() {
		s := e.owner.shardOf(wire.Tuple{Local: d.Dst, Remote: d.Src})
		now := s.lock()
		defer s.flushAndUnlock(now)
		if err = s.err; err == nil {
			err = e.failure()
		}
		if err == nil {
			err = answer(now, s.host, &d)
		}
	}
	if err != nil {
		return e.opError("write", err)
	}
	return nil
}

// Close closes the socket. Blocked calls fail with net.ErrClosed.
func (e *EchoConn) Close() error {
	if !e.stop(net.ErrClosed) {
		return e.opError("close", net.ErrClosed)
	}
	h := e.owner
	h.mu.Lock()
	defer h.mu.Unlock()
	e.closeParts()
	delete(h.sockets, e)
	h.setForwarded()
	return nil
}

func (e *EchoConn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "icmp", Err: err}
}
