package host

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// piece is the bytes [from, to) of a datagram as a fragment.
type piece struct {
	from, to int
	last     bool
}

func cut(n, step int) (pieces []piece) {
	for from := 0; from < n; from += step {
		to := min(from+step, n)
		pieces = append(pieces, piece{from, to, to == n})
	}
	return pieces
}

// injectPiece gives b one fragment of a datagram.
func (p *pair) injectPiece(ip wire.IP, whole []byte, id uint32, f piece) wire.Drop {
	ip.ID, ip.FragOffset, ip.MoreFragments = id, f.from, !f.last
	return p.inject(ip, whole[f.from:f.to])
}

func (p *pair) injectFragments(ip wire.IP, whole []byte, step int) {
	p.Helper()
	for i, f := range cut(len(whole), step) {
		want := wire.FragmentPending
		if f.last {
			want = wire.None
		}
		if d := p.injectPiece(ip, whole, 1, f); d != want {
			p.Fatalf("fragment %d: %v, want %v", i, d, want)
		}
	}
}

func TestFragmentsInAllOrders(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		s := p.open(p.b, 53, wire.Addr{}, 0)
		ip := p.fromA(wire.ProtoUDP)
		whole := udp(ip, 1, 53, pattern(85))
		id := uint32(0)
		permute(cut(len(whole), 24), func(order []piece) {
			id++
			for _, f := range order {
				p.injectPiece(ip, whole, id, f)
			}
			p.wantDatagram("all four are here", s, p.addrA, 1, pattern(85))
		})
		if id != 24 {
			t.Errorf("%d orders", id)
		}
		if r := &p.b.fragments; r.bytes != 0 || len(r.list) != 0 {
			t.Errorf("%d datagrams and %d bytes left", len(r.list), r.bytes)
		}
	})
}

func permute(s []piece, f func([]piece)) {
	if len(s) == 0 {
		f(nil)
	}
	for i := range s {
		rest := slices.Delete(slices.Clone(s), i, i+1)
		permute(rest, func(order []piece) { f(append([]piece{s[i]}, order...)) })
	}
}

func TestDuplicateFragmentIsHarmless(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		s := p.open(p.b, 53, wire.Addr{}, 0)
		ip := p.fromA(wire.ProtoUDP)
		whole := udp(ip, 1, 53, pattern(92))
		pieces := cut(len(whole), 40)
		for _, i := range []int{1, 1, 2, 2} {
			p.injectPiece(ip, whole, 9, pieces[i])
		}
		if n := p.b.Counters().Drops[wire.Duplicate]; n != 2 {
			t.Errorf("%d duplicates, want 2", n)
		}
		p.injectPiece(ip, whole, 9, pieces[0])
		p.wantDatagram("complete", s, p.addrA, 1, pattern(92))
	})
}

// RFC 5722 §4: any overlap makes the datagram invalid, with all of its
// fragments, also those that still come.
func TestOverlapDropsTheDatagram(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		s := p.open(p.b, 53, wire.Addr{}, 0)
		ip := p.fromA(wire.ProtoUDP)
		whole := udp(ip, 1, 53, pattern(92))
		first, last := piece{0, 48, false}, piece{48, 100, true}
		for id, evil := range []piece{
			{40, 56, false}, {0, 40, false}, {8, 16, false}, {0, 56, false}, {0, 96, false},
			{40, 100, true}, {48, 96, true}, {8, 48, true}, {56, 64, false}, {48, 56, true},
		} {
			p.injectPiece(ip, whole, uint32(id), first)
			p.injectPiece(ip, whole, uint32(id), piece{56, 96, false})
			if d := p.injectPiece(ip, whole, uint32(id), evil); d != wire.FragmentOverlap {
				t.Errorf("%v: %v", evil, d)
			}
			for _, f := range []piece{first, last} {
				if d := p.injectPiece(ip, whole, uint32(id), f); d != wire.FragmentOverlap {
					t.Errorf("%v after overlap: %v", f, d)
				}
			}
		}
		p.wantSilence("nothing of it is delivered", s)
		if p.b.fragments.bytes != 0 {
			t.Errorf("%d bytes are held", p.b.fragments.bytes)
		}
		p.after(time.Minute)
		p.wantSilence("nor told to the sender", s)
	})
}

// The same place with other bytes is an overlap too.
func TestChangedDuplicateIsOverlap(t *testing.T) {
	p := newPair(t, config{})
	ip := p.fromA(wire.ProtoUDP)
	whole := udp(ip, 1, 53, pattern(92))
	p.injectPiece(ip, whole, 1, piece{8, 16, false})
	whole[9]++
	if d := p.injectPiece(ip, whole, 1, piece{8, 16, false}); d != wire.FragmentOverlap {
		t.Error(d)
	}
}

func TestFirstFragmentHoldsTheHeader(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		ip := p.fromA(wire.ProtoTCP)
		whole := pattern(100)
		for size, want := range map[int]wire.Drop{8: wire.TooShort, 16: wire.TooShort, 24: wire.FragmentPending, 32: wire.TooShort} {
			whole[12] = 0x50
			if size == 32 {
				whole[12] = 0xf0 // 60 bytes of header
			}
			if d := p.injectPiece(ip, whole, uint32(size), piece{0, size, false}); d != want {
				t.Errorf("TCP in %d bytes: %v, want %v", size, d, want)
			}
		}
		want := wire.UnknownProtocol
		if p.v6 { // the extension headers do not end in it
			want = wire.TooShort
		}
		extension := p.fromA(60)
		if d := p.injectPiece(extension, whole, 5, piece{0, 24, false}); d != want {
			t.Errorf("extension header in the fragmented part: %v", d)
		}
		errors := 0
		p.tap = func(_ *Host, packet *buf.Packet) bool {
			packet.Flatten()
			if b := packet.Data[packet.L3:]; p.v6 && b[40] == wire.ICMPv6ParameterProblem && b[41] == wire.ICMPv6IncompleteHeaderChain {
				errors++
			}
			return true
		}
		p.run()
		p.drops = nil           // a has sent nothing of that
		if p.v6 && errors < 3 { // no others wait for a neighbour
			t.Errorf("%d messages about first fragments without their headers", errors)
		}
	})
}

func TestFragmentTimeout(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		ip := p.fromA(wire.ProtoUDP)
		whole := udp(ip, 1, 53, pattern(92))
		p.injectPiece(ip, whole, 1, piece{0, 48, false})
		p.injectPiece(ip, whole, 2, piece{48, 100, true})
		p.after(29 * time.Second)
		if n := len(p.b.fragments.list); n != 2 {
			t.Fatalf("%d wait after 29 s", n)
		}
		p.after(time.Second)
		if r := &p.b.fragments; len(r.list) != 0 || r.bytes != 0 {
			t.Errorf("%d wait with %d bytes after 30 s", len(r.list), r.bytes)
		}
		if n := p.a.Counters().IcmpInTimeExcds; n != 1 {
			t.Errorf("a was told %d times, want once: for the one whose first fragment came", n)
		}
		p.drops = nil // a has no such socket
	})
}

// 10^5 half datagrams: memory keeps its bound (CVE-2018-5391).
func TestFragmentMemoryIsBounded(t *testing.T) {
	everywhere(t, config{host: Config{MaxFragmentBytes: 64 << 10, MaxFragmentDatagrams: 50}}, func(t *testing.T, p *pair) {
		rnd := rand.New(rand.NewPCG(1, 2))
		ip := p.fromA(wire.ProtoUDP)
		whole := pattern(60000)
		for i := range 20000 {
			from := rnd.IntN(60) * 800
			p.injectPiece(ip, whole, uint32(i), piece{from, from + 800, false})
			if r := &p.b.fragments; r.bytes > 64<<10 || len(r.list) > 50 || len(r.byKey) != len(r.list) {
				t.Fatalf("%d bytes in %d datagrams", r.bytes, len(r.list))
			}
		}
		p.after(time.Minute)
		if r := &p.b.fragments; r.bytes != 0 || len(r.list) != 0 {
			t.Errorf("%d bytes in %d datagrams after the timeout", r.bytes, len(r.list))
		}
		p.run()
		p.drops = nil
	})
}

func TestManyTinyFragments(t *testing.T) {
	p := newPair(t, config{})
	ip := p.fromA(wire.ProtoUDP)
	whole := pattern(65000)
	last := wire.None
	for i := range maxPieces + 1 {
		last = p.injectPiece(ip, whole, 1, piece{i * 16, i*16 + 8, false})
	}
	if last != wire.FragmentLimit || p.b.fragments.bytes != 0 {
		t.Errorf("one too many: %v, %d bytes are held", last, p.b.fragments.bytes)
	}
}

func TestLargeDatagramLeavesInFragments(t *testing.T) {
	for _, size := range []int{1472, 1473, 2953, 30000, 65507} {
		everywhere(t, config{}, func(t *testing.T, p *pair) {
			s, client := p.open(p.b, 53, wire.Addr{}, 0), p.open(p.a, 5000, wire.Addr{}, 0)
			p.send(p.a, client, p.addrB, 53, []byte("so that addresses are known"))
			p.run()
			p.wantDatagram("small", s, p.addrA, 5000, []byte("so that addresses are known"))
			p.tap = func(_ *Host, packet *buf.Packet) bool {
				if n := packet.Len() - int(packet.L3); n > p.mtu {
					t.Errorf("packet of %d bytes", n)
				}
				return true
			}
			p.send(p.a, client, p.addrB, 53, pattern(size))
			p.run()
			p.wantDatagram("in pieces", s, p.addrA, 5000, pattern(size))
			for _, d := range p.drops {
				if d != wire.FragmentPending {
					t.Errorf("dropped for %v", d)
				}
			}
			p.drops = nil
		})
	}
}

func TestReassembledForAnotherShard(t *testing.T) {
	everywhere(t, config{host: Config{Shards: 64}}, func(t *testing.T, p *pair) {
		ip := p.fromA(wire.ProtoUDP)
		whole := udp(ip, 1, 53, pattern(92))
		for _, f := range cut(len(whole), 48) {
			p.injectPiece(ip, whole, 1, f)
		}
		want := ShardOf(p.b.keys.flows.TupleHash(wire.Tuple{Local: p.addrB, Remote: p.addrA, LocalPort: 53, RemotePort: 1}), 64)
		packet, iface, shard := p.b.NextHandover()
		if packet == nil || iface != 0 || shard != want || want == 0 {
			t.Fatalf("handed %v to shard %d, want %d", packet, shard, want)
		}
		other := p.newHost(config{host: Config{Shards: 64, Shard: shard}}, "10.0.0.2/24", "fd00::2/64", hwB)
		s := p.open(other, 53, wire.Addr{}, 0)
		if d := other.Receive(p.now, iface, packet); d != wire.None {
			t.Fatal(d)
		}
		p.wantDatagram("there", s, p.addrA, 1, pattern(92))
	})
}

// A mark on one fragment is a mark on the whole, and none on a whole of which a part
// may not be marked. https://www.rfc-editor.org/rfc/rfc3168#section-5.3
func TestMarksOfFragments(t *testing.T) {
	for _, c := range []struct {
		tos  [3]uint8
		want wire.ECN
		drop wire.Drop
	}{
		{[3]uint8{0, 0, 0}, wire.NotECT, wire.None}, {[3]uint8{2, 2, 2}, wire.ECT0, wire.None}, {[3]uint8{1, 1, 1}, wire.ECT1, wire.None},
		{[3]uint8{2, 3, 2}, wire.CE, wire.None}, {[3]uint8{3, 3, 3}, wire.CE, wire.None}, {[3]uint8{2, 2, 3}, wire.CE, wire.None},
		{[3]uint8{2, 0, 3}, wire.NotECT, wire.FragmentECN}, {[3]uint8{0, 0, 3}, wire.NotECT, wire.FragmentECN}, {[3]uint8{3, 0, 0}, wire.NotECT, wire.FragmentECN},
	} {
		everywhere(t, config{}, func(t *testing.T, p *pair) {
			s := p.open(p.b, 53, wire.Addr{}, 0)
			ip := p.fromA(wire.ProtoUDP)
			whole := udp(ip, 1, 53, pattern(52))
			for i, f := range cut(len(whole), 24) {
				ip.TOS = c.tos[i]
				if d := p.injectPiece(ip, whole, 1, f); f.last && d != c.drop {
					t.Errorf("%v: %v, want %v", c.tos, d, c.drop)
				}
			}
			if c.drop == wire.None {
				p.wantDatagram("all are here", s, p.addrA, 1, pattern(52))
				if got := p.b.desk.in[0].ip.ECN(); got != c.want {
					t.Errorf("%v: the whole has %d, want %d", c.tos, got, c.want)
				}
			}
		})
	}
}

// Received packets are counted by what ECN says of them.
func TestECNIsCounted(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		p.open(p.b, 53, wire.Addr{}, 0)
		for tos := range uint8(8) {
			ip := p.fromA(wire.ProtoUDP)
			ip.TOS = tos
			for range tos&3 + 1 {
				p.inject(ip, udp(ip, 1, 53, pattern(8)))
			}
		}
		n := p.b.Counters()
		if got, want := [4]uint64{n.IpExtInNoECTPkts, n.IpExtInECT1Pkts, n.IpExtInECT0Pkts, n.IpExtInCEPkts}, [4]uint64{2, 4, 6, 8}; got[1] != want[1] || got[2] != want[2] || got[3] != want[3] {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

// Of ICMP messages whose fragments do not come nobody is told: an error about an error may go
// back and forth. https://www.rfc-editor.org/rfc/rfc1122#section-3.2.2
func TestFragmentTimeoutOfICMP(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		ip := p.fromA(p.protoICMP())
		kind := uint8(wire.ICMPv4Unreachable)
		if p.v6 {
			kind = wire.ICMPv6Unreachable
		}
		p.injectPiece(ip, icmp(ip, wire.ICMP{Type: kind}, pattern(92)), 1, piece{0, 48, false})
		p.after(time.Minute)
		if n := p.b.Counters().IpReasmTimeout; n != 1 {
			t.Errorf("%d were given up", n)
		}
		if n := p.b.Counters().IcmpOutTimeExcds + p.a.Counters().IcmpInTimeExcds; n != 0 {
			t.Errorf("a was told %d times", n)
		}
	})
}
