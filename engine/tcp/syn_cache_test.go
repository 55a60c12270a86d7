package tcp

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/secret"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// TestHalfOpenCache plays with the cache and a map side by side: entries of
// both families come, wait for something else, go, and are evicted.
func TestHalfOpenCache(t *testing.T) {
	k := newCookies(secret.New([16]byte{8}))
	c := &halfOpenCache{limit: 1500}
	c.hashes = &k
	r := rand.New(rand.NewPCG(6, 6))
	want := map[wire.Tuple]seq.Num{}
	var known []wire.Tuple
	now := clock.Time(time.Hour)
	for i := range 10000 {
		now += 1000
		tuple, _ := spoofed(r, r.IntN(2) == 0, false)
		if i >= 3000 && r.IntN(2) == 0 { // at first they only come
			tuple = known[r.IntN(len(known))]
		}
		known = append(known, tuple)
		f := k.flow(&tuple)
		at := c.find(f, &tuple)
		if _, ok := want[tuple]; ok != (at != 0) {
			t.Fatalf("%v: found %d, want %v", tuple, at, ok)
		}
		switch {
		case at == 0:
			h := halfOpen{irs: seq.Num(i), due: pack(now)}
			victim, _ := c.room(f, true)
			at := c.insert(f, &tuple, &h, victim)
			want[tuple] = h.irs
			c.schedule(at)
			if victim != 0 {
				forgetEvicted(t, c, want)
			}
		case r.IntN(2) == 0:
			c.unschedule(at)
			c.at(at).retries, c.at(at).due = uint8(r.IntN(3)), pack(now)
			c.schedule(at)
		default:
			c.remove(f, at)
			delete(want, tuple)
		}
		if i%1000 == 0 {
			checkHalfOpenCache(t, c, want)
		}
	}
	checkHalfOpenCache(t, c, want)
	for at := range c.all {
		tuple := c.tuple(at)
		c.remove(k.flow(&tuple), at)
	}
	checkHalfOpenCache(t, c, nil)
}

// forgetEvicted takes out of want the one that c no longer has.
func forgetEvicted(t *testing.T, c *halfOpenCache, want map[wire.Tuple]seq.Num) {
	t.Helper()
	for tuple := range want {
		if c.find(c.hashes.flow(&tuple), &tuple) == 0 {
			delete(want, tuple)
			return
		}
	}
	t.Fatal("none was evicted")
}

func checkHalfOpenCache(t *testing.T, c *halfOpenCache, want map[wire.Tuple]seq.Num) {
	t.Helper()
	seen, queued, shares := 0, 0, uint32(0)
	for at := range c.all {
		if irs, ok := want[c.tuple(at)]; !ok || c.at(at).irs != irs {
			t.Fatalf("%v is %d, want %d, %v", c.tuple(at), c.at(at).irs, irs, ok)
		}
		seen++
	}
	for i := range c.waiting {
		last := clock.Time(0)
		for at := c.waiting[i].first; at != 0; at = c.links(at).next {
			if h := c.at(at); int(h.retries) != i || h.due.time() < last {
				t.Fatalf("queue %d has an entry with %d retries, due %v after %v", i, h.retries, h.due.time(), last)
			}
			last = c.at(at).due.time()
			queued++
		}
	}
	if c.shares != nil {
		for _, n := range c.shares {
			shares += n
		}
	}
	if seen != len(want) || queued != seen || int(shares) != seen || c.count != seen {
		t.Fatalf("%d entries, %d queued, %d in shares, count %d, want %d", seen, queued, shares, c.count, len(want))
	}
}

// TestEvictionOrder: a larger share goes before more retries, these before the
// older, and one without its SYN-ACK never.
func TestEvictionOrder(t *testing.T) {
	c := &halfOpenCache{shares: new([1024]uint32)}
	c.shares[1], c.shares[2] = 10, 100
	order := []halfOpen{
		{share: 2, due: pack(9e9)},
		{share: 1, retries: 2, due: pack(9e9)},
		{share: 1, retries: 1, due: pack(5e9)},
		{share: 1, retries: 1, due: pack(6e9)},
		{share: 1, due: pack(1e9)},
		{share: 1, due: pack(30e9), marks: markAsking | markResend},
	}
	for i := range order[1:] {
		if x, y := c.rank(&order[i]), c.rank(&order[i+1]); x <= y {
			t.Errorf("%d has rank %#x, the next %#x", i, x, y)
		}
	}
	if x := c.rank(&halfOpen{share: 2, marks: markResend, due: pack(clock.Never)}); x != 0 {
		t.Errorf("one that has no SYN-ACK yet has rank %#x", x)
	}
}
