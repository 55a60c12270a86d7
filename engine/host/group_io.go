package host

import (
	"slices"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// casts is what a socket has to do with groups.
type casts struct {
	ttl    uint8       // of what it sends to them
	silent bool        // members on this host do not hear it
	iface  int         // the link by which it sends; below zero: as the routes say
	way    destination // by that link
	joined []groupKey
}

// usualCasts are those of a socket that nobody has told anything: what it sends does not leave
// the link, RFC 1112 §6.1, and is heard here as well.
var usualCasts = casts{ttl: 1, iface: -1}

// ownCasts returns those of s, to be changed.
func (s *UDPSocket) ownCasts() *casts {
	if s.casts == nil {
		c := usualCasts
		s.casts = &c
	}
	return s.casts
}

// SetGroupTTL sets the TTL, or hop limit, of what s sends to groups, 1 by default. With 0
// nothing leaves the host.
func (s *UDPSocket) SetGroupTTL(ttl uint8) { s.ownCasts().ttl = ttl }

// SetGroupLoop says whether members on this host hear what s sends to a group, as they do by
// default.
func (s *UDPSocket) SetGroupLoop(on bool) { s.ownCasts().silent = !on }

// SetGroupLink sets by which link s sends to groups; below zero the routes say, as by default.
// It fails with ErrNoLink.
func (h *Host) SetGroupLink(s *UDPSocket, iface int) error {
	if iface >= len(h.links) || iface >= 0 && h.links[iface].gone {
		return ErrNoLink
	}
	c := s.ownCasts()
	c.iface, c.way = iface, destination{}
	return nil
}

// GroupLink returns by which link s sends to groups; below zero: as the routes say.
func (s *UDPSocket) GroupLink() int {
	if s.casts == nil {
		return usualCasts.iface
	}
	return s.casts.iface
}

func (s *UDPSocket) isMember(key groupKey) bool {
	return s.casts != nil && slices.Contains(s.casts.joined, key)
}

// sendToGroup sends a datagram to a group, for s.
func (h *Host) sendToGroup(now clock.Time, s *UDPSocket, t wire.Tuple, payload []byte) error {
	c := s.casts
	if c == nil {
		c = &usualCasts
	}
	d, err := h.groupWay(c, &t)
	if err != nil {
		return err
	}
	v, err := h.takePayload(t.Remote, payload)
	if err != nil {
		return err
	}
	if iface := d.route.iface; !c.silent && h.hears(t.Remote, iface) {
		if drop := h.deliverToGroup(t.Reverse(), iface, c.ttl, v); drop != wire.NoPort {
			h.counters.drop(drop)
		}
	}
	if c.ttl == 0 {
		v.Release()
		return nil
	}
	return h.sendDatagram(now, d, t, c.ttl, v)
}

// groupWay is way by the link that a socket has chosen, if it has.
func (h *Host) groupWay(c *casts, t *wire.Tuple) (*destination, error) {
	if c.iface < 0 {
		return h.way(t)
	}
	l, d := h.links[c.iface], &c.way
	if l.gone {
		return nil, ErrNoRoute
	}
	if d.generation != h.generation || d.addr != t.Remote {
		*d = destination{
			addr: t.Remote, generation: h.generation, kind: multicast, reachable: true,
			path: l.path, route: &route{iface: c.iface, link: l, direct: true},
		}
	}
	if isUnspecified(t.Local) {
		t.Local = h.source(d)
	}
	switch {
	case isUnspecified(t.Local):
		return nil, ErrNoRoute
	case t.Local.Is4() != t.Remote.Is4():
		return nil, ErrDestination
	}
	return d, nil
}

// deliverToGroup gives a datagram to every socket that hears it: those on its port that are in
// the group on that link, and of what is for all hosts, or broadcast, each. Whoever has every
// port gets what nobody else hears.
func (h *Host) deliverToGroup(t wire.Tuple, iface int, ttl uint8, payload buf.View) wire.Drop {
	forAll := !t.Local.IsMulticast() || h.inGroup(t.Local)
	heard, drop := false, wire.None
	for _, a := range [...]wire.Addr{anyIPv4, {}} {
		for s := h.udp.bound[udpKey{a, t.LocalPort}]; s != nil; s = s.also {
			if covers(a, t.Local) && (forAll || s.isMember(groupKey{t.Local, iface})) {
				heard, drop = true, max(drop, h.deliverUDP(s, t, ttl, payload))
			}
		}
	}
	if heard {
		return drop
	}
	if s := findWild(h.udp.wild, t.Local); s != nil {
		return h.deliverUDP(s, t, ttl, payload)
	}
	return wire.NoPort
}
