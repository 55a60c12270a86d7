package handfast

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/ports"
)

// UDPConn is a UDP socket. It is a net.PacketConn and a net.Conn that behaves
// like a *net.UDPConn, without what needs a file descriptor. Its methods may be
// called by several goroutines at the same time.
type UDPConn struct {
	owner         *Host
	network       network
	local, remote endpoint          // remote is zero when not connected
	all           bool              // a forwarder: every port of prefix
	ping          bool              // a ping socket: its port is an identifier
	shared        bool              // others may have the port too: for groups
	asked         atomic.Uint32     // the identifier in the last request of a ping socket
	prefix        netip.Prefix      // zero: all addresses
	parts         []*host.UDPSocket // one in each shard

	inbox         // of datagrams to read
	writeDeadline clock.Time
}

// ListenPacket opens a UDP socket on address, "host:port", of one of the
// networks udp, udp4 and udp6. Without a host, or with 0.0.0.0 or [::], it has
// every address; port 0 is replaced by a free one, which LocalAddr tells. With the address of
// a multicast group it has every address, too, and shares the port with others that are opened
// so, as in package net; what is sent to the group comes after JoinGroup.
//
// On the networks ip4:icmp and ip6:ipv6-icmp, whose addresses are a host alone, it opens a
// ping socket, what ListenPing opens, in the shape of package net: addresses are of
// *net.IPAddr, or for who writes of *net.UDPAddr, as programs on golang.org/x/net/icmp have
// them.
func (h *Host) ListenPacket(network, address string) (*UDPConn, error) {
	n, err := parsePacketNetwork(network, netUDP)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	local, err := parseLocal(n, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	u := h.makeUDP(n, local, endpoint{})
	u.share()
	if err := u.openAnywhere("bind"); err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: u.show(local), Err: err}
	}
	return u, nil
}

// ListenMulticastUDP opens a UDP socket that is in the group gaddr on a link, named by ifi.Name;
// nil leaves the choice to the routes. Any number of sockets that are opened so may have one
// port: of what is sent to a group, each that is in it gets a copy. Sockets that are in other
// groups only do not, which on Linux takes IP_MULTICAST_ALL=0. What this one sends is not heard
// by members on this host: see SetMulticastLoopback. JoinGroup adds groups.
//
// Routers and switches are told by IGMPv3 (https://www.rfc-editor.org/rfc/rfc9776) and MLDv2
// (https://www.rfc-editor.org/rfc/rfc9777), or by the older version that they speak. Routers of
// IPv6 listen to link-local addresses only, so the link needs one. There are no lists of
// sources.
func (h *Host) ListenMulticastUDP(network string, ifi *net.Interface, gaddr *net.UDPAddr) (*UDPConn, error) {
	fail := func(err error) (*UDPConn, error) {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addrPortOrNil(gaddr.AddrPort()), Err: err}
	}
	n, err := parseNetwork(network, netUDP, netUDP6)
	if err != nil {
		return fail(err)
	}
	group := gaddr.AddrPort()
	a := wire.AddrFrom(group.Addr())
	switch {
	case !group.Addr().IsValid():
		return fail(addrError("missing address", ""))
	case !n.allows(a):
		return fail(addrError("no suitable address found", group.Addr().String()))
	case !a.IsMulticast():
		return fail(os.NewSyscallError("setsockopt", syscall.EINVAL))
	case n == netUDP && a.Is4():
		n = netUDP4
	case n == netUDP:
		n = netUDP6
	}
	u := h.makeUDP(n, endpoint{a, group.Port()}, endpoint{})
	u.share()
	if err := u.openAnywhere("bind"); err != nil {
		return fail(err)
	}
	for _, err := range []error{u.SetMulticastLoopback(false), u.SetMulticastInterface(ifi), u.JoinGroup(ifi, gaddr)} {
		if err != nil {
			u.Close()
			return fail(errors.Unwrap(err))
		}
	}
	return u, nil
}

// share makes a socket that is to have a group's address one that shares its port, on every
// address of the group's family.
func (u *UDPConn) share() {
	if a := u.local.addr; a.IsMulticast() {
		u.shared, u.local.addr = true, wire.Addr{}
		if a.Is4() {
			u.local.addr = any4
		}
	}
}

// dialUDP opens a socket that speaks with remote only.
func (h *Host) dialUDP(n network, local, remote endpoint) (*UDPConn, error) {
	source, err := h.source(local.addr, remote.addr)
	if err != nil {
		return nil, err
	}
	local.addr = source
	u := h.makeUDP(n, local, remote)
	return u, u.openAnywhere("connect")
}

// makeUDP returns a socket that is still to be opened.
func (h *Host) makeUDP(n network, local, remote endpoint) *UDPConn {
	return &UDPConn{
		owner: h, network: n, ping: n.isPing(), local: local, remote: remote,
		inbox: inbox{deadline: clock.Never}, writeDeadline: clock.Never,
	}
}

// openAnywhere opens u on its port, or on a free one if it has none.
func (u *UDPConn) openAnywhere(call string) error {
	h := u.owner
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return h.err
	}
	if u.local.port != 0 {
		return u.open(call)
	}
	// A port is free if every shard has it free: open tries them all, and gives back what
	// it has when one refuses.
	for port := range h.ports.Candidates(ports.Destination{Local: u.local.addr, Remote: u.remote.addr, RemotePort: u.remote.port}) {
		u.local.port = port
		if err := u.open(call); !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
	if call == "bind" {
		return os.NewSyscallError(call, syscall.EADDRINUSE) // as of a listener of TCP
	}
	return os.NewSyscallError(call, syscall.EADDRNOTAVAIL)
}

// open opens u in every shard: datagrams of one socket come from many peers, and so from
// many flows. The caller holds the host's lock.
func (u *UDPConn) open(call string) error {
	for _, s := range u.owner.shards {
		now := s.lock()
		part, err := u.openPart(s.host)
		s.flushAndUnlock(now)
		if err != nil {
			u.closeParts()
			return refused(call, err)
		}
		u.parts = append(u.parts, part)
	}
	u.owner.sockets[u] = struct{}{}
	return nil
}

func (u *UDPConn) openPart(h *host.Host) (*host.UDPSocket, error) {
	switch {
	case u.all:
		return h.OpenAnyUDP(u.prefix, u)
	case u.ping:
		return h.OpenPing(u.local.addr, u.local.port, u.remote.addr, u)
	case u.shared:
		return h.OpenSharedUDP(u.local.addr, u.local.port, u)
	}
	return h.OpenUDP(u.local.addr, u.local.port, u.remote.addr, u.remote.port, u)
}

func (u *UDPConn) forwards(f *host.Forwarded) {
	if u.all {
		f.UDP = append(f.UDP, prefixes(u.prefix)...)
	}
}

// closeParts closes u in those shards that have it: all, or when it could not be opened
// everywhere the first few.
func (u *UDPConn) closeParts() {
	for i, part := range u.parts {
		s := u.owner.shards[i]
		now := s.lock()
		s.host.CloseUDP(part)
		s.flushAndUnlock(now)
	}
	u.parts = nil
}

// receive waits for a datagram. The caller releases its payload.
func (u *UDPConn) receive() (host.Datagram, error) {
	for {
		shard, err := u.awaitShard(&u.owner.shared)
		if err != nil {
			return host.Datagram{}, err
		}
		if d, ok, err := u.receiveFrom(u.owner.shards[shard]); ok {
			return d, err
		}
	}
}

// receiveFrom takes what a shard has: a datagram, or what an ICMP error said.
// ok is false when it has nothing.
func (u *UDPConn) receiveFrom(s *shard) (d host.Datagram, ok bool, err error) {
	now := s.lock()
	defer s.flushAndUnlock(now)
	if s.err != nil || u.failure() != nil {
		return d, false, nil
	}
	// An error comes before the datagrams that arrived before it: the kernel's sockets have
	// one place for it, and look there first.
	part := u.parts[s.index]
	if f := part.TakeFailure(); f != tcp.NoFailure {
		ok, err = true, failed("read", f)
		// A socket of udp6 on every address of a host with both families gets datagrams of
		// IPv4 as well: they are not for it, and not an error either.
	} else if d, ok = part.Receive(); !u.network.allows(d.Src) && ok {
		d.Payload.Release()
		d, ok = host.Datagram{}, false
		u.becomeReady(s.index, tcp.Readable)
	}
	if ok {
		u.becomeReady(s.index, tcp.Readable) // there may be more
	}
	return d, ok, err
}

// writable returns why nothing can be sent, nil when something can.
func (u *UDPConn) writable() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err == nil && u.writeDeadline <= u.owner.now() {
		return os.ErrDeadlineExceeded
	}
	return u.err
}

// Close closes the socket. Blocked calls fail with net.ErrClosed.
func (u *UDPConn) Close() error {
	if !u.stop(net.ErrClosed) {
		return u.opError("close", u.remoteAddr(), net.ErrClosed)
	}
	h := u.owner
	h.mu.Lock()
	defer h.mu.Unlock()
	u.closeParts()
	delete(h.sockets, u)
	if u.all {
		h.setForwarded()
	}
	return nil
}

// LocalAddr returns our end, a *net.UDPAddr.
func (u *UDPConn) LocalAddr() net.Addr { return u.show(u.local) }

// show returns an end as the socket's kind has it.
func (u *UDPConn) show(e endpoint) net.Addr {
	if u.ping {
		return ipAddr(e.addr)
	}
	return udpAddr(e.addr, e.port)
}

// RemoteAddr returns the end that was dialled, a *net.UDPAddr, or nil.
func (u *UDPConn) RemoteAddr() net.Addr { return u.remoteAddr() }

// remoteAddr is the address for errors: a nil interface when there is none.
func (u *UDPConn) remoteAddr() net.Addr {
	if u.remote == (endpoint{}) {
		return nil
	}
	return u.show(u.remote)
}

// opError dresses err as package net does.
func (u *UDPConn) opError(op string, addr net.Addr, err error) error {
	return &net.OpError{Op: op, Net: u.network.String(), Source: u.LocalAddr(), Addr: addr, Err: err}
}

// SetDeadline sets both deadlines.
func (u *UDPConn) SetDeadline(t time.Time) error { return u.setDeadlines(t, reading|writing) }

// SetReadDeadline sets when a read that waits, now or later, fails with
// os.ErrDeadlineExceeded. The zero time is never.
func (u *UDPConn) SetReadDeadline(t time.Time) error { return u.setDeadlines(t, reading) }

// SetWriteDeadline sets from when on writes fail with os.ErrDeadlineExceeded.
// The zero time is never.
func (u *UDPConn) SetWriteDeadline(t time.Time) error { return u.setDeadlines(t, writing) }

func (u *UDPConn) setDeadlines(t time.Time, of directions) error {
	at := u.owner.clockTime(t)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return u.setError(u.err)
	}
	if of&reading != 0 {
		u.deadline = at
		u.waiting.wakeAll()
	}
	if of&writing != 0 {
		u.writeDeadline = at
	}
	return nil
}

// SetReadBuffer sets how many bytes may wait to be read, at most tcp.MaxBuffer; the
// nearest possible value counts, as in Linux.
func (u *UDPConn) SetReadBuffer(bytes int) error {
	if err := u.failure(); err != nil {
		return u.setError(err)
	}
	// The program thinks of one buffer: all parts together are as large as it says.
	share := min(max(bytes, minBuffer), tcp.MaxBuffer) / len(u.owner.shards)
	u.owner.mu.Lock()
	defer u.owner.mu.Unlock()
	for i, part := range u.parts {
		s := u.owner.shards[i]
		s.mu.Lock()
		part.SetReceiveBuffer(share)
		s.mu.Unlock()
	}
	return nil
}

// SetWriteBuffer does nothing: a datagram leaves at once or not at all.
func (u *UDPConn) SetWriteBuffer(int) error {
	if err := u.failure(); err != nil {
		return u.setError(err)
	}
	return nil
}

func (u *UDPConn) setError(err error) error {
	return &net.OpError{Op: "set", Net: u.network.String(), Addr: u.LocalAddr(), Err: err}
}

// JoinGroup makes the socket a member of a group, a *net.UDPAddr or *net.IPAddr, on a link,
// named by ifi.Name; nil leaves the choice to the routes. It is what JoinGroup of a PacketConn of
// golang.org/x/net/ipv4 and ipv6 does. It fails with EADDRINUSE when the socket is a member, with
// ENODEV when there is no such link, or no way to the group, and with ENOBUFS when the host is in
// 256 groups. When the link has gone the membership waits for one that takes its place: it has
// its name, or an address that it had.
func (u *UDPConn) JoinGroup(ifi *net.Interface, group net.Addr) error {
	a := groupAddr(group)
	return u.ofGroups(ifi, func(h *host.Host, part *host.UDPSocket, iface int) error {
		return h.JoinGroup(part, iface, a)
	})
}

// LeaveGroup ends what JoinGroup began. It fails with EADDRNOTAVAIL when the socket is not in
// the group. Close leaves all.
func (u *UDPConn) LeaveGroup(ifi *net.Interface, group net.Addr) error {
	a := groupAddr(group)
	return u.ofGroups(ifi, func(h *host.Host, part *host.UDPSocket, iface int) error {
		return h.LeaveGroup(part, iface, a)
	})
}

// SetMulticastInterface sets by which link, named by ifi.Name, the socket sends to groups; with
// nil, as by default, the routes say, or it is the first link that has an address of the family.
// It is IP_MULTICAST_IF of Linux.
func (u *UDPConn) SetMulticastInterface(ifi *net.Interface) error {
	return u.ofGroups(ifi, func(h *host.Host, part *host.UDPSocket, iface int) error {
		return h.SetGroupLink(part, iface)
	})
}

// SetMulticastTTL sets the TTL, or hop limit, of what the socket sends to groups, 0 to 255: by
// default 1, so that no router passes it on. With 0 it does not leave the host. It is
// IP_MULTICAST_TTL and IPV6_MULTICAST_HOPS of Linux.
func (u *UDPConn) SetMulticastTTL(ttl int) error {
	if ttl < 0 || ttl > 255 {
		return u.setError(os.NewSyscallError("setsockopt", syscall.EINVAL))
	}
	return u.ofGroups(nil, func(_ *host.Host, part *host.UDPSocket, _ int) error {
		part.SetGroupTTL(uint8(ttl))
		return nil
	})
}

// SetMulticastHopLimit is SetMulticastTTL by the name that it has with IPv6.
func (u *UDPConn) SetMulticastHopLimit(hops int) error { return u.SetMulticastTTL(hops) }

// SetMulticastLoopback says whether members on this host hear what the socket sends to a group,
// as they do by default, but for sockets of ListenMulticastUDP. It is IP_MULTICAST_LOOP of Linux.
func (u *UDPConn) SetMulticastLoopback(on bool) error {
	return u.ofGroups(nil, func(_ *host.Host, part *host.UDPSocket, _ int) error {
		part.SetGroupLoop(on)
		return nil
	})
}

// groupAddr returns the address of a group, in either form that package net has.
func groupAddr(group net.Addr) wire.Addr {
	var ip net.IP
	switch a := group.(type) {
	case *net.UDPAddr:
		ip = a.IP
	case *net.IPAddr:
		ip = a.IP
	}
	a, _ := netip.AddrFromSlice(ip)
	if !a.IsValid() {
		return wire.Addr{} // no group
	}
	return wire.AddrFrom(a)
}

// ofGroups does something to all parts of a socket, with the number of a link, below zero for nil.
// They are alike: only a link that goes meanwhile can make one refuse what another has done, and
// then that has no effect.
func (u *UDPConn) ofGroups(ifi *net.Interface, do func(h *host.Host, part *host.UDPSocket, iface int) error) error {
	u.owner.mu.Lock()
	defer u.owner.mu.Unlock()
	if err := u.failure(); err != nil {
		return u.setError(err)
	}
	iface := -1
	if ifi != nil {
		if iface, _ = u.owner.linkNamed(ifi.Name); iface < 0 {
			return u.setError(noLink(ifi.Name))
		}
	}
	if u.ping {
		return u.setError(os.NewSyscallError("setsockopt", syscall.EINVAL))
	}
	for i, part := range u.parts {
		s := u.owner.shards[i]
		now := s.lock()
		err := do(s.host, part, iface)
		s.flushAndUnlock(now)
		if err != nil {
			return u.setError(refusedGroup(err))
		}
	}
	return nil
}
