package lab

import (
	"flag"
	"testing"
)

var (
	randomRuns = flag.Int("runs", 300, "how many random runs")
	randomSeed = flag.Uint64("seed", 1, "the seed of the first random run")
)

// Two hosts over bad wires deliver exactly what was written, or say why not.
//
//	go test ./lab -run TestRandomRuns -runs 10000
//	go test ./lab -run TestRandomRuns -runs 1 -seed 4711 -v
func TestRandomRuns(t *testing.T) {
	var sum RandomReport
	for i := range *randomRuns {
		r := RandomRun(*randomSeed + uint64(i))
		if r.Err != nil {
			t.Errorf("-seed %d: %v\n%s", r.Seed, r.Err, r.Plan)
			if *randomRuns == 1 {
				_, all := ReplayRandom(r.Seed)
				t.Log("\n" + all.Text())
			}
			if t.Failed() && testing.Short() {
				return
			}
		}
		sum.Packets += r.Packets
		sum.Bytes += r.Bytes
		sum.Life += r.Life
		sum.Polite += r.Polite
		sum.Failures += r.Failures
	}
	t.Logf("%d runs: %d packets, %d bytes, %.1f virtual days; %d connections whole, %d ended with an error",
		*randomRuns, sum.Packets, sum.Bytes, sum.Life.Hours()/24, sum.Polite, sum.Failures)
	if sum.Polite == 0 || sum.Failures == 0 {
		t.Error("the runs show nothing: no connection was whole, or none failed")
	}
}
