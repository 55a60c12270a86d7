package handfast

import (
	"context"
	"net"
	"net/netip"
	"slices"

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
)

var networkNames = [...]string{"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"}

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

// allows reports whether n carries a's address family. A zero address is of
// both.
func (n network) allows(a wire.Addr) bool {
	switch n {
	case netTCP4, netUDP4:
		return a.Is4()
	case netTCP6, netUDP6:
		return !a.Is4()
	}
	return true
}

// any returns the address that stands for every address of n's families; for
// IPv6 alone there is none, and the same as for both is used.
func (n network) any() wire.Addr {
	if n == netTCP4 || n == netUDP4 {
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

func addrError(err, addr string) error { return &net.AddrError{Err: err, Addr: addr} }

// splitAddress splits "host:port" and looks up the port.
func splitAddress(ctx context.Context, n network, address string) (host string, port uint16, err error) {
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
	if isAny(a) {
		a = n.any()
	}
	return endpoint{a, port}, err
}

// parseIP parses a numeric address of one of n's families.
func parseIP(n network, host string) (wire.Addr, error) {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return wire.Addr{}, addrError("not a numeric address; resolve the name first, or set Config.Resolver or Dialer.Resolver", host)
	}
	a := wire.AddrFrom(ip)
	if !n.allows(a) {
		return wire.Addr{}, addrError("no suitable address found", host)
	}
	return a, nil
}

// resolve returns the addresses that a dial to address tries, in order: those
// of local's family, if it has one.
func (h *Host) resolve(ctx context.Context, r *net.Resolver, n network, address string, local endpoint) (all []wire.Addr, port uint16, err error) {
	if address == "" {
		return nil, 0, addrError("missing address", "")
	}
	host, port, err := splitAddress(ctx, n, address)
	if err != nil {
		return nil, 0, err
	}
	if _, err = netip.ParseAddr(host); err == nil || host == "" || r == nil {
		all, err = h.parseRemote(n, host)
	} else {
		all, err = h.lookUp(ctx, r, n, host)
	}
	if err != nil {
		return nil, 0, err
	}
	all = slices.DeleteFunc(all, func(a wire.Addr) bool { return !n.allows(a) })
	if len(all) == 0 {
		return nil, 0, addrError("no suitable address found", host)
	}
	if !isAny(local.addr) {
		all = slices.DeleteFunc(all, func(a wire.Addr) bool { return a.Is4() != local.addr.Is4() })
	}
	if len(all) == 0 {
		return nil, 0, addrError("no suitable address found", tcpAddr(local.addr, local.port).String())
	}
	return all, port, nil
}

// parseRemote parses a numeric address. None at all, 0.0.0.0 and [::] stand for
// the host itself, as in package net.
func (h *Host) parseRemote(n network, host string) (all []wire.Addr, err error) {
	var a wire.Addr
	if host != "" {
		if a, err = parseIP(n, host); err != nil || !isAny(a) {
			return []wire.Addr{a}, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, own := range h.addresses {
		if a != any4 || own.Is4() {
			all = append(all, own)
		}
	}
	if all == nil {
		return nil, addrError("the host has no address of its own", host)
	}
	return all, nil
}

// lookUp asks a name service, and orders what it says: first what there is a
// route to, of that IPv6 before IPv4. The order that package net gives is by the
// routes of the kernel, which are not ours.
// https://www.rfc-editor.org/rfc/rfc8305#section-4
func (h *Host) lookUp(ctx context.Context, r *net.Resolver, n network, host string) (all []wire.Addr, err error) {
	ips, err := r.LookupNetIP(ctx, "ip"+n.String()[3:], host)
	if err != nil {
		return nil, err
	}
	rank := map[wire.Addr]int{}
	for _, ip := range ips {
		a := wire.AddrFrom(ip)
		all = append(all, a)
		switch _, err := h.source(wire.Addr{}, a); {
		case err != nil:
			rank[a] = 2
		case a.Is4():
			rank[a] = 1
		}
	}
	slices.SortStableFunc(all, func(a, b wire.Addr) int { return rank[a] - rank[b] })
	return all, nil
}
