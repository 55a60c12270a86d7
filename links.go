package handfast

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link"
)

// LinkOptions say what a host is on a link.
type LinkOptions struct {
	// Addresses are the host's own on this link, each with the network that is
	// reached directly: 10.0.0.2/24.
	Addresses []netip.Prefix
	// Gateway is where packets go that no route is for; zero: nowhere. It
	// serves its own address family; for the other one add to Routes.
	Gateway netip.Addr
	// Routes are further networks that are reached by this link.
	Routes []Route
	// NoConflictDetection is for addresses that other hosts on an Ethernet have as
	// well, on purpose. Otherwise the host asks there whether they are free, while
	// it uses them already (RFC 5227, RFC 4862 §5.4). One that is not is lost:
	// LinkInfo.Lost.
	NoConflictDetection bool
}

// Route is the way to a network.
type Route struct {
	Destination netip.Prefix
	// Gateway is the next hop; zero: the destinations are on the link itself.
	Gateway netip.Addr
}

// clone returns a copy that the caller of Attach cannot change.
func (o *LinkOptions) clone() LinkOptions {
	c := *o
	c.Addresses, c.Routes = slices.Clone(o.Addresses), slices.Clone(o.Routes)
	return c
}

// allRoutes returns o's routes, the one by its gateway among them.
func (o *LinkOptions) allRoutes() []Route {
	routes := o.Routes[:len(o.Routes):len(o.Routes)]
	switch g := o.Gateway.Unmap(); {
	case g.Is4():
		routes = append(routes, Route{netip.PrefixFrom(netip.IPv4Unspecified(), 0), g})
	case g.Is6():
		routes = append(routes, Route{netip.PrefixFrom(netip.IPv6Unspecified(), 0), g})
	}
	return routes
}

// check finds what an IP host would refuse, before anything is changed.
func (o *LinkOptions) check() error {
	for _, a := range o.Addresses {
		ip := a.Addr().Unmap()
		if !a.IsValid() || ip.IsUnspecified() || ip.IsMulticast() {
			return fmt.Errorf("handfast: LinkOptions.Addresses: %v is not an address of a host with its prefix length", a)
		}
	}
	for _, r := range o.Routes {
		if !r.Destination.IsValid() {
			return errors.New("handfast: LinkOptions.Routes: not a valid destination")
		}
		if g := r.Gateway; g.IsValid() && g.Unmap().Is4() != r.Destination.Addr().Unmap().Is4() {
			return fmt.Errorf("handfast: route to %v: gateway %v is of the other address family", r.Destination, g)
		}
	}
	return nil
}

// maxLinks is how many links a host can have, those that are gone among them.
const maxLinks = 256

// Limits of the links that Attach takes.
const (
	MinMTU     = 68   // bytes, RFC 791 §3.2
	MinIPv6MTU = 1280 // bytes, of a link with an IPv6 address: RFC 8200 §5
	MaxQueues  = 256  // of a link
)

// checkLink finds what a link could not work with, before anything is changed.
func checkLink(a *link.Attributes, o *LinkOptions) error {
	switch {
	case a.MTU < MinMTU:
		return fmt.Errorf("handfast: link %s: MTU is %d; it must be at least %d bytes", a.Name, a.MTU, MinMTU)
	case a.MTU < MinIPv6MTU && o.speaksIPv6():
		return fmt.Errorf("handfast: link %s: MTU is %d; IPv6 needs at least %d bytes: give the link IPv4 addresses and routes only",
			a.Name, a.MTU, MinIPv6MTU)
	case a.MaxGSO != 0 && a.MaxGSO < a.MTU:
		return fmt.Errorf("handfast: link %s: MaxGSO is %d; it must be 0 or at least the MTU, %d", a.Name, a.MaxGSO, a.MTU)
	case a.Queues < 1 || a.Queues > MaxQueues:
		return fmt.Errorf("handfast: link %s: Queues is %d; it may be 1 to %d", a.Name, a.Queues, MaxQueues)
	case a.Medium != link.IP && a.Medium != link.Ethernet:
		return fmt.Errorf("handfast: link %s: Medium is %d; it is IP or Ethernet", a.Name, a.Medium)
	case a.Medium == link.Ethernet && (a.HardwareAddr[0]&1 != 0 || a.HardwareAddr == link.HardwareAddr{}):
		return fmt.Errorf("handfast: link %s: HardwareAddr % x is not the address of one station", a.Name, a.HardwareAddr[:])
	}
	return nil
}

// speaksIPv6 reports whether there is an IPv6 address or route.
func (o *LinkOptions) speaksIPv6() bool {
	return slices.ContainsFunc(o.Addresses, func(a netip.Prefix) bool { return a.Addr().Unmap().Is6() }) ||
		slices.ContainsFunc(o.allRoutes(), func(r Route) bool { return r.Destination.Addr().Unmap().Is6() })
}

// Attach plugs a link into the host, which reads it from now on and closes it
// in Close. It fails, and leaves the link to the caller, when an address or
// route is not valid, the link is not one that can work, or the host is closed.
func (h *Host) Attach(l link.Link, o LinkOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	a := &attachment{link: l, attributes: l.Attributes()}
	options := o.clone()
	a.options.Store(&options)
	if err := checkLink(&a.attributes, &o); err != nil {
		return err
	}
	a.queues = make([]sync.Mutex, a.attributes.Queues)
	for _, address := range o.Addresses {
		a.addresses = append(a.addresses, wire.AddrFrom(address.Addr()))
	}

	h.mu.Lock()
	defer h.mu.Unlock()
	attached := *h.attached.Load()
	switch {
	case h.err != nil:
		return h.err
	case len(attached) == maxLinks:
		return fmt.Errorf("handfast: a host has at most %d links, including detached ones", maxLinks)
	}
	iface := len(attached)
	// A new array each time: shards read the old one without a lock.
	attached = append(attached[:iface:iface], a)
	h.attached.Store(&attached)
	for _, s := range h.shards {
		if err := s.plug(a.attributes, &o); err != nil {
			return err
		}
	}
	// Read only when every shard knows the link, or its first packets would find no
	// addresses.
	for q := range a.queues {
		h.running.Go(func() { h.readLink(a, iface, q) })
	}
	h.addresses = append(h.addresses, a.addresses...)
	h.cfg.Logger.Info("link attached", "link", a.attributes.Name, "addresses", o.Addresses)
	return nil
}

// plug tells the shard's host of a link.
func (s *shard) plug(a link.Attributes, o *LinkOptions) error {
	now := s.lock()
	defer s.flushAndUnlock(now)
	iface := s.host.AddLink(host.LinkConfig{
		Name: a.Name, Ethernet: a.Medium == link.Ethernet, HardwareAddr: a.HardwareAddr,
		MTU: a.MTU, MaxGSO: a.MaxGSO, ChecksumOffload: a.ChecksumOffload,
		DetectConflicts: a.Medium == link.Ethernet && !o.NoConflictDetection,
	})
	for _, address := range o.Addresses {
		if err := s.host.AddAddress(iface, address); err != nil {
			return fmt.Errorf("handfast: address %v on %s: %w", address, a.Name, err)
		}
	}
	for _, r := range o.allRoutes() {
		if err := s.host.AddRoute(r.Destination, r.Gateway, iface); err != nil {
			return fmt.Errorf("handfast: route to %v by %s: %w", r.Destination, a.Name, err)
		}
	}
	return nil
}

// LinkInfo is what a host knows of one of its links.
type LinkInfo struct {
	link.Attributes
	Addresses []netip.Prefix  // the host's own on it, with their networks
	Lost      []*AddressError // addresses that another host turned out to have
	Routes    []Route         // that lead there, the one by LinkOptions.Gateway among them
	Err       error           // a *LinkError after the link has gone, and nil while it works
}

// Links returns the links that were attached, in their order, also those that
// are gone.
func (h *Host) Links() []LinkInfo {
	var all []LinkInfo
	for _, a := range *h.attached.Load() {
		o := a.options.Load()
		info := LinkInfo{Attributes: a.attributes, Addresses: slices.Clone(o.Addresses), Routes: slices.Clone(o.allRoutes())}
		if gone := a.gone.Load(); gone != nil {
			info.Err = gone
		}
		if lost := a.lost.Load(); lost != nil {
			info.Lost = slices.Clone(*lost)
			info.Addresses = slices.DeleteFunc(info.Addresses, info.isLost)
		}
		all = append(all, info)
	}
	return all
}

// isLost reports whether another host has an address that was ours.
func (i *LinkInfo) isLost(a netip.Prefix) bool {
	return slices.ContainsFunc(i.Lost, func(e *AddressError) bool { return e.Address == a.Addr().Unmap() })
}

// unplug goes on without a link that has failed; without its last link the host
// stops working. Each goroutine that has read the link calls it.
func (h *Host) unplug(a *attachment, iface int) {
	gone := a.gone.Load()
	left, first := h.forgetLink(a)
	if !first {
		return
	}
	// With no link left no call could ever succeed, so all fail now, with the link's
	// error, rather than at their deadlines.
	if left == 0 {
		h.stop(gone, false)
	}
	for _, s := range h.shards {
		s.unplug(iface)
	}
	h.cfg.Logger.Error("link is gone", "link", a.attributes.Name, "error", gone.Err, "left", left)
}

func (s *shard) unplug(iface int) {
	now := s.lock()
	defer s.flushAndUnlock(now)
	s.host.Unplug(iface)
}

// forgetLink takes a link's addresses from the host's, and returns how many
// links are left. It reports whether that was news to a host that works.
func (h *Host) forgetLink(a *attachment) (left int, first bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	// Each of the link's readers gets here, one after the other, and only the first
	// finds something to do.
	if h.err != nil || a.unplugged {
		return 0, false
	}
	a.unplugged = true
	return h.collectAddresses(), true
}

// collectAddresses builds the list of the host's addresses again, because several
// links may have the same one, and returns how many links there are. The caller
// holds the host's lock.
func (h *Host) collectAddresses() (links int) {
	h.addresses = nil
	for _, a := range *h.attached.Load() {
		if !a.unplugged {
			links++
			h.addresses = append(h.addresses, a.addresses...)
		}
	}
	return links
}

// lost returns why a packet to dst would get nowhere: the link that it would
// leave by is gone. Routes of a link that is gone stay, so that this can be told: with
// them gone, a default route by another link would take packets that are not meant
// for it. The caller holds the shard's lock.
func (s *shard) lost(dst wire.Addr) error {
	// Nearly always all links work, and the way need not be looked up twice.
	attached := *s.shared.attached.Load()
	if !slices.ContainsFunc(attached, func(a *attachment) bool { return a.gone.Load() != nil }) {
		return nil
	}
	iface, ok := s.host.LinkTo(dst)
	if !ok {
		return nil
	}
	if gone := attached[iface].gone.Load(); gone != nil {
		return gone
	}
	return nil
}

// AddressError says that another host on an Ethernet link has one of our
// addresses, which is therefore no longer ours.
type AddressError struct {
	Link         string // its name, as in link.Attributes
	Address      netip.Addr
	HardwareAddr link.HardwareAddr // whose it is
}

func (e *AddressError) Error() string {
	return fmt.Sprintf("handfast: address %v on %s belongs to %v", e.Address, e.Link, net.HardwareAddr(e.HardwareAddr[:]))
}

// Is makes it a syscall.EADDRINUSE.
func (e *AddressError) Is(err error) bool { return err == syscall.EADDRINUSE }

// settleConflict tells the other shards, and people. The shard that found the
// conflict has done its part.
func (h *Host) settleConflict(c host.Conflict) {
	a := (*h.attached.Load())[c.Iface]
	e := &AddressError{a.attributes.Name, c.Addr.Netip(), link.HardwareAddr(c.HardwareAddr)}
	by := net.HardwareAddr(c.HardwareAddr[:]).String()
	if !c.Lost {
		h.cfg.Logger.Warn("another host claims our address", "link", e.Link, "address", e.Address, "by", by)
		return
	}
	h.loseAddress(a, c.Addr, e)
	for _, s := range h.shards {
		s.loseAddress(c)
	}
	h.cfg.Logger.Error("address belongs to another host", "link", e.Link, "address", e.Address, "by", by)
}

// loseAddress takes an address off the host's list, before the shards drop it: the list
// never has one that they have given up.
func (h *Host) loseAddress(a *attachment, address wire.Addr, why *AddressError) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a.addresses = slices.DeleteFunc(a.addresses, func(own wire.Addr) bool { return own == address })
	lost := []*AddressError{why}
	if all := a.lost.Load(); all != nil {
		lost = slices.Concat(*all, lost)
	}
	a.lost.Store(&lost)
	h.collectAddresses()
}

func (s *shard) loseAddress(c host.Conflict) {
	now := s.lock()
	defer s.flushAndUnlock(now)
	s.host.RemoveAddress(now, c.Iface, c.Addr)
}
