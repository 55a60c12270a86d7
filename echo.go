package handfast

import (
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/wire"
)

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
