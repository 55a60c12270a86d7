package wire_test

import (
	"bytes"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// ipv4 returns an IPv4 packet with options (a multiple of four bytes) and
// payload, after change has been at it, with the right checksum.
func ipv4(options []byte, payload int, change func(b []byte)) []byte {
	n := 20 + len(options)
	b := make([]byte, n+payload)
	copy(b, []byte{0x40 | byte(n/4), 0, byte(len(b) >> 8), byte(len(b)), 0x12, 0x34, 0x40, 0,
		64, wire.ProtoTCP, 0, 0, 192, 0, 2, 1, 198, 51, 100, 7})
	copy(b[20:], options)
	if change != nil {
		change(b)
	}
	sum := wire.Checksum(wire.Sum(b[:n], 0))
	b[10], b[11] = byte(sum>>8), byte(sum)
	return b
}

// ipv6 returns an IPv6 packet whose first next header is next, with rest behind
// the fixed header.
func ipv6(next byte, rest []byte) []byte {
	src, dst := addr("2001:db8::1"), addr("2001:db8::2")
	b := []byte{0x60, 0, 0, 0, byte(len(rest) >> 8), byte(len(rest)), next, 64}
	b = append(append(b, as16(src)...), as16(dst)...)
	return append(b, rest...)
}

// join returns all parts one after the other.
func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// option returns a hop-by-hop or destination header of 8 bytes with four bytes
// of options and two of padding.
func option(next byte, o ...byte) []byte {
	h := []byte{next, 0, 1, 0, 1, 2, 0, 0}
	copy(h[2:], o)
	return h
}

const hop, routing, fragment, dest, noNext = 0, 43, 44, 60, 59

func set(i int, v byte) func(b []byte) { return func(b []byte) { b[i] = v } }

func word(i int, v uint16) func(b []byte) {
	return func(b []byte) { b[i], b[i+1] = byte(v>>8), byte(v) }
}

// changed returns b with byte i set to v.
func changed(b []byte, i int, v byte) []byte {
	b = bytes.Clone(b)
	b[i] = v
	return b
}

// withAddr puts the IPv4-mapped address of the loopback at b[i:].
func withAddr(b []byte, i int) []byte {
	a := addr("127.0.0.1")
	copy(b[i:], as16(a))
	return b
}

var (
	payload8  = make([]byte, 8)
	tenDests  = bytes.Repeat(option(dest), 10)
	longDest  = append([]byte{wire.ProtoTCP, 2, 1, 20}, make([]byte, 20)...)
	mappedSrc = withAddr(ipv6(6, nil), 8)
	mappedDst = withAddr(ipv6(6, nil), 24)
)

// ipPackets are packets, with the header length, protocol and reason that
// parsing has to give.
var ipPackets = []struct {
	name      string
	packet    []byte
	drop      wire.Drop
	headerLen int
	proto     uint8
}{
	{"IPv4", ipv4(nil, 40, nil), wire.None, 20, 6},
	{"IPv4 without payload", ipv4(nil, 0, nil), wire.None, 20, 6},
	{"IPv4 with options", ipv4([]byte{1, 1, 1, 0}, 4, nil), wire.None, 24, 6},
	{"IPv4 with 40 bytes of options", ipv4(make([]byte, 40), 4, nil), wire.None, 60, 6},
	{"IPv4 with broken options", ipv4([]byte{7, 0, 99, 200}, 4, nil), wire.None, 24, 6},
	{"IPv4 with link padding", append(ipv4(nil, 6, nil), make([]byte, 20)...), wire.None, 20, 6},
	{"IPv4 protocol 0 is not an extension", ipv4(nil, 8, set(9, hop)), wire.None, 20, 0},
	{"IPv4 first fragment", ipv4(nil, 16, word(6, 0x2000)), wire.None, 20, 6},
	{"IPv4 last fragment", ipv4(nil, 5, word(6, 3)), wire.None, 20, 6},
	{"IPv4 fragment that ends the largest packet", ipv4(nil, 11, word(6, 0x1ffc)), wire.None, 20, 6},
	{"IPv4 TTL 0", ipv4(nil, 5, set(8, 0)), wire.None, 20, 6},
	{"IPv6", ipv6(6, payload8), wire.None, 40, 6},
	{"IPv6 without payload", ipv6(noNext, nil), wire.None, 40, noNext},
	{"IPv6 with link padding", append(ipv6(6, nil), 1, 2, 3), wire.None, 40, 6},
	{"IPv6 hop-by-hop", ipv6(hop, join(option(6, 5, 2, 0, 0), payload8)), wire.None, 48, 6},
	{"IPv6 all extensions", ipv6(hop, join(option(dest), option(routing), []byte{dest, 0, 0, 0, 0, 0, 0, 0}, option(6), payload8)), wire.None, 72, 6},
	{"IPv6 long destination options", ipv6(dest, join(longDest, payload8)), wire.None, 64, 6},
	{"IPv6 atomic fragment", ipv6(fragment, join([]byte{dest, 0, 0, 0, 0, 0, 0, 9}, option(6), payload8)), wire.None, 56, 6},
	{"IPv6 first fragment", ipv6(fragment, join([]byte{dest, 0, 0, 1, 0, 0, 0, 9}, payload8)), wire.None, 48, dest},
	{"IPv6 last fragment", ipv6(hop, join(option(fragment), []byte{6, 0, 1, 0, 0, 0, 0, 9}, []byte{1})), wire.None, 56, 6},
	{"IPv6 eight extensions", ipv6(dest, join(tenDests[:56], option(6))), wire.None, 104, 6},

	{"empty", nil, wire.TooShort, 0, 0},
	{"version 5", append([]byte{0x55}, make([]byte, 60)...), wire.BadVersion, 0, 0},
	{"version 0", make([]byte, 60), wire.BadVersion, 0, 0},
	{"IPv4 IHL 4", ipv4(nil, 40, set(0, 0x44)), wire.BadHeaderLength, 0, 0},
	{"IPv4 IHL 0", ipv4(nil, 40, set(0, 0x40)), wire.BadHeaderLength, 0, 0},
	{"IPv4 IHL past the end", ipv4(nil, 3, set(0, 0x46)), wire.BadHeaderLength, 0, 0},
	{"IPv4 total length below the header", ipv4(nil, 3, word(2, 19)), wire.BadTotalLength, 0, 0},
	{"IPv4 total length within the options", ipv4(make([]byte, 8), 3, word(2, 24)), wire.BadTotalLength, 0, 0},
	{"IPv4 total length past the end", ipv4(nil, 3, word(2, 24)), wire.BadTotalLength, 0, 0},
	{"IPv4 total length 0", ipv4(nil, 3, word(2, 0)), wire.BadTotalLength, 0, 0},
	{"IPv4 bad checksum", changed(ipv4(nil, 3, nil), 11, 0), wire.BadIPChecksum, 0, 0},
	{"IPv4 bad checksum of options", changed(ipv4([]byte{1, 1, 1, 0}, 3, nil), 22, 0), wire.BadIPChecksum, 0, 0},
	{"IPv4 fragment of 12 bytes", ipv4(nil, 12, word(6, 0x2000)), wire.BadTotalLength, 0, 0},
	{"IPv4 empty fragment", ipv4(nil, 0, word(6, 0x2000)), wire.BadTotalLength, 0, 0},
	{"IPv4 fragment past the largest packet", ipv4(nil, 8, word(6, 0x1fff)), wire.BadTotalLength, 0, 0},
	{"IPv4 fragment past the largest packet by its header", ipv4(nil, 8, word(6, 0x1ffd)), wire.BadTotalLength, 0, 0},
	{"IPv6 payload past the end", changed(ipv6(6, payload8), 5, 9), wire.BadTotalLength, 0, 0},
	{"IPv6 extension past the end", ipv6(dest, []byte{6, 1, 0, 0, 0, 0, 0, 0}), wire.BadExtension, 0, 0},
	{"IPv6 extension of 7 bytes", ipv6(dest, []byte{6, 0, 0, 0, 0, 0, 0}), wire.BadExtension, 0, 0},
	{"IPv6 extension in the padding only", append(ipv6(dest, nil), option(6)...), wire.BadExtension, 0, 0},
	{"IPv6 nine extensions", ipv6(dest, join(tenDests[:64], option(6))), wire.BadExtension, 0, 0},
	{"IPv6 hop-by-hop second", ipv6(dest, join(option(hop), option(6))), wire.BadExtension, 0, 0},
	{"IPv6 route not at its end", ipv6(routing, []byte{6, 0, 0, 1, 0, 0, 0, 0}), wire.BadExtension, 0, 0},
	{"IPv6 option past the end", ipv6(dest, option(6, 1, 5)), wire.BadExtension, 0, 0},
	{"IPv6 option without length", ipv6(dest, option(6, 1, 3, 0, 0, 0, 1)), wire.BadExtension, 0, 0},
	{"IPv6 option that must not be skipped", ipv6(dest, option(6, 0xc9, 2, 0, 0)), wire.BadExtension, 0, 0},
	{"IPv6 jumbo option", ipv6(hop, option(6, 0xc2, 4)), wire.BadExtension, 0, 0},
	{"IPv6 fragment of a fragment", ipv6(fragment, []byte{fragment, 0, 0, 1, 0, 0, 0, 9, 1, 1, 1, 1, 1, 1, 1, 1}), wire.BadExtension, 0, 0},
	{"IPv6 hop-by-hop in a fragment", ipv6(fragment, []byte{hop, 0, 0, 1, 0, 0, 0, 9, 1, 1, 1, 1, 1, 1, 1, 1}), wire.BadExtension, 0, 0},
	{"IPv6 fragment of 1 byte", ipv6(fragment, []byte{6, 0, 0, 1, 0, 0, 0, 9, 1}), wire.BadTotalLength, 0, 0},
	{"IPv6 fragment past the largest packet", ipv6(fragment, join([]byte{6, 0, 0xff, 0xf8, 0, 0, 0, 9}, payload8)), wire.BadTotalLength, 0, 0},
	{"IPv6 from an IPv4-mapped address", mappedSrc, wire.BadSource, 0, 0},
	{"IPv6 to an IPv4-mapped address", mappedDst, wire.BadDestination, 0, 0},
}

func TestParseIP(t *testing.T) {
	for _, c := range ipPackets {
		ip := wire.IP{FragOffset: 99, MoreFragments: true}
		if d := wire.ParseIP(c.packet, &ip); d != c.drop {
			t.Errorf("%s: %v, want %v", c.name, d, c.drop)
		} else if d == wire.None && (ip.HeaderLen != c.headerLen || ip.Proto != c.proto) {
			t.Errorf("%s: header of %d bytes, protocol %d, want %d, %d", c.name, ip.HeaderLen, ip.Proto, c.headerLen, c.proto)
		}
	}
}

func TestParseIPFields(t *testing.T) {
	cases := []struct {
		name   string
		packet []byte
		want   wire.IP
		text   string
	}{
		{"IPv4", ipv4(nil, 4, set(1, 0xb9)), wire.IP{Version: 4, TOS: 0xb9, TTL: 64, Proto: 6, ID: 0x1234,
			DontFragment: true, HeaderLen: 20, TotalLen: 24, Src: addr("192.0.2.1"), Dst: addr("198.51.100.7")},
			"IP 192.0.2.1 > 198.51.100.7: proto 6, ttl 64, length 4"},
		{"IPv4 fragment", ipv4(nil, 16, word(6, 0x2003)), wire.IP{Version: 4, TTL: 64, Proto: 6, ID: 0x1234,
			FragOffset: 24, MoreFragments: true, HeaderLen: 20, TotalLen: 36, Src: addr("192.0.2.1"), Dst: addr("198.51.100.7")},
			"IP 192.0.2.1 > 198.51.100.7: proto 6, ttl 64, length 16, frag 4660@24+"},
		{"IPv6", changed(changed(ipv6(6, payload8), 1, 0x3a), 3, 5), wire.IP{Version: 6, TOS: 3, TTL: 64, Proto: 6,
			FlowLabel: 0xa0005, HeaderLen: 40, TotalLen: 48, Src: addr("2001:db8::1"), Dst: addr("2001:db8::2")},
			"IP6 2001:db8::1 > 2001:db8::2: proto 6, ttl 64, length 8"},
		{"IPv6 fragment", ipv6(fragment, []byte{17, 0, 0, 0x18, 1, 2, 3, 4, 0xff}), wire.IP{Version: 6, TTL: 64, Proto: 17,
			ID: 0x01020304, FragOffset: 24, HeaderLen: 48, TotalLen: 49, Src: addr("2001:db8::1"), Dst: addr("2001:db8::2")},
			"IP6 2001:db8::1 > 2001:db8::2: proto 17, ttl 64, length 1, frag 16909060@24"},
		{"IPv6 fragment, more", ipv6(fragment, join([]byte{17, 0, 0, 0x19, 1, 2, 3, 4}, payload8)), wire.IP{Version: 6, TTL: 64, Proto: 17,
			ID: 0x01020304, FragOffset: 24, MoreFragments: true, HeaderLen: 48, TotalLen: 56, Src: addr("2001:db8::1"), Dst: addr("2001:db8::2")},
			"IP6 2001:db8::1 > 2001:db8::2: proto 17, ttl 64, length 8, frag 16909060@24+"},
	}
	for _, c := range cases {
		var ip wire.IP
		if d := wire.ParseIP(c.packet, &ip); d != wire.None || ip != c.want {
			t.Errorf("%s: %v\n got %+v\nwant %+v", c.name, d, ip, c.want)
		}
		if got := ip.String(); got != c.text {
			t.Errorf("%s: text\n got %s\nwant %s", c.name, got, c.text)
		}
		out := ip.Append(nil, ip.TotalLen-ip.HeaderLen)
		if !bytes.Equal(out, c.packet[:ip.HeaderLen]) || ip.HeaderSize() != len(out) {
			t.Errorf("%s: appended\n got % x\nwant % x", c.name, out, c.packet[:ip.HeaderLen])
		}
	}
}

// Every packet that is right, cut off at every byte.
func TestParseIPTruncated(t *testing.T) {
	for _, c := range ipPackets {
		var whole, ip wire.IP
		if wire.ParseIP(c.packet, &whole) != wire.None {
			continue
		}
		for n := range whole.TotalLen {
			want := wire.BadTotalLength
			switch fixed := map[uint8]int{4: 20, 6: 40}[whole.Version]; {
			case n < fixed:
				want = wire.TooShort
			case whole.Version == 4 && n < whole.HeaderLen:
				want = wire.BadHeaderLength
			}
			if d := wire.ParseIP(c.packet[:n:n], &ip); d != want {
				t.Errorf("%s, %d bytes: %v, want %v", c.name, n, d, want)
			}
		}
	}
}

// What an ICMP error quotes parses as the whole does, as long as the header is there.
func TestParseQuotedIP(t *testing.T) {
	for _, c := range ipPackets {
		var whole, ip wire.IP
		if wire.ParseIP(c.packet, &whole) != wire.None {
			continue
		}
		for n := whole.HeaderLen; n <= len(c.packet); n++ {
			if d := wire.ParseQuotedIP(c.packet[:n:n], &ip); d != wire.None || ip != whole {
				t.Errorf("%s, %d bytes: %v\n got %+v\nwant %+v", c.name, n, d, ip, whole)
			}
		}
		for n := range whole.HeaderLen {
			if d := wire.ParseQuotedIP(c.packet[:n:n], &ip); d == wire.None {
				t.Errorf("%s, %d bytes: parsed", c.name, n)
			}
		}
	}
	var ip wire.IP
	if d := wire.ParseQuotedIP(changed(ipv4(nil, 8, nil), 8, 63), &ip); d != wire.None {
		t.Errorf("TTL changed without the checksum: %v", d)
	}
}

// The two reserved bits of a fragment header are ignored.
func TestParseIPFragmentReservedBits(t *testing.T) {
	var ip wire.IP
	d := wire.ParseIP(ipv6(fragment, []byte{17, 0xff, 0, 0x1e, 0, 0, 0, 1, 0xff}), &ip)
	if d != wire.None || ip.FragOffset != 24 || ip.MoreFragments {
		t.Errorf("%v, %+v", d, ip)
	}
}

// What becomes of a packet with an option that nobody knows, the top two bits of its type
// say. https://www.rfc-editor.org/rfc/rfc8200#section-4.2
func TestUnknownOptions(t *testing.T) {
	for _, header := range []byte{hop, dest} {
		for kind := 2; kind < 256; kind++ {
			b := ipv6(header, join([]byte{6, 0, 1, 0, byte(kind), 2, 9, 9}, payload8))
			drop, want := wire.BadExtension, wire.Problem{Code: wire.ICMPv6UnrecognizedOption, Pointer: 44}
			switch kind >> 6 {
			case 0:
				drop, want = wire.None, wire.Problem{Code: wire.ICMPv6UnrecognizedNextHeader, Pointer: 40}
			case 1: // in silence, which the answer says
				want = wire.Problem{Code: wire.ICMPv6UnrecognizedNextHeader, Pointer: 6}
			case 2:
				want.Answer = wire.AnswerAll
			case 3:
				want.Answer = wire.AnswerUnicast
			}
			var ip wire.IP
			if d, p := wire.ParseIP(b, &ip), wire.Diagnose(b); d != drop || p != want {
				t.Errorf("option %d behind header %d: %v, %+v; want %v, %+v", kind, header, d, p, drop, want)
			}
		}
	}
}

// diagnose holds the second look at an IPv6 packet against the first.
func diagnose(t *testing.T, b []byte) {
	if len(b) == 0 || b[0]>>4 != 6 {
		return
	}
	var ip wire.IP
	drop, p := wire.ParseIP(b, &ip), wire.Diagnose(b)
	if int(p.Pointer) >= max(len(b), 8) || p.Answer != wire.NoAnswer && drop != wire.BadExtension && drop != wire.BadTotalLength {
		t.Fatalf("%v, and %+v of %d bytes", drop, p, len(b))
	}
	if drop != wire.None {
		return
	}
	if b[p.Pointer] != ip.Proto || p.Answer != wire.NoAnswer {
		t.Fatalf("protocol %d, and %+v", ip.Proto, p)
	}
	if proto, at, ok := wire.UpperHeader(b[:ip.TotalLen]); !ip.IsFragment() && (proto != ip.Proto || at != ip.HeaderLen || !ok) {
		t.Fatalf("protocol %d at %d, and %d at %d", ip.Proto, ip.HeaderLen, proto, at)
	}
}

func FuzzParseIP(f *testing.F) {
	for _, c := range ipPackets {
		f.Add(c.packet)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var quoted, ip, again wire.IP
		diagnose(t, b)
		if d := wire.ParseQuotedIP(b, &quoted); d == wire.None && (quoted.HeaderLen > len(b) || quoted.HeaderLen > quoted.TotalLen) {
			t.Fatalf("quoted %+v in %d bytes", quoted, len(b))
		}
		if wire.ParseIP(b, &ip) != wire.None {
			return
		}
		if ip != quoted || ip.HeaderLen > ip.TotalLen || ip.TotalLen > len(b) {
			t.Fatalf("%+v, quoted %+v in %d bytes", ip, quoted, len(b))
		}
		out := append(ip.Append(nil, ip.TotalLen-ip.HeaderLen), b[ip.HeaderLen:ip.TotalLen]...)
		if d := wire.ParseIP(out, &again); d != wire.None {
			t.Fatalf("%v of the appended % x", d, out)
		}
		ip.HeaderLen, ip.TotalLen = ip.HeaderSize(), len(out)
		if ip.Version == 6 && !ip.IsFragment() {
			ip.ID = 0 // an atomic fragment became a whole packet
		}
		if again != ip {
			t.Fatalf("got %+v\nwant %+v", again, ip)
		}
	})
}

func as16(a wire.Addr) []byte {
	b := a.As16()
	return b[:]
}
