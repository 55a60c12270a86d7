package host

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// meeting is a pair with a group of its family.
type meeting struct {
	*pair
	group wire.Addr
}

func onBoth(t *testing.T, c config, f func(t *testing.T, m *meeting)) {
	for _, v6 := range []bool{false, true} {
		c.v6 = v6
		t.Run(fmt.Sprintf("v6=%v", v6), func(t *testing.T) {
			m := &meeting{newPair(t, c), addr("239.1.2.3")}
			if v6 {
				m.group = addr("ff05::123")
			}
			f(t, m)
		})
	}
}

// another returns the group with another last byte.
func (m *meeting) another(n int) wire.Addr {
	b := m.group.As16()
	b[15] = byte(n)
	b[14] = byte(n >> 8)
	return wire.AddrFrom16(b)
}

func (m *meeting) share(h *Host, port uint16) *UDPSocket {
	m.Helper()
	s, err := h.OpenSharedUDP(wire.Addr{}, port, "owner")
	if err != nil {
		m.Fatal(err)
	}
	return s
}

func (m *meeting) join(h *Host, s *UDPSocket, group wire.Addr) {
	m.Helper()
	if err := h.JoinGroup(s, -1, group); err != nil {
		m.Fatal(err)
	}
}

// said returns what h sends until that moment, and when; a packet that is not about groups fails
// the test.
func (m *meeting) said(h *Host, until time.Duration) (packets []string, at []time.Duration) {
	m.Helper()
	end, begin := m.now.Add(until), m.now
	for d := h.Deadline(); d <= end; d = h.Deadline() {
		m.now = max(m.now, d)
		h.Advance(m.now)
		for p, _ := h.Output(m.now); p != nil; p, _ = h.Output(m.now) {
			if !wire.HasAlert(p.Data[p.L3:]) {
				m.Errorf("not about groups: %x", p.Data)
			}
			packets, at = append(packets, hex.EncodeToString(p.Data[p.L3:])), append(at, m.now.Sub(begin))
			p.Release()
		}
	}
	m.now = end
	return packets, at
}

func (m *meeting) wantSaid(why string, h *Host, until time.Duration, want ...string) {
	m.Helper()
	if got, at := m.said(h, until); fmt.Sprint(got) != fmt.Sprint(want) {
		m.Errorf("%s: said\n%v at %v, want\n%v", why, got, at, want)
	}
}

// query is a query of a version about a group, or with the zero address about all.
type query struct {
	version int
	group   wire.Addr
	within  time.Duration
}

func (q query) igmp() []byte {
	b := wire.AppendIGMP(nil, wire.IGMPQuery, wire.AddrFrom4(q.group.As4()))
	if q.version > 1 {
		b[1] = byte(q.within / (100 * time.Millisecond))
	}
	if q.version == 3 {
		b = append(b, 2, 125, 0, 0)
	}
	put16(b[2:], 0)
	put16(b[2:], wire.Checksum(wire.Sum(b, 0)))
	return b
}

func (q query) mld(src, dst wire.Addr) []byte {
	b := wire.AppendMLD(nil, wire.ICMPv6ListenerQuery, q.group)
	put16(b[4:], uint16(q.within/time.Millisecond))
	if q.version == 2 {
		b = append(b, 2, 125, 0, 0)
	}
	return sumMLD(src, dst, b)
}

func sumMLD(src, dst wire.Addr, b []byte) []byte {
	put16(b[2:], 0)
	put16(b[2:], wire.Checksum(wire.Sum(b, wire.PseudoSum(src, dst, wire.ProtoICMPv6, len(b)))))
	return b
}

// header is that of a message to all, or to the group of a query.
func (m *meeting) header(group wire.Addr) wire.IP {
	ip := wire.IP{Version: 4, TTL: 1, Proto: wire.ProtoIGMP, Src: m.addrB, Dst: allHosts4}
	if m.v6 {
		ip = wire.IP{Version: 6, TTL: 1, Proto: wire.ProtoICMPv6, Src: addr("fe80::99"), Dst: allNodes6}
	}
	if group.IsMulticast() {
		ip.Dst = group
	}
	return ip
}

// hear gives a an IP packet with Router Alert, and says what became of it.
func (m *meeting) hear(ip wire.IP, message []byte) wire.Drop {
	p := buf.NewPacket()
	b := p.ReceiveInto(200)[:0]
	if m.ethernet {
		e := wire.Ethernet{Dst: wire.MulticastHW(ip.Dst), Src: hwB, Type: wire.EtherTypeIPv4}
		if m.v6 {
			e.Type = wire.EtherTypeIPv6
		}
		b = e.Append(b)
	}
	p.Data = append(ip.AppendAlert(b, len(message)), message...)
	return m.a.Receive(m.now, 0, p)
}

func (m *meeting) ask(q query) {
	m.Helper()
	ip, message := m.header(q.group), q.igmp()
	if m.v6 {
		message = q.mld(ip.Src, ip.Dst)
	}
	if d := m.hear(ip, message); d != wire.None {
		m.Fatalf("query: %v", d)
	}
}

// The packets of a member, byte for byte: what it says when it joins, is asked, and leaves, in each
// version of the protocols.
func TestGroupReports(t *testing.T) {
	const (
		joined3   = "46c00028000040000102f9f80a000001e0000016940400002200e8f90000000104000000ef010203"
		left3     = "46c00028000040000102f9f80a000001e0000016940400002200e9f90000000103000000ef010203"
		two3      = "46c00030000040000102f9f00a000001e0000016940400002200f7f20000000202000000ef01020302000000ef010204"
		report2   = "46c00020000040000102e9120a000001ef010203940400001600f8faef010203"
		report1   = "46c00020000040000102e9120a000001ef010203940400001200fcfaef010203"
		leave2    = "46c00020000040000102fa140a000001e0000002940400001700f7faef010203"
		joinedMLD = "6000000000240001fe800000000000000000000000000001ff0200000000000000000000000000163a000502000001008f006ee40000000104000000ff050000000000000000000000000123"
		nowhere   = "600000000024000100000000000000000000000000000000ff0200000000000000000000000000163a000502000001008f006d660000000104000000ff050000000000000000000000000123"
		leftMLD   = "6000000000240001fe800000000000000000000000000001ff0200000000000000000000000000163a000502000001008f006fe40000000103000000ff050000000000000000000000000123"
		reportMLD = "6000000000200001fe800000000000000000000000000001ff0500000000000000000000000001233a0005020000010083007dd900000000ff050000000000000000000000000123"
		doneMLD   = "6000000000200001fe800000000000000000000000000001ff0200000000000000000000000000023a0005020000010084007dfd00000000ff050000000000000000000000000123"
		solicited = "6000000000380001fe800000000000000000000000000001ff0200000000000000000000000000163a000502000001008f0070c90000000202000000ff05000000000000000000000000012302000000ff0200000000000000000001ff000001"
	)
	onBoth(t, config{}, func(t *testing.T, m *meeting) {
		s := m.share(m.a, 5353)
		m.join(m.a, s, m.group)
		if m.v6 {
			m.wantSaid("without a link-local address", m.a, time.Minute, nowhere, nowhere)
			if err := m.a.AddAddress(0, netip.MustParsePrefix("fe80::1/64")); err != nil {
				t.Fatal(err)
			}
			m.a.LeaveGroup(s, -1, m.group)
			m.wantSaid("left", m.a, time.Minute, leftMLD, leftMLD)
			m.join(m.a, s, m.group)
			m.wantSaid("joined", m.a, time.Minute, joinedMLD, joinedMLD)
			m.ask(query{1, wire.Addr{}, time.Second})
			m.wantSaid("asked in MLDv1", m.a, time.Second, reportMLD)
			m.a.LeaveGroup(s, 0, m.group)
			m.wantSaid("left in MLDv1", m.a, time.Minute, doneMLD)
			m.join(m.a, s, m.group)
			m.wantSaid("joined in MLDv1", m.a, 10*time.Second, reportMLD, reportMLD)
			m.now = m.now.Add(300 * time.Second)
			m.a.links[0].Ethernet, m.ethernet = true, true
			m.a.RemoveAddress(m.now, 0, m.addrA) // its last bits are those of the other
			m.ask(query{2, wire.Addr{}, time.Second})
			m.wantSaid("asked in MLDv2, on an Ethernet", m.a, time.Second, solicited)
			return
		}
		m.wantSaid("joined", m.a, time.Minute, joined3, joined3)
		m.ask(query{2, wire.Addr{}, time.Second})
		m.wantSaid("asked in IGMPv2", m.a, time.Second, report2)
		m.a.LeaveGroup(s, -1, m.group)
		m.wantSaid("left in IGMPv2", m.a, time.Minute, leave2)
		m.ask(query{1, wire.Addr{}, 0})
		m.join(m.a, s, m.group)
		m.wantSaid("joined in IGMPv1", m.a, time.Minute, report1, report1)
		m.a.LeaveGroup(s, 0, m.group)
		m.wantSaid("IGMPv1 has no word for leaving", m.a, time.Minute)
		m.now = m.now.Add(300 * time.Second)
		m.join(m.a, s, m.group)
		m.join(m.a, s, m.another(0x204))
		m.said(m.a, time.Minute)
		m.ask(query{3, wire.Addr{}, time.Second})
		m.wantSaid("asked in IGMPv3", m.a, time.Second, two3)
		m.a.LeaveGroup(s, 0, m.another(0x204))
		m.said(m.a, time.Minute)
		m.a.CloseUDP(s)
		m.wantSaid("closed", m.a, time.Minute, left3, left3)
		m.wantSaid("for good", m.a, time.Hour)
		if n := len(m.a.groups.byKey) + len(m.a.groups.list); n > 0 {
			t.Errorf("%d groups are left", n)
		}
	})
}

// Answers come at random within the time that the query gives, one for all that is asked until
// then; about a group that nobody is in there is none.
func TestAnswersAreSpread(t *testing.T) {
	onBoth(t, config{}, func(t *testing.T, m *meeting) {
		newest := 3 - family(m.group)
		s := m.share(m.a, 5353)
		m.join(m.a, s, m.group)
		m.said(m.a, time.Minute)
		early, late := 0, 0
		for i := range 200 {
			q := query{newest, wire.AddrFrom4(0), 10 * time.Second}
			if m.v6 {
				q.group = wire.Addr{}
			}
			if i%2 == 0 {
				q.group = m.group
			}
			m.ask(q)
			_, at := m.said(m.a, 10*time.Second)
			if len(at) != 1 {
				t.Fatalf("query %d: answers at %v", i, at)
			}
			if at[0] < 5*time.Second {
				early++
			} else {
				late++
			}
		}
		ip := m.header(m.another(99))
		b := query{newest, ip.Dst, time.Second}.igmp()
		if m.v6 {
			b = query{newest, ip.Dst, time.Second}.mld(ip.Src, ip.Dst)
		}
		if d := m.hear(ip, b); d != wire.NotOurs {
			t.Errorf("a group of others: %v", d)
		}
		m.wantSaid("a group of others", m.a, time.Minute)
		if early < 60 || late < 60 {
			t.Errorf("%d answers come early, %d late", early, late)
		}
		// Two queries about all are answered together, and a change of ours leaves at once.
		for range 2 {
			m.ask(query{newest, wire.Addr{}, time.Second})
		}
		if got, _ := m.said(m.a, time.Minute); len(got) != 1 {
			t.Errorf("two queries: %v", got)
		}
	})
}

// What no querier of the link can have sent is refused, and has no answer.
func TestForgedQueries(t *testing.T) {
	onBoth(t, config{}, func(t *testing.T, m *meeting) {
		m.join(m.a, m.share(m.a, 5353), m.group)
		m.said(m.a, time.Minute)
		newest := 3 - family(m.group)
		for name, change := range map[string]func(ip *wire.IP, b []byte) []byte{
			"by a router":           func(ip *wire.IP, b []byte) []byte { ip.TTL = 2; return b },
			"about all, to a group": func(ip *wire.IP, b []byte) []byte { ip.Dst = m.group; return b },
			"a wrong checksum":      func(_ *wire.IP, b []byte) []byte { b[2]++; return b },
			"a length of no version": func(_ *wire.IP, b []byte) []byte {
				return b[:len(b)-1]
			},
			"about no group": func(_ *wire.IP, b []byte) []byte { b[len(b)-8] = 1; return b },
			"from us":        func(ip *wire.IP, b []byte) []byte { ip.Src = m.addrA; return b },
		} {
			ip := m.header(wire.Addr{})
			b := query{newest, wire.Addr{}, time.Second}.igmp()
			if m.v6 {
				b = query{newest, wire.Addr{}, time.Second}.mld(ip.Src, ip.Dst)
			}
			b = change(&ip, b)
			switch {
			case name == "a wrong checksum":
			case m.v6:
				sumMLD(ip.Src, ip.Dst, b)
			default:
				put16(b[2:], 0)
				put16(b[2:], wire.Checksum(wire.Sum(b, 0)))
			}
			if d := m.hear(ip, b); d == wire.None {
				t.Errorf("%s: is believed", name)
			}
			m.wantSaid(name, m.a, time.Minute)
		}
		ip := m.header(wire.Addr{})
		if m.v6 {
			ip.Src = m.addrB
			if d := m.hear(ip, query{newest, wire.Addr{}, time.Second}.mld(ip.Src, ip.Dst)); d != wire.BadMembership {
				t.Errorf("from an address that is not link-local: %v", d)
			}
			return
		}
		for version, want := range map[int]wire.Drop{1: wire.None, 2: wire.BadMembership, 3: wire.BadMembership} {
			if d := m.a.Receive(m.now, 0, m.frame(wire.Ethernet{}, ip, query{version, wire.Addr{}, time.Second}.igmp())); d != want {
				t.Errorf("version %d without Router Alert: %v, want %v", version, d, want)
			}
		}
		ip.Src = anyIPv4
		if d := m.hear(ip, query{2, wire.Addr{}, time.Second}.igmp()); d != wire.None {
			t.Errorf("from a switch without an address: %v", d)
		}
	})
}

// A flood of queries, in whichever version, costs so many answers and no more, and keeps no
// memory; when it is over every group has been answered for.
func TestQueryFlood(t *testing.T) {
	for version := 1; version <= 3; version++ {
		onBoth(t, config{}, func(t *testing.T, m *meeting) {
			if m.v6 && version == 3 {
				return
			}
			s := m.share(m.a, 5353)
			for i := range 256 {
				m.join(m.a, s, m.another(i))
			}
			m.said(m.a, time.Minute)
			answers := 0
			for i := range 2000 {
				q := query{version: version, group: wire.AddrFrom4(0)}
				if m.v6 {
					q.group = wire.Addr{}
				}
				if i%3 > 0 {
					q.group = m.another(i % 256)
				}
				m.ask(q)
				got, _ := m.said(m.a, 5*time.Millisecond)
				answers += len(got)
			}
			rest, _ := m.said(m.a, time.Minute)
			// 10 seconds of them, the burst, what is over when the flood is, and of the newest
			// versions an answer has two packets here.
			if answers += len(rest); answers > 2*(11*answersInSecond+256) || answers < 20 {
				t.Errorf("%d answers", answers)
			}
			if d := m.a.groups.deadline; d != clock.Never {
				t.Errorf("something is still due, at %v", d)
			}
			if n := len(m.a.groups.list) + len(m.a.groups.queriers); n > 256+2 {
				t.Errorf("%d groups and queriers", n)
			}
		})
	}
}

// A host is in so many groups at most. Those that were left make room at once, although it is
// still told that they were.
func TestGroupsAreBounded(t *testing.T) {
	onBoth(t, config{host: Config{MaxGroups: 3}}, func(t *testing.T, m *meeting) {
		s, o := m.share(m.a, 5353), m.share(m.a, 5353)
		for i := range 3 {
			m.join(m.a, s, m.another(i))
		}
		m.join(m.a, o, m.another(0)) // no more than one for the host
		if err := m.a.JoinGroup(o, -1, m.another(3)); err != ErrGroups {
			t.Errorf("one too many: %v", err)
		}
		for i := range 1000 {
			if err := m.a.LeaveGroup(s, -1, m.another(i%1000+2)); err != nil {
				t.Fatal(err)
			}
			m.join(m.a, s, m.another(i+3))
			if n := len(m.a.groups.list); n != 3 || len(m.a.groups.byKey) != n {
				t.Fatalf("%d groups, %d by name", n, len(m.a.groups.byKey))
			}
		}
	})
}

// What JoinGroup and its like refuse.
func TestGroupErrors(t *testing.T) {
	onBoth(t, config{}, func(t *testing.T, m *meeting) {
		s := m.share(m.a, 5353)
		m.join(m.a, s, m.group)
		lone := New(Config{})
		lone.AddLink(LinkConfig{MTU: 1500})
		far, err := lone.OpenUDP(wire.Addr{}, 1, wire.Addr{}, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct{ err, want error }{
			"twice":          {m.a.JoinGroup(s, 0, m.group), ErrInUse},
			"a host":         {m.a.JoinGroup(s, 0, m.addrB), ErrNoGroup},
			"no link":        {m.a.JoinGroup(s, 1, m.group), ErrNoLink},
			"no way":         {lone.JoinGroup(far, -1, m.group), ErrNoRoute},
			"by name":        {lone.JoinGroup(far, 0, m.group), nil},
			"not a member":   {m.a.LeaveGroup(s, 0, m.another(9)), ErrNotMember},
			"another link":   {m.a.LeaveGroup(s, 1, m.group), ErrNotMember},
			"send by none":   {m.a.SetGroupLink(s, 1), ErrNoLink},
			"of no address":  {lone.SetGroupLink(far, 0), nil},
			"from nowhere":   {lone.SendUDP(m.now, far, m.group, 1, nil), ErrNoRoute},
			"too long":       {m.a.SendUDP(m.now, s, m.group, 1, make([]byte, 70000)), ErrMessageSize},
			"a private port": {second(m.a.OpenUDP(wire.Addr{}, 5353, wire.Addr{}, 0, nil)), ErrInUse},
		} {
			if c.err != c.want {
				t.Errorf("%s: %v, want %v", name, c.err, c.want)
			}
		}
		m.a.CloseUDP(s)
		if err := m.a.JoinGroup(s, 0, m.group); err != ErrClosed {
			t.Errorf("join, closed: %v", err)
		}
		if err := m.a.LeaveGroup(s, 0, m.group); err != ErrClosed {
			t.Errorf("leave, closed: %v", err)
		}
		m.open(m.a, 5353, wire.Addr{}, 0)
		if _, err := m.a.OpenSharedUDP(wire.Addr{}, 5353, nil); err != ErrInUse {
			t.Errorf("a port that is not shared: %v", err)
		}
	})
}

// In the newest versions what others say is nothing to us. In older ones a report by another is
// enough for both: we do not answer, and do not tell when we leave.
func TestReportsOfOthers(t *testing.T) {
	onBoth(t, config{}, func(t *testing.T, m *meeting) {
		s := m.share(m.a, 5353)
		m.join(m.a, s, m.group)
		m.said(m.a, time.Minute)
		report := func() {
			ip := m.header(m.group)
			b := wire.AppendIGMP(nil, wire.IGMPv2Report, m.group)
			if m.v6 {
				b = sumMLD(ip.Src, ip.Dst, wire.AppendMLD(nil, wire.ICMPv6ListenerReport, m.group))
			}
			if d := m.hear(ip, b); d != wire.None {
				t.Errorf("report: %v", d)
			}
		}
		newest := 3 - family(m.group)
		m.ask(query{newest, m.group, time.Second})
		report()
		if got, _ := m.said(m.a, time.Minute); len(got) != 1 {
			t.Errorf("newest version: said %v", got)
		}
		m.ask(query{newest - 1, m.group, time.Second})
		report()
		m.wantSaid("older version", m.a, time.Minute)
		m.a.LeaveGroup(s, 0, m.group)
		m.wantSaid("the other one is still in it", m.a, time.Minute)
	})
}

// A group that was reported in the newest version alone is left in an older one that was heard since: the
// router knows of it, whatever it heard it by.
func TestLeftInAnotherVersion(t *testing.T) {
	onBoth(t, config{}, func(t *testing.T, m *meeting) {
		newest := 3 - family(m.group)
		for name, report := range map[string]func(){
			"joined": func() {},
			"asked":  func() { m.ask(query{newest, m.group, time.Second}) },
		} {
			s := m.share(m.a, 5353)
			m.join(m.a, s, m.group)
			m.said(m.a, time.Minute)
			report()
			m.said(m.a, time.Minute)
			m.ask(query{newest - 1, m.group, time.Minute})
			m.a.LeaveGroup(s, 0, m.group)
			if got, _ := m.said(m.a, time.Second); len(got) != 1 {
				t.Errorf("%s: said %v", name, got)
			}
			m.a.CloseUDP(s)
			m.said(m.a, time.Hour)
		}
	})
}

// Of several shards the first one speaks, and hears; the packets are given to it.
func TestOneShardSpeaksOfGroups(t *testing.T) {
	onBoth(t, config{ethernet: true, host: Config{Shards: 2, Shard: 1}}, func(t *testing.T, m *meeting) {
		m.join(m.a, m.share(m.a, 5353), m.group)
		m.ask(query{3 - family(m.group), wire.Addr{}, time.Second})
		m.wantSaid("shard 1", m.a, time.Minute)
		key := NewFlowKey([16]byte{1})
		for _, h := range []wire.Addr{{}, m.group} {
			ip, b := m.header(h), query{2, h, time.Second}.igmp()
			if m.v6 {
				b = query{2, h, time.Second}.mld(ip.Src, ip.Dst)
			}
			p := buf.NewPacket()
			e := wire.Ethernet{Type: map[bool]uint16{false: wire.EtherTypeIPv4, true: wire.EtherTypeIPv6}[m.v6]}
			p.Data = append(ip.AppendAlert(e.Append(p.ReceiveInto(200)[:0]), len(b)), b...)
			if _, f := key.FlowHash(true, p); f != FlowFirst {
				t.Errorf("a query is for %v", f)
			}
		}
	})
}

// A host that ends says at once that it has left its groups, and what is closed later says
// nothing. A link that is gone has nothing said on it.
func TestGroupsEnd(t *testing.T) {
	onBoth(t, config{}, func(t *testing.T, m *meeting) {
		s := m.share(m.a, 5353)
		m.join(m.a, s, m.group)
		m.said(m.a, time.Minute)
		m.a.LeaveGroups(m.now)
		if p, _ := m.a.Output(m.now); p == nil {
			t.Error("nothing is said")
		}
		m.a.CloseUDP(s)
		o := m.share(m.b, 5353)
		m.join(m.b, o, m.group)
		m.b.Unplug(0)
		m.wantSaid("the link is gone", m.b, time.Minute)
		if err := m.b.JoinGroup(o, 0, m.another(1)); err != ErrNoLink {
			t.Errorf("by a link that is gone: %v", err)
		}
		m.b.CloseUDP(o)
		m.wantSaid("nobody is left", m.b, time.Minute)
	})
}

// An address that comes when somebody has asked is told of at once, by its solicited-node group;
// where nobody asks nothing is said.
func TestNewAddressIsReported(t *testing.T) {
	m := &meeting{newPair(t, config{ethernet: true, v6: true}), addr("ff05::123")}
	m.a.AddAddress(0, netip.MustParsePrefix("fe80::9:1/64"))
	m.wantSaid("nobody asks", m.a, time.Minute)
	m.ask(query{2, wire.Addr{}, time.Second})
	m.said(m.a, time.Second)
	m.a.AddAddress(0, netip.MustParsePrefix("10.0.0.9/24"))
	m.wantSaid("it is of IPv4", m.a, time.Minute)
	m.a.AddAddress(0, netip.MustParsePrefix("fd00::9:2/64"))
	got, at := m.said(m.a, time.Minute)
	if len(got) != 1 || at[0] != 0 || !strings.Contains(got[0], "ff0200000000000000000001ff090002") {
		t.Errorf("said %v at %v", got, at)
	}
}

// Whatever is joined, left, asked and reported, in whatever order and version: the table holds
// those that somebody is in and those that are still told of, timers come to an end, and when all
// is over nothing is left.
func TestGroupsInAnyOrder(t *testing.T) {
	onBoth(t, config{host: Config{MaxGroups: 5}}, func(t *testing.T, m *meeting) {
		r := rand.New(rand.NewPCG(7, uint64(family(m.group))))
		newest := 3 - family(m.group)
		var sockets []*UDPSocket
		for range 4 {
			sockets = append(sockets, m.share(m.a, 5353))
		}
		for step := range 5000 {
			i, g := r.IntN(len(sockets)), m.another(r.IntN(8))
			switch r.IntN(8) {
			case 0, 1:
				m.a.JoinGroup(sockets[i], -1, g)
			case 2:
				m.a.LeaveGroup(sockets[i], 0, g)
			case 3:
				m.a.CloseUDP(sockets[i])
				sockets[i] = m.share(m.a, 5353)
			case 4, 5:
				q := query{1 + r.IntN(newest), g, time.Duration(r.IntN(12000)) * time.Millisecond}
				if r.IntN(2) == 0 || !m.a.hears(g, 0) {
					q.group = wire.Addr{}
				}
				m.ask(q)
			case 6:
				ip := m.header(g)
				b := wire.AppendIGMP(nil, wire.IGMPv2Report, g)
				if m.v6 {
					b = sumMLD(ip.Src, ip.Dst, wire.AppendMLD(nil, wire.ICMPv6ListenerReport, g))
				}
				m.hear(ip, b)
			case 7:
				m.said(m.a, time.Duration(r.IntN(5000))*time.Millisecond*time.Duration(1+99*r.IntN(2)))
				if m.a.groups.deadline <= m.now {
					t.Fatalf("step %d: %v is due at %v", step, m.a.groups.deadline, m.now)
				}
			}
			m.checkGroups(step, sockets)
		}
		for _, s := range sockets {
			m.a.CloseUDP(s)
		}
		m.said(m.a, time.Hour)
		if n := len(m.a.groups.list); n > 0 || m.a.groups.deadline != clock.Never {
			t.Errorf("%d groups are left, and something is due at %v", n, m.a.groups.deadline)
		}
	})
}

// checkGroups holds the table against the sockets.
func (m *meeting) checkGroups(step int, sockets []*UDPSocket) {
	m.Helper()
	members := map[groupKey]int{}
	for _, s := range sockets {
		if s.casts != nil {
			for _, key := range s.casts.joined {
				members[key]++
			}
		}
	}
	t := &m.a.groups
	for _, g := range t.list {
		if t.byKey[g.key] != g || g.members != members[g.key] || g.members == 0 && g.changes == 0 {
			m.Fatalf("step %d: %+v, and %d are members", step, g, members[g.key])
		}
		delete(members, g.key)
	}
	if len(members) > 0 || len(t.list) != len(t.byKey) || len(t.list) > m.a.cfg.MaxGroups {
		m.Fatalf("step %d: %d groups, %d by name, without %v", step, len(t.list), len(t.byKey), members)
	}
}
