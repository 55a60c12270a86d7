package host

import (
	"net/netip"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// address is one of our addresses and the network that it is in.
type address struct {
	addr      wire.Addr
	iface     int
	network   network
	broadcast wire.Addr // that of an IPv4 network; the limited one when it has none
}

// network is a prefix as two masked words, so that a match is two compares.
type network struct {
	hi, lo         uint64
	maskHi, maskLo uint64
	bits           int // of 128; IPv4 begins at 96
	family         int
}

func makeNetwork(p netip.Prefix) network {
	a := wire.AddrFrom(p.Addr())
	n := network{family: family(a)}
	n.bits, n.maskHi, n.maskLo = wire.PrefixMask(p)
	hi, lo := a.Words()
	n.hi, n.lo = hi&n.maskHi, lo&n.maskLo
	return n
}

// family numbers the versions of IP: 0 is IPv4, 1 is IPv6.
func family(a wire.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

func (n *network) contains(a wire.Addr) bool {
	hi, lo := a.Words()
	return hi&n.maskHi == n.hi && lo&n.maskLo == n.lo
}

// AddAddress makes p's address ours and adds the route to p's network. The address is used
// at once, also where it is still to be checked: see check. It fails
// with ErrNoLink or ErrDestination.
func (h *Host) AddAddress(iface int, p netip.Prefix) error {
	if iface < 0 || iface >= len(h.links) {
		return ErrNoLink
	}
	p = unmapPrefix(p)
	a := address{addr: wire.AddrFrom(p.Addr()), iface: iface, network: makeNetwork(p)}
	if !p.IsValid() || isUnspecified(a.addr) || a.addr.IsMulticast() {
		return ErrDestination
	}
	a.broadcast = broadcastOf(p)
	h.addresses = append(h.addresses, a)
	h.watchAddress(iface, a.addr)
	h.watchSolicited(iface, a.addr)
	h.addRoute(route{network: a.network, iface: iface})
	// Neighbours speak from link-local addresses too. One route is enough for all.
	if r := (route{network: makeNetwork(linkLocal), iface: iface}); !a.addr.Is4() && h.routeLike(r) < 0 {
		h.addRoute(r)
	}
	return nil
}

var linkLocal = netip.MustParsePrefix("fe80::/10")

// unmapPrefix turns ::ffff:a.b.c.d/96+n into a.b.c.d/n.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// broadcastOf returns the directed broadcast address of an IPv4 network. One
// of 31 or 32 bits has none (RFC 3021).
func broadcastOf(p netip.Prefix) wire.Addr {
	if !p.Addr().Is4() || p.Bits() > 30 {
		return limitedBroadcast
	}
	return wire.AddrFrom4(wire.AddrFrom(p.Addr()).As4() | ^uint32(0)>>p.Bits())
}

// HasAddress reports whether a is one of the host's addresses. It walks a list: a host has
// a handful, and each packet finds what it needs in the cache of destinations.
func (h *Host) HasAddress(a wire.Addr) bool {
	for i := range h.addresses {
		if h.addresses[i].addr == a {
			return true
		}
	}
	return false
}

func isUnspecified(a wire.Addr) bool {
	hi, lo := a.Words()
	return hi == 0 && (lo == 0 || lo == 0xffff_0000_0000)
}

// addressKind is what an address is to a host.
type addressKind uint8

const (
	ordinary    addressKind = iota // another host's, as far as one can tell
	own                            // ours
	unspecified                    // belongs to no host
	loopback                       // and what isLoopback says
	multicast
	broadcast
)

// isGroup reports whether packets to such an address are for many hosts.
func (k addressKind) isGroup() bool { return k == multicast || k == broadcast }

// isEndpoint reports whether such an address can be one end of a connection.
func (k addressKind) isEndpoint() bool { return k < unspecified || k == loopback }

// kindAmongOurs says whether a is an address of ours, or else the broadcast address of one of our networks.
func (h *Host) kindAmongOurs(a wire.Addr) addressKind {
	k := ordinary
	for i := range h.addresses {
		switch o := &h.addresses[i]; a {
		case o.addr:
			return own
		case o.broadcast:
			k = broadcast
		}
	}
	return k
}

// endBit returns the bit in which the ends of addresses are noted for one with these last six bits.
func endBit(a wire.Addr) uint64 {
	_, lo := a.Words()
	return 1 << (lo & 63)
}

// kindOf says what a is to h. Our own come first: the broadcast address of a network looks
// like any host's.
func (h *Host) kindOf(a wire.Addr) addressKind {
	if h.ends&endBit(a) != 0 { // so nearly no stranger is compared with any
		if k := h.kindAmongOurs(a); k != ordinary {
			return k
		}
	}
	if first := a.As4() >> 24; a.Is4() && first-1 < 223 && first != 127 {
		return ordinary // nearly all are
	}
	switch {
	case isUnspecified(a):
		return unspecified
	case a.IsMulticast():
		return multicast
	case a == limitedBroadcast:
		return broadcast
	case isLoopback(a):
		return loopback
	}
	return ordinary
}

// isLoopback also covers the IPv4 networks that no host may send from: 0/8
// ("this network") and 240/4 (reserved), RFC 1122 §3.2.1.3.
func isLoopback(a wire.Addr) bool {
	if a.Is4() {
		first := a.As4() >> 24
		return first == 127 || first == 0 || first >= 240
	}
	hi, lo := a.Words()
	return hi == 0 && lo == 1
}

// limitedBroadcast is 255.255.255.255.
var limitedBroadcast = wire.AddrFrom4(0xffff_ffff)

// allHosts4 and allNodes6 are the groups that every host is in.
var (
	allHosts4 = wire.AddrFrom4(224<<24 | 1)
	allNodes6 = wire.AddrFrom(netip.MustParseAddr("ff02::1"))
)

// inGroup reports whether a is a multicast group that we listen to on every link, whoever has
// joined it.
func (h *Host) inGroup(a wire.Addr) bool {
	if a == allHosts4 || a == allNodes6 {
		return true
	}
	for i := range h.addresses {
		if own := h.addresses[i].addr; !own.Is4() && wire.SolicitedNode(own) == a {
			return true
		}
	}
	return h.standsInGroup(a)
}
