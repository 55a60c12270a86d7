package gateway

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// pingSocket is a socket of the system's for echo requests, which needs no rights. The
// system chooses its identifier, and tells by the error queue what routers say.
type pingSocket struct {
	file *os.File
	raw  syscall.RawConn
	to   netip.Addr
	ttl  int    // that the socket is set to
	out  []byte // Send's
}

// DialPing opens a ping socket of the system's (net.ipv4.ping_group_range in Linux).
// Where there are none it fails with EACCES or EPROTONOSUPPORT, and says so.
func DialPing(to netip.Addr) (Pinger, error) {
	to = to.Unmap()
	var address unix.Sockaddr
	family, proto, level, option := unix.AF_INET, unix.IPPROTO_ICMP, unix.SOL_IP, unix.IP_RECVERR
	if to.Is4() {
		address = &unix.SockaddrInet4{Addr: to.As4()}
	} else {
		family, proto, level, option = unix.AF_INET6, unix.IPPROTO_ICMPV6, unix.SOL_IPV6, unix.IPV6_RECVERR
		address = &unix.SockaddrInet6{Addr: to.As16()}
	}
	// Of datagrams and not raw: such a socket sends echo requests and nothing else, so the
	// system gives it to users without rights.
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, proto)
	switch {
	case errors.Is(err, unix.EACCES):
		return nil, fmt.Errorf("gateway: no ping sockets for group %d: %w: the administrator lets it with sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"",
			os.Getegid(), os.NewSyscallError("socket", err))
	case err != nil:
		return nil, fmt.Errorf("gateway: no ping sockets: %w", os.NewSyscallError("socket", err))
	}
	s := &pingSocket{file: os.NewFile(uintptr(fd), "ping"), to: to}
	if err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, option, 1)); err == nil {
		err = os.NewSyscallError("connect", unix.Connect(fd, address))
	}
	if err == nil {
		s.raw, err = s.file.SyscallConn()
	}
	if err != nil {
		s.file.Close()
		return nil, err
	}
	return s, nil
}

// Send sends a request.
func (s *pingSocket) Send(seq uint16, ttl uint8, payload []byte) error {
	m := wire.ICMP{Type: wire.ICMPv4EchoRequest}
	if s.to.Is6() {
		m.Type = wire.ICMPv6EchoRequest
	}
	binary.BigEndian.PutUint16(m.Rest[2:], seq)
	s.out = append(m.Append(s.out[:0]), payload...)
	var err error
	if failed := s.raw.Control(func(fd uintptr) { err = s.send(int(fd), int(ttl)) }); failed != nil {
		return failed
	}
	return err
}

// send sends what is in s.out. What has been heard of an earlier request is told once
// by this call, which then sends nothing; Receive tells it properly.
func (s *pingSocket) send(fd, ttl int) error {
	// The client's own hop limit goes out, less the hop that we are, so that traceroute
	// through us finds the routers behind.
	if ttl != s.ttl {
		level, option := unix.SOL_IP, unix.IP_TTL
		if s.to.Is6() {
			level, option = unix.SOL_IPV6, unix.IPV6_UNICAST_HOPS
		}
		if err := unix.SetsockoptInt(fd, level, option, ttl); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
		s.ttl = ttl
	}
	// The first one may only have told of what an earlier request met with.
	_, err := unix.Write(fd, s.out)
	if err != nil && err != unix.EAGAIN {
		_, err = unix.Write(fd, s.out)
	}
	return os.NewSyscallError("write", err)
}

// Receive waits for a reply, or an error of a router's.
func (s *pingSocket) Receive(p []byte) (Pong, error) {
	text, r, pong, err := s.receive()
	if r != nil {
		pong.Bytes = copy(p, text)
		rooms.Put(r)
	}
	return pong, err
}

// receive is Receive to a room that it takes when there is a reply: text is in it.
func (s *pingSocket) receive() (text []byte, r *room, pong Pong, err error) {
	for ok := false; !ok; {
		// The error queue is looked at each time: its signal may have been taken by Send.
		if err := s.raw.Read(func(fd uintptr) (done bool) {
			if pong, ok = s.takeError(int(fd)); ok {
				return true
			}
			r = rooms.Get().(*room)
			n, from, err := unix.Recvfrom(int(fd), r[:], 0)
			if ok = err == nil && n >= wire.ICMPSize && address(from) == s.to; ok {
				text, pong = r[wire.ICMPSize:n], Pong{Seq: binary.BigEndian.Uint16(r[6:]), Bytes: n - wire.ICMPSize}
				return true
			}
			rooms.Put(r)
			r = nil
			return err != unix.EAGAIN
		}); err != nil {
			return nil, nil, Pong{}, err
		}
	}
	return text, r, pong, nil
}

// SetReadDeadline sets until when Receive waits.
func (s *pingSocket) SetReadDeadline(t time.Time) error { return s.file.SetReadDeadline(t) }

// Close closes the socket.
func (s *pingSocket) Close() error { return s.file.Close() }

func address(a unix.Sockaddr) netip.Addr {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(a.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(a.Addr)
	}
	return netip.Addr{}
}

// Who has found an error, of struct sock_extended_err.
const (
	originICMP  = 2
	originICMP6 = 3
)

// takeError takes the oldest error of the queue. It skips those that say nothing to
// the client.
func (s *pingSocket) takeError(fd int) (Pong, bool) {
	var quoted, control [256]byte
	for {
		n, m, _, _, err := unix.Recvmsg(fd, quoted[:], control[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err != nil {
			return Pong{}, false
		}
		messages, err := unix.ParseSocketControlMessage(control[:m])
		if err != nil || n < wire.ICMPSize {
			continue
		}
		for _, c := range messages {
			if pong, ok := s.parseError(c.Data); ok {
				pong.Seq, pong.Bytes = binary.BigEndian.Uint16(quoted[6:]), n-wire.ICMPSize
				return pong, true
			}
		}
	}
}

// parseError reads a struct sock_extended_err, and the address of who says so.
func (s *pingSocket) parseError(b []byte) (p Pong, ok bool) {
	const head = 16
	switch {
	case len(b) >= head+8 && b[4] == originICMP:
		p.By = netip.AddrFrom4([4]byte(b[head+4:]))
		p.Why, ok = meaning4(b[5], b[6])
	case len(b) >= head+24 && b[4] == originICMP6:
		p.By = netip.AddrFrom16([16]byte(b[head+8:]))
		p.Why, ok = meaning6(b[5], b[6])
	}
	// The destination itself is who was asked: the client has it under the name it has used.
	if p.Failed = true; p.By == s.to {
		p.By = netip.Addr{}
	}
	return p, ok
}

func meaning4(kind, code uint8) (host.Unreachable, bool) {
	switch {
	case kind == wire.ICMPv4TimeExceeded:
		return host.TimeExceeded, true
	case kind != wire.ICMPv4Unreachable || code == wire.ICMPv4FragmentationNeeded: // the next one will be smaller
		return 0, false
	}
	switch code {
	case 0, 6, 11: // network unreachable, unknown, not for this TOS
		return host.NetworkUnreachable, true
	case 9, 10, 13:
		return host.AdministrativelyProhibited, true
	case wire.ICMPv4PortUnreachable:
		return host.PortUnreachable, true
	}
	return host.HostUnreachable, true
}

func meaning6(kind, code uint8) (host.Unreachable, bool) {
	switch {
	case kind == wire.ICMPv6TimeExceeded:
		return host.TimeExceeded, true
	case kind != wire.ICMPv6Unreachable:
		return 0, false
	}
	switch code {
	case wire.ICMPv6NoRoute:
		return host.NetworkUnreachable, true
	case wire.ICMPv6AdminProhibited, 5, 6: // a policy, a route that rejects
		return host.AdministrativelyProhibited, true
	case wire.ICMPv6PortUnreachable:
		return host.PortUnreachable, true
	}
	return host.HostUnreachable, true
}
