package tcp

import (
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/wire"
)

func TestTimeWaitEntrySize(t *testing.T) {
	if n := unsafe.Sizeof(waitEntry[waitKey4]{}); n > 56 {
		t.Errorf("an entry takes %d bytes", n)
	}
}

// TestWaitTable plays with the table and a map side by side.
func TestWaitTable(t *testing.T) {
	k := newCookies([16]byte{9})
	w := newWaiting(k.flow)
	r := rand.New(rand.NewPCG(5, 5))
	want := map[wire.Tuple]timeWait{}
	now := clock.Time(time.Hour)
	var known []wire.Tuple
	for i := range 60000 {
		now += clock.Time(r.IntN(1000)) + 1
		tuple, _ := spoofed(r, r.IntN(3) == 0, false)
		if len(known) > 0 && r.IntN(2) == 0 {
			tuple = known[r.IntN(len(known))]
		} else {
			known = append(known, tuple)
		}
		f := k.flow(&tuple)
		if r.IntN(3) == 0 {
			w.remove(f, &tuple)
			delete(want, tuple)
		} else {
			v := timeWait{ends: pack(now + 1e9), tsRecent: uint32(i)}
			w.put(f, &tuple, v)
			want[tuple] = v
		}
		if i%5000 == 0 {
			checkWaiting(t, &w, want)
		}
	}
	checkWaiting(t, &w, want)
	last := clock.Time(0)
	for w.count() > 0 {
		tuple, v := w.removeFirst()
		if v != want[tuple] || v.ends.time() < last {
			t.Fatalf("%v: got %+v, want %+v, after %v", tuple, v, want[tuple], last)
		}
		last = v.ends.time()
		delete(want, tuple)
	}
	if len(want) > 0 || w.due() != clock.Never {
		t.Errorf("%d are lost", len(want))
	}
}

func checkWaiting(t *testing.T, w *waiting, want map[wire.Tuple]timeWait) {
	t.Helper()
	if w.count() != len(want) {
		t.Fatalf("%d entries, want %d", w.count(), len(want))
	}
	for tuple, v := range want {
		if got := w.find(w.v4.flowOf(&tuple), &tuple); got == nil || *got != v {
			t.Fatalf("%v: got %+v, want %+v", tuple, got, v)
		}
	}
}

func TestLastChallenge(t *testing.T) {
	for _, at := range []clock.Time{1, 1e9, clock.Time(time.Hour), clock.Time(1000 * time.Hour)} {
		n := uint16(at / challengeUnit)
		for _, later := range []time.Duration{0, time.Second, time.Minute, 2 * time.Hour} {
			got := lastChallenge(at.Add(later), n)
			if got > max(at, 1) || at.Sub(got) > time.Duration(challengeUnit) {
				t.Errorf("challenge at %v, seen %v later, is taken for %v", at, later, got)
			}
		}
	}
}
