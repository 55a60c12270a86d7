package handfast

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link"
)

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

// port is where a link is plugged in. It keeps its number, and its place in
// Host.ports, when the link is gone.
type port struct {
	link       link.Link
	attributes link.Attributes
	queues     []sync.Mutex // held while writing to that queue
	addresses  []wire.Addr  // the host's own on this link
	options    LinkOptions  // that it was attached with

	lost      atomic.Pointer[[]*AddressError]
	gone      atomic.Pointer[LinkError]
	unplugged bool // the host knows; under its lock
}

// write sends packets by the queue that shard s uses: a flow keeps its order.
// What is for a link that is gone is dropped.
func (p *port) write(shard int, batch []*buf.Packet) error {
	if p.gone.Load() != nil {
		for _, packet := range batch {
			packet.Release()
		}
		return nil
	}
	queue := shard % len(p.queues)
	p.queues[queue].Lock()
	defer p.queues[queue].Unlock()
	return p.link.Write(queue, batch)
}

// fail notes why a link works no more, and makes those end who read it: the rest
// is up to them. The caller may be anybody who sends, and hold any lock.
func (p *port) fail(err error) {
	if p.gone.CompareAndSwap(nil, &LinkError{p.attributes.Name, err}) {
		p.link.Close()
	}
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
	for _, p := range *h.ports.Load() {
		info := LinkInfo{Attributes: p.attributes, Addresses: slices.Clone(p.options.Addresses), Routes: slices.Clone(p.options.allRoutes())}
		if gone := p.gone.Load(); gone != nil {
			info.Err = gone
		}
		if lost := p.lost.Load(); lost != nil {
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
// works no more. Each goroutine that has read the link calls it.
func (h *Host) unplug(p *port, iface int) {
	gone := p.gone.Load()
	left, first := h.forgetLink(p)
	if !first {
		return
	}
	if left == 0 {
		h.stop(gone, false)
	}
	for _, s := range h.shards {
		s.unplug(iface)
	}
	h.cfg.Logger.Error("link is gone", "link", p.attributes.Name, "error", gone.Err, "left", left)
}

func (s *shard) unplug(iface int) {
	defer s.leave(s.enter())
	s.host.Unplug(iface)
}

// forgetLink takes a link's addresses from the host's, and returns how many
// links are left. It reports whether that was news to a host that works.
func (h *Host) forgetLink(p *port) (left int, first bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil || p.unplugged {
		return 0, false
	}
	p.unplugged = true
	return h.collectAddresses(), true
}

// collectAddresses builds the list of the host's addresses anew, because several
// links may have the same one, and returns how many links there are. The caller
// holds the host's lock.
func (h *Host) collectAddresses() (links int) {
	h.addresses = nil
	for _, p := range *h.ports.Load() {
		if !p.unplugged {
			links++
			h.addresses = append(h.addresses, p.addresses...)
		}
	}
	return links
}

// lost returns why a packet to dst would get nowhere: the link that it would
// leave by is gone. The caller holds the shard's lock.
func (s *shard) lost(dst wire.Addr) error {
	ports := *s.owner.ports.Load()
	if !slices.ContainsFunc(ports, func(p *port) bool { return p.gone.Load() != nil }) {
		return nil
	}
	iface, ok := s.host.LinkTo(dst)
	if !ok {
		return nil
	}
	if gone := ports[iface].gone.Load(); gone != nil {
		return gone
	}
	return nil
}
