package host

import (
	"iter"
	"slices"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// MoveGroups makes sockets that are in a group on one link, which is gone or about to be, members of
// it on another that takes its place, and tells the new one's routers and switches. A socket that sends
// to groups by the one does so by the other.
func (h *Host) MoveGroups(from, to int) {
	for _, g := range h.groups.move(from, to) {
		h.groupChanged(g)
	}
	for s := range h.udp.all() {
		if c := s.casts; c != nil && c.iface == from {
			c.iface, c.way = to, destination{}
		}
		h.moveMemberships(s, from, to)
	}
}

// move gives the groups of one link to another, in their order, and returns those that nobody was
// in there. What was to be told on the old link is forgotten.
func (t *groups) move(from, to int) (joined []*group) {
	t.list = slices.DeleteFunc(t.list, func(g *group) bool {
		if g.key.iface != from {
			return false
		}
		delete(t.byKey, g.key)
		there := t.byKey[groupKey{g.key.addr, to}]
		switch {
		case g.members == 0:
			return true
		case there == nil:
			*g = group{key: groupKey{g.key.addr, to}, members: g.members, answer: clock.Never}
			t.byKey[g.key] = g
			joined = append(joined, g)
			return false
		case there.members == 0:
			joined = append(joined, there)
		}
		there.members += g.members
		return true
	})
	return joined
}

// moveMemberships has s know where it is a member now. Who was in a group on both links is in it
// once.
func (h *Host) moveMemberships(s *UDPSocket, from, to int) {
	if s.casts == nil {
		return
	}
	s.casts.joined = slices.DeleteFunc(s.casts.joined, func(key groupKey) bool {
		there := groupKey{key.addr, to}
		if key.iface != from || !s.isMember(there) {
			return false
		}
		if g := h.groups.byKey[there]; g != nil && g.members > 0 {
			g.members--
		}
		return true
	})
	for i := range s.casts.joined {
		if key := &s.casts.joined[i]; key.iface == from {
			key.iface = to
		}
	}
}

// all yields every socket, in no order.
func (u *sockets) all() iter.Seq[*UDPSocket] {
	return func(yield func(*UDPSocket) bool) {
		for _, s := range u.bound {
			for ; s != nil; s = s.also {
				if !yield(s) {
					return
				}
			}
		}
		for _, s := range u.connected {
			if !yield(s) {
				return
			}
		}
		for _, s := range u.wild {
			if !yield(s) {
				return
			}
		}
	}
}
