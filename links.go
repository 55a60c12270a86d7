package handfast

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link"
)

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
	h.moveGroups()
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
		AnswerFor: o.AnswerFor, MTU: a.MTU, MaxGSO: a.MaxGSO, ChecksumOffload: a.ChecksumOffload,
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
	// Groups are the multicast groups that somebody on the host is in there, and how many: sockets, or of
	// a solicited-node group the host's own addresses.
	Groups map[netip.Addr]int
	Err    error // a *LinkError after the link has gone, and nil while it works
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
	h.addGroups(all)
	return all
}

// addGroups notes the groups of all links. Each shard knows them.
func (h *Host) addGroups(all []LinkInfo) {
	s := h.shards[0]
	now := s.lock()
	defer s.flushAndUnlock(now)
	s.host.Groups(func(iface int, group wire.Addr, members int) {
		if iface >= len(all) {
			return // attached since
		}
		l := &all[iface]
		if l.Groups == nil {
			l.Groups = map[netip.Addr]int{}
		}
		l.Groups[group.Netip()] = members
	})
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
	h.mu.Lock()
	h.moveGroups()
	h.mu.Unlock()
	h.cfg.Logger.Error("link is gone", "link", a.attributes.Name, "error", gone.Err, "left", left)
}

func (s *shard) unplug(iface int) {
	now := s.lock()
	defer s.flushAndUnlock(now)
	s.host.Unplug(iface)
}

// moveGroups moves memberships from each link that is gone to the one that takes its place: it was
// attached later, works, and has its name or an address of it. The caller holds the host's lock.
func (h *Host) moveGroups() {
	attached := *h.attached.Load()
	for from, a := range attached {
		for to := len(attached) - 1; to > from && a.unplugged && !a.replaced; to-- {
			if b := attached[to]; !b.unplugged && b.isLike(a) {
				a.replaced = true
				for _, s := range h.shards {
					now := s.lock()
					s.host.MoveGroups(from, to)
					s.flushAndUnlock(now)
				}
			}
		}
	}
}

// isLike reports whether two links have one name, or an address in common.
func (a *attachment) isLike(b *attachment) bool {
	if a.attributes.Name != "" && a.attributes.Name == b.attributes.Name {
		return true
	}
	return slices.ContainsFunc(a.addresses, func(own wire.Addr) bool { return slices.Contains(b.addresses, own) })
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

// AddAddress gives the host one more address on a link, with the network that is reached
// directly, while it works: as if it had stood in LinkOptions.Addresses. The link is named
// as in its Attributes; of several with one name it is the last that works. It fails with
// EEXIST for an address that the link has, and with what Attach fails with.
func (h *Host) AddAddress(link string, p netip.Prefix) error {
	p = unmapped(p)
	return h.change(link, func(a *attachment, iface int, o *LinkOptions) error {
		if slices.ContainsFunc(o.Addresses, func(own netip.Prefix) bool { return own.Addr().Unmap() == p.Addr() }) {
			return os.NewSyscallError("add address", syscall.EEXIST)
		}
		o.Addresses = append(o.Addresses, p)
		if err := a.accept(o); err != nil {
			return err
		}
		a.addresses = append(a.addresses, wire.AddrFrom(p.Addr()))
		for _, s := range h.shards {
			now := s.lock()
			err := s.host.AddAddress(iface, p)
			s.flushAndUnlock(now)
			if err != nil {
				return err // never in one shard alone
			}
		}
		return nil
	})
}

// RemoveAddress takes an address off a link. Unless another link has it too, its
// connections end, without a word to their peers, and sockets that are bound to it fail,
// both with ECONNABORTED; listeners on it hear nothing any more. It fails with
// EADDRNOTAVAIL when the link does not have it.
func (h *Host) RemoveAddress(link string, address netip.Addr) error {
	address = address.Unmap()
	return h.change(link, func(a *attachment, iface int, o *LinkOptions) error {
		i := slices.IndexFunc(o.Addresses, func(own netip.Prefix) bool { return own.Addr().Unmap() == address })
		if i < 0 {
			return os.NewSyscallError("remove address", syscall.EADDRNOTAVAIL)
		}
		p := unmapped(o.Addresses[i])
		o.Addresses = slices.Delete(o.Addresses, i, i+1)
		gone := wire.AddrFrom(address)
		a.addresses = slices.DeleteFunc(a.addresses, func(own wire.Addr) bool { return own == gone })
		a.regain(address)
		for _, s := range h.shards {
			now := s.lock()
			s.host.RemoveAddress(now, iface, gone)
			s.host.RemoveRoute(p, netip.Addr{}, iface)
			s.flushAndUnlock(now)
		}
		return nil
	})
}

// AddRoute makes a network reachable by a link while the host works: as if it had stood in
// LinkOptions.Routes. Of routes to one network the older counts. Links are named as for
// AddAddress. It fails with EEXIST when the link has the very same.
func (h *Host) AddRoute(link string, r Route) error {
	return h.change(link, func(a *attachment, iface int, o *LinkOptions) error {
		if slices.ContainsFunc(o.allRoutes(), r.equal) {
			return os.NewSyscallError("add route", syscall.EEXIST)
		}
		o.Routes = append(o.Routes, r)
		if err := a.accept(o); err != nil {
			return err
		}
		for _, s := range h.shards {
			now := s.lock()
			err := s.host.AddRoute(r.Destination, r.Gateway, iface)
			s.flushAndUnlock(now)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// RemoveRoute takes a route away, also the one by LinkOptions.Gateway. Connections that
// went there wait until there is another way, or their timers end them. It fails with
// ESRCH when the link does not have it.
func (h *Host) RemoveRoute(link string, r Route) error {
	return h.change(link, func(a *attachment, iface int, o *LinkOptions) error {
		o.Routes, o.Gateway = slices.Clone(o.allRoutes()), netip.Addr{}
		i := slices.IndexFunc(o.Routes, r.equal)
		if i < 0 {
			return os.NewSyscallError("remove route", syscall.ESRCH)
		}
		o.Routes = slices.Delete(o.Routes, i, i+1)
		for _, s := range h.shards {
			now := s.lock()
			s.host.RemoveRoute(r.Destination, r.Gateway, iface)
			s.flushAndUnlock(now)
		}
		return nil
	})
}

// change has do change what the host is on a link. What do makes of a copy of the link's
// options is what they are, unless it fails.
func (h *Host) change(link string, do func(a *attachment, iface int, o *LinkOptions) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return h.err
	}
	iface, a := h.linkNamed(link)
	if a == nil {
		return noLink(link)
	}
	o := a.options.Load().clone()
	if err := do(a, iface, &o); err != nil {
		return err
	}
	a.options.Store(&o)
	h.collectAddresses()
	return nil
}

// linkNamed returns the last link with a name that works, and its number; below zero and nil:
// there is none. The caller holds the host's lock.
func (h *Host) linkNamed(name string) (int, *attachment) {
	for iface, a := range slices.Backward(*h.attached.Load()) {
		if a.attributes.Name == name && !a.unplugged {
			return iface, a
		}
	}
	return -1, nil
}

func noLink(name string) error {
	return fmt.Errorf("handfast: no link is called %q: %w", name, os.NewSyscallError("change link", syscall.ENODEV))
}

// regain ends that an address counts as another host's: it may be added again.
func (a *attachment) regain(address netip.Addr) {
	if all := a.lost.Load(); all != nil {
		rest := slices.DeleteFunc(slices.Clone(*all), func(e *AddressError) bool { return e.Address == address })
		a.lost.Store(&rest)
	}
}

// accept refuses options that the link cannot work with.
func (a *attachment) accept(o *LinkOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	return checkLink(&a.attributes, o)
}
