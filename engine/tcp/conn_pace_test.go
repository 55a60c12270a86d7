package tcp

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// What leaves at one time is worth a burst, and the next leaves when the rate has
// caught up: no more often than the burst lasts, and for no longer than it takes.
func TestPacing(t *testing.T) {
	p := newPair(t, Config{CongestionControl: "bbr", SendBuffer: 1 << 21, ReceiveBuffer: 1 << 21})
	client, server := p.connect()
	sent := map[clock.Time]int{}
	p.fate = func(from int, o *Output) (bool, time.Duration) {
		if from == 0 {
			sent[p.now] += o.Len
		}
		return false, 0
	}
	start, got, total := p.now, 0, 4<<20
	p.write(0, client, make([]byte, total))
	p.until("arrived", func() bool {
		got += len(p.read(1, server))
		limits := client.cc.Limits()
		if n := sent[p.now]; limits.PacingRate > 0 && n > limits.Burst+2*int(client.path.mss) {
			t.Fatalf("%d bytes left at once, a burst is %d", n, limits.Burst)
		}
		return got == total
	})
	if took := p.now.Sub(start); took > 3*time.Second {
		t.Errorf("%d bytes took %v", total, took)
	}
	if len(sent) < 20 {
		t.Errorf("all left in %d bursts", len(sent))
	}
}

func TestTimeFor(t *testing.T) {
	for _, c := range []struct {
		bytes int
		rate  uint64
		want  time.Duration
	}{{1000, 1000, time.Second}, {1500, 12_500_000, 120 * time.Microsecond}, {1, 1 << 40, 0}, {1 << 30, 1, time.Hour}, {0, 1, 0}} {
		if got := timeFor(c.bytes, c.rate); got != c.want {
			t.Errorf("%d bytes at %d: %v, want %v", c.bytes, c.rate, got, c.want)
		}
	}
}
