package wire_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// naiveSum is RFC 1071 as it is written: 16-bit words, carries added at the end.
func naiveSum(b []byte) uint16 {
	var sum uint64
	for i, v := range b {
		if i%2 == 0 {
			sum += uint64(v) << 8
		} else {
			sum += uint64(v)
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// fill returns n bytes: random, all ones, or all zeros, by kind.
func fill(n, kind int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(uint64(n), uint64(kind)))
	for i := range b {
		switch kind {
		case 0:
			b[i] = byte(r.Uint32())
		case 1:
			b[i] = 0xff
		}
	}
	return b
}

func TestSumAllLengthsAndOffsets(t *testing.T) {
	for kind := range 3 {
		whole := fill(700, kind)
		for offset := range 9 {
			for n := 0; n+offset <= len(whole); n++ {
				b := whole[offset : offset+n]
				if got, want := wire.Fold(wire.Sum(b, 0)), naiveSum(b); got != want {
					t.Fatalf("kind %d, %d bytes at %d: sum %#04x, want %#04x", kind, n, offset, got, want)
				}
			}
		}
	}
}

func TestSumLarge(t *testing.T) {
	for kind := range 3 {
		for _, n := range []int{1460, 9000, 65535, 65536, 70001} {
			b := fill(n, kind)
			if got, want := wire.Fold(wire.Sum(b, 0)), naiveSum(b); got != want {
				t.Errorf("kind %d, %d bytes: sum %#04x, want %#04x", kind, n, got, want)
			}
		}
	}
}

func TestSumAtJoinsPieces(t *testing.T) {
	for kind := range 3 {
		b := fill(150, kind)
		want := naiveSum(b)
		for i := range len(b) {
			for j := i; j <= len(b); j++ {
				sum := wire.SumAt(0, b[:i], 0)
				sum = wire.SumAt(sum, b[i:j], i)
				sum = wire.SumAt(sum, b[j:], j)
				if got := wire.Fold(sum); got != want {
					t.Fatalf("kind %d, cut at %d and %d: sum %#04x, want %#04x", kind, i, j, got, want)
				}
			}
		}
	}
}

func TestSumKeepsLargeInitial(t *testing.T) {
	b := []byte{0xff, 0xff, 0x12, 0x34}
	for _, initial := range []uint64{0, 1, 0xffff, 0x10000, 0xffff0000, 0xfffffffe, 0xffffffff, 1 << 63, 1<<64 - 2, 1<<64 - 1} {
		first := binary.BigEndian.AppendUint64(nil, initial)
		want := naiveSum(append(first, b...))
		if got := wire.Fold(wire.Sum(b, initial)); got != want {
			t.Errorf("initial %#x: sum %#04x, want %#04x", initial, got, want)
		}
	}
}

// The example of RFC 1071 §3.
func TestSumExample(t *testing.T) {
	b := []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}
	if got := wire.Fold(wire.Sum(b, 0)); got != 0xddf2 {
		t.Errorf("sum %#04x, want 0xddf2", got)
	}
	if got := wire.Checksum(wire.Sum(b, 0)); got != 0x220d {
		t.Errorf("checksum %#04x, want 0x220d", got)
	}
}

// The example of RFC 1624 §4, on which the update of RFC 1141 fails.
func TestUpdateChecksumExample(t *testing.T) {
	if got := wire.UpdateChecksum(0xdd2f, 0x5555, 0x3285); got != 0x0000 {
		t.Errorf("checksum %#04x, want 0", got)
	}
}

func TestUpdateChecksumAgreesWithRecomputation(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	edge := []uint16{0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff}
	word := func() uint16 {
		if r.IntN(2) == 0 {
			return edge[r.IntN(len(edge))]
		}
		return uint16(r.Uint32())
	}
	sum := func(a, b, c uint16) uint16 {
		return wire.Checksum(uint64(a) + uint64(b) + uint64(c))
	}
	for range 20000 {
		fixed, old, other, next := word()|1, word(), word(), word()
		got := wire.UpdateChecksum(sum(fixed, old, other), old, next)
		if want := sum(fixed, next, other); got != want {
			t.Fatalf("%#04x %#04x %#04x, second becomes %#04x: checksum %#04x, want %#04x",
				fixed, old, other, next, got, want)
		}
	}
}

func TestPseudoSum(t *testing.T) {
	cases := []struct {
		name   string
		src    string
		dst    string
		proto  uint8
		length int
		header []byte // as the RFC draws it
	}{
		{"IPv4", "192.0.2.1", "198.51.100.7", wire.ProtoTCP, 1480,
			[]byte{192, 0, 2, 1, 198, 51, 100, 7, 0, 6, 0x05, 0xc8}},
		{"IPv4, all ones", "255.255.255.255", "255.255.255.255", wire.ProtoUDP, 65535,
			[]byte{255, 255, 255, 255, 255, 255, 255, 255, 0, 17, 0xff, 0xff}},
		{"IPv4, zeros", "0.0.0.0", "0.0.0.0", wire.ProtoTCP, 0, []byte{0, 6}},
		{"IPv6", "2001:db8::1", "fe80::fffe:ffff", wire.ProtoICMPv6, 70000,
			[]byte{0x20, 0x01, 0x0d, 0xb8, 0, 1, 0xfe, 0x80, 0xff, 0xfe, 0xff, 0xff, 0, 1, 0x11, 0x70, 0, 58}},
	}
	for _, c := range cases {
		got := wire.Fold(wire.PseudoSum(addr(c.src), addr(c.dst), c.proto, c.length))
		if want := naiveSum(c.header); got != want {
			t.Errorf("%s: %#04x, want %#04x", c.name, got, want)
		}
	}
}

func FuzzSum(f *testing.F) {
	f.Add([]byte{}, uint16(0), uint64(0))
	f.Add([]byte{1}, uint16(1), uint64(1<<64-1))
	f.Add(fill(1461, 0), uint16(733), uint64(6))
	f.Add(fill(64, 1), uint16(63), uint64(0xffff0000))
	f.Fuzz(func(t *testing.T, b []byte, cut uint16, initial uint64) {
		i := int(cut) % (len(b) + 1)
		first := binary.BigEndian.AppendUint64(nil, initial)
		want := naiveSum(append(first, b...))
		if got := wire.Fold(wire.Sum(b, initial)); got != want {
			t.Fatalf("sum %#04x, want %#04x", got, want)
		}
		if got := wire.Fold(wire.SumAt(wire.Sum(b[:i], initial), b[i:], i)); got != want {
			t.Fatalf("cut at %d: sum %#04x, want %#04x", i, got, want)
		}
	})
}
