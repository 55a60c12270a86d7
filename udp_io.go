package handfast

import (
	"cmp"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// msgTrunc is the flag of recvmsg, as Linux has it, for a datagram that was cut.
const msgTrunc = 0x20

// Read receives a datagram; what of it does not fit into p is lost.
func (u *UDPConn) Read(p []byte) (int, error) {
	n, _, _, err := u.read(p)
	return n, err
}

// ReadFrom receives a datagram and says where it came from, a *net.UDPAddr; of a ping socket
// a *net.IPAddr. What of it does not fit into p is lost.
func (u *UDPConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, _, d, err := u.read(p)
	if err != nil {
		return n, nil, err
	}
	return n, u.show(endpoint{d.Src, d.SrcPort}), nil
}

// ReadFromUDP is ReadFrom with the address's own type.
func (u *UDPConn) ReadFromUDP(p []byte) (int, *net.UDPAddr, error) {
	n, from, err := u.ReadFromUDPAddrPort(p)
	return n, udpAddrOrNil(from), err
}

// ReadFromUDPAddrPort is ReadFrom without the allocation.
func (u *UDPConn) ReadFromUDPAddrPort(p []byte) (n int, from netip.AddrPort, err error) {
	n, _, d, err := u.read(p)
	return n, sender(d), err
}

// ReadFromTo is ReadFromUDPAddrPort that also says where the datagram was sent
// to, which a socket that has every address cannot know otherwise. WriteFromTo
// answers from there.
func (u *UDPConn) ReadFromTo(p []byte) (n int, from, to netip.AddrPort, err error) {
	n, _, d, err := u.read(p)
	if err == nil {
		to = netip.AddrPortFrom(d.Dst.Netip(), d.DstPort)
	}
	return n, sender(d), to, err
}

// ReadMsgUDP is ReadFromUDP that also tells, by the flag MSG_TRUNC (0x20),
// whether the datagram was longer than p. There are no control messages: oobn
// is zero, and ReadFromTo says what programs ask them for.
func (u *UDPConn) ReadMsgUDP(p, oob []byte) (n, oobn, flags int, from *net.UDPAddr, err error) {
	n, oobn, flags, at, err := u.ReadMsgUDPAddrPort(p, oob)
	return n, oobn, flags, udpAddrOrNil(at), err
}

// ReadMsgUDPAddrPort is ReadMsgUDP without the allocation.
func (u *UDPConn) ReadMsgUDPAddrPort(p, _ []byte) (n, oobn, flags int, from netip.AddrPort, err error) {
	n, cut, d, err := u.read(p)
	if cut {
		flags = msgTrunc
	}
	return n, 0, flags, sender(d), err
}

// sender returns where d came from; the zero value where there is no datagram.
func sender(d host.Datagram) netip.AddrPort {
	if d.Src == (wire.Addr{}) {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(d.Src.Netip(), d.SrcPort)
}

// read receives a datagram into p, and reports whether it was cut.
func (u *UDPConn) read(p []byte) (n int, cut bool, d host.Datagram, err error) {
	if d, err = u.receive(); err != nil {
		return 0, false, d, u.opError("read", u.remoteAddr(), err)
	}
	n = copy(p, d.Payload.Bytes())
	cut = n < d.Payload.Len()
	d.Payload.Release()
	if u.ping {
		setEchoID(p[:n], uint16(u.asked.Load()))
	}
	return n, cut, d, nil
}

// Write sends a datagram to the address that was dialled.
func (u *UDPConn) Write(p []byte) (int, error) {
	err := u.writable()
	switch {
	case err != nil:
	case u.remote == (endpoint{}):
		err = os.NewSyscallError("write", syscall.EDESTADDRREQ)
	default:
		err = u.send(p, endpoint{}, u.remote, "write")
	}
	if err != nil {
		return 0, u.opError("write", u.remoteAddr(), err)
	}
	return len(p), nil
}

// WriteTo sends a datagram to a, a *net.UDPAddr; of a ping socket it may be a *net.IPAddr.
func (u *UDPConn) WriteTo(p []byte, a net.Addr) (int, error) {
	switch to := a.(type) {
	case *net.UDPAddr:
		return u.WriteToUDP(p, to)
	case *net.IPAddr:
		if u.ping {
			ip, _ := netip.AddrFromSlice(to.IP)
			return u.writeTo(p, netip.AddrPort{}, netip.AddrPortFrom(ip.WithZone(to.Zone), 0), "sendto")
		}
	}
	return 0, u.opError("write", a, syscall.EINVAL)
}

// WriteToUDP is WriteTo with the address's own type.
func (u *UDPConn) WriteToUDP(p []byte, to *net.UDPAddr) (int, error) {
	return u.writeTo(p, netip.AddrPort{}, to.AddrPort(), "sendto")
}

// WriteToUDPAddrPort is WriteTo without the allocation.
func (u *UDPConn) WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error) {
	return u.writeTo(p, netip.AddrPort{}, to, "sendto")
}

// WriteFromTo is WriteToUDPAddrPort from one of the host's addresses, for a
// socket that has every address: so an answer comes from where the question
// was sent to. The port of from counts for a socket of ForwardPacket only. An
// address that is not the host's, such as the broadcast address that ReadFromTo may
// have told, fails with EADDRNOTAVAIL.
func (u *UDPConn) WriteFromTo(p []byte, from, to netip.AddrPort) (int, error) {
	return u.writeTo(p, from, to, "sendmsg")
}

// Refuse answers a datagram of so many bytes that ReadFromTo returned with an ICMP
// error that quotes its headers: for a socket of ForwardPacket, when nobody is where
// it was sent to. It fails with EINVAL for other sockets.
func (u *UDPConn) Refuse(from, to netip.AddrPort, bytes int, why host.Unreachable) error {
	if !u.all {
		return u.opError("write", addrPortOrNil(from), os.NewSyscallError("sendmsg", syscall.EINVAL))
	}
	t := wire.Tuple{Local: wire.AddrFrom(to.Addr()), Remote: wire.AddrFrom(from.Addr()), LocalPort: to.Port(), RemotePort: from.Port()}
	s := u.owner.shardOf(t)
	now := s.lock()
	defer s.flushAndUnlock(now)
	if err := cmp.Or(u.writable(), s.err); err != nil {
		return u.opError("write", addrPortOrNil(from), err)
	}
	s.host.RefuseDatagram(now, t, bytes, why)
	return nil
}

// WriteMsgUDP is WriteToUDP; to is nil when the socket was dialled. Control
// messages there are none: an oob that is not empty fails with EINVAL, and
// WriteFromTo does what programs want of them.
func (u *UDPConn) WriteMsgUDP(p, oob []byte, to *net.UDPAddr) (n, oobn int, err error) {
	return u.WriteMsgUDPAddrPort(p, oob, to.AddrPort())
}

// WriteMsgUDPAddrPort is WriteMsgUDP without the allocation.
func (u *UDPConn) WriteMsgUDPAddrPort(p, oob []byte, to netip.AddrPort) (n, oobn int, err error) {
	switch {
	case len(oob) > 0:
		return 0, 0, u.opError("write", addrPortOrNil(to), os.NewSyscallError("sendmsg", syscall.EINVAL))
	case u.remote != (endpoint{}) && !to.IsValid():
		if err = u.send(p, endpoint{}, u.remote, "sendmsg"); err != nil {
			return 0, 0, u.opError("write", u.remoteAddr(), err)
		}
		return len(p), 0, nil
	}
	n, err = u.writeTo(p, netip.AddrPort{}, to, "sendmsg")
	return n, 0, err
}

func (u *UDPConn) writeTo(p []byte, from, to netip.AddrPort, call string) (int, error) {
	// Even when to is the peer: package net refuses before it asks the kernel.
	err := error(net.ErrWriteToConnected)
	if u.remote == (endpoint{}) {
		err = u.sendTo(p, from, to, call)
	}
	if err == nil {
		return len(p), nil
	}
	if u.ping && to.Addr().IsValid() {
		return 0, u.opError("write", ipAddr(wire.AddrFrom(to.Addr())), err)
	}
	return 0, u.opError("write", addrPortOrNil(to), err)
}

// sendTo checks what sendto(2) checks, and fails with what package net says then.
func (u *UDPConn) sendTo(p []byte, from, to netip.AddrPort, call string) error {
	if !to.Addr().IsValid() {
		return addrError("missing address", "")
	}
	e := endpoint{wire.AddrFrom(to.Addr()), to.Port()}
	switch is4 := e.addr.Is4(); {
	case !is4 && (!u.network.allows(e.addr) || !isAny(u.local.addr) && u.local.addr.Is4()):
		return addrError("non-IPv4 address", to.Addr().String())
	case is4 && (!u.network.allows(e.addr) || !isAny(u.local.addr) && !u.local.addr.Is4()):
		return addrError("non-IPv6 address", to.Addr().String())
	case e.port == 0 && !u.ping, u.ping && isAny(e.addr):
		return os.NewSyscallError(call, syscall.EINVAL)
	}
	if err := u.owner.useZone(to.Addr()); err != nil {
		return err
	}
	u.owner.shareScope(e.addr)
	var source endpoint
	if from.IsValid() {
		source = endpoint{wire.AddrFrom(from.Addr()), from.Port()}
	}
	return u.send(p, source, e, call)
}

// shardFor returns the shard that answers to a datagram come to, and the ICMP
// errors that quote it: its source address counts for that, also when the socket
// has every address.
func (u *UDPConn) shardFor(local, to endpoint) *shard {
	t := wire.Tuple{Local: local.addr, LocalPort: local.port, Remote: to.addr, RemotePort: to.port}
	// The hash is of both addresses: a socket without one of its own has the one that the
	// route gives, and only that leads to the shard where the answers arrive.
	if isAny(local.addr) && len(u.owner.shards) > 1 {
		one := u.owner.shardOf(t)
		one.mu.Lock()
		if source, _, ok := one.host.Source(to.addr); ok {
			t.Local = source
		}
		one.mu.Unlock()
	}
	return u.owner.shardOf(t)
}

// send sends a datagram by the shard that its answers come to.
func (u *UDPConn) send(p []byte, from, to endpoint, call string) error {
	local := u.local
	if !isAny(from.addr) {
		local.addr = from.addr
	}
	if u.all {
		local.port = from.port
	}
	s := u.shardFor(local, to)
	now := s.lock()
	defer s.flushAndUnlock(now)
	if err := u.writable(); err != nil {
		return err
	}
	if s.err != nil {
		return s.err
	}
	part := u.parts[s.index]
	if err := s.lostTo(part, to.addr); err != nil {
		return err
	}
	// What an ICMP error has said of an earlier datagram is told once, by whichever call
	// comes next, as the kernel does: UDP has no other way back.
	if f := part.TakeFailure(); f != tcp.NoFailure {
		return failed(call, f)
	}
	var err error
	switch {
	case u.ping:
		u.asked.Store(uint32(echoID(p)))
		err = s.host.SendPing(now, part, to.addr, p)
	case u.all:
		t := wire.Tuple{Local: local.addr, LocalPort: local.port, Remote: to.addr, RemotePort: to.port}
		err = s.host.SendUDPFlow(now, part, t, p)
	default:
		err = s.host.SendUDPFrom(now, part, from.addr, to.addr, to.port, p)
	}
	if err != nil {
		return refused(call, err)
	}
	return nil
}

// lostTo is lost for what a socket sends, which may have chosen the link to a group itself.
func (s *shard) lostTo(part *host.UDPSocket, dst wire.Addr) error {
	if iface := part.GroupLink(); iface >= 0 && dst.IsMulticast() {
		if gone := (*s.shared.attached.Load())[iface].gone.Load(); gone != nil {
			return gone
		}
		return nil
	}
	return s.lost(dst)
}
