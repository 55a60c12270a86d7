package handfast

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
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
	family := remote
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
