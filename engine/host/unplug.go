package host

import (
	"slices"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// Unplug tells the host that a link is gone for good. The link's addresses are
// no longer ours.
//
// Its routes stay, behind others to the same network: what was meant for this
// link, such as the inside of a tunnel, must not leave by another one that only
// has a shorter prefix. So Output goes on naming the link, and the caller drops
// what is for it. A link that is added later, with the same addresses and routes,
// takes its place.
func (h *Host) Unplug(iface int) {
	h.addresses = slices.DeleteFunc(h.addresses, func(a address) bool { return a.iface == iface })
	h.links[iface].gone = true
	clear(h.neighbours.scopes) // who speaks by another link is heard again
	h.conflicts.forget(func(c *check) bool { return c.iface == iface })
	old := h.routes
	h.routes = [2][]route{}
	for _, all := range old {
		for _, r := range all {
			r.gone = r.gone || r.iface == iface
			h.addRoute(r)
		}
	}
	h.forget()
}

// LinkTo returns the link by which a packet to dst leaves, plugged or not; ok is
// false when there is none.
func (h *Host) LinkTo(dst wire.Addr) (iface int, ok bool) {
	if h.HasAddress(dst) {
		return 0, false
	}
	r := h.findRoute(dst)
	if r == nil {
		return 0, false
	}
	return r.iface, true
}
