package lab

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/netem"
)

// share lets two flows with the controllers of pair share a path of 100 Mbit/s and 50 ms,
// whose queue holds so many of what is under way. The second begins three seconds after
// the first. It returns what part the first has of what arrives from then on, when both
// have had some time, and how much of the rate that is.
func share(t *testing.T, pair [2]string, bdps float64, m machine) (first, goodput float64) {
	t.Helper()
	const before, measured = 15 * time.Second, 35 * time.Second
	wires := netem.Config{Rate: wireRate, Delay: 25 * time.Millisecond, QueueBytes: int(bdps * 625_000)}
	r := busyPath{machine: m, data: wires, back: wires, config: tcp.Config{SendBuffer: 8 << 20, ReceiveBuffer: 8 << 20}}.start(t, 1)
	flows := [2][2]*tcp.Entry{r.bulk, r.ping}
	for i, f := range flows {
		if err := r.hosts[0].TCP().SetCongestionControl(r.now, f[0], pair[i]); err != nil {
			t.Fatal(err)
		}
	}
	var got [2]int
	for from := r.now; r.now.Sub(from) < before+measured; r.step() {
		for i, f := range flows {
			if i == 0 || r.now.Sub(from) > 3*time.Second {
				r.write(f[0])
			}
			if n := r.take(1, f[1]); r.now.Sub(from) > before {
				got[i] += n
			}
		}
	}
	r.release()
	sum := float64(got[0] + got[1])
	return float64(got[0]) / sum, sum * 8 / measured.Seconds() / wireRate
}

// Beside CUBIC BBR has no less than a quarter and no more than three quarters, whoever
// comes first; on a busy machine a twentieth more or less. None of the pairs starves. With
// late timers a tenth of a millisecond moves what one run gives between 0.16 and 0.53, so
// there the mean of some counts.
func TestFlowsShare(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	late := []time.Duration{2500, 2900, 3000, 3100, 3500} // microseconds
	for _, pair := range [][2]string{{"cubic", "bbr"}, {"bbr", "cubic"}, {"bbr", "bbr"}, {"cubic", "cubic"}} {
		if first, goodput := share(t, pair, 1, machine{}); first < 0.25 || first > 0.75 || goodput < 0.9 {
			t.Errorf("%v: the first has %.3f of %.3f", pair, first, goodput)
		}
		mean := 0.
		for _, d := range late {
			first, goodput := share(t, pair, 1, machine{late: d * time.Microsecond})
			if mean += first / float64(len(late)); goodput < 0.9 {
				t.Errorf("%v, timers %v late: goodput %.3f", pair, d*time.Microsecond, goodput)
			}
		}
		if mean < 0.2 || mean > 0.8 {
			t.Errorf("%v, timers about 3 ms late: the first has %.3f", pair, mean)
		}
	}
}
