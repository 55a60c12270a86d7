package host

import (
	"fmt"
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Malformed packets at the door of a whole host: what engine/wire finds wrong must get no
// answer, change nothing and be counted, whoever is connected.

// bytes gives b an IP packet as it stands, behind a frame's header where there is one.
func (p *pair) bytes(b []byte) wire.Drop {
	packet := buf.NewPacket()
	data := packet.ReceiveInto(len(b) + wire.EthernetSize)[:0]
	if p.ethernet {
		e := wire.Ethernet{Dst: hwB, Src: hwA, Type: wire.EtherTypeIPv4}
		if p.v6 {
			e.Type = wire.EtherTypeIPv6
		}
		data = e.Append(data)
	}
	packet.Data = append(data, b...)
	return p.b.Receive(p.now, 0, packet)
}

// wantIgnored wants a packet to be dropped without an answer, and nothing to be known of it.
func (p *pair) wantIgnored(what string, d wire.Drop) {
	p.Helper()
	if d == wire.None {
		p.Errorf("%s is taken", what)
	}
	p.wantNothing(what, p.b)
	if n := p.b.TCP().Len(); n != 0 {
		p.Fatalf("%s: %d connections", what, n)
	}
}

// packetOf is a whole packet from a to b.
func (p *pair) packetOf(transport []byte) []byte {
	ip := p.fromA(wire.ProtoTCP)
	return append(ip.Append(nil, len(transport)), transport...)
}

// door has b listen, and returns a SYN with every option, which would be answered.
func (p *pair) door(t *testing.T) (syn wire.TCP) {
	if _, err := p.b.TCP().Listen(wire.Addr{}, 80, 1, nil); err != nil {
		t.Fatal(err)
	}
	syn = wire.TCP{SrcPort: 1000, DstPort: 80, Seq: 1, Flags: wire.SYN, Window: 1000}
	syn.Options = wire.Options{Set: wire.OptMSS | wire.OptWindowScale | wire.OptSACKPermitted | wire.OptTimestamps, MSS: 1460, WindowScale: 7, TSVal: 5}
	return syn
}

// D3: a checksum with any one bit wrong, of none, or over other addresses, of any length,
// is never answered, and is counted.
func TestNoAnswerToBadChecksum(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		syn, ip, n := p.door(t), p.fromA(wire.ProtoTCP), uint64(0)
		for _, port := range []uint16{80, 81} { // to nobody as well: no RST
			for _, text := range []int{0, 1, 2, 7} {
				syn.DstPort = port
				good := segment(ip, syn, pattern(text))
				spoil := func(what string, change func(b []byte)) {
					b := append([]byte(nil), good...)
					change(b)
					p.wantIgnored(fmt.Sprintf("%s, %d bytes of text", what, text), p.bytes(p.packetOf(b)))
					n++
				}
				for bit := range 16 {
					spoil(fmt.Sprintf("bit %d of the checksum", bit), func(b []byte) { b[16+bit/8] ^= 1 << (bit % 8) })
				}
				spoil("no checksum", func(b []byte) { b[16], b[17] = 0, 0 })
				other := ip
				other.Dst = addr("10.0.0.3")
				if p.v6 {
					other.Dst = addr("fd00::3")
				}
				spoil("the checksum of another address", func(b []byte) { copy(b, segment(other, syn, pattern(text))) })
				other = ip
				other.Proto = wire.ProtoUDP
				u := udp(other, 1, 2, good)
				spoil("the checksum of another protocol", func(b []byte) { b[16], b[17] = u[6], u[7] })
			}
		}
		if c := p.b.Counters(); c.TcpInCsumErrors != n {
			t.Errorf("%d bad checksums are counted, and %d came", c.TcpInCsumErrors, n)
		}
	})
}

// D2: a header that is cut off at any byte, or says any length, is not answered.
func TestNoAnswerToBrokenHeader(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		syn, ip := p.door(t), p.fromA(wire.ProtoTCP)
		whole := segment(ip, syn, nil)
		resum := func(b []byte) []byte {
			if len(b) >= 18 {
				put16(b[16:], 0)
				put16(b[16:], wire.TransportChecksum(wire.Sum(b, wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, len(b)))))
			}
			return b
		}
		for n := range len(whole) {
			p.wantIgnored(fmt.Sprintf("%d bytes of %d", n, len(whole)), p.bytes(p.packetOf(resum(append([]byte(nil), whole[:n]...)))))
		}
		for offset := range byte(16) {
			if offset >= 5 && int(offset)*4 <= len(whole) {
				continue // options that break off are D1's
			}
			b := append([]byte(nil), whole...)
			b[12] = offset << 4
			p.wantIgnored(fmt.Sprintf("data offset %d", offset), p.bytes(p.packetOf(resum(b))))
		}
	})
}

// D1: whatever the 40 bytes of options are, a SYN is answered once or not at all, with
// options that were offered, and a broken list is never answered.
func TestOddOptionsInASyn(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		p := newPair(t, config{v6: v6})
		syn, ip := p.door(t), p.fromA(wire.ProtoTCP)
		for kind := range 256 {
			for _, length := range []int{0, 1, 2, 3, 4, 6, 9, 10, 11, 18, 34, 39, 40, 41, 255} {
				for _, before := range []string{"", "\x01", "\x02\x04\x05\xb4", "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"} {
					o := append([]byte(before), byte(kind), byte(length))
					for len(o) < 40 {
						o = append(o, byte(len(o)))
					}
					p.offer(t, ip, &syn, o[:40])
				}
			}
		}
	}
}

// offer has a SYN with these options arrive, and then a RST.
func (p *pair) offer(t *testing.T, ip wire.IP, syn *wire.TCP, options []byte) {
	t.Helper()
	plain := *syn
	plain.Options = wire.Options{}
	b := append(plain.Append(nil), options...)
	b[12] = byte(len(b)/4) << 4
	put16(b[16:], wire.TransportChecksum(wire.Sum(b, wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, len(b)))))
	var h wire.TCP
	_, bad := wire.ParseTCP(b, &h)
	d := p.bytes(p.packetOf(b))
	out, _ := p.b.Output(p.now)
	if (out != nil) != (bad == wire.None) || (d == wire.None) != (bad == wire.None) {
		t.Fatalf("options % x: parsing says %v, the host %v; answered %v", options, bad, d, out != nil)
	}
	if out == nil {
		return
	}
	var answer wire.TCP
	wire.ParseTCP(out.Data[int(out.L3)+ip.HeaderSize():], &answer)
	if got := answer.Options.Set &^ (h.Options.Set | wire.OptMSS); got != 0 || answer.Options.WindowScale > 14 || answer.Flags != wire.SYN|wire.ACK {
		t.Fatalf("options % x: answered by %v", options, &answer)
	}
	out.Release()
	rst := wire.TCP{SrcPort: syn.SrcPort, DstPort: syn.DstPort, Seq: syn.Seq + 1, Flags: wire.RST}
	p.bytes(p.packetOf(segment(ip, rst, nil)))
	p.wantNothing("a RST", p.b)
	if n := p.b.TCP().Len(); n != 0 {
		t.Fatalf("options % x: %d connections are left", options, n)
	}
}

// D4, D6: whatever the first bytes of the IP header say, and whichever port is 0, there is
// no answer, unless it is the packet that it was.
func TestOddHeadersOfIP(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		syn, ip := p.door(t), p.fromA(wire.ProtoTCP)
		good := p.packetOf(segment(ip, syn, nil))
		resum := func(b []byte) []byte {
			if n := int(b[0]&0xf) * 4; !p.v6 && n >= 20 && n <= len(b) {
				put16(b[10:], 0)
				put16(b[10:], wire.Checksum(wire.Sum(b[:n], 0)))
			}
			return b
		}
		for first := range 256 {
			b := append([]byte(nil), good...)
			if b[0] = byte(first); first == int(good[0]) || p.v6 && first>>4 == 6 {
				continue
			}
			p.wantIgnored(fmt.Sprintf("first byte %#x", first), p.bytes(resum(b)))
		}
		at := map[bool]int{false: 2, true: 4}[p.v6]
		for length := range 0x200 {
			b := append([]byte(nil), good...)
			if put16(b[at:], uint16(length)); string(b) == string(good) {
				continue
			}
			p.wantIgnored(fmt.Sprintf("length %d", length), p.bytes(resum(b)))
		}
		for _, ports := range [][2]uint16{{0, 80}, {1000, 0}, {0, 0}} {
			syn.SrcPort, syn.DstPort = ports[0], ports[1]
			p.wantIgnored(fmt.Sprint("ports ", ports), p.bytes(p.packetOf(segment(ip, syn, nil))))
		}
	})
}
