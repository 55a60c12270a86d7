package wire_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

var (
	hwA = [6]byte{2, 0, 0, 0, 0, 0xa}
	hwB = [6]byte{2, 0, 0, 0, 0, 0xb}
)

func TestUDP(t *testing.T) {
	h := wire.UDP{SrcPort: 5353, DstPort: 53, Length: 10, Checksum: 0xabcd}
	b := h.Append(nil)
	if want := []byte{0x14, 0xe9, 0, 53, 0, 10, 0xab, 0xcd}; !bytes.Equal(b, want) {
		t.Fatalf("appended % x, want % x", b, want)
	}
	b = append(b, 1, 2)
	for n := range len(b) + 1 {
		want, wantQuoted := wire.None, wire.None
		switch {
		case n < 8:
			want, wantQuoted = wire.TooShort, wire.TooShort
		case n < 10:
			want = wire.BadTotalLength
		}
		var got, quoted wire.UDP
		if d := wire.ParseUDP(b[:n:n], &got); d != want || d == wire.None && got != h {
			t.Errorf("%d bytes: %v, %+v", n, d, got)
		}
		if d := wire.ParseQuotedUDP(b[:n:n], &quoted); d != wantQuoted || d == wire.None && quoted != h {
			t.Errorf("%d bytes quoted: %v, %+v", n, d, quoted)
		}
	}
	for length := range 8 {
		var got wire.UDP
		if d := wire.ParseUDP(changed(b, 5, byte(length)), &got); d != wire.BadTotalLength {
			t.Errorf("length %d: %v", length, d)
		}
	}
	if got := h.String(); got != "5353 > 53: UDP, length 2" {
		t.Error(got)
	}
}

func TestICMP(t *testing.T) {
	m := wire.ICMP{Type: wire.ICMPv4EchoRequest, Code: 1, Checksum: 0x0203}
	m.SetEcho(0x0405, 0x0607)
	b := m.Append(nil)
	if want := []byte{8, 1, 2, 3, 4, 5, 6, 7}; !bytes.Equal(b, want) {
		t.Fatalf("appended % x, want % x", b, want)
	}
	var got wire.ICMP
	if d := wire.ParseICMP(b, &got); d != wire.None || got != m {
		t.Errorf("%v, %+v", d, got)
	}
	if id, seq := got.Echo(); id != 0x0405 || seq != 0x0607 {
		t.Errorf("echo %#x %#x", id, seq)
	}
	for n := range 8 {
		if d := wire.ParseICMP(b[:n:n], &got); d != wire.TooShort {
			t.Errorf("%d bytes: %v", n, d)
		}
	}
	if s := m.String(); s != "ICMP type 8, code 1, rest 04050607" {
		t.Error(s)
	}
}

func TestICMPMTU(t *testing.T) {
	cases := []struct {
		kind      uint8
		mtu, want int
		rest      [4]byte
	}{
		{wire.ICMPv4Unreachable, 1400, 1400, [4]byte{0, 0, 0x05, 0x78}},
		{wire.ICMPv4Unreachable, 70000, 65535, [4]byte{0, 0, 0xff, 0xff}},
		{wire.ICMPv6PacketTooBig, 1280, 1280, [4]byte{0, 0, 0x05, 0x00}},
		{wire.ICMPv6PacketTooBig, 70000, 70000, [4]byte{0, 1, 0x11, 0x70}},
	}
	for _, c := range cases {
		m := wire.ICMP{Type: c.kind, Rest: [4]byte{9, 9, 9, 9}}
		m.SetMTU(c.mtu)
		if m.Rest != c.rest || m.MTU() != c.want {
			t.Errorf("type %d, MTU %d: % x, %d", c.kind, c.mtu, m.Rest, m.MTU())
		}
	}
	huge := wire.ICMP{Type: wire.ICMPv6PacketTooBig, Rest: [4]byte{0xff, 0xff, 0xff, 0xff}}
	if huge.MTU() != 1<<31-1 {
		t.Errorf("huge MTU %d", huge.MTU())
	}
	old := wire.ICMP{Type: wire.ICMPv4Unreachable, Rest: [4]byte{9, 9, 2, 0}}
	if old.MTU() != 512 {
		t.Errorf("the unused half counts: %d", old.MTU())
	}
}

var (
	solicitation = wire.Neighbour{Type: wire.ICMPv6NeighbourSolicitation, Checksum: 0x1234,
		Target: addr("fe80::2"), HW: hwA, HasHW: true}
	advert = wire.Neighbour{Type: wire.ICMPv6NeighbourAdvert, Target: addr("2001:db8::2"), HW: hwB, HasHW: true,
		Router: true, Solicited: true, Override: true}
)

func TestNeighbourRoundTrip(t *testing.T) {
	bare := solicitation
	bare.HW, bare.HasHW = [6]byte{}, false
	plain := advert
	plain.Router, plain.Solicited = false, false
	for _, m := range []wire.Neighbour{solicitation, advert, bare, plain} {
		b := m.Append(nil)
		if want := map[bool]int{true: wire.NeighbourMaxSize, false: wire.NeighbourSize}[m.HasHW]; len(b) != want {
			t.Errorf("%v: %d bytes, want %d", &m, len(b), want)
		}
		got := wire.Neighbour{Router: true, HasHW: true}
		if d := wire.ParseNeighbour(b, &got); d != wire.None || got != m {
			t.Errorf("%v\n got %+v\nwant %+v", d, got, m)
		}
	}
	if got, want := advert.Append(nil)[:8], []byte{136, 0, 0, 0, 0xe0, 0, 0, 0}; !bytes.Equal(got, want) {
		t.Errorf("flags: % x, want % x", got, want)
	}
	if got := solicitation.String(); got != "neighbor solicitation, who has fe80::2, link-layer address 02:00:00:00:00:0a" {
		t.Error(got)
	}
	if got := advert.String(); got != "neighbor advertisement, tgt is 2001:db8::2, link-layer address 02:00:00:00:00:0b" {
		t.Error(got)
	}
}

func TestNeighbourBad(t *testing.T) {
	b := solicitation.Append(nil)
	target := func(s string) []byte {
		m := solicitation
		m.Target = addr(s)
		return m.Append(nil)
	}
	cases := []struct {
		name string
		b    []byte
		want wire.Drop
	}{
		{"router solicitation", changed(b, 0, wire.ICMPv6RouterSolicitation), wire.BadNeighbour},
		{"code 1", changed(b, 1, 1), wire.BadNeighbour},
		{"multicast target", target("ff02::1"), wire.BadNeighbour},
		{"unspecified target", target("::"), wire.BadNeighbour},
		{"IPv4-mapped target", target("192.0.2.1"), wire.BadNeighbour},
		{"option of length 0", changed(b, 25, 0), wire.BadOption},
		{"option past the end", changed(b, 25, 2), wire.BadOption},
		{"nonce, then a broken option", append(changed(b, 24, 14), 1, 1, 0, 0, 0, 0, 0), wire.BadOption},
	}
	for _, c := range cases {
		var m wire.Neighbour
		if d := wire.ParseNeighbour(c.b, &m); d != c.want {
			t.Errorf("%s: %v, want %v", c.name, d, c.want)
		}
	}
	for n := range len(b) {
		want := wire.BadOption
		switch {
		case n < 24:
			want = wire.TooShort
		case n == 24:
			want = wire.None
		}
		var m wire.Neighbour
		if d := wire.ParseNeighbour(b[:n:n], &m); d != want {
			t.Errorf("%d bytes: %v, want %v", n, d, want)
		}
	}
}

func TestNeighbourOptionsThatDoNotCount(t *testing.T) {
	for _, c := range []struct {
		name    string
		options []byte
	}{
		{"the other kind's", []byte{2, 1, 2, 0, 0, 0, 0, 9}},
		{"unknown", []byte{14, 1, 1, 2, 3, 4, 5, 6}},
		{"too long", append([]byte{1, 2}, make([]byte, 14)...)},
	} {
		bare := solicitation.Append(nil)[:24:24]
		var m wire.Neighbour
		if d := wire.ParseNeighbour(append(bare, c.options...), &m); d != wire.None || m.HasHW {
			t.Errorf("%s alone: %v, %v", c.name, d, &m)
		}
		b := append(append(bare, c.options...), solicitation.Append(nil)[24:]...)
		b = append(b, 1, 1, 9, 9, 9, 9, 9, 9)
		if d := wire.ParseNeighbour(b, &m); d != wire.None || m != solicitation {
			t.Errorf("%s, then ours, then another: %v, %v", c.name, d, &m)
		}
	}
}

func TestMulticastAddresses(t *testing.T) {
	if got, want := wire.SolicitedNode(addr("2001:db8::12:3456:789a")), addr("ff02::1:ff56:789a"); got != want {
		t.Errorf("solicited node %v, want %v", got, want)
	}
	if got, want := wire.MulticastHW(addr("ff02::1:ff56:789a")), [6]byte{0x33, 0x33, 0xff, 0x56, 0x78, 0x9a}; got != want {
		t.Errorf("IPv6 group %x, want %x", got, want)
	}
	if got, want := wire.MulticastHW(addr("224.129.2.3")), [6]byte{0x01, 0, 0x5e, 1, 2, 3}; got != want {
		t.Errorf("IPv4 group %x, want %x", got, want)
	}
}

func TestARP(t *testing.T) {
	m := wire.ARP{Op: wire.ARPReply, SenderHW: hwA, TargetHW: hwB, SenderIP: addr("192.0.2.1"), TargetIP: addr("192.0.2.2")}
	b := m.Append(nil)
	want := []byte{0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, 0xa, 192, 0, 2, 1, 2, 0, 0, 0, 0, 0xb, 192, 0, 2, 2}
	if !bytes.Equal(b, want) {
		t.Fatalf("appended % x\nwant     % x", b, want)
	}
	var got wire.ARP
	if d := wire.ParseARP(append(b, make([]byte, 18)...), &got); d != wire.None || got != m {
		t.Errorf("%v, %+v", d, got)
	}
	for n := range len(b) {
		if d := wire.ParseARP(b[:n:n], &got); d != wire.TooShort {
			t.Errorf("%d bytes: %v", n, d)
		}
	}
	for i := range 6 {
		if d := wire.ParseARP(changed(b, i, 77), &got); d != wire.BadNeighbour {
			t.Errorf("byte %d wrong: %v", i, d)
		}
	}
	texts := map[uint16]string{wire.ARPRequest: "ARP, Request who-has 192.0.2.2 tell 192.0.2.1",
		wire.ARPReply: "ARP, Reply 192.0.2.1 is-at 02:00:00:00:00:0a", 3: "ARP, operation 3"}
	for op, text := range texts {
		m.Op = op
		if got := m.String(); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
}

func TestEthernet(t *testing.T) {
	h := wire.Ethernet{Dst: wire.Broadcast, Src: hwA, Type: wire.EtherTypeARP}
	b := h.Append(nil)
	if want := []byte{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 0xa, 8, 6}; !bytes.Equal(b, want) {
		t.Fatalf("appended % x, want % x", b, want)
	}
	var got wire.Ethernet
	if d := wire.ParseEthernet(append(b, 1), &got); d != wire.None || got != h {
		t.Errorf("%v, %+v", d, got)
	}
	for n := range len(b) {
		if d := wire.ParseEthernet(b[:n:n], &got); d != wire.TooShort {
			t.Errorf("%d bytes: %v", n, d)
		}
	}
}

// Append writes every byte that it adds: the room may hold an older packet.
func TestAppendLeavesNothingOfWhatWasThere(t *testing.T) {
	quiet := solicitation
	quiet.Router = true // which a solicitation cannot say
	values := map[string]interface{ Append([]byte) []byte }{
		"UDP": &wire.UDP{}, "ICMP": &wire.ICMP{}, "ARP": &wire.ARP{}, "Ethernet": &wire.Ethernet{},
		"solicitation": &quiet, "advertisement": &wire.Neighbour{Type: wire.ICMPv6NeighbourAdvert},
	}
	for i := range tcpHeaders {
		values["TCP "+tcpHeaders[i].name] = &tcpHeaders[i].h
	}
	for i, ip := range []wire.IP{{Version: 4}, {Version: 6}, {Version: 6, MoreFragments: true}} {
		values[fmt.Sprint("IP ", i)] = appendIP{&ip}
	}
	for name, v := range values {
		dirty := bytes.Repeat([]byte{0xa5}, 100)
		if got, want := v.Append(dirty[:0]), v.Append(nil); !bytes.Equal(got, want) {
			t.Errorf("%s: got % x\nwant % x", name, got, want)
		}
	}
}

type appendIP struct{ *wire.IP }

func (a appendIP) Append(b []byte) []byte { return a.IP.Append(b, 0) }

// fuzzFixed checks a format whose every byte is in the value: what parses comes
// out of Append as it went in.
func fuzzFixed[T any, P interface {
	*T
	Append([]byte) []byte
}](f *testing.F, parse func([]byte, *T) wire.Drop, seeds ...T) {
	for i := range seeds {
		b := P(&seeds[i]).Append(nil)
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v T
		if parse(b, &v) != wire.None {
			return
		}
		if out := P(&v).Append(nil); !bytes.HasPrefix(b, out) {
			t.Fatalf("parsed % x\nappended % x", b, out)
		}
	})
}

func FuzzParseUDP(f *testing.F) {
	fuzzFixed(f, wire.ParseUDP, wire.UDP{SrcPort: 1, DstPort: 2, Length: 8, Checksum: 3})
}

func FuzzParseQuotedUDP(f *testing.F) {
	fuzzFixed(f, wire.ParseQuotedUDP, wire.UDP{SrcPort: 1, DstPort: 2, Length: 800, Checksum: 3})
}

func FuzzParseICMP(f *testing.F) {
	fuzzFixed(f, wire.ParseICMP, wire.ICMP{Type: 3, Code: 4, Checksum: 5, Rest: [4]byte{6, 7, 8, 9}})
}

func FuzzParseEthernet(f *testing.F) {
	fuzzFixed(f, wire.ParseEthernet, wire.Ethernet{Dst: hwA, Src: hwB, Type: wire.EtherTypeIPv6})
}

func FuzzParseARP(f *testing.F) {
	fuzzFixed(f, wire.ParseARP, wire.ARP{Op: 1, SenderHW: hwA, SenderIP: addr("192.0.2.1"), TargetIP: addr("192.0.2.2")})
}

func FuzzParseNeighbour(f *testing.F) {
	f.Add(solicitation.Append(nil))
	f.Add(advert.Append(nil))
	f.Add(append(advert.Append(nil), 14, 1, 0, 0, 0, 0, 0, 0))
	f.Add(changed(advert.Append(nil), 25, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, again wire.Neighbour
		if wire.ParseNeighbour(b, &m) != wire.None {
			return
		}
		_ = m.String()
		if d := wire.ParseNeighbour(m.Append(nil), &again); d != wire.None || again != m {
			t.Fatalf("%v\n got %+v\nwant %+v", d, again, m)
		}
	})
}
