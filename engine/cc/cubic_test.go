package cc

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// ackWindow acknowledges one window, segment by segment, over a round trip.
func ackWindow(c Controller, now clock.Time, rtt time.Duration) clock.Time {
	segments := c.Limits().Window / 1000
	for range segments {
		now = now.Add(rtt / time.Duration(segments))
		c.OnAck(now, Ack{Delivered: 1000, RTT: rtt, Limited: true})
	}
	return now
}

// window returns a controller whose window is so many segments of 1000 bytes, and
// whose slow start is over.
func window(name string, segments int) Controller {
	c := Make(name, Params{MSS: 1000})
	c.OnAck(0, Ack{Delivered: (segments - 10) * 1000, Limited: true})
	return c
}

// Calls, one after the other, and what they leave: β is 0.7, and a segment 1000
// bytes. RFC 9438 §4.6, §4.8 and §4.9.
func TestCubic(t *testing.T) {
	const open = math.MaxInt32
	type calls []func(Controller)
	for _, k := range []struct {
		what              string
		calls             calls
		window, threshold int
	}{
		{"slow start doubles in a round", calls{acks(10, 1000)}, 20000, open},
		{"a flight that did not fill the window earns nothing", calls{unearned}, 10000, open},
		{"a loss leaves 0.7 of what is in flight", calls{acks(10, 1000), loss(20000)}, 14000, 14000},
		{"a mark does the same", calls{acks(10, 1000), event(Event{Kind: Congestion, InFlight: 20000})}, 14000, 14000},
		{"of the flight, not of the window", calls{acks(10, 1000), loss(10000)}, 7000, 7000},
		{"a loss of little leaves two segments", calls{loss(1000)}, 2000, 2000},
		{"recovery earns nothing", calls{loss(10000), recovering}, 7000, 7000},
		{"a timeout leaves one segment", calls{timeout(10000)}, 1000, 7000},
		{"slow start goes up to the threshold", calls{timeout(10000), acks(6, 1000)}, 7000, 7000},
		{"a timeout again keeps the threshold", calls{timeout(10000), timeout(0)}, 1000, 7000},
		{"what was no loss is taken back", calls{acks(10, 1000), loss(20000), undone}, 20000, open},
		{"once", calls{loss(10000), undone, loss(4000), undone, undone}, 10000, open},
		{"an idle time gives back what is above the initial window, and keeps three quarters as threshold",
			calls{acks(90, 1000), loss(100000), restart}, 10000, 70000},
		{"a larger segment fits into the window", calls{timeout(10000), mss(1400)}, 1400, 7000},
	} {
		c := Make("cubic", Params{MSS: 1000})
		for _, call := range k.calls {
			call(c)
		}
		if l := c.Limits(); l.Window != k.window || l.Threshold != k.threshold {
			t.Errorf("%s: window %d, threshold %d, want %d and %d", k.what, l.Window, l.Threshold, k.window, k.threshold)
		}
	}
}

// After a loss the window follows C(t-K)³ + W_max, or what Reno would have if that
// is more: https://www.rfc-editor.org/rfc/rfc9438#section-4.2
func TestCubicFollowsItsCurve(t *testing.T) {
	for _, k := range []struct {
		segments int
		rtt      time.Duration
		seconds  float64
	}{{1000, 100 * time.Millisecond, 16}, {200, 100 * time.Millisecond, 10}, {3000, 50 * time.Millisecond, 20}, {100, 10 * time.Millisecond, 5}} {
		c := window("cubic", k.segments)
		loss(k.segments * 1000)(c)
		most := float64(k.segments)
		est, toMost := 0.7*most, math.Cbrt(0.3*most/0.4)
		start := clock.Time(time.Hour)
		now := start
		for elapsed := 0.0; elapsed < k.seconds; elapsed = now.Sub(start).Seconds() {
			alpha := 9.0 / 17
			if est >= most {
				alpha = 1
			}
			est += alpha
			now = ackWindow(c, now, k.rtt)
			at := now.Sub(start).Seconds()
			curve := 0.4*math.Pow(at-toMost, 3) + most
			want := max(curve, est)
			if got := float64(c.Limits().Window) / 1000; math.Abs(got-want) > 0.02*want+1 {
				t.Fatalf("%d segments, %v: after %.2f s the window is %.1f, the curve %.1f, W_est %.1f", k.segments, k.rtt, at, got, curve, est)
			}
		}
	}
}

// A window that does not reach the old W_max makes room: the plateau is at 0.85 of
// it. https://www.rfc-editor.org/rfc/rfc9438#section-4.7
func TestFastConvergence(t *testing.T) {
	c := window("cubic", 1000).(*cubic)
	loss(1000_000)(c)
	loss(700_000)(c)
	if c.max != 595_000 {
		t.Errorf("W_max is %d, want 0.85 of 700,000", c.max)
	}
	ackWindow(c, clock.Time(time.Hour), 100*time.Millisecond)
	if want := uint32(math.Cbrt((595-490)/0.4) * 1000); c.k != want {
		t.Errorf("K is %d ms, want %d", c.k, want)
	}
}

// Time in which the program or the peer holds us back does not count: RFC 9438 §5.8.
func TestCubicWaits(t *testing.T) {
	busy, pausing := window("cubic", 500), window("cubic", 500)
	now := clock.Time(time.Hour)
	loss(500_000)(busy)
	loss(500_000)(pausing)
	busyEnd, end := now, now
	for round := range 40 {
		busyEnd = ackWindow(busy, busyEnd, 100*time.Millisecond)
		end = ackWindow(pausing, end, 100*time.Millisecond)
		if round%10 == 5 {
			for range 100 {
				end = end.Add(100 * time.Millisecond)
				pausing.OnAck(end, Ack{Delivered: 1000})
			}
		}
	}
	if a, b := busy.Limits().Window, pausing.Limits().Window; a != b {
		t.Errorf("the window is %d, with pauses %d", a, b)
	}
}

// What was no loss leaves the curve as it was, and its time too: RFC 9438 §4.9.
func TestCubicUndo(t *testing.T) {
	for _, kind := range []EventKind{Loss, Congestion, Timeout} {
		c := window("cubic", 500)
		now := clock.Time(time.Hour)
		loss(500_000)(c)
		for range 30 {
			now = ackWindow(c, now, 100*time.Millisecond)
		}
		same := c.Clone()
		c.OnEvent(now, Event{Kind: kind, InFlight: c.Limits().Window})
		if c.Limits().Window >= same.Limits().Window {
			t.Errorf("event %d: no reduction", kind)
		}
		undone(c)
		if c.Limits() != same.Limits() {
			t.Errorf("event %d: %+v, was %+v", kind, c.Limits(), same.Limits())
		}
		at := now
		for range 30 {
			ackWindow(same, at, 100*time.Millisecond)
			at = ackWindow(c, at, 100*time.Millisecond)
		}
		if a, b := c.Limits().Window, same.Limits().Window; a != b {
			t.Errorf("event %d: 3 s later the window is %d, without the event %d", kind, a, b)
		}
	}
}

// Whatever happens, the window is a segment at least and MaxWindow at most, a clone
// goes its own way, and nothing overflows.
func TestControllersAlways(t *testing.T) {
	for _, name := range Names() {
		for seed := range uint64(30) {
			r := rand.New(rand.NewPCG(seed, 3))
			size := 64 + r.IntN(65000)
			now := clock.Time(r.Int64N(1 << 60))
			c := Make(name, Params{MSS: size, Now: now, Seed: seed})
			total := uint64(0)
			for range 600 {
				now = now.Add(time.Duration(r.Int64N(1 << r.IntN(42))))
				before, copied := c.Limits(), c.Clone()
				flight := r.IntN(2*min(before.Window, MaxWindow/2) + 1)
				switch r.IntN(12) {
				default:
					n := r.IntN(before.Window + 1)
					total += uint64(n)
					c.OnAck(now, Ack{Delivered: n, Marked: n / (1 + r.IntN(9)), InFlight: flight, Total: total, Limited: r.IntN(4) > 0,
						RTT: time.Duration(r.Int64N(1 << r.IntN(40))), Rate: Rate{Delivered: r.IntN(before.Window + 1),
							Interval: time.Duration(r.Int64N(1 << r.IntN(40))), InFlight: flight, Lost: r.IntN(flight + 1), AppLimited: r.IntN(3) == 0}})
				case 0:
					loss(flight)(c)
				case 1:
					timeout(flight)(c)
				case 2:
					restart(c)
				case 3:
					size = 64 + r.IntN(65000)
					mss(size)(c)
				case 4:
					undone(c)
				case 5:
					c.OnEvent(now, Event{Kind: Lost, Bytes: size, Sent: Rate{InFlight: flight, Lost: r.IntN(flight + 1)}})
				case 6:
					c.OnSend(now, Send{Bytes: size, InFlight: flight, Limited: r.IntN(2) == 0})
				}
				if l := c.Limits(); l.Window < size || l.Window > MaxWindow || l.Threshold < 64 || l.PacingRate > 0 && l.Burst < size {
					t.Fatalf("%s, seed %d: %+v, MSS %d", name, seed, l, size)
				}
				if copied.Limits() != before {
					t.Fatalf("%s, seed %d: the clone went from %+v to %+v", name, seed, before, copied.Limits())
				}
			}
		}
	}
}

// No call allocates.
func TestControllersDoNotAllocate(t *testing.T) {
	for _, name := range Names() {
		c := Make(name, Params{MSS: 1000})
		now, total := clock.Time(0), uint64(0)
		if n := testing.AllocsPerRun(1000, func() {
			now, total = now.Add(time.Millisecond), total+1000
			c.OnSend(now, Send{Bytes: 1000})
			c.OnAck(now, Ack{Delivered: 1000, Total: total, RTT: 30 * time.Millisecond, Limited: true,
				Rate: Rate{Delivered: 10000, Interval: 30 * time.Millisecond, InFlight: 20000}})
			c.OnEvent(now, Event{Kind: Lost, Bytes: 1000})
			if total%50000 == 0 {
				loss(10000)(c)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// Two flows share a path within 10 %, whichever comes first.
func TestCubicShares(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	p := newPath(100, 50*time.Millisecond, 1)
	p.add(t, "cubic", 0)
	p.add(t, "cubic", 5*time.Second)
	p.run(20 * time.Second)
	since, from := p.now, p.delivered()
	p.run(120 * time.Second)
	a, b := p.flows[0].total-from[0], p.flows[1].total-from[1]
	if share := float64(a) / float64(a+b); share < 0.45 || share > 0.55 {
		t.Errorf("the first has %.3f", share)
	}
	if g := p.goodput(since, from...); g < 0.95 {
		t.Errorf("goodput %.3f", g)
	}
}

// The steep end of the curve is no faster than half as much again in a round trip.
// https://www.rfc-editor.org/rfc/rfc9438#section-4.2
func TestCubicIsNoFasterThanItMay(t *testing.T) {
	c := Make("cubic", Params{MSS: 1000})
	loss(20000)(c)
	now := clock.Time(time.Second)
	for range 600 { // a minute in which hardly anything is sent
		now = now.Add(100 * time.Millisecond)
		c.OnAck(now, Ack{Delivered: 1, RTT: 100 * time.Millisecond, Limited: true})
	}
	for range 5 {
		before := c.Limits().Window
		now = now.Add(100 * time.Millisecond)
		c.OnAck(now, Ack{Delivered: before, RTT: 100 * time.Millisecond, Limited: true})
		if after := c.Limits().Window; after > before+before/2+1 || after < before+before/3 {
			t.Errorf("from %d to %d in a round trip", before, after)
		}
	}
}
