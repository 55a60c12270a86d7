package answers

import (
	"fmt"
	"slices"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// transportKinds are the questions to UDP, TCP and ICMP that are the same for
// both versions of IP.
func transportKinds(v6 bool) (all []packetKind) {
	all = append(all, protocolKinds()...)
	all = append(all, udpKinds()...)
	all = append(all, tcpKinds()...)
	all = append(all, icmpKinds(v6)...)
	return append(all, fragmentKinds()...)
}

func protocolKinds() (all []packetKind) {
	for _, protocol := range []uint8{2, 3, 4, 17, 33, 41, 46, 47, 50, 51, 58, 89, 103, 108, 115, 132, 136, 142, 143, 254, 255} {
		all = append(all, packetKind{fmt.Sprintf("protocol %d", protocol), one(func(p *peer) []byte {
			h := p.header()
			h.protocol = protocol
			return h.packet(make([]byte, 32))
		})})
	}
	return all
}

// datagram asks with a datagram that change has made odd; sum says whether its
// checksum is then made right.
func datagram(name string, payload int, sum bool, change func(b []byte, p *peer) []byte) packetKind {
	return packetKind{"datagram, " + name, one(func(p *peer) []byte {
		h := p.header()
		h.protocol = protoUDP
		b := change(udpMessage(h, p.here.Port(), p.there.Port(), counted(payload)), p)
		if sum {
			h.summed(protoUDP, 6, b)
		}
		return h.packet(b)
	})}
}

func udpKinds() []packetKind {
	same := func(b []byte, p *peer) []byte { return b }
	return []packetKind{
		datagram("empty", 0, true, same),
		datagram("1 byte", 1, true, same),
		datagram("1400 bytes", 1400, true, same),
		datagram("wrong checksum", 9, false, func(b []byte, p *peer) []byte { b[6]++; return b }),
		datagram("no checksum", 9, false, func(b []byte, p *peer) []byte { b[6], b[7] = 0, 0; return b }),
		datagram("length 7", 9, true, func(b []byte, p *peer) []byte { be.PutUint16(b[4:], 7); return b }),
		datagram("length 0", 9, true, func(b []byte, p *peer) []byte { be.PutUint16(b[4:], 0); return b }),
		datagram("length + 1", 9, true, func(b []byte, p *peer) []byte { b[5]++; return b }),
		datagram("padding", 9, true, func(b []byte, p *peer) []byte { return append(b, 1, 2, 3) }),
		datagram("cut after 7", 9, false, func(b []byte, p *peer) []byte { return b[:7] }),
		datagram("from port 0", 9, true, func(b []byte, p *peer) []byte { be.PutUint16(b, 0); return b }),
		datagram("to port 0", 9, true, func(b []byte, p *peer) []byte { be.PutUint16(b[2:], 0); return b }),
	}
}

// aSyn asks with a SYN that change has made odd.
func aSyn(name string, sum bool, change func(b []byte) []byte) packetKind {
	return packetKind{"SYN, " + name, one(func(p *peer) []byte {
		h := p.header()
		s := tcpHeader{from: p.here.Port(), to: p.there.Port(), seq: uint32(p.irs), flags: wire.SYN, window: 1000}
		b := change(tcpMessage(h, s, nil))
		if sum {
			h.summed(protoTCP, 16, b)
		}
		return h.packet(b)
	})}
}

func tcpKinds() []packetKind {
	return []packetKind{
		aSyn("plain", true, func(b []byte) []byte { return b }),
		aSyn("wrong checksum", false, func(b []byte) []byte { b[16]++; return b }),
		aSyn("no checksum", false, func(b []byte) []byte { b[16], b[17] = 0, 0; return b }),
		aSyn("offset 4", true, func(b []byte) []byte { b[12] = 4 << 4; return b }),
		aSyn("offset past the end", true, func(b []byte) []byte { b[12] = 6 << 4; return b }),
		aSyn("reserved bits", true, func(b []byte) []byte { b[12] |= 0xe; return b }),
		aSyn("from port 0", true, func(b []byte) []byte { be.PutUint16(b, 0); return b }),
		aSyn("to port 0", true, func(b []byte) []byte { be.PutUint16(b[2:], 0); return b }),
		{"SYN, cut after 19", one(func(p *peer) []byte { return p.header().packet(make([]byte, 19)) })},
		{"SYN, empty", one(func(p *peer) []byte { return p.header().packet(nil) })},
	}
}

// icmpKind asks with an ICMP message.
func icmpKind(kind, code uint8, rest uint32, payload int) packetKind {
	return packetKind{fmt.Sprintf("ICMP type %d code %d rest %#x, %d bytes", kind, code, rest, payload), one(func(p *peer) []byte {
		h := p.header()
		h.protocol = protoICMP
		if h.src.Is6() {
			h.protocol = protoICMPv6
		}
		return h.packet(icmpMessage(h, kind, code, rest, counted(payload)))
	})}
}

func icmpKinds(v6 bool) (all []packetKind) {
	echo, reply := uint8(8), uint8(0)
	if v6 {
		echo, reply = 128, 129
	}
	for _, n := range []int{0, 1, 7, 600, 1400} {
		all = append(all, icmpKind(echo, 0, 0x12345678, n))
	}
	all = append(all, icmpKind(echo, 1, 1, 4), icmpKind(echo, 255, 1, 4), icmpKind(reply, 0, 1, 4))
	for kind := range 256 {
		if uint8(kind) != echo && !isGroupMessage(v6, uint8(kind)) {
			all = append(all, icmpKind(uint8(kind), 0, 0, 4), icmpKind(uint8(kind), 1, 0, 40))
		}
	}
	return append(all, oddEchoes()...)
}

// isGroupMessage reports whether a message is about groups or routers: it is
// answered later, or changes how the stack answers others.
func isGroupMessage(v6 bool, kind uint8) bool {
	return v6 && kind >= 130 && kind <= 137 || v6 && kind == 143
}

func oddEchoes() (all []packetKind) {
	for _, k := range []struct {
		name   string
		change func(b []byte) []byte
	}{
		{"wrong checksum", func(b []byte) []byte { b[2]++; return b }},
		{"no checksum", func(b []byte) []byte { b[2], b[3] = 0, 0; return b }},
		{"cut after 7", func(b []byte) []byte { return b[:7] }},
		{"cut after 3", func(b []byte) []byte { return b[:3] }},
	} {
		all = append(all, packetKind{"echo, " + k.name, one(func(p *peer) []byte {
			h := p.header()
			b := k.change(echoRequest(&h, 1, counted(5)))
			return h.packet(b)
		})})
	}
	return all
}

// part is a fragment: the bytes [from, to) of a payload.
type part struct {
	from, to int
	more     bool
	twist    byte // added to every byte, so that an overlap can differ
}

// fragmentKinds are payloads in parts. The payload is 64 bytes long.
func fragmentKinds() (all []packetKind) {
	for _, k := range []struct {
		name  string
		parts []part
	}{
		{"in order", []part{{0, 32, true, 0}, {32, 64, false, 0}}},
		{"last first", []part{{32, 64, false, 0}, {0, 32, true, 0}}},
		{"by eights", []part{{0, 8, true, 0}, {8, 16, true, 0}, {16, 24, true, 0}, {24, 64, false, 0}}},
		{"first only", []part{{0, 32, true, 0}}},
		{"last only", []part{{32, 64, false, 0}}},
		{"a gap", []part{{0, 16, true, 0}, {32, 64, false, 0}}},
		{"first twice", []part{{0, 32, true, 0}, {0, 32, true, 0}, {32, 64, false, 0}}},
		{"last twice", []part{{32, 64, false, 0}, {32, 64, false, 0}, {0, 32, true, 0}}},
		{"overlap", []part{{0, 32, true, 0}, {24, 64, false, 0}}},
		{"overlap that differs", []part{{0, 32, true, 0}, {24, 64, false, 1}}},
		{"overlap inside", []part{{0, 48, true, 0}, {8, 16, true, 0}, {48, 64, false, 0}}},
		{"overlap, last first", []part{{24, 64, false, 0}, {0, 32, true, 0}}},
		{"two ends", []part{{32, 64, false, 0}, {32, 56, false, 0}, {0, 32, true, 0}}},
		{"beyond the end", []part{{0, 32, false, 0}, {32, 64, true, 0}}},
		{"seven bytes and more", []part{{0, 7, true, 0}}},
		{"nothing and more", []part{{0, 0, true, 0}}},
		{"nothing at last", []part{{0, 32, true, 0}, {32, 32, false, 0}}},
		{"a header cut", []part{{0, 8, true, 0}, {8, 64, false, 0}}},
		{"eight bytes only", []part{{0, 8, true, 0}}},
	} {
		for _, c := range carried {
			all = append(all, packetKind{"fragments " + k.name + ", " + c.name, func(p *peer) (packets [][]byte) {
				h := p.header()
				payload := c.payload(&h, p, 64)
				for _, f := range k.parts {
					packets = append(packets, f.of(h, payload, p.here.Port()))
				}
				return packets
			}})
		}
	}
	return append(all, packetKind{"fragment past 65535, echo", one(func(p *peer) []byte {
		h := p.header()
		return part{65528, 65528 + 64, false, 0}.of(h, append(make([]byte, 65528), echoRequest(&h, 1, counted(56))...), p.here.Port())
	})})
}

// of returns the fragment of a packet.
func (f part) of(h ipHeader, payload []byte, id uint16) []byte {
	b := slices.Clone(payload[f.from:f.to])
	for i := range b {
		b[i] += f.twist
	}
	where := uint16(f.from)
	if h.src.Is6() {
		if f.more {
			where |= 1
		}
		return h.chain(b, fragment6(where, uint32(id)))
	}
	h.id, h.fragment = id, where/8
	if f.more {
		h.fragment |= 0x2000
	}
	return h.packet(b)
}
