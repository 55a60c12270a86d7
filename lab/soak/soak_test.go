package soak

import (
	"flag"
	"testing"
	"time"
)

var (
	lives     = flag.Int("lives", 600, "how many lives are played")
	firstSeed = flag.Uint64("seed", 1, "the seed of the first life")
)

// Whatever befalls two hosts, what arrives is what was written, or they say why not.
//
//	go test ./lab/soak -run TestLives -lives 10000
//	go test ./lab/soak -run TestLives -lives 1 -seed 4711 -v
func TestLives(t *testing.T) {
	n := *lives
	if testing.Short() {
		n = min(n, 100)
	}
	var sum Totals
	for i := range n {
		begin := time.Now()
		r := Run(*firstSeed + uint64(i))
		if r.Err != nil {
			t.Errorf("-seed %d: %v\n%s", r.Seed, r.Err, r.Plan)
			if n == 1 {
				_, all := Replay(r.Seed)
				t.Log("\n" + all.Text())
			}
		}
		if took := time.Since(begin); took > time.Second {
			t.Logf("seed %d took %v: %d packets, %d bytes, %v", r.Seed, took, r.Packets, r.Bytes, r.Life)
		}
		sum.Add(&r)
	}
	t.Logf("%d lives: %d packets, %d bytes, %.1f virtual days; %d connections: %d whole, %d ended with an error",
		sum.Lives, sum.Packets, sum.Bytes, sum.Life.Hours()/24, sum.Conns, sum.Polite, sum.Failures)
	moves, all := sum.Coverage.Moves()
	t.Logf("%v of the relation; not %q", &sum.Coverage.Rows, sum.Coverage.Rows.Missing())
	missing, counters := sum.Coverage.Missing()
	t.Logf("%d of %d arrows; not %v; never counted %v", moves, all, missing, counters)
	if n > 50 && (sum.Polite == 0 || sum.Failures == 0) {
		t.Error("the lives show nothing: no connection was whole, or none failed")
	}
}
