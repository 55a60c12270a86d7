package handfast

import (
	"context"
	"encoding/binary"
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
// checksum. A reply that is read has the identifier of the request that was written last, which
// is what programs look for. Its methods may be called by several goroutines at the same time.
type PingConn struct{ u *UDPConn }

// ListenPing opens a ping socket at one of the host's addresses, or at every one of a
// family with 0.0.0.0 or [::], that asks anybody. It is what ListenPacket opens on the
// networks ip4:icmp and ip6:ipv6-icmp.
func (h *Host) ListenPing(local netip.Addr) (*PingConn, error) {
	c, err := h.openPing(local, netip.Addr{}, "bind")
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: pingNetwork(local).String(), Addr: ipAddr(wire.AddrFrom(local)), Err: err}
	}
	return c, nil
}

// DialPing opens a ping socket that asks remote only, and is told when a router says that
// remote cannot be reached. Local is one of the host's addresses, or not valid: the route
// gives one then. It is what Dial opens on those networks.
func (h *Host) DialPing(local, remote netip.Addr) (*PingConn, error) {
	c, err := h.openPing(local, remote, "connect")
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: pingNetwork(remote).String(), Addr: ipAddr(wire.AddrFrom(remote)), Err: err}
	}
	return c, nil
}

// dialPing dials one address of a network of pings.
func (w dialling) dialPing(ctx context.Context, remote endpoint) (net.Conn, error) {
	var u *UDPConn
	err := w.control(ctx, w.network, remote)
	if err == nil {
		u, err = w.Host.dialUDP(w.network, w.local, remote)
	}
	if err != nil {
		return nil, w.failed(ipAddr(remote.addr), err)
	}
	return &PingConn{u}, nil
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
	from := endpoint{addr: n.any()}
	if local.IsValid() && !isAny(wire.AddrFrom(local)) {
		from.addr = wire.AddrFrom(local)
	}
	if call == "connect" {
		if err := h.useZone(remote); err != nil {
			return nil, err
		}
		u, err := h.dialUDP(n, from, endpoint{addr: wire.AddrFrom(remote)})
		return &PingConn{u}, err
	}
	u := h.makeUDP(n, from, endpoint{})
	return &PingConn{u}, u.openAnywhere(call)
}

// Where identifier and checksum stand in an echo message.
const (
	echoIDAt       = 4
	echoChecksumAt = 2
)

// echoID returns the identifier of an echo message, 0 when it is cut off.
func echoID(p []byte) uint16 {
	if len(p) < echoIDAt+2 {
		return 0
	}
	return binary.BigEndian.Uint16(p[echoIDAt:])
}

// setEchoID changes the identifier of a message, and the checksum by as much.
func setEchoID(p []byte, id uint16) {
	if len(p) < echoIDAt+2 {
		return
	}
	sum := wire.UpdateChecksum(binary.BigEndian.Uint16(p[echoChecksumAt:]), echoID(p), id)
	binary.BigEndian.PutUint16(p[echoIDAt:], id)
	binary.BigEndian.PutUint16(p[echoChecksumAt:], sum)
}

// LocalAddr returns our address, a *net.IPAddr.
func (c *PingConn) LocalAddr() net.Addr { return c.u.LocalAddr() }

// RemoteAddr returns the address that was dialled, a *net.IPAddr, or nil.
func (c *PingConn) RemoteAddr() net.Addr { return c.u.RemoteAddr() }

// Read receives a reply; what of it does not fit into p is lost.
func (c *PingConn) Read(p []byte) (int, error) { return c.u.Read(p) }

// ReadFrom receives a reply and says where it came from, a *net.IPAddr.
func (c *PingConn) ReadFrom(p []byte) (int, net.Addr, error) { return c.u.ReadFrom(p) }

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

// WriteTo sends an echo request to a, a *net.IPAddr, or a *net.UDPAddr, whose port nobody
// looks at. Any other message fails with EINVAL.
func (c *PingConn) WriteTo(p []byte, a net.Addr) (int, error) { return c.u.WriteTo(p, a) }

// WriteToAddr is WriteTo without the allocation.
func (c *PingConn) WriteToAddr(p []byte, to netip.Addr) (int, error) {
	return c.u.writeTo(p, netip.AddrPort{}, netip.AddrPortFrom(to, 0), "sendto")
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
