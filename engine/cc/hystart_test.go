package cc

import (
	"math"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// Slow start is over before a queue that holds as much as the path overflows, and
// not before the path is full.
func TestSlowStartExit(t *testing.T) {
	for _, oneWay := range []time.Duration{5, 25, 100} {
		for _, mbit := range []float64{30, 50, 75, 100, 150} {
			p := newPath(mbit, 2*oneWay*time.Millisecond, 1)
			f := p.add(t, "cubic", 0)
			left := 0
			f.probe = func(f *flow, _ clock.Time) {
				if l := f.cc.Limits(); left == 0 && l.Threshold < math.MaxInt32 {
					left = l.Window
				}
			}
			p.run(40 * p.delay)
			if bdp := p.bdp(); left < bdp || left > 3*bdp/2 || p.dropped > 0 && f.losses == 0 || f.losses > 1 {
				t.Errorf("%v Mbit/s, %v ms: slow start ends at %.2f of the path, %d lost: %v", mbit, 2*int(oneWay), float64(left)/float64(bdp), p.dropped, f)
			}
			if p.dropped > 20 {
				t.Errorf("%v Mbit/s, %v ms: %d segments are lost", mbit, 2*int(oneWay), p.dropped)
			}
		}
	}
}

// round is one of slow start: 20 ACKs, 3 ms apart so that they are no train, each
// with a round trip of so many ms.
func (h *hystart) round(now *clock.Time, total *uint64, ms ...int) (grown int, over bool) {
	for i := range 20 {
		*now += clock.Time(3 * time.Millisecond)
		*total += 1000
		n, done := h.onAck(*now, &Ack{Limited: true, Delivered: 1000, Total: *total, InFlight: 19000, RTT: time.Duration(ms[min(i, len(ms)-1)]) * time.Millisecond})
		grown, over = grown+n, over || done
	}
	return grown, over
}

// A round trip that has grown by an eighth, 4 ms at least and 16 at most, begins
// conservative slow start, which grows by a quarter; after five rounds slow start is
// over, unless the round trip shrinks. RFC 9406 §4.2.
func TestHyStart(t *testing.T) {
	for _, k := range []struct {
		what   string
		rounds [][]int
		grown  []int // by each round
		over   int   // in which round, from 1; 0: not
	}{
		{"a steady round trip", [][]int{{100}, {100}, {100}, {100}}, []int{20000, 20000, 20000, 20000}, 0},
		{"12 ms more are less than an eighth", [][]int{{100}, {112}, {100}}, []int{20000, 20000, 20000}, 0},
		{"13 ms more are it", [][]int{{100}, {113}, {113}}, []int{20000, 7000 + 13*250, 5000}, 0},
		{"of a short round trip 4 ms", [][]int{{10}, {14}}, []int{20000, 7000 + 13*250}, 0},
		{"and not 3", [][]int{{10}, {13}}, []int{20000, 20000}, 0},
		{"of a long one 16 ms", [][]int{{400}, {416}}, []int{20000, 7000 + 13*250}, 0},
		{"the least of a round counts", [][]int{{100}, {100, 150}}, []int{20000, 20000}, 0},
		{"five rounds", [][]int{{100}, {120}, {120}, {120}, {120}, {120}, {120}}, []int{20000, 10250, 5000, 5000, 5000, 5000, 5000}, 7},
		{"a round trip that shrinks again", [][]int{{100}, {120}, {119}, {119}}, []int{20000, 10250, 7*250 + 13*1000, 20000}, 0},
	} {
		var h hystart
		now, total := clock.Time(time.Hour), uint64(0)
		over := 0
		for i, ms := range k.rounds {
			grown, done := h.round(&now, &total, ms...)
			if grown != k.grown[i] {
				t.Errorf("%s: round %d grows by %d, want %d", k.what, i+1, grown, k.grown[i])
			}
			if done && over == 0 {
				over = i + 1
			}
		}
		if over != k.over {
			t.Errorf("%s: over in round %d, want %d", k.what, over, k.over)
		}
	}
}

// ACKs that follow each other for half a round trip end slow start; those that come at
// once, or where the clock is too coarse to see the round trip, do not.
func TestACKTrain(t *testing.T) {
	for _, k := range []struct {
		what     string
		rtt, gap time.Duration
		over     int // at which ACK, from 1; 0: not
	}{
		{"a train of half a round trip", 100 * time.Millisecond, time.Millisecond, 51},
		{"gaps that are too long", 100 * time.Millisecond, 2500 * time.Microsecond, 0},
		{"gaps that are too long for a short round trip", time.Millisecond, 300 * time.Microsecond, 0},
		{"a train of a short round trip", time.Millisecond, 50 * time.Microsecond, 11},
		{"all at once", 100 * time.Millisecond, 0, 0},
		{"a clock that does not see the round trip", 1, 0, 0},
		{"a clock that sees it as a jump", 1, 10 * time.Microsecond, 0},
	} {
		var h hystart
		now, over := clock.Time(time.Hour), 0
		for i := range 200 {
			if _, done := h.onAck(now, &Ack{Limited: true, Delivered: 1000, Total: 1000 * uint64(i+1), InFlight: 1 << 20, RTT: k.rtt}); done && over == 0 {
				over = i + 1
			}
			now = now.Add(k.gap)
		}
		if over != k.over {
			t.Errorf("%s: over at ACK %d, want %d", k.what, over, k.over)
		}
	}
}
