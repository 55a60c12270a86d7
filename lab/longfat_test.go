package lab

import (
	"testing"
	"time"
)

// A path of 1 Gbit/s and a round trip of 100 ms is filled with the buffers that a
// connection has by default, whatever controls congestion: both grow to what it needs.
func TestLongFatPathIsFilled(t *testing.T) {
	if testing.Short() {
		t.Skip("several hundred thousand packets")
	}
	for _, algorithm := range []string{"cubic", "bbr"} {
		b := badWire{oneWay: 50 * time.Millisecond, algorithm: algorithm, fat: true}
		x := b.transfer(t, 1)
		x.run(3 * time.Second)
		before := x.got
		x.run(time.Second)
		if rate := float64(x.got-before) * 8 / 1e6; rate < 900 {
			i := x.conns[1].Info(x.now)
			t.Errorf("%s: %.0f Mbit/s of 1000 after 3 s; receive buffer %d, window %d", algorithm, rate, i.RcvSpace, x.conns[0].Info(x.now).SndCwnd)
		}
		x.release()
	}
}
