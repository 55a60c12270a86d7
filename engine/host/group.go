package host

import (
	"slices"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Sockets are in multicast groups, each on a link. Routers and switches that carry a group's
// datagrams only to where a member is learn of us by IGMP, and by MLD for IPv6: we report when a
// socket is the first to join and when the last has left, and answer queries. We speak the
// newest version, and an older one where somebody asks in that. Shard 0 speaks for all.
//
// There are no lists of sources: a member wants what everybody sends to the group.
// https://www.rfc-editor.org/rfc/rfc9776#section-5
// https://www.rfc-editor.org/rfc/rfc9777#section-6

// The variables of RFC 9776 §8 and RFC 9777 §9, until a querier says others.
const (
	robustness    = 2                 // how often a change is reported
	queryInterval = 125 * time.Second // between two general queries
	changeSpread  = time.Second       // within which a change is reported again; Unsolicited Report Interval
	oldSpread     = 10 * time.Second  // and with older versions
)

// What a flood of queries costs at most: they are answered no sooner than asked, within
// soonest, by so many packets in a second; what is more waits a moment. So each is answered in
// the end.
const (
	soonest         = 100 * time.Millisecond
	answersInSecond = 100
)

// groupKey names a group on a link.
type groupKey struct {
	addr  wire.Addr
	iface int
}

// querier returns which of groups.queriers asks about the group.
func (k groupKey) querier() int { return 2*k.iface + family(k.addr) }

// group is a group that sockets are in, or that the last has left and that is still told of.
type group struct {
	key     groupKey
	members int
	changes int        // reports of the last change that are still to come
	change  clock.Time // when the next one does
	answer  clock.Time // when a query is answered; Never: there is none
	spoke   bool       // we have reported it, and no other host since, in an older version
}

// querier is who asks, on a link, about the groups of a family.
type querier struct {
	old        [wire.NewestIGMP]clock.Time // by version: until when somebody counts as speaking it
	heard      bool                        // somebody has asked
	robustness int
	interval   time.Duration
	answer     clock.Time // when a query about all groups is answered; Never: there is none
}

// groups are those of a host.
type groups struct {
	byKey    map[groupKey]*group
	list     []*group // the same, in the order in which they were joined
	queriers []querier
	tokens   bucket
	deadline clock.Time
}

func (t *groups) init() {
	t.byKey, t.deadline = map[groupKey]*group{}, clock.Never
	t.tokens = newBucket(answersInSecond, answersInSecond)
}

// querier returns who asks about the groups of a number.
func (t *groups) querier(n int) *querier {
	for len(t.queriers) <= n {
		t.queriers = append(t.queriers, querier{robustness: robustness, interval: queryInterval, answer: clock.Never})
	}
	return &t.queriers[n]
}

func newestVersion(number int) int {
	if number%2 == 0 {
		return wire.NewestIGMP
	}
	return wire.NewestMLD
}

// version is what is spoken with a querier: the oldest that is heard.
func (t *groups) version(now clock.Time, number int) int {
	q := t.querier(number)
	for v := 1; v < newestVersion(number); v++ {
		if now < q.old[v] {
			return v
		}
	}
	return newestVersion(number)
}

// get returns the entry of a group, which it makes when there is none; nil when there are as
// many as may be. One that was left makes room.
func (t *groups) get(key groupKey, limit int) *group {
	if g := t.byKey[key]; g != nil {
		return g
	}
	if len(t.list) >= limit {
		i := slices.IndexFunc(t.list, func(g *group) bool { return g.members == 0 })
		if i < 0 {
			return nil
		}
		t.remove(i)
	}
	g := &group{key: key, answer: clock.Never}
	t.byKey[key] = g
	t.list = append(t.list, g)
	return g
}

func (t *groups) remove(i int) {
	delete(t.byKey, t.list[i].key)
	t.list = slices.Delete(t.list, i, i+1)
}

// sweep removes what was left and is told.
func (t *groups) sweep() {
	for i := len(t.list) - 1; i >= 0; i-- {
		if g := t.list[i]; g.members == 0 && g.changes == 0 {
			t.remove(i)
		}
	}
}

// JoinGroup makes s a member of a group on a link; below zero the routes say which. It fails
// with ErrClosed, ErrNoGroup, ErrNoLink, ErrNoRoute, ErrInUse when s is a member, or ErrGroups.
func (h *Host) JoinGroup(s *UDPSocket, iface int, a wire.Addr) error {
	switch {
	case !s.open:
		return ErrClosed
	case !a.IsMulticast():
		return ErrNoGroup
	case iface < 0:
		r := h.findRoute(a)
		if r == nil {
			return ErrNoRoute
		}
		iface = r.iface
	}
	key := groupKey{a, iface}
	switch {
	case iface >= len(h.links) || h.links[iface].gone:
		return ErrNoLink
	case s.isMember(key):
		return ErrInUse
	}
	g := h.groups.get(key, h.cfg.MaxGroups)
	if g == nil {
		return ErrGroups
	}
	c := s.ownCasts()
	c.joined = append(c.joined, key)
	if g.members++; g.members == 1 {
		h.groupChanged(g)
	}
	return nil
}

// Groups calls f for each group that somebody here is in, in the order in which they were joined,
// with its link and how many memberships there are.
func (h *Host) Groups(f func(iface int, group wire.Addr, members int)) {
	for _, g := range h.groups.list {
		if g.members > 0 {
			f(g.key.iface, g.key.addr, g.members)
		}
	}
}

// LeaveGroup ends a membership of s; with a link below zero the first in that group. It fails
// with ErrClosed or ErrNotMember.
func (h *Host) LeaveGroup(s *UDPSocket, iface int, a wire.Addr) error {
	if !s.open {
		return ErrClosed
	}
	if s.casts != nil {
		for i, key := range s.casts.joined {
			if key.addr == a && (iface < 0 || key.iface == iface) {
				s.casts.joined = slices.Delete(s.casts.joined, i, i+1)
				h.leave(key)
				return nil
			}
		}
	}
	return ErrNotMember
}

func (h *Host) leave(key groupKey) {
	g := h.groups.byKey[key]
	if g == nil || g.members == 0 {
		return // after LeaveGroups
	}
	if g.members--; g.members == 0 {
		h.groupChanged(g)
	}
}

// leaveAll ends all memberships of s.
func (h *Host) leaveAll(s *UDPSocket) {
	if s.casts != nil {
		for _, key := range s.casts.joined {
			h.leave(key)
		}
		s.casts.joined = nil
	}
}

// LeaveGroups tells that nobody here is a member any more: the host is about to end.
func (h *Host) LeaveGroups(now clock.Time) {
	for _, g := range slices.Clone(h.groups.list) { // which groupChanged shortens
		if g.members > 0 {
			g.members = 0
			h.groupChanged(g)
		}
	}
	h.advanceGroups(now)
}

// groupChanged has it told that g was joined by the first, or left by the last. That is due at
// once: Advance does it, because the time is not known here.
func (h *Host) groupChanged(g *group) {
	if h.cfg.Shard == 0 && isReported(g.key.addr) {
		g.changes, g.change = h.groups.querier(g.key.querier()).robustness, 0
		h.groups.deadline = 0
		return
	}
	h.groups.sweep()
}

// isReported leaves out the groups that every host is in, and those that end at the host.
// https://www.rfc-editor.org/rfc/rfc9777#section-6
func isReported(a wire.Addr) bool {
	if a.Is4() {
		return a != allHosts4
	}
	hi, _ := a.Words()
	return a != allNodes6 && hi>>48&0xf > 1
}

// hears reports whether a group's packets that come by a link are for somebody here.
func (h *Host) hears(a wire.Addr, iface int) bool {
	if h.inGroup(a) {
		return true
	}
	g := h.groups.byKey[groupKey{a, iface}]
	return g != nil && g.members > 0
}

// receiveIGMP takes queries, and what others report to a group that we are in. That nobody off
// the link has sent them shows their TTL, which no router lets pass.
// https://www.rfc-editor.org/rfc/rfc9776#section-9.1
func (h *Host) receiveIGMP(now clock.Time, in *inbound) wire.Drop {
	in.packet.Flatten()
	var m wire.GroupMessage
	if d := wire.ParseIGMP(in.transport(), &m); d != wire.None {
		return d
	}
	alert := m.Version == 1 || wire.HasAlert(in.packet.Data[in.packet.L3:])
	if in.ip.TTL != 1 || m.Type == wire.IGMPQuery && !alert {
		return wire.BadMembership
	}
	return h.receiveGroup(now, in, &m)
}

// receiveMLD is receiveIGMP for IPv6. https://www.rfc-editor.org/rfc/rfc9777#section-6.2
func (h *Host) receiveMLD(now clock.Time, in *inbound, b []byte) wire.Drop {
	var m wire.GroupMessage
	if d := wire.ParseMLD(b, &m); d != wire.None {
		return d
	}
	if in.ip.TTL != 1 || !isLinkLocal(in.ip.Src) || !wire.HasAlert(in.packet.Data[in.packet.L3:]) {
		return wire.BadMembership
	}
	return h.receiveGroup(now, in, &m)
}

func (h *Host) receiveGroup(now clock.Time, in *inbound, m *wire.GroupMessage) wire.Drop {
	number := 2*in.iface + family(in.ip.Dst)
	switch {
	case in.assembled != nil:
		return wire.BadMembership
	case h.cfg.Shard != 0 || in.link.gone:
		return wire.None
	case m.Type != wire.IGMPQuery && m.Type != wire.ICMPv6ListenerQuery:
		h.otherReported(now, number, groupKey{m.Group, in.iface})
		return wire.None
	case isUnspecified(m.Group) && in.ip.Dst.IsMulticast() && in.ip.Dst != allHosts4 && in.ip.Dst != allNodes6:
		return wire.BadMembership // who asks about all asks all
	}
	h.groups.learn(now, number, m)
	h.scheduleAnswer(now, number, m, in.iface)
	h.groups.arm()
	return wire.None
}

// learn takes what a query says of the querier. A change of version forgets what was to be told
// in the other one. https://www.rfc-editor.org/rfc/rfc9776#section-7.2.1
func (t *groups) learn(now clock.Time, number int, m *wire.GroupMessage) {
	q, before := t.querier(number), t.version(now, number)
	q.heard = true
	if int(m.Version) == newestVersion(number) {
		q.robustness, q.interval = robustness, queryInterval
		if m.Robustness > 0 {
			q.robustness = m.Robustness
		}
		if m.Interval > 0 {
			q.interval = m.Interval
		}
		return
	}
	q.old[m.Version] = now.Add(time.Duration(q.robustness)*q.interval + m.MaxResponse)
	if t.version(now, number) == before {
		return
	}
	q.answer = clock.Never
	for _, g := range t.list {
		if g.key.querier() == number {
			g.changes, g.answer = 0, clock.Never
		}
	}
	t.sweep()
}

// scheduleAnswer chooses when a query is answered: at random, so that all members do not answer
// together, and not again when an answer to all is about to leave.
// https://www.rfc-editor.org/rfc/rfc9776#section-5.2
func (h *Host) scheduleAnswer(now clock.Time, number int, m *wire.GroupMessage, iface int) {
	t := &h.groups
	q, at := t.querier(number), now.Add(h.groupDelay(max(m.MaxResponse, soonest)))
	if !isUnspecified(m.Group) {
		switch g := t.byKey[groupKey{m.Group, iface}]; {
		case g != nil:
			g.answer = min(g.answer, at)
			return
		case !h.inGroup(m.Group):
			return
		}
	}
	q.answer = min(q.answer, at)
	if t.version(now, number) == newestVersion(number) {
		return
	}
	for _, g := range t.list { // the older versions answer for each by itself
		if g.key.querier() == number {
			g.answer = min(g.answer, now.Add(h.groupDelay(max(m.MaxResponse, soonest))))
		}
	}
}

// watchSolicited tells who asks on a link of the group by which a new address is looked for, with
// all others and at once.
func (h *Host) watchSolicited(iface int, a wire.Addr) {
	number := groupKey{a, iface}.querier()
	if t := &h.groups; !a.Is4() && len(t.queriers) > number && t.queriers[number].heard {
		t.queriers[number].answer, t.deadline = 0, 0
	}
}

// otherReported hears, in an older version, that another host has reported a group: that is
// enough for its router. https://www.rfc-editor.org/rfc/rfc2236#section-3
func (h *Host) otherReported(now clock.Time, number int, key groupKey) {
	g := h.groups.byKey[key]
	if g != nil && g.members > 0 && h.groups.version(now, number) < newestVersion(number) {
		g.answer, g.changes, g.spoke = clock.Never, 0, false
	}
}

// groupDelay is a random part of d, and not nothing.
func (h *Host) groupDelay(d time.Duration) time.Duration {
	return time.Duration(h.keys.groups.next()%uint64(d)) + 1
}
