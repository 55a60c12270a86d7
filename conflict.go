package handfast

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link"
)

// AddressError says that another host on an Ethernet link has one of our
// addresses, which is therefore ours no more.
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

// watchAddresses passes on what shard 0 has found out about addresses. The caller
// holds the lock.
func (s *shard) watchAddresses() {
	for s.host.HasConflict() {
		if c, _ := s.host.NextConflict(); s.err == nil {
			s.owner.running.Go(func() { s.owner.settleConflict(c) })
		}
	}
}

// settleConflict tells the other shards, and people. The shard that found the
// conflict has done its part.
func (h *Host) settleConflict(c host.Conflict) {
	p := (*h.ports.Load())[c.Iface]
	e := &AddressError{p.attributes.Name, c.Addr.Netip(), link.HardwareAddr(c.HardwareAddr)}
	by := net.HardwareAddr(c.HardwareAddr[:]).String()
	if !c.Lost {
		h.cfg.Logger.Warn("another host claims our address", "link", e.Link, "address", e.Address, "by", by)
		return
	}
	h.loseAddress(p, c.Addr, e)
	for _, s := range h.shards {
		s.loseAddress(c)
	}
	h.cfg.Logger.Error("address belongs to another host", "link", e.Link, "address", e.Address, "by", by)
}

func (h *Host) loseAddress(p *port, a wire.Addr, why *AddressError) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p.addresses = slices.DeleteFunc(p.addresses, func(own wire.Addr) bool { return own == a })
	lost := []*AddressError{why}
	if all := p.lost.Load(); all != nil {
		lost = slices.Concat(*all, lost)
	}
	p.lost.Store(&lost)
	h.collectAddresses()
}

func (s *shard) loseAddress(c host.Conflict) {
	now := s.enter()
	defer s.leave(now)
	s.host.RemoveAddress(now, c.Iface, c.Addr)
}
