package answers

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

func (k *kernel) listen(at netip.AddrPort) listener {
	s := k.socket(at, unix.SOCK_STREAM)
	k.check("listen", unix.Listen(s, 16))
	return kernelSocket{k, s}
}

func (k *kernel) connect(from, to netip.AddrPort) socket {
	s := k.socket(from, unix.SOCK_STREAM)
	if err := unix.Connect(s, sockaddr(to)); err != unix.EINPROGRESS {
		k.t.Fatalf("connect: %v", err)
	}
	return kernelSocket{k, s}.prepared()
}

// kernelSocket is a TCP socket of the kernel.
type kernelSocket struct {
	*kernel
	fd int
}

func (s kernelSocket) accept() socket {
	fd, _, err := unix.Accept4(s.fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	if err == unix.EAGAIN {
		return nil
	}
	s.check("accept", err)
	s.sockets = append(s.sockets, fd)
	return kernelSocket{s.kernel, fd}.prepared()
}

// prepared leaves urgent data where it is in the stream, as RFC 6093 wants it, and has
// what is written sent at once, as ours.
func (s kernelSocket) prepared() kernelSocket {
	s.check("no delay", unix.SetsockoptInt(s.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
	s.check("out of band in line", unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 1))
	return s
}

func (s kernelSocket) write(b []byte) bool {
	n, err := unix.Write(s.fd, b)
	if err == unix.EPIPE || err == unix.ECONNRESET || err == unix.EAGAIN {
		return false
	}
	s.check("write", err)
	return n == len(b)
}

func (s kernelSocket) shutdown() {
	if err := unix.Shutdown(s.fd, unix.SHUT_WR); err != unix.ENOTCONN {
		s.check("shutdown", err)
	}
}

func (s kernelSocket) abort() {
	s.check("linger", unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	s.close()
}

func (s kernelSocket) close() {
	s.sockets = slices.DeleteFunc(s.sockets, func(fd int) bool { return fd == s.fd })
	s.check("close", unix.Close(s.fd))
}

func (s kernelSocket) state() string {
	info, err := unix.GetsockoptTCPInfo(s.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	s.check("TCP_INFO", err)
	return stateNames[info.State]
}

func (s kernelSocket) read(most int) (r received) {
	r.end = "open"
	for len(r.text) < most {
		n, err := unix.Read(s.fd, s.room[:min(most-len(r.text), len(s.room))])
		switch {
		case err == unix.EAGAIN:
			r.end = "open"
		case err != nil:
			r.end = errorName(err)
		case n == 0:
			r.end = "EOF"
		default:
			r.text = append(r.text, s.room[:n]...)
			continue
		}
		return r
	}
	return r
}

func errorName(err error) string {
	switch err {
	case unix.ECONNRESET:
		return "reset"
	case unix.ECONNREFUSED:
		return "refused"
	case unix.EHOSTUNREACH:
		return "host unreachable"
	case unix.ENETUNREACH:
		return "network unreachable"
	case unix.EPROTO:
		return "protocol error"
	case unix.ETIMEDOUT:
		return "timed out"
	}
	return err.Error()
}

func (k *kernel) openUDP(at netip.AddrPort) datagrams {
	return kernelDatagrams{k, k.socket(at, unix.SOCK_DGRAM)}
}

type kernelDatagrams struct {
	*kernel
	fd int
}

func (d kernelDatagrams) received() (all []datagramFrom) {
	for {
		n, from, err := unix.Recvfrom(d.fd, d.room, 0)
		if err == unix.EAGAIN {
			return all
		}
		d.check("receive", err)
		all = append(all, datagramFrom{addrPort(from), slices.Clone(d.room[:n])})
	}
}

func addrPort(a unix.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}
