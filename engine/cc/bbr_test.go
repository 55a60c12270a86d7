package cc

import (
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// settle lets the flows of a path run for a while, and then measures: what part of
// the rate they have together, and what of that the first has.
func (p *path) settle(before, measured time.Duration) (goodput, share float64) {
	p.run(before)
	since, from := p.now, p.delivered()
	p.waited, p.waits = 0, 0
	p.run(measured)
	first := p.flows[0].total - from[0]
	return p.goodput(since, from...), float64(first) / float64(p.rate*measured.Seconds()) / p.goodput(since, from...)
}

// Random loss is no congestion: the path stays full, and the queue nearly empty,
// however long it is.
func TestBBRFillsThePath(t *testing.T) {
	for _, queue := range []float64{0.5, 1, 5} {
		for _, loss := range []float64{0, 0.01, 0.03} {
			t.Run(fmt.Sprintf("queue %v loss %v", queue, loss), func(t *testing.T) {
				p := newPath(100, 50*time.Millisecond, queue)
				p.loss = loss
				f := p.add(t, "bbr", 0)
				goodput, _ := p.settle(2*time.Second, 8*time.Second)
				if goodput < 0.9 || p.meanWait() > p.delay/8 || f.timeouts > 0 {
					t.Errorf("goodput %.3f, in the queue for %v: %v", goodput, p.meanWait(), f)
				}
			})
		}
	}
}

// Startup finds the rate in some round trips, and Drain leaves no queue.
func TestBBRStartup(t *testing.T) {
	for _, mbit := range []float64{1, 10, 100} {
		for _, rtt := range []time.Duration{2 * time.Millisecond, 20 * time.Millisecond, 200 * time.Millisecond} {
			p := newPath(mbit, rtt, 10)
			p.queue = max(p.queue, 30*1448)
			b := p.add(t, "bbr", 0).cc.(*bbr)
			p.run(max(25*rtt, 2*time.Second))
			if got := float64(b.rate.max()) / p.rate; got < 0.9 || got > 1.05 || !b.full.reached || b.state < bbrDown {
				t.Errorf("%v Mbit/s, %v: the rate is found to be %.2f of it, state %d", mbit, rtt, got, b.state)
			}
		}
	}
}

// A path that has become slower, or faster, is found out.
func TestBBRFollowsThePath(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	p := newPath(50, 40*time.Millisecond, 2)
	b := p.add(t, "bbr", 0).cc.(*bbr)
	p.run(5 * time.Second)
	for _, factor := range []float64{4, 0.25} {
		p.rate *= factor
		p.run(20 * time.Second)
		if got := float64(b.rate.max()) / p.rate; got < 0.9 || got > 1.1 {
			t.Errorf("after a change by %v: the rate is found to be %.2f of it", factor, got)
		}
	}
}

// Two flows share, whoever comes first and however long the queue is; beside CUBIC a
// flow has no less than a quarter and no more than three quarters.
func TestBBRShares(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	for _, pair := range [][2]string{{"bbr", "bbr"}, {"bbr", "cubic"}, {"cubic", "bbr"}} {
		for _, queue := range []float64{0.5, 1, 2} {
			for _, rtt := range []time.Duration{10 * time.Millisecond, 50 * time.Millisecond} {
				p := newPath(100, rtt, queue)
				p.add(t, pair[0], 0)
				p.add(t, pair[1], 3*time.Second)
				goodput, share := p.settle(15*time.Second, 35*time.Second)
				if goodput < 0.95 || share < 0.24 || share > 0.76 {
					t.Errorf("%v, %v, queue %v: goodput %.3f, the first has %.3f", pair, rtt, queue, goodput, share)
				}
			}
		}
	}
}

// The same seed draws the same, and another one something else.
func TestBBRRepeats(t *testing.T) {
	run := func(seed uint64) uint64 {
		p := newPath(20, 20*time.Millisecond, 1)
		p.loss = 0.01
		f := p.add(t, "bbr", 0)
		f.cc = Make("bbr", Params{MSS: f.mss, Now: f.start, Seed: seed})
		p.run(20 * time.Second)
		return f.total<<20 | uint64(f.losses)
	}
	if a, b := run(1), run(1); a != b {
		t.Errorf("%d and %d", a, b)
	}
	if run(1) == run(2) {
		t.Error("another seed draws the same")
	}
}

// What was no loss is taken back: the state, the bounds and the window.
func TestBBRUndo(t *testing.T) {
	p := newPath(100, 20*time.Millisecond, 5)
	f := p.add(t, "bbr", 0)
	p.run(60 * time.Millisecond)
	b := f.cc.(*bbr)
	if b.state != bbrStartup {
		t.Fatalf("state %d", b.state)
	}
	before := *b
	b.OnEvent(p.now, Event{Kind: Timeout, InFlight: f.inFlight})
	if b.cwnd != b.mss {
		t.Errorf("a timeout leaves %d", b.cwnd)
	}
	undone(b)
	if b.cwnd != before.cwnd || b.state != bbrStartup || b.bounds.long != before.bounds.long || b.repairing {
		t.Errorf("window %d, was %d; state %d", b.cwnd, before.cwnd, b.state)
	}
}

// An ACK of which nobody knows when what it delivers was sent is no round trip and no
// measure of the rate; a connection that never knows keeps its first window.
func TestBBRWithoutSamples(t *testing.T) {
	b := Make("bbr", Params{MSS: 1000}).(*bbr)
	total := uint64(0)
	for i := range 1000 {
		total += 1000
		b.OnAck(clock.Time(i)*clock.Time(time.Millisecond), Ack{Delivered: 1000, Total: total, InFlight: 9000, RTT: 10 * time.Millisecond, Limited: true})
	}
	if b.rounds.count > 0 || b.rate.max() > 0 || b.cwnd < InitialWindow(b.mss) || b.cwnd > 2*InitialWindow(b.mss) {
		t.Errorf("%d rounds, rate %d, window %d", b.rounds.count, b.rate.max(), b.cwnd)
	}
}
