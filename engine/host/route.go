package host

import (
	"net/netip"
	"slices"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// route says where packets to a network go.
type route struct {
	network network
	gateway wire.Addr // zero: the destination is a neighbour itself
	direct  bool      // the gateway is the zero address
	iface   int
	link    *LinkConfig
	gone    bool // the link is: see Unplug
}

// AddRoute sends packets for dst to gateway, or straight to the link when
// gateway is not valid. The longest prefix wins; of two equal ones the older.
func (h *Host) AddRoute(dst netip.Prefix, gateway netip.Addr, iface int) error {
	if iface < 0 || iface >= len(h.links) {
		return ErrNoLink
	}
	dst = unmapPrefix(dst)
	if !dst.IsValid() || gateway.IsValid() && gateway.Unmap().Is4() != dst.Addr().Is4() {
		return ErrDestination
	}
	r := route{network: makeNetwork(dst), iface: iface}
	if gateway.IsValid() {
		r.gateway = wire.AddrFrom(gateway)
	}
	h.addRoute(r)
	return nil
}

// addRoute keeps the longest prefixes first, and of equal ones those first whose
// link is there, so that the first match is the best.
func (h *Host) addRoute(r route) {
	all := &h.routes[r.network.family]
	i := 0
	for i < len(*all) && !r.before(&(*all)[i]) {
		i++
	}
	r.direct, r.link = isUnspecified(r.gateway), h.links[r.iface]
	*all = append(*all, r)
	copy((*all)[i+1:], (*all)[i:])
	(*all)[i] = r
	h.forget()
}

func (r *route) before(old *route) bool {
	if r.network.bits != old.network.bits {
		return r.network.bits > old.network.bits
	}
	return old.gone && !r.gone
}

// RemoveRoute takes away what AddRoute, or AddAddress for the network of an address, has
// added by the same values. It reports whether there was such a route.
func (h *Host) RemoveRoute(dst netip.Prefix, gateway netip.Addr, iface int) bool {
	if dst = unmapPrefix(dst); !dst.IsValid() {
		return false
	}
	r := route{network: makeNetwork(dst), iface: iface}
	if gateway.IsValid() {
		r.gateway = wire.AddrFrom(gateway)
	}
	i := h.routeLike(r)
	if i < 0 {
		return false
	}
	all := &h.routes[r.network.family]
	*all = slices.Delete(*all, i, i+1)
	h.forget()
	return true
}

// routeLike returns which route of its family is as r; below zero: none.
func (h *Host) routeLike(r route) int {
	return slices.IndexFunc(h.routes[r.network.family], func(o route) bool {
		return o.network == r.network && o.gateway == r.gateway && o.iface == r.iface
	})
}

// localMTU is the MTU between two of our own addresses: the largest IP packet. No link
// limits what never leaves.
const localMTU = 65535

// destination is where packets to one address go: RFC 4861's destination
// cache. It is derived, so it may be forgotten at any time.
type destination struct {
	addr       wire.Addr
	path       tcp.Path
	neighbour  *neighbour // nil: not looked up yet, or not Ethernet
	route      *route     // nil: there is none, or it is ourselves
	generation uint32
	kind       addressKind
	reachable  bool // there is a route, and an address of ours to speak from
	cutUp      bool // packets leave without DF
}

// destinationCache is direct-mapped. It begins small, because most hosts have few
// peers, and doubles when destinations have put each other out as often as it has
// slots: up to so many that a batch of SYNs from everywhere still finds its ways back.
type destinationCache struct {
	slots   []destination
	shift   uint8  // which bits of a hash are a slot's number
	evicted uint16 // destinations that others have put out, since it has this size
}

const (
	fewestDestinations = 8
	mostDestinations   = 512
)

func newDestinationCache() destinationCache {
	return destinationCache{slots: make([]destination, fewestDestinations), shift: 32 - 3}
}

func (c *destinationCache) slot(dst wire.Addr) *destination {
	return &c.slots[dst.As4()*0x9e3779b1>>(c.shift&31)]
}

// crowded counts an eviction, and reports whether the cache is to grow.
func (c *destinationCache) crowded() bool {
	c.evicted++
	return int(c.evicted) >= len(c.slots) && len(c.slots) < mostDestinations
}

// grow doubles the cache, which begins empty again, and returns the slot of dst.
func (c *destinationCache) grow(dst wire.Addr) *destination {
	*c = destinationCache{slots: make([]destination, 2*len(c.slots)), shift: c.shift - 1}
	return c.slot(dst)
}

// forget voids all cached destinations: something that they are derived from
// has changed.
// Counting up a generation costs the same for every size of the cache, and no packet
// waits for it.
func (h *Host) forget() {
	h.generation++
	h.speaks, h.ends = [2]bool{}, 0
	for i := range h.addresses {
		a := &h.addresses[i]
		h.speaks[a.network.family] = true
		h.ends |= endBit(a.addr) | endBit(a.broadcast)
	}
}

// lookup returns what is known of the way to dst, nil when there is none.
// The result is valid until the next lookup.
func (h *Host) lookup(dst wire.Addr) *destination {
	if d := h.find(dst); d.reachable {
		return d
	}
	return nil
}

// find returns what is known of dst, whether it can be reached or not.
// The result is valid until the next lookup.
func (h *Host) find(dst wire.Addr) *destination {
	d := h.cache.slot(dst)
	// Direct-mapped, so that a packet costs one comparison: the slot is known, and no list
	// is walked. Two destinations of one slot evict each other. That costs a search of the
	// routes, never a wrong way.
	if d.generation != h.generation || d.addr != dst {
		return h.learnWay(d, dst)
	}
	return d
}

// learnWay finds what is known of dst, and keeps it in its slot.
func (h *Host) learnWay(d *destination, dst wire.Addr) *destination {
	if d.generation == h.generation && h.cache.crowded() {
		d = h.cache.grow(dst)
	}
	*d = destination{addr: dst, generation: h.generation, kind: h.kindOf(dst)}
	if d.kind == own {
		d.path, d.reachable = tcp.Path{MTU: localMTU}, true
		return d
	}
	r := h.findRoute(dst)
	if r == nil {
		return d
	}
	d.route, d.path = r, r.link.path
	if len(h.mtus.byAddr) > 0 { // on most hosts no path is narrower than the link, and nothing is hashed
		d.path.MTU = h.mtus.limit(dst, r.link.MTU)
		d.cutUp = mayBeCutUp(dst, d.path.MTU, r.link.MTU)
	}
	d.reachable = h.speaks[family(dst)] || h.forwarded.any() || dst == limitedBroadcast
	return d
}

// nextHop is the neighbour that gets the packets on an Ethernet.
func (d *destination) nextHop() wire.Addr {
	if d.route.direct || d.kind.isGroup() {
		return d.addr
	}
	return d.route.gateway
}

// source returns the address that packets to d leave from.
func (h *Host) source(d *destination) wire.Addr {
	if d.kind == own {
		return d.addr
	}
	src, _ := h.sourceOn(d.route.iface, d.addr)
	return src
}

// findRoute walks a list: a host has a handful of routes, and each destination asks once
// in a generation.
func (h *Host) findRoute(dst wire.Addr) *route {
	scope := -1
	if isLinkLocal(dst) {
		scope = h.Scoped(dst)
	}
	all := h.routes[family(dst)]
	for i := range all {
		if all[i].network.contains(dst) && (scope < 0 || all[i].iface == scope) {
			return &all[i]
		}
	}
	if dst == limitedBroadcast || dst.IsMulticast() {
		return h.anyLink(dst)
	}
	return nil
}

// anyLink is the route of a group that no route names: the first link with an
// address of its family. A host that has none may ask all on its first link for one.
func (h *Host) anyLink(dst wire.Addr) *route {
	for i := range h.addresses {
		if a := &h.addresses[i]; a.addr.Is4() == dst.Is4() {
			return &route{iface: a.iface, link: h.links[a.iface], direct: true}
		}
	}
	if dst != limitedBroadcast {
		return nil
	}
	for iface, l := range h.links {
		if !l.gone {
			return &route{iface: iface, link: l, direct: true}
		}
	}
	return nil
}

// sourceOn chooses the address that we speak to dst from: one of the link's
// when it has one, the longest common network first (RFC 6724 §5, rules 5 and
// 8, with what is left of them for a host whose addresses do not change).
func (h *Host) sourceOn(iface int, dst wire.Addr) (best wire.Addr, ok bool) {
	score := -1
	for i := range h.addresses {
		a := &h.addresses[i]
		if a.addr.Is4() != dst.Is4() {
			continue
		}
		// The rules in the order of their weight: a prefix has 128 bits at most, so that no
		// longer one makes up for the wrong scope, nor the right scope for the wrong link.
		s := 0
		if a.iface == iface {
			s += 1000
		}
		if a.network.contains(dst) {
			s += a.network.bits
		}
		if isLinkLocal(a.addr) != isLinkLocal(dst) {
			s -= 500
		}
		if s > score {
			best, score, ok = a.addr, s, true
		}
	}
	return best, ok
}

func isLinkLocal(a wire.Addr) bool {
	hi, _ := a.Words()
	return hi>>54 == 0xfe80>>6
}

// Source returns the address that a packet to dst leaves from and what TCP must
// know of the path; ok is false when there is no route.
func (h *Host) Source(dst wire.Addr) (src wire.Addr, path tcp.Path, ok bool) {
	d := h.lookup(dst)
	if d == nil {
		return src, path, false
	}
	return h.source(d), d.path, true
}
