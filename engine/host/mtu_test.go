package host

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// tooBig is a router's message to b that a packet of b's, of length bytes and
// with the given transport header, was larger than mtu.
func (p *pair) tooBig(mtu, length int, proto uint8, transport []byte) wire.Drop {
	outer, quoted := p.fromA(p.protoICMP()), p.fromA(proto)
	quoted.Src, quoted.Dst = p.addrB, p.addrA
	c := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4FragmentationNeeded}
	if p.v6 {
		c = wire.ICMP{Type: wire.ICMPv6PacketTooBig}
	}
	c.SetMTU(mtu)
	quote := append(quoted.Append(nil, length-quoted.HeaderSize()), transport...)
	return p.inject(outer, icmp(outer, c, quote))
}

func (p *pair) wantMTU(why string, want int) {
	p.Helper()
	if _, path, _ := p.b.Source(p.addrA); path.MTU != want {
		p.Errorf("%s: path MTU %d, want %d", why, path.MTU, want)
	}
}

func TestPathMTU(t *testing.T) {
	everywhere(t, config{mtu: 9000}, func(t *testing.T, p *pair) {
		p.open(p.b, 5000, p.addrA, 53)
		u := wire.UDP{SrcPort: 5000, DstPort: 53, Length: 8000}
		said := func(mtu, length int) wire.Drop { return p.tooBig(mtu, length, wire.ProtoUDP, u.Append(nil)) }
		p.wantMTU("the link's", 9000)
		said(1400, 8020)
		p.wantMTU("true", 1400)
		said(1500, 8020)
		p.wantMTU("never raised", 1400)
		if d := said(1300, 1300); d != wire.ForgedICMP {
			t.Errorf("a packet that fits was too big: %v", d)
		}
		p.wantMTU("not larger than said", 1400)

		p.after(5 * time.Minute)
		said(1290, 1400)
		p.wantMTU("lower", 1290)
		if _, path, _ := p.b.Source(p.addrA); path.Link != 9000 {
			t.Errorf("the link's MTU is %d by now", path.Link)
		}
		p.after(5 * time.Minute)
		said(1290, 1400)
		p.after(4*time.Minute + 59*time.Second)
		p.wantMTU("for ten minutes, however often it is said", 1290)
		p.after(time.Second)
		p.wantMTU("then tried anew", 9000)
	})
}

func TestSmallestPathMTU(t *testing.T) {
	for said, want := range map[int]int{0: 1492, 1: 576, 68: 576, 575: 576, 577: 577} {
		p := newPair(t, config{})
		p.open(p.b, 5000, p.addrA, 53)
		u := wire.UDP{SrcPort: 5000, DstPort: 53}
		p.tooBig(said, 1500, wire.ProtoUDP, u.Append(nil))
		p.wantMTU("IPv4", want)
	}
	for said, want := range map[int]int{0: 1500, 68: 1500, 1279: 1500, 1280: 1280, 1281: 1281} {
		p := newPair(t, config{v6: true})
		p.open(p.b, 5000, p.addrA, 53)
		u := wire.UDP{SrcPort: 5000, DstPort: 53}
		p.tooBig(said, 1500, wire.ProtoUDP, u.Append(nil))
		p.wantMTU("IPv6", want)
	}
}

func TestForgedPathMTU(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		p.open(p.b, 5000, p.addrA, 53)
		unconnected := p.open(p.b, 5001, wire.Addr{}, 0)
		forge := func(why string, proto uint8, from, to uint16) {
			t.Helper()
			u := wire.UDP{SrcPort: from, DstPort: to, Length: 1480}
			if d := p.tooBig(1300, 1500, proto, u.Append(nil)); d == wire.None {
				t.Errorf("%s: believed", why)
			}
			p.wantMTU(why, 1500)
		}
		forge("nobody sent from there", wire.ProtoUDP, 5002, 53)
		forge("nor to there", wire.ProtoUDP, 5000, 54)
		forge("this socket sent nothing", wire.ProtoUDP, 5001, 53)
		forge("no such connection", wire.ProtoTCP, 5000, 53)
		forge("we ping nobody", p.protoICMP(), 5000, 53)

		p.tap = func(_ *Host, packet *buf.Packet) bool { packet.Release(); return false }
		p.send(p.b, unconnected, p.addrA, 53, nil)
		u := wire.UDP{SrcPort: 5001, DstPort: 53}
		if d := p.tooBig(1300, 1500, wire.ProtoUDP, u.Append(nil)); d != wire.None {
			t.Errorf("sent to there: %v", d)
		}
		p.wantMTU("now it did", 1300)
		p.run()
		p.after(5 * time.Second)
	})
}

func TestPathMTUsAreBounded(t *testing.T) {
	var m pathMTUs
	m.init(10)
	for i := range 1000 {
		dst := wire.AddrFrom4(10<<24 | uint32(i))
		m.lower(0, dst, 1000)
		if len(m.byAddr) > 10 || len(m.byAge) != len(m.byAddr) {
			t.Fatalf("%d destinations", len(m.byAddr))
		}
	}
	if m.limit(addr("10.0.3.231"), 1500) != 1000 || m.limit(addr("10.0.3.0"), 1500) != 1500 {
		t.Error("not the newest are kept")
	}
}

func TestDatagramsShrinkToThePath(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		s, client := p.open(p.a, 53, wire.Addr{}, 0), p.open(p.b, 5000, p.addrA, 53)
		p.send(p.b, client, wire.Addr{}, 0, pattern(1400))
		p.run()
		p.wantDatagram("whole", s, p.addrB, 5000, pattern(1400))
		u := wire.UDP{SrcPort: 5000, DstPort: 53}
		p.tooBig(1300, 1500, wire.ProtoUDP, u.Append(nil))
		p.send(p.b, client, wire.Addr{}, 0, pattern(1400))
		p.run()
		p.wantDatagram("in two", s, p.addrB, 5000, pattern(1400))
		p.wantDrops("the first waited for the second", wire.FragmentPending)
	})
}

// On every link the MSS option says what fits, and no packet is larger than the
// link: with text, options and SACK blocks, with and without timestamps.
func TestTCPFitsEveryLink(t *testing.T) {
	for mtu := 68; mtu <= 1601; mtu++ {
		if mtu == 1601 {
			mtu = 65535
		}
		for _, v6 := range []bool{false, true} {
			if v6 && mtu < minMTU6 {
				continue
			}
			p := newPair(t, config{v6: v6, mtu: mtu, host: Config{TCP: tcp.Config{NoTimestamps: mtu%2 == 1}}})
			header, packets := wire.IPv4Size, 0
			if v6 {
				header = wire.IPv6Size
			}
			p.tap = func(_ *Host, packet *buf.Packet) bool {
				if n := packet.Len() - int(packet.L3); n > mtu {
					t.Errorf("MTU %d: a packet of %d bytes", mtu, n)
				}
				var h wire.TCP
				wire.ParseTCP(packet.Data[header:], &h)
				if h.Flags.Has(wire.SYN) && int(h.Options.MSS) != mtu-header-wire.TCPSize {
					t.Errorf("MTU %d: the MSS option says %d", mtu, h.Options.MSS)
				}
				packets++
				lose := packets%11 == 10 && packet.N > 0
				if lose {
					packet.Release()
				}
				return !lose
			}
			client, server := p.connect()
			p.transfer(client, server, pattern(min(20*mtu, 100000)))
		}
	}
}

// A router says less than the least that we believe of an IPv4 path: packets of
// 576 bytes leave, and routers may cut them up. Each has an identification.
func TestVeryNarrowPath(t *testing.T) {
	for _, said := range []int{68, 300, 575, 576, 577} {
		for _, link := range []LinkConfig{{}, {MaxGSO: 65535, ChecksumOffload: true}} {
			p := newPair(t, config{link: link})
			client, server := p.connect()
			ids, largest := map[uint16]int{}, 0
			p.tap = func(to *Host, packet *buf.Packet) bool {
				packet.Flatten()
				b := packet.Data
				if to != p.a {
					return true
				}
				n := len(b)
				if packet.GSOSize > 0 {
					n = int(packet.GSOSize) + 52
				}
				if dontFragment := b[6]&0x40 != 0; dontFragment && n > said {
					p.tooBig(said, len(b), wire.ProtoTCP, b[20:28])
					packet.Release()
					return false
				} else if !dontFragment {
					ids[binary.BigEndian.Uint16(b[4:])]++
					if wire.Fold(wire.Sum(b[:20], 0)) != 0xffff {
						t.Error("checksum of the IPv4 header")
					}
				}
				largest = max(largest, n)
				return true
			}
			p.transfer(server, client, pattern(50000)) // a super-segment that was begun is sent to its end
			largest = 0
			clear(ids)
			p.transfer(server, client, pattern(50000))
			if largest != max(said, 576) || (len(ids) > 0) != (said <= 576) {
				t.Errorf("said %d: packets of up to %d bytes, %d identifications", said, largest, len(ids))
			}
			p.after(11 * time.Minute)
			p.tap = nil
			p.wantMTU("ten minutes later", 1500)
		}
	}
}

// A message that says more than our link carries, or than it quotes, is not one.
func TestPacketTooBigThatIsNone(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		p.open(p.b, 5000, p.addrA, 53)
		u := wire.UDP{SrcPort: 5000, DstPort: 53, Length: 1400}
		for _, said := range []int{1420, 1499, 1500, 1501, 9000, 65535} {
			if d := p.tooBig(said, 1420, wire.ProtoUDP, u.Append(nil)); d == wire.None {
				t.Errorf("%d for a packet of 1420 bytes: believed", said)
			}
			p.wantMTU("as before", 1500)
		}
	})
}
