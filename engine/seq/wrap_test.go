package seq_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/handfast-tcp/handfast/engine/seq"
)

// Where a stream begins makes no difference: what holds for places counted from
// 0 holds for the same places counted from any number, also across the wrap.
func TestShiftChangesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	for range 20000 {
		x, y, n := r.Uint32N(1<<31), r.Uint32N(1<<31), r.Uint32N(1<<31)
		if r.IntN(4) == 0 { // neighbours, edges
			y, n = x+r.Uint32N(3)-1, r.Uint32N(3)
		}
		base := seq.Num(r.Uint32())
		a, b := base.Add(seq.Size(x)), base.Add(seq.Size(y))
		dx, dy := int64(int32(x)), int64(int32(y))
		if a.Less(b) != (dx < dy) || a.LessEq(b) != (dx <= dy) || int64(a.Diff(b)) != dx-dy {
			t.Fatalf("%d and %d from %d on", x, y, base)
		}
		if dx <= dy && int64(b.Sub(a)) != dy-dx {
			t.Fatalf("%d lies %d after %d", b, b.Sub(a), a)
		}
		if got, want := b.In(a, seq.Size(n)), dx <= dy && dy < dx+int64(n); got != want {
			t.Fatalf("%d in the %d numbers from %d: %v", y, n, x, got)
		}
		if seq.Max(a, b) != base.Add(seq.Size(max(dx, dy))) || seq.Min(a, b) != base.Add(seq.Size(min(dx, dy))) {
			t.Fatalf("of %d and %d from %d on: first %d, last %d", x, y, base, seq.Min(a, b), seq.Max(a, b))
		}
	}
}

// Three octets before the wrap and five after it.
func Example() {
	last := seq.Num(1<<32 - 3)
	next := last.Add(8)
	fmt.Println(next, last.Less(next), next.Sub(last), seq.Num(2).In(last, 8))
	// Output: 5 true 8 true
}
