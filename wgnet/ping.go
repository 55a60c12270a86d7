package wgnet

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/handfast-tcp/handfast"
)

// PingConn is a ping socket, of echo requests and their replies: whole ICMP messages, of
// which identifier and checksum are filled in.
type PingConn struct {
	*handfast.PingConn
	local, remote PingAddr
}

// PingAddr is an address that is pinged.
type PingAddr struct{ addr netip.Addr }

// PingAddrFromAddr returns addr as an address that is pinged.
func PingAddrFromAddr(addr netip.Addr) *PingAddr { return &PingAddr{addr} }

// Addr returns the address.
func (a PingAddr) Addr() netip.Addr { return a.addr }

func (a PingAddr) String() string { return a.addr.String() }

// Network returns "ping4" or "ping6".
func (a PingAddr) Network() string {
	switch {
	case a.addr.Is4():
		return "ping4"
	case a.addr.Is6():
		return "ping6"
	}
	return "ping"
}

// DialPingAddr opens a ping socket at laddr that asks raddr only. One of them may be not
// valid: any address of ours, or anybody.
func (n *Net) DialPingAddr(laddr, raddr netip.Addr) (*PingConn, error) {
	if !laddr.IsValid() && !raddr.IsValid() {
		return nil, errors.New("ping dial: invalid address")
	}
	open := func() (*handfast.PingConn, error) { return n.host.DialPing(laddr, raddr) }
	if !raddr.IsValid() {
		open = func() (*handfast.PingConn, error) { return n.host.ListenPing(laddr) }
	}
	c, err := open()
	if err != nil {
		return nil, err
	}
	if !laddr.IsValid() {
		laddr = everything(raddr).Addr()
	}
	return &PingConn{c, PingAddr{laddr.Unmap()}, PingAddr{raddr.Unmap()}}, nil
}

// ListenPingAddr opens a ping socket at laddr that asks anybody.
func (n *Net) ListenPingAddr(laddr netip.Addr) (*PingConn, error) {
	return n.DialPingAddr(laddr, netip.Addr{})
}

// DialPing is DialPingAddr; nil is not valid.
func (n *Net) DialPing(laddr, raddr *PingAddr) (*PingConn, error) {
	return n.DialPingAddr(ofPing(laddr), ofPing(raddr))
}

// ListenPing is ListenPingAddr.
func (n *Net) ListenPing(laddr *PingAddr) (*PingConn, error) {
	return n.ListenPingAddr(ofPing(laddr))
}

func ofPing(a *PingAddr) netip.Addr {
	if a == nil {
		return netip.Addr{}
	}
	return a.addr
}

// dialPing looks up a name and pings its first address of a family: 4, 6, or any.
func (n *Net) dialPing(ctx context.Context, family, host string) (net.Conn, error) {
	all, err := n.lookUp(ctx, host)
	for _, a := range all {
		if family != "4" && a.Is6() || family != "6" && a.Is4() {
			var c *PingConn
			if c, err = n.DialPingAddr(netip.Addr{}, a); err == nil {
				return c, nil
			}
		}
	}
	if err == nil {
		err = &net.AddrError{Err: "no suitable address found", Addr: host}
	}
	return nil, &net.OpError{Op: "dial", Net: "ping" + family, Err: err}
}

// LocalAddr returns a PingAddr.
func (c *PingConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns a PingAddr.
func (c *PingConn) RemoteAddr() net.Addr { return c.remote }

// ReadFrom receives a reply and says where it came from, a *PingAddr.
func (c *PingConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromAddr(p)
	if err != nil {
		return n, nil, err
	}
	return n, &PingAddr{from}, nil
}

// WriteTo sends an echo request to a *PingAddr or a *net.IPAddr.
func (c *PingConn) WriteTo(p []byte, a net.Addr) (int, error) {
	to, ok := a.(*PingAddr)
	if !ok {
		return c.PingConn.WriteTo(p, a)
	}
	if to.addr == c.remote.addr {
		return c.Write(p)
	}
	return c.WriteToAddr(p, to.addr)
}
