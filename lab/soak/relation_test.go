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
			ok, err := Compare(*firstSeed+uint64(i), r)
			if err != nil {
				t.Errorf("seed %d: %v", *firstSeed+uint64(i), err)
			}
			if ok {
				said++
			}
		}
		if said == 0 {
			t.Errorf("%s: it says nothing of any life", r.Name)
		}
	}
}
