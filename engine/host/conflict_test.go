package host

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

var hwC = [6]byte{2, 0, 0, 0, 0, 0xc} // a third host's

// checked runs a test with hosts that check their addresses.
func checked(t *testing.T, c config, f func(t *testing.T, p *pair)) {
	c.link.DetectConflicts = true
	onEthernet(t, c, func(t *testing.T, p *pair) {
		f(t, p)
		p.drops = slices.DeleteFunc(p.drops, func(d wire.Drop) bool { return d == wire.NotOurs }) // IPv6 probes of the other
	})
}

// says tells what a frame says of an address: "probe", "announcement", "answer",
// or "" of anything else.
func (p *pair) says(packet *buf.Packet, a wire.Addr) string {
	packet.Flatten()
	b := packet.Data[wire.EthernetSize:]
	if !p.v6 {
		var m wire.ARP
		if packet.Data[12] != 8 || packet.Data[13] != 6 || wire.ParseARP(b, &m) != wire.None || m.TargetIP != a && m.SenderIP != a {
			return ""
		}
		switch {
		case m.Op == wire.ARPReply && m.SenderIP == a:
			return "answer"
		case m.Op == wire.ARPRequest && m.SenderIP == anyIPv4:
			return "probe"
		case m.SenderIP == a && m.TargetIP == a:
			return "announcement"
		}
		return ""
	}
	var ip wire.IP
	var m wire.Neighbour
	if wire.ParseIP(b, &ip) != wire.None || wire.ParseNeighbour(b[ip.HeaderLen:], &m) != wire.None || m.Target != a || ip.TTL != 255 {
		return ""
	}
	switch {
	case m.Type == wire.ICMPv6NeighbourSolicitation && isUnspecified(ip.Src) && ip.Dst == wire.SolicitedNode(a) && !m.HasHW:
		return "probe"
	case m.Type == wire.ICMPv6NeighbourAdvert && ip.Dst == allNodes6 && ip.Src == a && m.Override:
		return "announcement"
	case m.Type == wire.ICMPv6NeighbourAdvert:
		return "answer"
	}
	return ""
}

// claim is a frame by which hw says that it has an address, or, as a probe, that
// it would like to.
func (p *pair) claim(a wire.Addr, hw [6]byte, kind string) *buf.Packet {
	packet := buf.NewPacket()
	if !p.v6 {
		m := wire.ARP{Op: wire.ARPRequest, SenderHW: hw, SenderIP: a, TargetIP: a}
		switch kind {
		case "probe":
			m.SenderIP = anyIPv4
		case "answer":
			m.Op, m.TargetIP, m.TargetHW = wire.ARPReply, anyIPv4, hwB
		}
		e := wire.Ethernet{Dst: wire.Broadcast, Src: hw, Type: wire.EtherTypeARP}
		packet.Data = m.Append(e.Append(packet.ReceiveInto(100)[:0]))
		return packet
	}
	packet.Release()
	ip := wire.IP{Version: 6, Proto: wire.ProtoICMPv6, TTL: 255, Src: a, Dst: allNodes6}
	m := wire.Neighbour{Type: wire.ICMPv6NeighbourAdvert, Target: a, HW: hw, HasHW: true, Override: true}
	switch kind {
	case "probe":
		m = wire.Neighbour{Type: wire.ICMPv6NeighbourSolicitation, Target: a}
		ip.Src, ip.Dst = wire.Addr{}, wire.SolicitedNode(a)
	case "answer":
		m.Override, m.HasHW = false, false
	}
	b := m.Append(nil)
	put16(b[2:], wire.Checksum(wire.Sum(b, wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, len(b)))))
	return p.frame(wire.Ethernet{Dst: wire.MulticastHW(ip.Dst), Src: hw}, ip, b)
}

// b claims its address with the messages, and at the times, of RFC 5227 §2.1 and
// §2.3, or of RFC 4862 §5.4.2.
func TestAddressIsProbedAndAnnounced(t *testing.T) {
	for range 20 {
		checked(t, config{host: Config{TCP: tcp.Config{Secret: [16]byte{byte(rand.Uint32())}}}}, func(t *testing.T, p *pair) {
			var said []string
			var at []time.Duration
			start := p.now
			p.tap = func(to *Host, packet *buf.Packet) bool {
				if what := p.says(packet, p.addrB); to == p.a && what != "" {
					said, at = append(said, what), append(at, p.now.Sub(start))
				}
				return true
			}
			p.after(time.Minute)
			want := []string{"probe", "probe", "probe", "announcement", "announcement"}
			least, most := []time.Duration{0, 1, 1, 2, 2}, []time.Duration{1, 2, 2, 2, 2}
			if p.v6 {
				want, least, most = slices.Delete(want, 0, 2), []time.Duration{0, 1, 2}, []time.Duration{1, 1, 2}
			}
			if !slices.Equal(said, want) {
				t.Fatalf("b says %q, want %q", said, want)
			}
			last := time.Duration(0)
			for i, d := range at {
				if gap := d - last; gap < least[i]*time.Second || gap > most[i]*time.Second {
					t.Errorf("%s after %v, want %v to %v seconds", said[i], gap, int(least[i]), int(most[i]))
				}
				last = d
			}
			if _, ok := p.b.NextConflict(); ok || !p.b.HasAddress(p.addrB) {
				t.Error("a conflict with nobody")
			}
		})
	}
}

// An address is used while it is checked. If another host has it, or probes for it
// at the same time, it goes, and all that used it learns of that.
func TestAddressThatIsTaken(t *testing.T) {
	for _, kind := range []string{"answer", "announcement", "probe"} {
		for _, when := range []time.Duration{0, time.Millisecond, 900 * time.Millisecond} {
			checked(t, config{}, func(t *testing.T, p *pair) {
				p.after(when)
				client, server := p.connect()
				p.transfer(client, server, pattern(1000))
				bound, err := p.b.OpenUDP(p.addrB, 53, wire.Addr{}, 0, "bound")
				if err != nil {
					t.Fatal(err)
				}
				all := p.open(p.b, 54, wire.Addr{}, 0)
				connected := p.open(p.b, 55, p.addrA, 53)

				p.b.Receive(p.now, 0, p.claim(p.addrB, hwC, kind))
				c, ok := p.b.NextConflict()
				if want := (Conflict{Addr: p.addrB, HardwareAddr: hwC, Lost: true}); !ok || c != want {
					t.Fatalf("%s after %v: %+v, want %+v", kind, when, c, want)
				}
				if p.b.HasAddress(p.addrB) || server.State() != tcp.Closed || server.Failure() != tcp.Aborted {
					t.Errorf("the connection is in %v, failure %d", server.State(), server.Failure())
				}
				for _, s := range []*UDPSocket{bound, connected} {
					p.wantFailure("its address is gone", s, tcp.NetworkUnreachable)
					if err := p.b.SendUDP(p.now, s, wire.Addr{}, 0, nil); err != ErrNotLocal {
						t.Errorf("sending from it: %v", err)
					}
				}
				p.wantFailure("no address of its own", all, tcp.NoFailure)
				p.tap = func(to *Host, packet *buf.Packet) bool {
					if to == p.a && p.says(packet, p.addrB) != "" {
						t.Errorf("b speaks of the address: %x", packet.Data)
					}
					return true
				}
				p.after(time.Minute)
				p.drops = nil // what a still sends to it
			})
		}
	}
}

// An address that was checked is kept and defended, at most once in ten seconds whatever
// comes: RFC 5227 §2.4 (c). A host that asks whether it is free is answered each time.
func TestAddressIsDefended(t *testing.T) {
	checked(t, config{}, func(t *testing.T, p *pair) {
		p.after(time.Minute)
		said := map[string]int{}
		p.tap = func(to *Host, packet *buf.Packet) bool {
			if to == p.a {
				said[p.says(packet, p.addrB)]++
			}
			return true
		}
		conflicts := 0
		for range 1000 {
			for _, kind := range []string{"answer", "announcement", "probe"} {
				p.b.Receive(p.now, 0, p.claim(p.addrB, hwC, kind))
				p.run()
			}
			for c, ok := p.b.NextConflict(); ok; c, ok = p.b.NextConflict() {
				if c.Lost || c.HardwareAddr != hwC {
					t.Errorf("%+v", c)
				}
				conflicts++
			}
			p.after(50 * time.Millisecond)
		}
		if p.v6 { // the answer to a probe goes to all, as an announcement does
			said["answer"], said["announcement"] = 1000, said["announcement"]-1000
		}
		if conflicts != 5 || said["announcement"] != 5 || said["answer"] != 1000 || !p.b.HasAddress(p.addrB) {
			t.Errorf("%d conflicts in 50 s, b says %v", conflicts, said)
		}
		p.drops = nil
	})
}

// What is not a conflict: our own frames when they come back, what others say of
// their addresses, and who asks for ours in order to speak with us.
func TestWhatIsNoConflict(t *testing.T) {
	checked(t, config{}, func(t *testing.T, p *pair) {
		s, client := p.open(p.b, 53, wire.Addr{}, 0), p.open(p.a, 5000, p.addrB, 53)
		for range 20 {
			for _, kind := range []string{"answer", "announcement", "probe"} {
				p.b.Receive(p.now, 0, p.claim(p.addrB, hwB, kind))
				p.b.Receive(p.now, 0, p.claim(lastByte(p.addrB, 77), hwC, kind))
			}
			p.after(500 * time.Millisecond)
			p.send(p.a, client, wire.Addr{}, 0, []byte("hello"))
			p.run()
			p.wantDatagram("at any time", s, p.addrA, 5000, []byte("hello"))
			for len(p.a.neighbours.list) > 0 {
				p.a.neighbours.remove(p.a.neighbours.list[0]) // it asks again
			}
		}
		if c, ok := p.b.NextConflict(); ok || !p.b.HasAddress(p.addrB) {
			t.Errorf("conflict %+v", c)
		}
		p.drops = nil
	})
}

// Two hosts with one address never both keep it, whenever they come; who has
// checked it before the other one came keeps it.
func TestTwoHostsWithOneAddress(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		checked(t, config{host: Config{TCP: tcp.Config{Secret: [16]byte{byte(i)}}}}, func(t *testing.T, p *pair) {
			same := map[bool]string{false: "10.0.0.9/24", true: "fd00::9/64"}[p.v6]
			gap := time.Duration(r.IntN(15000)) * time.Millisecond
			p.after(time.Minute)
			for _, h := range []*Host{p.a, p.b} {
				if err := h.AddAddress(0, netip.MustParsePrefix(same)); err != nil {
					t.Fatal(err)
				}
				p.after(gap)
			}
			p.after(time.Minute)
			a, b := p.a.HasAddress(addr(same[:len(same)-3])), p.b.HasAddress(addr(same[:len(same)-3]))
			if a && b || gap > 9*time.Second && !a {
				t.Errorf("the second came after %v: a has it %v, b has it %v", gap, a, b)
			}
			if !p.a.HasAddress(p.addrA) || !p.b.HasAddress(p.addrB) {
				t.Error("another address went")
			}
			p.drops = nil
		})
	}
}

// Shard 0 speaks and decides for all; the others do as they are told.
func TestOtherShardsDoNotCheck(t *testing.T) {
	checked(t, config{host: Config{Shards: 2, Shard: 1}}, func(t *testing.T, p *pair) {
		p.b.Receive(p.now, 0, p.claim(p.addrB, hwC, "answer"))
		if _, ok := p.b.NextConflict(); ok || !p.b.HasAddress(p.addrB) {
			t.Error("shard 1 decides")
		}
		p.after(time.Minute)
		p.wantNothing("shard 1 does not speak", p.b)
		p.b.RemoveAddress(p.now, 0, p.addrB)
		if p.b.HasAddress(p.addrB) {
			t.Error("but it obeys")
		}
	})
}

// An answer to a host that asks while the address is not checked yet does not override
// what others know: RFC 4429 §3.3.
func TestAnswerDoesNotOverrideYet(t *testing.T) {
	for _, checkedYet := range []bool{false, true} {
		p := newPair(t, config{ethernet: true, v6: true, link: LinkConfig{DetectConflicts: true}})
		if checkedYet {
			p.after(time.Minute)
		}
		var override []bool
		p.tap = func(to *Host, packet *buf.Packet) bool {
			var m wire.Neighbour
			packet.Flatten()
			if to == p.a && wire.ParseNeighbour(packet.Data[wire.EthernetSize+wire.IPv6Size:], &m) == wire.None && m.Solicited {
				override = append(override, m.Override)
			}
			return true
		}
		client := p.open(p.a, 5000, p.addrB, 53)
		p.send(p.a, client, wire.Addr{}, 0, nil)
		p.run()
		if fmt.Sprint(override) != fmt.Sprint([]bool{checkedYet}) {
			t.Errorf("checked %v: override %v", checkedYet, override)
		}
	}
}

// Without the option, and on a link without neighbours, nobody is asked.
func TestNoCheckWhereThereIsNothingToCheck(t *testing.T) {
	for _, c := range []config{{ethernet: true}, {link: LinkConfig{DetectConflicts: true}}} {
		p := newPair(t, c)
		p.after(time.Minute)
		p.tap = func(*Host, *buf.Packet) bool { t.Error("a packet"); return true }
		p.run()
	}
}

// Conflicts that are never taken do not pile up.
func TestConflictsAreBounded(t *testing.T) {
	checked(t, config{}, func(t *testing.T, p *pair) {
		for i := range 100 {
			a := lastByte(p.addrB, byte(100+i))
			if err := p.b.AddAddress(0, netip.PrefixFrom(a.Netip(), 24)); err != nil {
				t.Fatal(err)
			}
			p.b.Receive(p.now, 0, p.claim(a, hwC, "answer"))
			if p.b.HasAddress(a) {
				t.Fatalf("%v is kept", a)
			}
		}
		if n := len(p.b.conflicts.found); n != maxConflicts || len(p.b.conflicts.checks) != 2 {
			t.Errorf("%d conflicts wait, %d checks", n, len(p.b.conflicts.checks))
		}
		p.drops = nil
	})
}
