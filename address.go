package handfast

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// network is one of the networks that package net names.
type network uint8

const (
	netTCP network = iota
	netTCP4
	netTCP6
	netUDP
	netUDP4
	netUDP6
	netPing4
	netPing6
)

var networkNames = [...]string{"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "ip4:icmp", "ip6:ipv6-icmp"}

func (n network) String() string { return networkNames[n] }

// parseNetwork finds the network called name among those from first to last.
func parseNetwork(name string, first, last network) (network, error) {
	for n := first; n <= last; n++ {
		if n.String() == name {
			return n, nil
		}
	}
	return 0, net.UnknownNetworkError(name)
}

// pingNetworks are the names that package net has for networks of ICMP. Without a family it is
// the protocol that says which.
var pingNetworks = map[string]network{
	"ip4:icmp": netPing4, "ip4:1": netPing4, "ip:icmp": netPing4, "ip:1": netPing4,
	"ip6:ipv6-icmp": netPing6, "ip6:58": netPing6, "ip:ipv6-icmp": netPing6, "ip:58": netPing6,
}

// parsePacketNetwork is parseNetwork for what has whole messages, datagrams and pings, and for
// TCP beside them when first is netTCP.
func parsePacketNetwork(name string, first network) (network, error) {
	if n, ok := pingNetworks[name]; ok {
		return n, nil
	}
	n, err := parseNetwork(name, first, netUDP6)
	if err != nil && strings.HasPrefix(name, "ip") {
		err = fmt.Errorf("%w: there are no raw IP sockets; of these networks ip4:icmp and ip6:ipv6-icmp are for pings", err)
	}
	return n, err
}

func (n network) isPing() bool { return n >= netPing4 }

// protocol is the network of n's addresses in package net.
func (n network) protocol() string {
	switch {
	case n.isPing():
		return "ip"
	case n >= netUDP:
		return "udp"
	}
	return "tcp"
}

// ip is what package net calls n without its protocol.
func (n network) ip() string {
	switch n {
	case netTCP4, netUDP4, netPing4:
		return "ip4"
	case netTCP6, netUDP6, netPing6:
		return "ip6"
	}
	return "ip"
}

// allows reports whether n carries a's address family. A zero address is of
// both.
func (n network) allows(a wire.Addr) bool {
	switch n {
	case netTCP4, netUDP4, netPing4:
		return a.Is4()
	case netTCP6, netUDP6, netPing6:
		return !a.Is4()
	}
	return true
}

// any returns the address that stands for every address of n's families; for
// IPv6 alone there is none, and the same as for both is used.
func (n network) any() wire.Addr {
	if n == netTCP4 || n == netUDP4 || n == netPing4 {
		return any4
	}
	return wire.Addr{}
}

// addrPort returns an end as it is shown: an address that is not valid stands for
// every one of both families.
func (n network) addrPort(e endpoint) netip.AddrPort {
	switch {
	case e.addr != (wire.Addr{}):
		return netip.AddrPortFrom(e.addr.Netip(), e.port)
	case n == netTCP6 || n == netUDP6:
		return netip.AddrPortFrom(netip.IPv6Unspecified(), e.port)
	}
	return netip.AddrPortFrom(netip.Addr{}, e.port)
}

// any4 is 0.0.0.0.
var any4 = wire.AddrFrom(netip.IPv4Unspecified())

// isAny reports whether a stands for every address, of one family or of both.
func isAny(a wire.Addr) bool { return a == wire.Addr{} || a == any4 }

// endpoint is an address and a port.
type endpoint struct {
	addr wire.Addr
	port uint16
}

// addrError is what package net gives for an address that is none: programs tell it from an
// error of the network.
func addrError(err, addr string) error { return &net.AddrError{Err: err, Addr: addr} }

// splitAddress splits "host:port" and looks up the port: "http" is one, as in package net. A
// ping has no port.
func splitAddress(ctx context.Context, n network, address string) (host string, port uint16, err error) {
	if n.isPing() {
		return address, 0, nil
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	p, err := net.DefaultResolver.LookupPort(ctx, n.String(), service)
	return host, uint16(p), err
}

// parseLocal parses where to listen. Nothing at all is any port; no host, 0.0.0.0 and [::] stand for every
// address.
func parseLocal(n network, address string) (endpoint, error) {
	if address == "" {
		return endpoint{addr: n.any()}, nil
	}
	host, port, err := splitAddress(context.Background(), n, address)
	if err != nil {
		return endpoint{}, err
	}
	var a wire.Addr
	if host != "" {
		a, err = parseIP(n, host)
	}
	// "[::]:80" of network tcp is every address of both families, as in package net: what
	// an address of "every" means says the network.
	if isAny(a) {
		a = n.any()
	}
	return endpoint{a, port}, err
}

// parseIP parses a numeric address of one of n's families.
func parseIP(n network, host string) (wire.Addr, error) {
	// Nothing is looked up here: a listener's address that is a name could mean several, and
	// a dial has asked its resolver before.
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return wire.Addr{}, addrError("not a numeric address; resolve the name first, or set Config.NameServers, Config.Resolver or Dialer.Resolver", host)
	}
	a := wire.AddrFrom(ip)
	if a == (wire.Addr{}) {
		a = n.any() // "[::]:80" of tcp4 is every address of IPv4, also in package net
	}
	if !n.allows(a) {
		return wire.Addr{}, addrError("no suitable address found", host)
	}
	return a, nil
}

// useZone has a link-local address reached by the link that its zone names, as package net has
// it. Of other addresses the routes say that, and a zone means nothing; nor does it on a host
// that never had a second link, where it may be the kernel's name of an interface.
// https://www.rfc-editor.org/rfc/rfc4007#section-6
func (h *Host) useZone(ip netip.Addr) error {
	if ip.Zone() == "" || !ip.IsLinkLocalUnicast() || len(*h.attached.Load()) < 2 {
		return nil
	}
	h.mu.Lock()
	iface, a := h.linkNamed(ip.Zone())
	h.mu.Unlock()
	if a == nil {
		return addrError("no link has the name that its zone is; see Host.Links", ip.String())
	}
	for _, s := range h.shards {
		now := s.lock()
		ok := s.host.Scope(now, wire.AddrFrom(ip), iface, clock.Never)
		s.flushAndUnlock(now)
		if !ok {
			return addrError("another host has the same address on another link; only one of them can be reached at a time", ip.String())
		}
	}
	return nil
}

// shareScope has all shards know by which link a link-local address was heard: otherwise only
// the shard does where its packets arrive, and an answer may leave by another one.
func (h *Host) shareScope(a wire.Addr) {
	if len(h.shards) == 1 || len(*h.attached.Load()) < 2 || !a.Netip().IsLinkLocalUnicast() {
		return
	}
	heard := -1
	for _, s := range h.shards {
		s.mu.Lock()
		heard = max(heard, s.host.Scoped(a))
		s.mu.Unlock()
	}
	if heard < 0 {
		return
	}
	for _, s := range h.shards {
		now := s.lock()
		if s.host.Scoped(a) < 0 {
			s.host.Scope(now, a, heard, now)
		}
		s.mu.Unlock()
	}
}

func tcpAddr(a wire.Addr, port uint16) *net.TCPAddr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.Netip(), port))
}

func udpAddr(a wire.Addr, port uint16) *net.UDPAddr {
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(a.Netip(), port))
}

// ipAddr returns an address without a port, as ICMP has it.
func ipAddr(a wire.Addr) *net.IPAddr {
	if isAny(a) {
		return &net.IPAddr{}
	}
	return &net.IPAddr{IP: a.Netip().AsSlice()}
}

func udpAddrOrNil(a netip.AddrPort) *net.UDPAddr {
	if !a.IsValid() {
		return nil
	}
	return net.UDPAddrFromAddrPort(a)
}

// addrPortOrNil is an address for errors: a nil interface when there is none. A nil pointer in
// an interface is not nil to who prints it.
func addrPortOrNil(a netip.AddrPort) net.Addr {
	if a := udpAddrOrNil(a); a != nil {
		return a
	}
	return nil
}

func addrPort(a wire.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a.Netip(), port) }
