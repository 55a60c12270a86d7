package host

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// maxScopes is for how many link-local addresses it is known by which link they are reached.
const maxScopes = 64

// scopeAge is for how long after its last packet an address counts as being on its link: until
// then nobody on another link can take it over.
const scopeAge = 10 * time.Minute

// scope is by which link a link-local address is reached. All links have the same network
// fe80::/10, so with several of them no route tells.
// https://www.rfc-editor.org/rfc/rfc4007#section-6
type scope struct {
	addr  wire.Addr
	iface int
	heard clock.Time // when a packet came from it; Never: not yet, a program has named its link
}

// Scope has a link-local address reached by a link: it has spoken there, at the time heard, or a
// program names the link as its zone, and heard is clock.Never. One address is on one link
// at a time: it reports false where somebody has it on another one, who has spoken in the
// last ten minutes, or whose link is named and who has not spoken yet.
func (h *Host) Scope(now clock.Time, a wire.Addr, iface int, heard clock.Time) bool {
	all := h.neighbours.scopes
	if len(all) == 0 {
		return true // there is one link
	}
	// Of the hosts on its links only those are in it that speak with this one by their
	// link-local address: a list is short, and whoever is silent for the longest makes room.
	s := &all[0]
	for i := range all {
		o := &all[i]
		if o.addr == a {
			s = o
			break
		}
		if o.heard < s.heard {
			s = o
		}
	}
	if s.addr != a || s.iface != iface {
		// A zone may correct another one that nobody has spoken in.
		if s.addr == a && now.Sub(s.heard) <= scopeAge && min(s.heard, heard) != clock.Never {
			return false
		}
		h.generation++ // what was known of ways is void
	}
	*s = scope{a, iface, heard}
	return true
}

// Scoped returns the link by which a link-local address was heard, or that its zone named; below
// zero: of any other.
func (h *Host) Scoped(a wire.Addr) (iface int) {
	for i := range h.neighbours.scopes {
		if s := &h.neighbours.scopes[i]; s.addr == a {
			return s.iface
		}
	}
	return -1
}
