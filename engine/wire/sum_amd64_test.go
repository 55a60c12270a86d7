package wire

import (
	"math/rand/v2"
	"testing"
)

// TestSumWithAndWithoutVectors: both ways give the same, for all lengths and
// places in memory.
func TestSumWithAndWithoutVectors(t *testing.T) {
	if !useVector {
		t.Skip("this processor has no AVX2: there is one way only")
	}
	defer func() { useVector = true }()
	r := rand.New(rand.NewPCG(1, 2))
	whole := make([]byte, 70000)
	for i := range whole {
		whole[i] = byte(r.Uint32()) | byte(i>>12) // from random to nearly all ones
	}
	check := func(b []byte) {
		useVector = true
		with := Fold(sumBytes(b))
		useVector = false
		if without := Fold(sumBytes(b)); with != without {
			t.Fatalf("%d bytes: %#04x with vectors, %#04x without", len(b), with, without)
		}
	}
	for n := range 1600 {
		check(whole[n%67 : n%67+n])
	}
	for range 200 {
		from := r.IntN(len(whole))
		check(whole[from : from+r.IntN(len(whole)-from+1)])
	}
}
