package tcp

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/detect"
)

// SYNs that wait for the program's verdict are not unanswered by the peer:
// only when the SYN-ACK has gone out the peer should be judged.
func TestPendingVerdictsAreNoFlood(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	e, l := server(t, Config{})
	l.Ask = true
	now := clock.Time(time.Hour)
	arrive := func(d time.Duration) {
		for end := now.Add(d); now < end; now = now.Add(time.Millisecond) {
			tuple, s := spoofed(r, false, false)
			e.Receive(now, path1500, &tuple, &s)
			drain(e, now)
			e.Advance(now)
		}
	}
	arrive(4 * time.Second)
	if v := e.Flood(now); v.Level > detect.Elevated || v.Numbers.SynRate < 900 || v.Numbers.Followed != 0 {
		t.Errorf("while SYNs wait: %v %+v", v, v.Numbers)
	}
	for y, ok := e.NextSyn(); ok; y, ok = e.NextSyn() {
		e.AcceptSyn(now, y)
	}
	drain(e, now)
	if n := e.Counters().FloodsDetected; n != 0 {
		t.Errorf("%d floods", n)
	}
	arrive(2 * time.Second)
	if v := e.Flood(now); v.Level != detect.Flood || e.Counters().FloodsDetected != 1 {
		t.Errorf("when their SYN-ACKs are not answered: %v", v)
	}
}

// The age of the oldest half-open entry is told through all its repetitions.
func TestOldestHalfOpen(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	e, _ := server(t, Config{})
	now := clock.Time(time.Hour)
	start := now
	tuple, s := spoofed(r, false, false)
	e.Receive(now, path1500, &tuple, &s)
	drain(e, now)
	for now.Sub(start) < 62*time.Second {
		now = now.Add(250 * time.Millisecond)
		e.Advance(now)
		drain(e, now)
		if got, want := e.oldestHalfOpen(now), now.Sub(start); got < want-time.Second || got > want+time.Second {
			t.Fatalf("after %v the oldest entry is %v old", want, got)
		}
	}
	now = now.Add(5 * time.Second)
	e.Advance(now)
	if got := e.oldestHalfOpen(now); got != 0 {
		t.Errorf("when it is gone, it is %v old", got)
	}
}
