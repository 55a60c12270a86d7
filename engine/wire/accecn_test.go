package wire_test

import (
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// An AccECN option of any length is read as far as it has whole counters, and of several
// the first counts, whatever their orders.
func TestAccECNOfAnyLength(t *testing.T) {
	for _, kind := range []byte{172, 174} {
		for n := range 36 {
			o := []byte{kind, byte(2 + n)}
			for i := range n {
				o = append(o, byte(i+1))
			}
			o = append(o, 174, 2)
			for len(o)%4 != 0 {
				o = append(o, 1)
			}
			b := append((&wire.TCP{Flags: wire.ACK}).Append(nil), o...)
			b[12] = byte(len(b) / 4 << 4)
			var h wire.TCP
			if _, d := wire.ParseTCP(b, &h); d != wire.None || h.Options.Set != wire.OptAccECN {
				t.Fatalf("kind %d, %d bytes: %v, options %b", kind, n, d, h.Options.Set)
			}
			a := h.Options.AccECN
			if (a&wire.AccECN1 != 0) != (kind == 174) || a.Count() != min(n/3, 3) {
				t.Errorf("kind %d, %d bytes: %d", kind, n, a)
			}
			var want [3]uint32
			for i := range min(n/3, 3) {
				want[a.At(i)] = uint32(3*i+1)<<16 | uint32(3*i+2)<<8 | uint32(3*i+3)
			}
			if h.Options.Echo != want {
				t.Errorf("kind %d, %d bytes: %x, want %x", kind, n, h.Options.Echo, want)
			}
		}
	}
}

// The flags are a number, from the highest: AE, CWR, ECE.
func TestACE(t *testing.T) {
	for n := range uint8(16) {
		f := wire.ACEFlags(n)
		if f.ACE() != n&7 || f&^wire.ACEMask != 0 || f.Has(wire.AE) != (n&4 != 0) || f.Has(wire.CWR) != (n&2 != 0) || f.Has(wire.ECE) != (n&1 != 0) {
			t.Errorf("%d is %v", n, f)
		}
	}
}
