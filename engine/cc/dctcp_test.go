package cc

import (
	"testing"
	"time"
)

// The window falls by half of what is marked on average, which follows each window by
// a sixteenth: RFC 8257 §3.3.
func TestDCTCP(t *testing.T) {
	d := Make("dctcp", Params{MSS: 1000}).(*dctcp)
	mark := event(Event{Kind: Congestion})
	if mark(d); d.Limits().Window != 5000 {
		t.Errorf("at first all counts as marked: %d", d.Limits().Window)
	}
	alpha, total := 1.0, uint64(0)
	for i := range 100 {
		marked := 0
		if i >= 50 {
			marked = 250
		}
		for range 10 {
			total += 1000
			d.OnAck(0, Ack{Delivered: 1000, Marked: marked, Total: total, InFlight: 9000})
		}
		if i > 0 {
			alpha += (float64(marked)/1000 - alpha) / 16
		}
	}
	if got := float64(d.alpha) / alphaOne; got < alpha-0.02 || got > alpha+0.02 {
		t.Errorf("alpha is %.3f, want %.3f", got, alpha)
	}
	d.cwnd = 100_000
	if mark(d); d.cwnd < 100_000-int32(50_000*(alpha+0.02)) || d.cwnd > 100_000-int32(50_000*(alpha-0.02)) {
		t.Errorf("the window is %d, alpha %.3f", d.cwnd, alpha)
	}
	if loss(100_000)(d); d.cwnd != 50_000 {
		t.Errorf("a loss leaves %d", d.cwnd)
	}
}

// On a queue that marks early the path stays full, and the queue short: about the
// threshold.
func TestDCTCPKeepsTheQueueShort(t *testing.T) {
	p := newPath(1000, time.Millisecond, 5)
	p.mark = p.bdp() / 3
	f := p.add(t, "dctcp", 0)
	p.add(t, "dctcp", 100*time.Millisecond)
	p.run(time.Second)
	since, from := p.now, p.delivered()
	p.waited, p.waits = 0, 0
	p.run(3 * time.Second)
	wait := float64(p.meanWait()) / float64(p.delay)
	if g := p.goodput(since, from...); g < 0.98 || wait > 0.6 || p.dropped > 0 {
		t.Errorf("goodput %.3f, the queue holds %.2f of the path, %d lost: %v", g, wait, p.dropped, f)
	}
	a, b := p.flows[0].total-from[0], p.flows[1].total-from[1]
	if share := float64(a) / float64(a+b); share < 0.45 || share > 0.55 {
		t.Errorf("the first has %.3f", share)
	}
}
