package cc

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// RFC 6928 §2: min(10*MSS, max(2*MSS, 14600)).
func TestInitialWindow(t *testing.T) {
	for mss, want := range map[int]int{1: 10, 536: 5360, 1448: 14480, 1460: 14600, 1500: 14600, 7300: 14600, 8948: 17896, 65000: 130000} {
		if got := InitialWindow(mss); got != want {
			t.Errorf("MSS %d: initial window %d, want %d", mss, got, want)
		}
		if c := Make("reno", Params{MSS: mss}); c.Limits() != (Limits{Window: want, Threshold: math.MaxInt32}) || c.Name() != "reno" {
			t.Errorf("MSS %d: window %d, threshold %d", mss, c.Limits().Window, c.Limits().Threshold)
		}
	}
}

func acks(n, bytes int) func(Controller) {
	return func(c Controller) {
		for range n {
			c.OnAck(0, Ack{Delivered: bytes, Limited: true})
		}
	}
}

func event(e Event) func(Controller)        { return func(c Controller) { c.OnEvent(0, e) } }
func loss(inFlight int) func(Controller)    { return event(Event{Kind: Loss, InFlight: inFlight}) }
func timeout(inFlight int) func(Controller) { return event(Event{Kind: Timeout, InFlight: inFlight}) }
func restart(c Controller)                  { c.OnEvent(0, Event{Kind: Idle}) }
func mss(n int) func(Controller)            { return event(Event{Kind: Resized, MSS: n}) }
func undone(c Controller)                   { c.OnEvent(0, Event{Kind: Undo}) }
func recovering(c Controller) {
	c.OnAck(0, Ack{Delivered: 20000, Limited: true, Recovery: true})
	c.OnEvent(0, Event{Kind: Recovered})
}
func unearned(c Controller) { c.OnAck(0, Ack{Delivered: 1 << 20, RTT: time.Second}) }

// Calls, one after the other, and what they leave. The segment size is 1000 bytes
// and the initial window 10,000.
func TestNewReno(t *testing.T) {
	const open = math.MaxInt32
	type calls []func(Controller)
	for _, k := range []struct {
		what              string
		calls             calls
		window, threshold int
	}{
		{"slow start grows by what is acknowledged", calls{acks(3, 1000)}, 13000, open},
		{"slow start doubles in a round", calls{acks(10, 1000)}, 20000, open},
		{"an ACK for two segments counts twice", calls{acks(5, 2000)}, 20000, open},
		{"a split ACK counts once", calls{acks(10, 100)}, 11000, open},
		{"a flight that did not fill the window earns nothing", calls{unearned}, 10000, open},
		{"a loss halves what is in flight", calls{loss(10000)}, 5000, 5000},
		{"a loss of little leaves two segments", calls{loss(1000)}, 2000, 2000},
		{"a loss counts the flight, not the window", calls{acks(30, 1000), loss(12000)}, 6000, 6000},
		{"avoidance grows by one segment a window", calls{loss(10000), acks(5, 1000)}, 6000, 5000},
		{"not by less than a window", calls{loss(10000), acks(49, 100)}, 5000, 5000},
		{"whatever the ACKs are", calls{loss(10000), acks(50, 100)}, 6000, 5000},
		{"one ACK may be worth several windows", calls{loss(10000), acks(1, 5000+6000+7000)}, 8000, 5000},
		{"a loss forgets what was saved up", calls{loss(10000), acks(4, 1000), loss(10000), acks(1, 1000)}, 5000, 5000},
		{"a timeout leaves one segment", calls{timeout(10000)}, 1000, 5000},
		{"slow start goes up to the threshold", calls{timeout(10000), acks(4, 1000)}, 5000, 5000},
		{"and what crosses it counts for avoidance", calls{timeout(10000), acks(1, 4000+5000)}, 6000, 5000},
		{"a timeout with nothing in flight keeps the threshold", calls{timeout(10000), timeout(0)}, 1000, 5000},
		{"an idle time gives back what is above the initial window", calls{acks(30, 1000), restart}, 10000, open},
		{"and gives nothing", calls{timeout(10000), restart}, 1000, 5000},
		{"and forgets what was saved up", calls{acks(90, 1000), loss(80000), acks(39, 1000), restart, acks(1, 1000)}, 11000, 40000},
		{"an ECN mark is a loss of nothing", calls{event(Event{Kind: Congestion, InFlight: 10000})}, 5000, 5000},
		{"recovery earns nothing", calls{loss(10000), recovering}, 5000, 5000},
		{"what was no loss is taken back", calls{loss(10000), undone}, 10000, open},
		{"and so is a timeout", calls{timeout(10000), timeout(0), acks(2, 1000), undone}, 10000, open},
		{"a window that grew larger meanwhile stays", calls{timeout(10000), acks(60, 1000), acks(4, 30000), undone}, 19000, open},
		{"once", calls{loss(10000), undone, loss(4000), undone, undone, acks(1, 1000)}, 11000, open},
		{"a larger segment fits into the window", calls{timeout(10000), mss(1400)}, 1400, 5000},
		{"a smaller one leaves the window", calls{mss(500)}, 10000, open},
		{"and sets the step", calls{mss(500), loss(10000), acks(5, 1000)}, 5500, 5000},
	} {
		c := Make("reno", Params{MSS: 1000})
		for _, call := range k.calls {
			call(c)
		}
		if c.Limits().Window != k.window || c.Limits().Threshold != k.threshold {
			t.Errorf("%s: window %d, threshold %d, want %d and %d", k.what, c.Limits().Window, c.Limits().Threshold, k.window, k.threshold)
		}
	}
}

// Rules that hold after any calls: the window is a segment at least, grows only
// by an ACK that earned it and by no more than its phase allows, and a clone goes
// its own way.
func TestNewRenoAlways(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 2))
		size := 88 + r.IntN(9000)
		c := Make("reno", Params{MSS: size})
		for range 400 {
			before, copied := c.Limits().Window, c.Clone()
			most := before
			switch flight := r.IntN(2*before + 1); r.IntN(6) {
			default:
				a := Ack{Delivered: r.IntN(before + 1), Limited: r.IntN(4) > 0}
				if a.Limited { // in slow start what is acknowledged, above it a segment a window
					most += min(a.Delivered, max(c.Limits().Threshold-before, 0)) + size
				}
				c.OnAck(0, a)
			case 0:
				loss(flight)(c)
				most = max(flight/2, 2*size)
			case 1:
				timeout(flight)(c)
				most = size
			case 2:
				restart(c)
				most = min(before, InitialWindow(size))
			case 3:
				size = 88 + r.IntN(9000)
				mss(size)(c)
				most = max(before, size)
			}
			if w := c.Limits().Window; w < size || w > most || c.Limits().Threshold < 2*88 {
				t.Fatalf("seed %d: window %d after %d, at most %d, MSS %d, threshold %d", seed, w, before, most, size, c.Limits().Threshold)
			}
			if copied.Limits().Window != before {
				t.Fatalf("seed %d: the clone's window went from %d to %d", seed, before, copied.Limits().Window)
			}
		}
	}
}
