package tcp

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// Deadlines come up in the order of their times, each once, however many there are and
// however far away they lie: held against a sorted list.
func TestDeadlinesInOrder(t *testing.T) {
	for _, most := range []int{10, manyItems, 20000} {
		for seed := range uint64(4) {
			r := rand.New(rand.NewPCG(seed, uint64(most)))
			var d deadlines[int]
			var want []clock.Time
			now := clock.Time(r.Int64N(1 << 50))
			spans := []time.Duration{1, time.Millisecond, time.Second, 15 * time.Second, time.Minute, time.Hour, 48 * time.Hour}
			for step := range 60 {
				for range r.IntN(most) / 8 {
					at := now.Add(time.Duration(r.Int64N(int64(spans[r.IntN(len(spans))])) + 1))
					d.push(at, 0)
					want = append(want, at)
				}
				slices.Sort(want)
				if step%9 == 8 { // every third goes, and the rest is in order all the same
					keep := func(at clock.Time, _ int) bool { return at%3 != 0 }
					kept := slices.DeleteFunc(slices.Clone(want), func(at clock.Time) bool { return at%3 == 0 })
					if d.prune(len(kept)/4+1, keep); d.len() <= len(kept) {
						want = kept
					}
				}
				now = now.Add(time.Duration(r.Int64N(int64(spans[r.IntN(len(spans))]))))
				for d.next() <= now {
					for _, it := range d.take(now, make([]deadline[int], 0, 1+r.IntN(20))) {
						if len(want) == 0 || it.at != want[0] {
							t.Fatalf("seed %d of %d: step %d: %v comes up", seed, most, step, it.at)
						}
						want = want[1:]
					}
				}
				if d.len() != len(want) || len(want) > 0 && (d.next() != want[0] || want[0] <= now) {
					t.Fatalf("seed %d of %d: step %d: %d left of %d, the next at %v", seed, most, step, d.len(), len(want), d.next())
				}
			}
		}
	}
}

// What is set again by the same time over and over takes the room of one round, and
// none is left when it has gone.
func TestDeadlinesKeepTheirRoom(t *testing.T) {
	var d deadlines[int]
	now, many := clock.Time(time.Hour), 20000
	for i := range many {
		d.push(now.Add(time.Duration(i)*15*time.Second/time.Duration(many)), i)
	}
	due := make([]deadline[int], 0, lookAhead)
	for end := now.Add(time.Minute); d.next() < end; {
		now = d.next()
		for _, it := range d.take(now, due) {
			d.push(now.Add(15*time.Second), it.key)
		}
	}
	room := cap(d.items)
	for _, s := range append(d.later.slots[:], d.later.spare...) {
		room += cap(s)
	}
	if d.len() != many || room > 4*many {
		t.Errorf("%d deadlines, and room for %d", d.len(), room)
	}
	if d.prune(0, func(clock.Time, int) bool { return false }); d.len() != 0 || d.later != nil || cap(d.items) > 256 {
		t.Errorf("%d deadlines are left, and room for %d", d.len(), cap(d.items))
	}
}
