package handfast

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"github.com/handfast-tcp/handfast/engine/wire"
)

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

// equal reports whether o is the same route.
func (r Route) equal(o Route) bool {
	return unmapped(r.Destination).Masked() == unmapped(o.Destination).Masked() && r.Gateway.Unmap() == o.Gateway.Unmap()
}

// unmapped turns ::ffff:a.b.c.d/96+n into a.b.c.d/n.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// change has do change what the host is on a link. What do makes of a copy of the link's
// options is what they are, unless it fails.
func (h *Host) change(link string, do func(a *attachment, iface int, o *LinkOptions) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return h.err
	}
	attached := *h.attached.Load()
	for iface, a := range slices.Backward(attached) {
		if a.attributes.Name != link || a.unplugged {
			continue
		}
		o := a.options.Load().clone()
		if err := do(a, iface, &o); err != nil {
			return err
		}
		a.options.Store(&o)
		h.collectAddresses()
		return nil
	}
	return fmt.Errorf("handfast: no link is called %q: %w", link, os.NewSyscallError("change link", syscall.ENODEV))
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
