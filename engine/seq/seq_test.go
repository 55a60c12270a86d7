package seq_test

import (
	"testing"

	"github.com/handfast-tcp/handfast/engine/seq"
)

// Comparisons follow the sign of the 32-bit difference, which 64-bit arithmetic
// computes here: on every machine, also where numbers are exactly 2^31 apart.
func TestComparisons(t *testing.T) {
	edges := []uint32{0, 1, 2, 1000, 1<<31 - 1, 1 << 31, 1<<31 + 1, 1<<31 + 1000, 1<<32 - 2, 1<<32 - 1}
	for _, x := range edges {
		for _, y := range edges {
			a, b := seq.Num(x), seq.Num(y)
			distance := (int64(x)-int64(y)+3<<31)%(1<<32) - 1<<31
			if got := a.Diff(b); int64(got) != distance {
				t.Errorf("%d - %d = %d, want %d", x, y, got, distance)
			}
			// if, not a value: what a compiler makes of a branch is its own.
			less, lessEq := 0, 0
			if a.Less(b) {
				less = 1
			}
			if a.LessEq(b) {
				lessEq = 1
			}
			if (less == 1) != (distance < 0) || (lessEq == 1) != (distance <= 0) {
				t.Errorf("%d against %d, %d apart: before %d, before or the same %d", x, y, distance, less, lessEq)
			}
			if first, last := seq.Min(a, b), seq.Max(a, b); distance > -1<<31 && !first.LessEq(last) {
				t.Errorf("of %d and %d the first is %d and the last %d", x, y, first, last)
			}
		}
	}
}
