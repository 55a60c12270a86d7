package wgnet

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.zx2c4.com/wireguard/tun"

	"github.com/handfast-tcp/handfast"
)

// Net is a network of the program's own behind WireGuard. Its methods are those of
// the Net of wireguard-go's netstack, with our types of connections, and may be
// called by several goroutines at the same time. After Close of the device they
// fail with net.ErrClosed.
type Net struct {
	host       *handfast.Host
	has4, has6 bool // an address of the family
}

// CreateNetTUN returns a device for WireGuard and the network behind it, where the
// program has the local addresses. Everything of their families is reached through
// the device, whose packets have at most mtu bytes: at least 1280 with an IPv6
// address, else 68. Names are asked of the DNS servers, through the device too.
// Close of the device ends all.
func CreateNetTUN(localAddresses, dnsServers []netip.Addr, mtu int) (tun.Device, *Net, error) {
	return CreateNetTUNConfig(handfast.Config{}, localAddresses, dnsServers, mtu)
}

// CreateNetTUNConfig is CreateNetTUN with a host like cfg.
func CreateNetTUNConfig(cfg handfast.Config, localAddresses, dnsServers []netip.Addr, mtu int) (tun.Device, *Net, error) {
	for _, a := range dnsServers {
		cfg.NameServers = append(cfg.NameServers, netip.AddrPortFrom(a, 0))
	}
	h, err := handfast.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	d := newDevice(mtu)
	d.host = h
	if err := h.Attach(cable{d}, options(localAddresses)); err != nil {
		d.Close()
		return nil, nil, err
	}
	n := &Net{host: h}
	for _, a := range localAddresses {
		n.has4, n.has6 = n.has4 || a.Unmap().Is4(), n.has6 || !a.Unmap().Is4()
	}
	return d, n, nil
}

// options gives the host each address by itself, and of its family everything else
// behind the link: a tunnel has no neighbours, so that no prefix has to be known.
func options(addresses []netip.Addr) (o handfast.LinkOptions) {
	has := map[bool]bool{}
	for _, a := range addresses {
		a = a.Unmap()
		o.Addresses = append(o.Addresses, netip.PrefixFrom(a, a.BitLen()))
		if !has[a.Is4()] {
			has[a.Is4()] = true
			o.Routes = append(o.Routes, handfast.Route{Destination: everything(a)})
		}
	}
	return o
}

// everything is the network of all addresses of a's family.
func everything(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

// Host returns the host below.
func (n *Net) Host() *handfast.Host { return n.host }

// Dial connects to an address like Host.Dial.
func (n *Net) Dial(network, address string) (net.Conn, error) {
	return n.DialContext(context.Background(), network, address)
}

// DialContext connects to an address like Host.DialContext. It also has the networks
// ping, ping4 and ping6, whose addresses have no port.
func (n *Net) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if family, ok := strings.CutPrefix(network, "ping"); ok && (family == "" || family == "4" || family == "6") {
		return n.dialPing(ctx, family, address)
	}
	return n.host.DialContext(ctx, network, address)
}

// DialContextTCPAddrPort connects to addr until ctx is done.
func (n *Net) DialContextTCPAddrPort(ctx context.Context, addr netip.AddrPort) (*handfast.TCPConn, error) {
	c, err := n.host.DialContext(ctx, "tcp", text(addr))
	if err != nil {
		return nil, err
	}
	return c.(*handfast.TCPConn), nil
}

// DialContextTCP is DialContextTCPAddrPort with the address of package net.
func (n *Net) DialContextTCP(ctx context.Context, addr *net.TCPAddr) (*handfast.TCPConn, error) {
	return n.DialContextTCPAddrPort(ctx, ofTCP(addr))
}

// DialTCPAddrPort connects to addr.
func (n *Net) DialTCPAddrPort(addr netip.AddrPort) (*handfast.TCPConn, error) {
	return n.DialContextTCPAddrPort(context.Background(), addr)
}

// DialTCP is DialTCPAddrPort with the address of package net.
func (n *Net) DialTCP(addr *net.TCPAddr) (*handfast.TCPConn, error) {
	return n.DialTCPAddrPort(ofTCP(addr))
}

// ListenTCPAddrPort listens on addr. An address that is not valid is every address,
// and so is 0.0.0.0, of IPv4; port 0 is a free one.
func (n *Net) ListenTCPAddrPort(addr netip.AddrPort) (*handfast.TCPListener, error) {
	return n.host.Listen("tcp", text(addr))
}

// ListenTCP is ListenTCPAddrPort with the address of package net.
func (n *Net) ListenTCP(addr *net.TCPAddr) (*handfast.TCPListener, error) {
	return n.ListenTCPAddrPort(ofTCP(addr))
}

// DialUDPAddrPort opens a socket at laddr, or anywhere when that is not valid, that
// speaks with raddr only, or with everybody when that is not valid.
func (n *Net) DialUDPAddrPort(laddr, raddr netip.AddrPort) (*handfast.UDPConn, error) {
	if !raddr.Addr().IsValid() && raddr.Port() == 0 {
		return n.host.ListenPacket("udp", text(laddr))
	}
	d := handfast.Dialer{Host: n.host}
	if laddr.IsValid() || laddr.Port() > 0 {
		d.LocalAddr = &net.UDPAddr{IP: laddr.Addr().AsSlice(), Port: int(laddr.Port())}
	}
	c, err := d.Dial("udp", text(raddr))
	if err != nil {
		return nil, err
	}
	return c.(*handfast.UDPConn), nil
}

// ListenUDPAddrPort opens a socket at laddr, for datagrams from everybody.
func (n *Net) ListenUDPAddrPort(laddr netip.AddrPort) (*handfast.UDPConn, error) {
	return n.DialUDPAddrPort(laddr, netip.AddrPort{})
}

// DialUDP is DialUDPAddrPort with addresses of package net; nil is not valid.
func (n *Net) DialUDP(laddr, raddr *net.UDPAddr) (*handfast.UDPConn, error) {
	return n.DialUDPAddrPort(ofUDP(laddr), ofUDP(raddr))
}

// ListenUDP is ListenUDPAddrPort with the address of package net.
func (n *Net) ListenUDP(laddr *net.UDPAddr) (*handfast.UDPConn, error) {
	return n.DialUDP(laddr, nil)
}

// text writes an address as Dial and Listen take it: one that is not valid as none.
func text(a netip.AddrPort) string {
	if !a.Addr().IsValid() {
		return ":" + strconv.Itoa(int(a.Port()))
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String()
}

func ofTCP(a *net.TCPAddr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	return a.AddrPort()
}

func ofUDP(a *net.UDPAddr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	return a.AddrPort()
}
