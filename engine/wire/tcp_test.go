package wire_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

func addr(s string) wire.Addr { return wire.AddrFrom(netip.MustParseAddr(s)) }

// sack returns n SACK blocks.
func sack(n int) (s [4]wire.SACKBlock) {
	for i := range n {
		s[i] = wire.SACKBlock{Left: seq.Num(1000 * i), Right: seq.Num(1000*i + 500)}
	}
	return s
}

func withCookie(o wire.Options, c wire.FastOpenCookie) wire.Options {
	o.SetFastOpen(c)
	return o
}

// cookie returns a Fast Open cookie of n bytes.
func cookie(n int) wire.FastOpenCookie {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	c, _ := wire.MakeFastOpenCookie(b)
	return c
}

// tcpHeaders are headers with their length in bytes and their text.
var tcpHeaders = []struct {
	name   string
	h      wire.TCP
	length int
	text   string
}{
	{"plain", wire.TCP{SrcPort: 443, DstPort: 51000, Seq: 0xfffffff0, Ack: 7, Flags: wire.ACK | wire.PSH,
		Window: 512, Checksum: 0xbeef}, 20,
		"443 > 51000: Flags [P.], seq 4294967280, ack 7, win 512"},
	{"SYN", wire.TCP{SrcPort: 51000, DstPort: 80, Seq: 1, Flags: wire.SYN, Window: 64240,
		Options: wire.Options{Set: wire.OptMSS | wire.OptSACKPermitted | wire.OptTimestamps | wire.OptWindowScale,
			MSS: 1460, TSVal: 10, WindowScale: 7}}, 40,
		"51000 > 80: Flags [S], seq 1, win 64240, options [mss 1460,sackOK,TS val 10 ecr 0,wscale 7]"},
	{"timestamps", wire.TCP{SrcPort: 1, DstPort: 2, Flags: wire.ACK, Window: 1,
		Options: wire.Options{Set: wire.OptTimestamps, TSVal: 0xdeadbeef, TSEcr: 0x12345678}}, 32,
		"1 > 2: Flags [.], seq 0, ack 0, win 1, options [TS val 3735928559 ecr 305419896]"},
	{"SACK", wire.TCP{SrcPort: 1, DstPort: 2, Flags: wire.ACK, Ack: 9,
		Options: wire.Options{Set: wire.OptTimestamps | wire.OptSACK, TSVal: 1, TSEcr: 2, SACKBlocks: 3, SACK: sack(3)}}, 60,
		"1 > 2: Flags [.], seq 0, ack 9, win 0, options [TS val 1 ecr 2,sack 3 {0:500}{1000:1500}{2000:2500}]"},
	{"four SACK blocks", wire.TCP{Flags: wire.ACK,
		Options: wire.Options{Set: wire.OptSACK, SACKBlocks: 4, SACK: sack(4)}}, 56,
		"0 > 0: Flags [.], seq 0, ack 0, win 0, options [sack 4 {0:500}{1000:1500}{2000:2500}{3000:3500}]"},
	{"SACK permitted alone", wire.TCP{Flags: wire.SYN | wire.ECE | wire.CWR,
		Options: wire.Options{Set: wire.OptMSS | wire.OptSACKPermitted, MSS: 536}}, 28,
		"0 > 0: Flags [SEW], seq 0, win 0, options [mss 536,sackOK]"},
	{"window scale alone", wire.TCP{Flags: wire.SYN | wire.ACK,
		Options: wire.Options{Set: wire.OptWindowScale, WindowScale: 14}}, 24,
		"0 > 0: Flags [S.], seq 0, ack 0, win 0, options [wscale 14]"},
	{"AccECN", wire.TCP{Flags: wire.ACK | wire.AE | wire.ECE,
		Options: wire.Options{Set: wire.OptTimestamps | wire.OptAccECN, TSVal: 1, AccECN: wire.AccECN0 + 2, Echo: [3]uint32{0xabcdef, 7}}}, 40,
		"0 > 0: Flags [.Ee], seq 0, ack 0, win 0, options [TS val 1 ecr 0,ECN e0b 11259375 ceb 7]"},
	{"AccECN of the other order", wire.TCP{Flags: wire.ACK,
		Options: wire.Options{Set: wire.OptAccECN, AccECN: wire.AccECN1 + 1, Echo: [3]uint32{2: 9}}}, 28,
		"0 > 0: Flags [.], seq 0, ack 0, win 0, options [ECN e1b 9]"},
	{"user timeout in seconds", wire.TCP{Flags: wire.ACK, Options: wire.Options{Set: wire.OptUserTimeout, UserTimeout: 300}}, 24,
		"0 > 0: Flags [.], seq 0, ack 0, win 0, options [uto 0x12c 300]"},
	{"user timeout in minutes, and all that a segment may have", wire.TCP{Flags: wire.ACK,
		Options: wire.Options{Set: wire.OptTimestamps | wire.OptUserTimeout | wire.OptAccECN | wire.OptSACK, UserTimeout: 1<<15 | 600,
			AccECN: wire.AccECN0 + 3, SACKBlocks: 1, SACK: sack(1)}}, 60,
		"0 > 0: Flags [.], seq 0, ack 0, win 0, options [TS val 0 ecr 0,uto 0x8258 36000,ECN e0b 0 ceb 0 e1b 0,sack 1 {0:500}]"},
	{"AccECN without counters", wire.TCP{Flags: wire.ACK, Options: wire.Options{Set: wire.OptAccECN}}, 24,
		"0 > 0: Flags [.], seq 0, ack 0, win 0, options [ECN]"},
	{"AccECN in a SYN-ACK", wire.TCP{Flags: wire.SYN | wire.ACK | wire.CWR,
		Options: wire.Options{Set: wire.OptMSS | wire.OptSACKPermitted | wire.OptTimestamps | wire.OptWindowScale | wire.OptAccECN,
			MSS: 1460, WindowScale: 7, AccECN: wire.AccECN0 + 3, Echo: [3]uint32{1, 0, 1}}}, 52,
		"0 > 0: Flags [S.W], seq 0, ack 0, win 0, options [mss 1460,sackOK,TS val 0 ecr 0,wscale 7,ECN e0b 1 ceb 0 e1b 1]"},
	{"AccECN and SACK", wire.TCP{Flags: wire.ACK,
		Options: wire.Options{Set: wire.OptTimestamps | wire.OptAccECN | wire.OptSACK, AccECN: wire.AccECN1 + 2, Echo: [3]uint32{1: 5, 2: 3}, SACKBlocks: 2, SACK: sack(2)}}, 60,
		"0 > 0: Flags [.], seq 0, ack 0, win 0, options [TS val 0 ecr 0,ECN e1b 3 ceb 5,sack 2 {0:500}{1000:1500}]"},
	{"asks for a Fast Open cookie", wire.TCP{Flags: wire.SYN, Options: wire.Options{Set: wire.OptFastOpen}}, 24,
		"0 > 0: Flags [S], seq 0, win 0, options [FO]"},
	{"Fast Open, as Linux arranges it", wire.TCP{Flags: wire.SYN, Options: withCookie(wire.Options{Set: wire.OptMSS | wire.OptSACKPermitted | wire.OptTimestamps | wire.OptWindowScale,
		MSS: 1460, WindowScale: 7}, wire.FastOpenCookieOf(0x0123456789abcdef))}, 52,
		"0 > 0: Flags [S], seq 0, win 0, options [mss 1460,sackOK,TS val 0 ecr 0,wscale 7,FO 0123456789abcdef]"},
	{"Fast Open with the longest cookie", wire.TCP{Flags: wire.SYN, Options: withCookie(wire.Options{Set: wire.OptMSS | wire.OptSACKPermitted | wire.OptTimestamps | wire.OptWindowScale,
		MSS: 1460, WindowScale: 7}, cookie(16))}, 60,
		"0 > 0: Flags [S], seq 0, win 0, options [mss 1460,sackOK,TS val 0 ecr 0,wscale 7,FO 000102030405060708090a0b0c0d0e0f]"},
	{"urgent", wire.TCP{Flags: wire.URG | wire.ACK | wire.AE, Urgent: 77}, 20,
		"0 > 0: Flags [.Ue], seq 0, ack 0, win 0, urg 77"},
}

func TestTCPRoundTrip(t *testing.T) {
	for _, c := range tcpHeaders {
		b := c.h.Append([]byte("before"))
		if string(b[:6]) != "before" || len(b) != 6+c.length || c.h.HeaderLen() != c.length {
			t.Errorf("%s: %d bytes appended, HeaderLen %d, want %d", c.name, len(b)-6, c.h.HeaderLen(), c.length)
		}
		got := wire.TCP{Options: wire.Options{Set: 0xff, MSS: 1, SACKBlocks: 4, SACK: sack(4)}}
		n, d := wire.ParseTCP(append(b[6:], "payload"...), &got)
		if n != c.length || d != wire.None || got != c.h {
			t.Errorf("%s: parsed %d bytes, %v\n got %+v\nwant %+v", c.name, n, d, got, c.h)
		}
		if s := c.h.String(); s != c.text {
			t.Errorf("%s: text\n got %s\nwant %s", c.name, s, c.text)
		}
	}
}

// The SYN of a Linux 6 client, byte by byte: our options stand as its do.
func TestTCPAppendIsAsLinuxWrites(t *testing.T) {
	want := []byte{
		0xc7, 0x38, 0x00, 0x50, 0, 0, 0, 1, 0, 0, 0, 0, 0xa0, 0x02, 0xfa, 0xf0, 0, 0, 0, 0,
		2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 10, 0, 0, 0, 0, 1, 3, 3, 7,
	}
	if got := tcpHeaders[1].h.Append(nil); !bytes.Equal(got, want) {
		t.Errorf("got % x\nwant % x", got, want)
	}
}

func TestTCPAppendLeavesOutSACKBlocksThatDoNotFit(t *testing.T) {
	all := wire.OptMSS | wire.OptWindowScale | wire.OptSACKPermitted | wire.OptTimestamps | wire.OptSACK
	cases := []struct {
		set    wire.OptionSet
		blocks int
	}{
		{wire.OptSACK, 4},
		{wire.OptSACK | wire.OptTimestamps, 3},
		{wire.OptSACK | wire.OptMSS, 4},
		{wire.OptSACK | wire.OptMSS | wire.OptTimestamps, 2},
		{all, 2},
	}
	for _, c := range cases {
		h := wire.TCP{Options: wire.Options{Set: c.set, SACKBlocks: 9, SACK: sack(4)}}
		var got wire.TCP
		n, d := wire.ParseTCP(h.Append(nil), &got)
		if d != wire.None || n != h.HeaderLen() || int(got.Options.SACKBlocks) != c.blocks || got.Options.SACK != sack(c.blocks) {
			t.Errorf("options %b: %v, %d blocks, want %d", c.set, d, got.Options.SACKBlocks, c.blocks)
		}
	}
}

func TestTCPAppendLimitsWindowScale(t *testing.T) {
	h := wire.TCP{Options: wire.Options{Set: wire.OptWindowScale, WindowScale: 200}}
	if b := h.Append(nil); b[23] != 14 {
		t.Errorf("shift count %d, want 14", b[23])
	}
}

func TestTCPReservedBitsAreIgnored(t *testing.T) {
	b := tcpHeaders[0].h.Append(nil)
	b[12] |= 0x0e
	var h wire.TCP
	if _, d := wire.ParseTCP(b, &h); d != wire.None || h != tcpHeaders[0].h {
		t.Errorf("%v, %+v", d, h)
	}
	h.Flags |= 0xfe00
	if got := h.Append(nil); !bytes.Equal(got, tcpHeaders[0].h.Append(nil)) {
		t.Errorf("reserved bits sent: % x", got)
	}
}

func TestTCPTruncated(t *testing.T) {
	whole := tcpHeaders[3].h.Append(nil)
	for n := range len(whole) + 1 {
		want := wire.None
		switch {
		case n < 20:
			want = wire.TooShort
		case n < 60:
			want = wire.BadHeaderLength
		}
		var h wire.TCP
		if _, d := wire.ParseTCP(whole[:n:n], &h); d != want {
			t.Errorf("%d bytes: %v, want %v", n, d, want)
		}
	}
}

func TestTCPDataOffset(t *testing.T) {
	for length := 20; length <= 60; length += 4 {
		b := make([]byte, length)
		for offset := range 16 {
			b[12] = byte(offset << 4)
			want, wantLen := wire.None, offset*4
			if offset < 5 || offset*4 > length {
				want, wantLen = wire.BadHeaderLength, 0
			}
			var h wire.TCP
			if n, d := wire.ParseTCP(b, &h); d != want || n != wantLen {
				t.Errorf("%d bytes, offset %d: %d, %v, want %d, %v", length, offset, n, d, wantLen, want)
			}
		}
	}
}

func TestTCPParseQuoted(t *testing.T) {
	b := tcpHeaders[1].h.Append(nil)
	for n := range len(b) + 1 {
		var h wire.TCP
		want, wantSeq := wire.None, seq.Num(1)
		if n < 8 {
			want, wantSeq = wire.TooShort, 0
		}
		if d := wire.ParseQuotedTCP(b[:n:n], &h); d != want || h.Seq != wantSeq {
			t.Errorf("%d bytes: %v, seq %d", n, d, h.Seq)
		}
	}
}

func TestFlagsString(t *testing.T) {
	cases := map[wire.Flags]string{
		0:                              "none",
		wire.SYN:                       "S",
		wire.SYN | wire.ACK:            "S.",
		wire.ACK:                       ".",
		wire.PSH | wire.ACK:            "P.",
		wire.FIN | wire.ACK:            "F.",
		wire.FIN | wire.PSH | wire.ACK: "FP.",
		wire.RST:                       "R",
		wire.RST | wire.ACK:            "R.",
		wire.SYN | wire.ECE | wire.CWR: "SEW",
		wire.SYN | wire.ACK | wire.ECE: "S.E",
		wire.AE<<1 - 1:                 "FSRP.UEWe",
		wire.AE << 1:                   "none",
	}
	for f, want := range cases {
		if got := f.String(); got != want {
			t.Errorf("%#x: %q, want %q", uint16(f), got, want)
		}
	}
}

// A Fast Open option has a cookie of 4 to 16 bytes, an even number, or none. It is left
// out where it has no room.
func TestFastOpenOption(t *testing.T) {
	for n := range 40 {
		opt := append([]byte{34, byte(2 + n)}, make([]byte, min(n, 38))...)
		var h wire.TCP
		_, d := wire.ParseTCP(withOptions(opt), &h)
		right := n == 0 || n >= 4 && n <= 16 && n%2 == 0
		if n <= 38 && (d != wire.None || h.Options.Has(wire.OptFastOpen) != right || right && h.Options.FastOpen().Len() != n) {
			t.Errorf("a cookie of %d bytes: %v, %v", n, d, h.Options)
		}
		if _, ok := wire.MakeFastOpenCookie(make([]byte, n)); ok != right {
			t.Errorf("a cookie of %d bytes can be made: %v", n, ok)
		}
	}
	for set := range wire.OptionSet(255) {
		for _, n := range []int{0, 4, 6, 8, 10, 16} {
			h := wire.TCP{Options: withCookie(wire.Options{Set: set, AccECN: wire.AccECN0 + 3, SACKBlocks: 4}, cookie(n))}
			b := h.Append(nil)
			var again wire.TCP
			if m, d := wire.ParseTCP(b, &again); m != len(b) || d != wire.None || m > 60 || m != h.HeaderLen() {
				t.Errorf("%b with a cookie of %d bytes: %d bytes, %v", set, n, m, d)
			}
			if again.Options.Has(wire.OptFastOpen) && again.Options.FastOpen() != h.Options.FastOpen() || again.Options.Set&^h.Options.Set != 0 {
				t.Errorf("%b with a cookie of %d bytes became %v", set, n, &again.Options)
			}
		}
	}
}
