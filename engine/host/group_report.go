package host

import (
	"slices"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Where reports go. https://www.rfc-editor.org/rfc/rfc9776#section-4.2.14
var (
	allRouters4  = wire.AddrFrom4(224<<24 | 2)
	allReporters = wire.AddrFrom4(224<<24 | 22)
	allRouters6  = wire.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 2})
	allMLDv2     = wire.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 22})
)

// internetworkControl is the precedence of IGMP. https://www.rfc-editor.org/rfc/rfc9776#section-4
const internetworkControl = 0xc0

// advanceGroups sends the reports that are due.
func (h *Host) advanceGroups(now clock.Time) {
	t := &h.groups
	if now < t.deadline {
		return
	}
	for number := range t.queriers {
		if h.links[number/2].gone {
			t.hush(number)
			continue
		}
		h.reportChanges(now, number)
		h.answerQueries(now, number)
	}
	t.sweep()
	t.arm()
}

// arm finds out when advanceGroups is wanted next.
func (t *groups) arm() {
	t.deadline = clock.Never
	for i := range t.queriers {
		t.deadline = min(t.deadline, t.queriers[i].answer)
	}
	for _, g := range t.list {
		t.deadline = min(t.deadline, g.answer)
		if g.changes > 0 {
			t.deadline = min(t.deadline, g.change)
		}
	}
}

// hush forgets what was to be told on a link that is gone.
func (t *groups) hush(number int) {
	t.queriers[number].answer = clock.Never
	for _, g := range t.list {
		if g.key.querier() == number {
			g.changes, g.answer = 0, clock.Never
		}
	}
}

// reportChanges tells which groups were joined and left. Those that change together are in one
// packet, the next time too. https://www.rfc-editor.org/rfc/rfc9776#section-5.1
func (h *Host) reportChanges(now clock.Time, number int) {
	version, spread := h.groups.version(now, number), changeSpread
	newest := version == newestVersion(number)
	if !newest {
		spread = oldSpread
	}
	var records []wire.GroupRecord
	var again clock.Time
	for _, g := range h.groups.list {
		switch {
		case g.key.querier() != number || g.changes == 0 || g.change > now:
			continue
		case again == 0:
			again = now.Add(h.groupDelay(spread))
		}
		g.changes--
		g.change = again
		switch {
		case newest && g.members > 0:
			g.spoke = true
			records = append(records, wire.GroupRecord{Type: wire.GroupJoined, Group: g.key.addr})
		case newest:
			records = append(records, wire.GroupRecord{Type: wire.GroupLeft, Group: g.key.addr})
		case g.members > 0:
			h.reportOne(g, version)
		default:
			h.leaveOne(g, version)
		}
	}
	h.sendRecords(number, records)
}

// answerQueries answers those whose time has come.
func (h *Host) answerQueries(now clock.Time, number int) {
	t := &h.groups
	q, version := t.querier(number), t.version(now, number)
	all, newest := q.answer <= now, version == newestVersion(number)
	var records []wire.GroupRecord
	for _, g := range t.list {
		due := g.answer <= now || all && newest
		switch {
		case g.key.querier() != number || g.members == 0 || !isReported(g.key.addr) || !due:
			continue
		// The first of a packet takes a token, the others are in it.
		case (len(records) == 0 || !newest) && !t.tokens.take(now):
			g.answer = now.Add(soonest)
			continue
		case newest:
			g.spoke = true
			records = append(records, wire.GroupRecord{Type: wire.GroupIsMember, Group: g.key.addr})
		default:
			h.reportOne(g, version)
		}
		g.answer = clock.Never
	}
	if all {
		q.answer = clock.Never
		records = h.addSolicited(records, number, version)
	}
	h.sendRecords(number, records)
}

// addSolicited adds the groups of solicitations that our addresses make us a member of: a switch
// that carries groups to members only would otherwise keep neighbours from finding us. Queriers
// are told of them. https://www.rfc-editor.org/rfc/rfc4861#section-7.2.1
func (h *Host) addSolicited(records []wire.GroupRecord, number, version int) []wire.GroupRecord {
	for i := range h.addresses {
		a := &h.addresses[i]
		if a.addr.Is4() || 2*a.iface+1 != number || !h.links[a.iface].Ethernet {
			continue
		}
		r := wire.GroupRecord{Type: wire.GroupIsMember, Group: wire.SolicitedNode(a.addr)}
		switch {
		case slices.Contains(records, r):
		case version == wire.NewestMLD:
			records = append(records, r)
		default:
			h.sendMLD(a.iface, r.Group, wire.AppendMLD(nil, wire.ICMPv6ListenerReport, r.Group))
		}
	}
	return records
}

// reportOne reports a group in an older version.
func (h *Host) reportOne(g *group, version int) {
	g.spoke = true
	switch {
	case !g.key.addr.Is4():
		h.sendMLD(g.key.iface, g.key.addr, wire.AppendMLD(nil, wire.ICMPv6ListenerReport, g.key.addr))
	case version == 1:
		h.sendIGMP(g.key.iface, g.key.addr, wire.AppendIGMP(nil, wire.IGMPv1Report, g.key.addr))
	default:
		h.sendIGMP(g.key.iface, g.key.addr, wire.AppendIGMP(nil, wire.IGMPv2Report, g.key.addr))
	}
}

// leaveOne tells in an older version, once, that a group was left, unless another host has
// reported it since. The oldest has no word for it.
// https://www.rfc-editor.org/rfc/rfc2236#section-3
func (h *Host) leaveOne(g *group, version int) {
	g.changes = 0
	switch {
	case !g.spoke:
	case !g.key.addr.Is4():
		h.sendMLD(g.key.iface, allRouters6, wire.AppendMLD(nil, wire.ICMPv6ListenerDone, g.key.addr))
	case version > 1:
		h.sendIGMP(g.key.iface, allRouters4, wire.AppendIGMP(nil, wire.IGMPv2Leave, g.key.addr))
	}
}

// sendRecords reports in the newest version, in as many packets as the link's MTU needs.
func (h *Host) sendRecords(number int, records []wire.GroupRecord) {
	iface := number / 2
	room := h.links[iface].MTU - wire.IPv6Size - 2*wire.ICMPSize // hop-by-hop options have as many bytes as the start of a report
	for part := range slices.Chunk(records, max(room/wire.MLDRecordSize, 1)) {
		if number%2 == 0 {
			h.sendIGMP(iface, allReporters, wire.AppendIGMPReport(nil, part))
		} else {
			h.sendMLD(iface, allMLDv2, wire.AppendMLDReport(nil, part))
		}
	}
}

func (h *Host) sendIGMP(iface int, dst wire.Addr, message []byte) {
	ip := wire.IP{Version: 4, Proto: wire.ProtoIGMP, TTL: 1, TOS: internetworkControl, DontFragment: true, Src: anyIPv4, Dst: dst}
	for i := range h.addresses {
		if a := &h.addresses[i]; a.iface == iface && a.addr.Is4() {
			ip.Src = a.addr
			break
		}
	}
	h.sendAlert(iface, &ip, message)
}

// sendMLD sends a message from a link-local address, or without one from none: switches listen to
// that, and routers do not. https://www.rfc-editor.org/rfc/rfc9777#section-5.2.13
func (h *Host) sendMLD(iface int, dst wire.Addr, message []byte) {
	ip := wire.IP{Version: 6, Proto: wire.ProtoICMPv6, TTL: 1, Dst: dst}
	for i := range h.addresses {
		if a := &h.addresses[i]; a.iface == iface && !a.addr.Is4() && isLinkLocal(a.addr) {
			ip.Src = a.addr
			break
		}
	}
	sum := wire.PseudoSum(ip.Src, dst, wire.ProtoICMPv6, len(message))
	put16(message[icmpChecksumAt:], wire.Checksum(wire.Sum(message, sum)))
	h.counters.IcmpOutMsgs++
	h.sendAlert(iface, &ip, message)
}

// sendAlert sends a message to a group, with the option Router Alert.
func (h *Host) sendAlert(iface int, ip *wire.IP, message []byte) {
	p := buf.NewPacket()
	b := p.ReceiveInto(wire.EthernetSize + ip.AlertSize() + len(message))[:0]
	if l := h.links[iface]; l.Ethernet {
		e := wire.Ethernet{Dst: wire.MulticastHW(ip.Dst), Src: l.HardwareAddr, Type: wire.EtherTypeIPv4}
		if ip.Version == 6 {
			e.Type = wire.EtherTypeIPv6
		}
		b = e.Append(b)
		p.L3 = wire.EthernetSize
	}
	p.Data = append(ip.AppendAlert(b, len(message)), message...)
	h.counters.IpOutRequests++
	h.enqueue(iface, p)
}

// isAboutGroups reports whether a type of ICMPv6 is one of MLD.
func isAboutGroups(kind byte) bool {
	return kind >= wire.ICMPv6ListenerQuery && kind <= wire.ICMPv6ListenerDone || kind == wire.ICMPv6ListenerReportV2
}
