package host

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// heard counts the datagrams that wait in sockets, and takes them.
func heard(sockets ...*UDPSocket) (n []int) {
	for _, s := range sockets {
		n = append(n, s.queue.len())
		for d, ok := s.Receive(); ok; d, ok = s.Receive() {
			d.Payload.Release()
		}
	}
	return n
}

func (m *meeting) wantHeard(why string, want []int, sockets ...*UDPSocket) {
	m.Helper()
	if got := heard(sockets...); !slices.Equal(got, want) {
		m.Errorf("%s: heard %v times, want %v", why, got, want)
	}
}

// isReport reports whether p tells who is in a group, and is no question about a neighbour.
func isReport(p *buf.Packet) bool {
	var ip wire.IP
	return wire.ParseQuotedIP(p.Data[p.L3:], &ip) == wire.None && wire.HasAlert(p.Data[p.L3:])
}

// deliver carries what a sends to b, but for reports.
func (m *meeting) deliver() {
	m.tap = func(_ *Host, p *buf.Packet) bool { return !isReport(p) }
	m.after(0)
	m.run()
}

// Each member on a port gets a copy, on both hosts; who is not in the group, or on another port,
// gets nothing, and what is for all hosts comes to all.
func TestMembersGetCopies(t *testing.T) {
	for _, ethernet := range []bool{false, true} {
		onBoth(t, config{ethernet: ethernet}, func(t *testing.T, m *meeting) {
			first, next, outside := m.share(m.b, 5353), m.share(m.b, 5353), m.share(m.b, 5353)
			port := m.share(m.b, 5354)
			for _, s := range []*UDPSocket{first, next, port} {
				m.join(m.b, s, m.group)
			}
			m.join(m.b, outside, m.another(7))
			sender := m.open(m.a, 1000, wire.Addr{}, 0)
			m.send(m.a, sender, m.group, 5353, []byte("to the group"))
			m.deliver()
			m.wantDatagram("a member", first, m.addrA, 1000, []byte("to the group"))
			m.wantHeard("a group", []int{0, 1, 0, 0}, first, next, outside, port)
			m.send(m.a, sender, m.another(8), 5353, nil)
			m.deliver()
			m.wantHeard("a group of nobody", []int{0, 0, 0, 0}, first, next, outside, port)
			m.wantDrops("nobody is in it", wire.NotOurs)
			all := allHosts4
			if m.v6 {
				all = allNodes6
			}
			m.send(m.a, sender, all, 5353, nil)
			m.deliver()
			m.wantHeard("all hosts", []int{1, 1, 1, 0}, first, next, outside, port)
			m.send(m.a, sender, m.addrB, 5353, nil)
			m.deliver()
			m.wantHeard("one host", []int{0, 0, 1, 0}, first, next, outside, port)
			m.b.CloseUDP(next) // in the middle
			m.b.LeaveGroup(first, 0, m.group)
			m.send(m.a, sender, m.group, 5353, nil)
			m.send(m.a, sender, m.group, 5354, nil)
			m.deliver()
			m.wantHeard("left", []int{0, 0, 0, 1}, first, next, outside, port)
			m.b.CloseUDP(first) // the last
			m.b.CloseUDP(outside)
			if n := len(m.b.udp.bound); n != 1 {
				t.Errorf("%d ports are bound", n)
			}
			m.drops = nil // the port that nobody listens on any more
			m.settle()
		})
	}
}

// Members on the sending host hear it, the sender among them, unless it does not want that; with
// a TTL of 0 they alone.
func TestGroupLoop(t *testing.T) {
	onBoth(t, config{ethernet: true}, func(t *testing.T, m *meeting) {
		sender, member := m.share(m.a, 5353), m.share(m.a, 5353)
		there := m.share(m.b, 5353)
		for _, s := range []*UDPSocket{sender, member} {
			m.join(m.a, s, m.group)
		}
		m.join(m.b, there, m.group)
		m.deliver()
		var ttl []uint8
		var hardware [6]byte
		m.tap = func(to *Host, p *buf.Packet) bool {
			var ip wire.IP
			if wire.ParseIP(p.Data[p.L3:], &ip); to == m.b && !isReport(p) {
				ttl, hardware = append(ttl, ip.TTL), [6]byte(p.Data[:6])
			}
			return !isReport(p)
		}
		for _, c := range []struct {
			ttl  int
			loop bool
			want []int
			hops []uint8
		}{
			{-1, true, []int{1, 1, 1}, []uint8{1}},
			{7, true, []int{1, 1, 1}, []uint8{7}},
			{255, false, []int{0, 0, 1}, []uint8{255}},
			{0, true, []int{1, 1, 0}, nil},
			{0, false, []int{0, 0, 0}, nil},
		} {
			ttl = nil
			if c.ttl >= 0 {
				sender.SetGroupTTL(uint8(c.ttl))
			}
			sender.SetGroupLoop(c.loop)
			m.send(m.a, sender, m.group, 5353, pattern(100))
			m.run()
			m.wantHeard("loop", c.want, sender, member, there)
			if !slices.Equal(ttl, c.hops) {
				t.Errorf("TTL %d left with %v", c.ttl, ttl)
			}
		}
		if want := wire.MulticastHW(m.group); hardware != want {
			t.Errorf("to %x, want %x", hardware, want)
		}
		m.after(time.Minute)
		m.settle()
	})
}

// A socket sends by the link that it has chosen, from an address there; a member of a group on
// one link does not hear what comes by another.
func TestGroupsOfLinks(t *testing.T) {
	onBoth(t, config{}, func(t *testing.T, m *meeting) {
		iface := m.a.AddLink(LinkConfig{Name: "second", MTU: 1500})
		from := addr("10.9.0.1")
		if m.v6 {
			from = addr("fd09::1")
		}
		s := m.share(m.a, 5353)
		if err := m.a.SetGroupLink(s, iface); err != nil {
			t.Fatal(err)
		}
		m.join(m.a, s, m.group)
		for range 2 { // also when the way is known
			m.send(m.a, s, m.group, 5353, nil)
		}
		for _, prefix := range []string{"10.9.0.1/24", "fd09::1/64"} {
			if err := m.a.AddAddress(iface, netip.MustParsePrefix(prefix)); err != nil {
				t.Fatal(err)
			}
		}
		m.send(m.a, s, m.group, 5353, nil)
		var sources []wire.Addr
		for p, by := m.a.Output(m.now); p != nil; p, by = m.a.Output(m.now) {
			var ip wire.IP
			wire.ParseIP(p.Data, &ip)
			sources = append(sources, ip.Src)
			if by != iface {
				t.Errorf("leaves by link %d", by)
			}
		}
		if want := []wire.Addr{m.addrA, m.addrA, from}; !slices.Equal(sources, want) {
			t.Errorf("from %v, want %v", sources, want)
		}
		m.wantHeard("on link 0", []int{0}, s) // it is in the group there
		ip := m.fromA(wire.ProtoUDP)
		ip.Src, ip.Dst = m.addrB, m.group
		for by, want := range map[int]wire.Drop{0: wire.None, iface: wire.NotOurs} {
			if d := m.a.Receive(m.now, by, m.frame(wire.Ethernet{}, ip, udp(ip, 1, 5353, nil))); d != want {
				t.Errorf("by link %d: %v, want %v", by, d, want)
			}
		}
		m.wantHeard("one of the two", []int{1}, s)
		o := m.share(m.a, 5353)
		if err := m.a.JoinGroup(o, iface, m.group); err != nil {
			t.Fatal(err)
		}
		for by, want := range map[int][]int{0: {1, 0}, iface: {0, 1}} {
			m.a.Receive(m.now, by, m.frame(wire.Ethernet{}, ip, udp(ip, 1, 5353, nil)))
			m.wantHeard("members on one link each", want, s, o)
		}
		m.a.Unplug(iface)
		if err := m.a.SendUDP(m.now, s, m.group, 5353, nil); err != ErrNoRoute {
			t.Errorf("by a link that is gone: %v", err)
		}
		if err := m.a.SetGroupLink(s, -1); err != nil {
			t.Fatal(err)
		}
		m.send(m.a, s, m.group, 5353, nil)
		m.wantHeard("by link 0 again", []int{1}, s)
	})
}

// Members share the memory of a large datagram, and give it back.
func TestCopiesShareMemory(t *testing.T) {
	onBoth(t, config{}, func(t *testing.T, m *meeting) {
		var all []*UDPSocket
		for range 100 {
			s := m.share(m.b, 5353)
			m.join(m.b, s, m.group)
			all = append(all, s)
		}
		ip := m.fromA(wire.ProtoUDP)
		ip.Dst = m.group
		packet := m.frame(wire.Ethernet{}, ip, udp(ip, 1, 5353, pattern(1400)))
		block := packet.Block
		m.arrive(m.b, packet)
		for _, s := range all {
			d, ok := s.Receive()
			if !ok || d.Payload.Block != block {
				t.Fatal("a copy of its own, or none")
			}
			d.Payload.Release()
		}
		if m.b.udp.bytes != 0 {
			t.Errorf("%d bytes are held", m.b.udp.bytes)
		}
	})
}
