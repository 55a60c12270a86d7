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
// comes first; on a busy machine a twentieth more or less. None of the pairs starves.
func TestFlowsShare(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	for _, pair := range [][2]string{{"cubic", "bbr"}, {"bbr", "cubic"}, {"bbr", "bbr"}, {"cubic", "cubic"}} {
		for m, least := range map[machine]float64{{}: 0.25, {late: 3 * time.Millisecond}: 0.2} {
			if first, goodput := share(t, pair, 1, m); first < least || first > 1-least || goodput < 0.9 {
				t.Errorf("%v, timers %v late: the first has %.3f of %.3f", pair, m.late, first, goodput)
			}
		}
	}
}
