package wire_test

import (
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// withOptions returns a TCP header with the bytes opt as its options; missing
// ones up to a multiple of four are NOPs.
func withOptions(opt []byte) []byte {
	b := make([]byte, 20, 60)
	b = append(b, opt...)
	for len(b)%4 != 0 {
		b = append(b, 1)
	}
	b[12] = byte(len(b)/4) << 4
	return b
}

func TestOptions(t *testing.T) {
	mss := wire.Options{Set: wire.OptMSS, MSS: 1460}
	cases := []struct {
		name string
		opt  []byte
		want wire.Options
		drop wire.Drop
	}{
		{name: "none"},
		{name: "only NOPs", opt: []byte{1, 1, 1, 1}},
		{name: "end at once, rubbish after it", opt: []byte{0, 2, 0, 99}},
		{name: "MSS, end, another option", opt: []byte{2, 4, 5, 0xb4, 0, 3, 3, 7}, want: mss},
		{name: "odd alignment", opt: []byte{1, 2, 4, 5, 0xb4}, want: mss},
		{name: "timestamps without padding first", opt: []byte{8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1},
			want: wire.Options{Set: wire.OptTimestamps, TSVal: 1, TSEcr: 2}},
		{name: "timestamps after NOPs, then SACK permitted", opt: []byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 4, 2},
			want: wire.Options{Set: wire.OptTimestamps | wire.OptSACKPermitted, TSVal: 1, TSEcr: 2}},
		{name: "one SACK block", opt: []byte{5, 10, 0, 0, 0, 1, 0xff, 0, 0, 2},
			want: wire.Options{Set: wire.OptSACK, SACKBlocks: 1, SACK: [4]wire.SACKBlock{{Left: 1, Right: 0xff000002}}}},
		{name: "window scale 255 counts as 14", opt: []byte{3, 3, 255},
			want: wire.Options{Set: wire.OptWindowScale, WindowScale: 14}},
		{name: "window scale 0", opt: []byte{3, 3, 0}, want: wire.Options{Set: wire.OptWindowScale}},

		{name: "unknown is skipped", opt: []byte{254, 6, 1, 2, 3, 4, 2, 4, 5, 0xb4}, want: mss},
		{name: "unknown without value", opt: []byte{6, 2, 2, 4, 5, 0xb4}, want: mss},
		{name: "repeated: the first counts", opt: []byte{2, 4, 5, 0xb4, 2, 4, 0, 1, 2, 4, 0, 2}, want: mss},
		{name: "repeated timestamps", opt: []byte{8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 8, 10, 9, 9, 9, 9, 9, 9, 9, 9},
			want: wire.Options{Set: wire.OptTimestamps, TSVal: 1, TSEcr: 2}},
		{name: "repeated SACK", opt: []byte{5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 5, 10, 9, 9, 9, 9, 9, 9, 9, 9},
			want: wire.Options{Set: wire.OptSACK, SACKBlocks: 1, SACK: [4]wire.SACKBlock{{Left: 1, Right: 2}}}},
		{name: "wrong length first, right one later", opt: []byte{2, 3, 1, 2, 4, 5, 0xb4}, want: mss},

		{name: "MSS of length 2", opt: []byte{2, 2, 1, 1}},
		{name: "MSS of length 6", opt: []byte{2, 6, 5, 0xb4, 0, 0}},
		{name: "window scale of length 2", opt: []byte{3, 2}},
		{name: "SACK permitted of length 3", opt: []byte{4, 3, 0}},
		{name: "timestamps of length 9", opt: []byte{8, 9, 0, 0, 0, 1, 0, 0, 0}},
		{name: "SACK without blocks", opt: []byte{5, 2}},
		{name: "SACK of one block and a half", opt: []byte{5, 14, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3}},

		{name: "length 0", opt: []byte{2, 0, 5, 0xb4}, drop: wire.BadOption},
		{name: "length 1", opt: []byte{2, 1, 5, 0xb4}, drop: wire.BadOption},
		{name: "unknown of length 0", opt: []byte{200, 0}, drop: wire.BadOption},
		{name: "past the end", opt: []byte{1, 1, 2, 3}, drop: wire.BadOption},
		{name: "far past the end", opt: []byte{99, 255, 0, 0}, drop: wire.BadOption},
		{name: "no length", opt: []byte{1, 1, 1, 2}, drop: wire.BadOption},
		{name: "right option before a bad one", opt: []byte{2, 4, 5, 0xb4, 3, 0, 0, 0}, drop: wire.BadOption, want: mss},
	}
	for _, c := range cases {
		b := withOptions(c.opt)
		var h wire.TCP
		n, d := wire.ParseTCP(b, &h)
		if d != c.drop || n != len(b) || h.Options != c.want {
			t.Errorf("%s: %d, %v\n got %+v\nwant %+v", c.name, n, d, h.Options, c.want)
		}
	}
}

// Every length of every kind that we know: the right one counts, others are
// skipped or bad, none is read past its end.
func TestOptionsEveryLength(t *testing.T) {
	right := map[byte][]byte{2: {4}, 3: {3}, 4: {2}, 5: {10, 18, 26, 34}, 8: {10}, 34: {2, 6, 8, 10, 12, 14, 16, 18}}
	set := map[byte]wire.OptionSet{2: wire.OptMSS, 3: wire.OptWindowScale, 4: wire.OptSACKPermitted,
		5: wire.OptSACK, 8: wire.OptTimestamps, 34: wire.OptFastOpen}
	for kind, lengths := range right {
		for length := range 256 {
			opt := make([]byte, 40)
			opt[0], opt[1] = kind, byte(length)
			want, wantSet := wire.None, wire.OptionSet(0)
			if length < 2 || length > len(opt) {
				want = wire.BadOption
			}
			for _, l := range lengths {
				if int(l) == length {
					wantSet = set[kind]
				}
			}
			var h wire.TCP
			if _, d := wire.ParseTCP(withOptions(opt), &h); d != want || h.Options.Set != wantSet {
				t.Errorf("kind %d, length %d: %v, set %b, want %v, %b", kind, length, d, h.Options.Set, want, wantSet)
			}
		}
	}
}

func FuzzParseTCP(f *testing.F) {
	for _, c := range tcpHeaders {
		f.Add(c.h.Append(nil))
	}
	f.Add(withOptions([]byte{2, 0}))
	f.Add(withOptions([]byte{2, 4, 5, 0xb4, 3, 3, 15, 4, 2, 253, 4, 1, 2, 0, 9}))
	f.Add(withOptions([]byte{5, 34, 31: 1, 33: 2, 4, 2, 1, 1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h, again wire.TCP
		n, d := wire.ParseTCP(b, &h)
		switch d {
		case wire.TooShort, wire.BadHeaderLength, wire.BadOption:
			return
		case wire.None:
		default:
			t.Fatalf("reason %v", d)
		}
		if n < 20 || n > 60 || n > len(b) {
			t.Fatalf("header of %d bytes in %d", n, len(b))
		}
		_ = h.String()
		out := h.Append(nil)
		if m, d := wire.ParseTCP(out, &again); m != h.HeaderLen() || m != len(out) || d != wire.None {
			t.Fatalf("appended %d bytes, HeaderLen %d, parsed %d, %v", len(out), h.HeaderLen(), m, d)
		}
		// Padding may take the room of a cookie,
		if h.Options.Has(wire.OptFastOpen) && !again.Options.Has(wire.OptFastOpen) {
			h.Options.SetFastOpen(wire.FastOpenCookie{})
			h.Options.Set &^= wire.OptFastOpen
		}
		// or of a block beside options of a SYN, or of all.
		h.Options.Set &^= wire.OptSACK &^ again.Options.Set
		if again.Options.SACKBlocks < h.Options.SACKBlocks {
			if h.Options.Set&(wire.OptMSS|wire.OptWindowScale|wire.OptSACKPermitted) == 0 {
				t.Fatalf("lost a SACK block: %v", &h)
			}
			for i := again.Options.SACKBlocks; i < h.Options.SACKBlocks; i++ {
				h.Options.SACK[i] = wire.SACKBlock{}
			}
			h.Options.SACKBlocks = again.Options.SACKBlocks
		}
		if again != h {
			t.Fatalf("got %+v\nwant %+v", again, h)
		}
	})
}

func FuzzParseQuotedTCP(f *testing.F) {
	f.Add(tcpHeaders[0].h.Append(nil)[:8])
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		var quoted, whole wire.TCP
		if d := wire.ParseQuotedTCP(b, &quoted); (d == wire.None) != (len(b) >= 8) {
			t.Fatalf("%d bytes: %v", len(b), d)
		}
		if _, d := wire.ParseTCP(b, &whole); d != wire.None {
			return
		}
		want := wire.TCP{SrcPort: whole.SrcPort, DstPort: whole.DstPort, Seq: whole.Seq}
		if quoted != want {
			t.Fatalf("got %+v, want %+v", quoted, want)
		}
	})
}

// Options as nearly all senders arrange them have a way of their own, and mean the same as
// in any other order.
func TestUsualOptionsAreLikeOthers(t *testing.T) {
	const mss, sackOK, stamp, scale = 0, 1, 2, 3
	parts := func(size uint16, shift byte, val uint32) [][]byte {
		return [][]byte{
			mss:    {2, 4, byte(size >> 8), byte(size)},
			sackOK: {4, 2},
			stamp:  {8, 10, byte(val >> 24), byte(val >> 16), byte(val >> 8), byte(val), byte(val), byte(val >> 8), byte(val >> 16), byte(val >> 24)},
			scale:  {1, 3, 3, shift},
		}
	}
	parse := func(p [][]byte, order ...int) wire.Options {
		var opt []byte
		for _, i := range order {
			opt = append(opt, p[i]...)
		}
		var h wire.TCP
		if _, d := wire.ParseTCP(withOptions(opt), &h); d != wire.None {
			t.Fatalf("% x: %v", opt, d)
		}
		return h.Options
	}
	for shift := range 256 {
		p := parts(uint16(shift*257), byte(shift), uint32(shift)*0x1020304)
		usual := parse(p, mss, sackOK, stamp, scale)
		if other := parse(p, scale, stamp, mss, sackOK); usual != other {
			t.Errorf("as usual %+v, in another order %+v", usual, other)
		}
		if usual.WindowScale != min(byte(shift), wire.MaxWindowScale) {
			t.Errorf("a scale of %d counts as %d", shift, usual.WindowScale)
		}
		nop := [][]byte{{1, 1}, p[stamp]}
		if usual, other := parse(nop, 0, 1), parse(nop, 1, 0); usual != other {
			t.Errorf("the timestamp alone as usual %+v, in another order %+v", usual, other)
		}
	}
}
