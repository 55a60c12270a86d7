package soak

import "testing"

// What should make no difference makes none.
func TestRelations(t *testing.T) {
	n := *lives
	if testing.Short() {
		n = min(n, 60)
	}
	for _, r := range Relations() {
		said := 0
		for i := range n / 2 {
			seed := *firstSeed + uint64(i)
			if !r.Applies(seed) {
				continue
			}
			said++
			if err := Compare(seed, r); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		}
		if said == 0 {
			t.Errorf("%s: it says nothing of any life", r.Name)
		}
	}
}
