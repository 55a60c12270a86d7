package account

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// A bucket holds what is no longer than its bound, and longer than the one before; the
// last holds the rest.
func TestBuckets(t *testing.T) {
	for name, b := range map[string]*Bounds{"round trips": &RTTBounds, "lifetimes": &LifeBounds} {
		if !slices.IsSorted(b[:]) || len(slices.Compact(slices.Clone(b[:]))) != len(b) {
			t.Fatalf("%s: the bounds do not rise: %v", name, b)
		}
		for i, bound := range b {
			for d, want := range map[time.Duration]int{bound: i, bound + 1: i + 1} {
				var h Histogram
				h.add(b, d)
				if h.Counts[want] != 1 || h.Count() != 1 || h.Sum != d {
					t.Errorf("%s: %v is counted as %v, sum %v; want one in bucket %d", name, d, h.Counts, h.Sum, want)
				}
			}
		}
	}
}

// What was not measured counts nowhere, and a life is never negative.
func TestUnknownIsNotCounted(t *testing.T) {
	var all Totals
	all.Add(&Flow{Start: clock.Time(time.Second), End: clock.Time(time.Millisecond), Ending: TimedOut})
	if all.Handshake.Count() != 0 || all.RTT.Count() != 0 {
		t.Errorf("a handshake or a round trip of 0 is counted: %v", all)
	}
	if all.Life.Counts[0] != 1 || all.Life.Sum != 0 {
		t.Errorf("the life is %v, sum %v", all.Life.Counts, all.Life.Sum)
	}
	if all.Ends[TimedOut] != 1 {
		t.Errorf("the ends are %v", all.Ends)
	}
}

// It makes no difference which shard counted what.
func TestMergedTotals(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	up := func(to time.Duration) time.Duration { return time.Duration(r.Int64N(int64(to))) }
	var whole Totals
	var shards [4]Totals
	for range 1000 {
		f := Flow{Ending: Ending(r.IntN(NumEndings)), Handshake: up(20 * time.Second), RTT: up(20 * time.Second), End: clock.Time(up(10 * 24 * time.Hour))}
		whole.Add(&f)
		shards[r.IntN(len(shards))].Add(&f)
	}
	var sum Totals
	for i := range shards {
		sum.Merge(&shards[i])
	}
	if sum != whole {
		t.Errorf("together the shards have\n%v\nand one has\n%v", sum, whole)
	}
	if n := whole.Life.Count(); n != 1000 {
		t.Errorf("%d lives were counted", n)
	}
}

// Each ending has a name of its own, and those are failures that no program asked for.
func TestEndings(t *testing.T) {
	names := map[string]bool{}
	for e := range Ending(NumEndings) {
		names[e.String()] = true
		wanted := e == Open || e == Closed || e == Aborted
		if e.Failed() == wanted {
			t.Errorf("%v: a failure is %t", e, e.Failed())
		}
	}
	if len(names) != NumEndings || names[""] {
		t.Errorf("the names are %v", names)
	}
}
