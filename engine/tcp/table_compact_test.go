package tcp

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/secret"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// TestCompactMemory: what an entry takes, with all of the table, at the worst
// point, when a chunk has just been begun: 10k in two shards, and 100k.
func TestCompactMemory(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, n := range []int{20*chunkLen + 1, 200*chunkLen + 1} {
			halfOpens, timeWaits := &[2]compactTable[halfOpen]{}, &[2]compactTable[timeWait]{}
			bytes := grownBy(func() { fillTables(halfOpens, v6, n) }) / float64(2*n)
			t.Logf("v6 %v: %d half-open entries take %.1f bytes each", v6, 2*n, bytes)
			if bytes > 96 {
				t.Errorf("%.1f bytes for a half-open entry", bytes)
			}
			bytes = grownBy(func() { fillTables(timeWaits, v6, n) }) / float64(2*n)
			t.Logf("v6 %v: %d TIME-WAIT entries take %.1f bytes each", v6, 2*n, bytes)
			if bytes > 64 && !v6 || bytes > 90 {
				t.Errorf("%.1f bytes for a TIME-WAIT entry", bytes)
			}
			runtime.KeepAlive(halfOpens)
			runtime.KeepAlive(timeWaits)
		}
	}
}

// grownBy returns how many bytes more there are in use after f.
func grownBy(f func()) float64 {
	inUse := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what pools hold goes with the second
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := inUse()
	f()
	return float64(int64(inUse() - before))
}

// fillTables makes two tables of n entries.
func fillTables[V any](tables *[2]compactTable[V], v6 bool, n int) {
	k := newCookies(secret.New([16]byte{1}))
	for i := range tables {
		tables[i] = compactTable[V]{hashes: &k}
		for j := range n {
			tuple := numbered(v6, j)
			tables[i].add(k.flow(&tuple), &tuple, new(V))
		}
	}
}

// numbered returns one of many four-tuples.
func numbered(v6 bool, i int) wire.Tuple {
	t := wire.Tuple{Local: addrB, Remote: addrA, LocalPort: 80, RemotePort: uint16(i)}
	if v6 {
		t.Local, t.Remote = addr6B, addr6A
	}
	hi, lo := t.Remote.Words()
	t.Remote = wire.AddrFromWords(hi, lo|uint64(i)>>16<<8)
	return t
}

// TestCompactGivesBack: a table that was large and is small again takes no more
// than one that always was, also while it is not empty.
func TestCompactGivesBack(t *testing.T) {
	k := newCookies(secret.New([16]byte{1}))
	table := &compactTable[halfOpen]{hashes: &k}
	grown := grownBy(func() {
		for i := range 50000 {
			tuple := numbered(i%2 == 0, i)
			table.add(k.flow(&tuple), &tuple, &halfOpen{irs: seq.Num(i)})
		}
		for i := range 49900 {
			tuple := numbered(i%2 == 0, i)
			table.remove(k.flow(&tuple), table.find(k.flow(&tuple), &tuple))
		}
	})
	for i := 49900; i < 50000; i++ {
		tuple := numbered(i%2 == 0, i)
		if r := table.find(k.flow(&tuple), &tuple); r == 0 || table.at(r).irs != seq.Num(i) {
			t.Fatalf("entry %d is lost", i)
		}
	}
	if t.Logf("%.0f bytes are left", grown); grown > 100<<10 {
		t.Errorf("%d entries take %.0f bytes", table.count, grown)
	}
}

// TestCompactChains: no bucket is much longer than others, at any size.
func TestCompactChains(t *testing.T) {
	k := newCookies(secret.New([16]byte{1}))
	table := &compactTable[timeWait]{hashes: &k}
	for i := range 60000 {
		tuple := numbered(false, i)
		table.add(k.flow(&tuple), &tuple, &timeWait{})
		if i%7777 != 0 {
			continue
		}
		for b := range table.buckets {
			n := 0
			for r := *table.head(b); r != 0; r = table.links(r).chain {
				n++
			}
			if n > 16 {
				t.Fatalf("%d of %d entries are in one bucket", n, i+1)
			}
		}
	}
}

// TestWaiting plays with the table and a map side by side.
func TestWaiting(t *testing.T) {
	k := newCookies(secret.New([16]byte{9}))
	var w waiting
	w.hashes = &k
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
			if r := w.find(f, &tuple); r != 0 {
				w.remove(f, r)
			}
			delete(want, tuple)
		} else {
			v := timeWait{ends: shorten(now + 1e9), tsRecent: uint32(i)}
			w.put(f, &tuple, now+1e9, v)
			want[tuple] = v
		}
		if i%5000 == 0 {
			checkWaiting(t, &w, want)
		}
	}
	checkWaiting(t, &w, want)
	last := clock.Time(0)
	for w.count > 0 {
		r, due := w.order.first, w.due()
		tuple, v := w.tuple(r), *w.at(r)
		if v != want[tuple] || v.ends != shorten(due) || due < last {
			t.Fatalf("%v: got %+v, due %v, want %+v, after %v", tuple, v, due, want[tuple], last)
		}
		last = due
		delete(want, tuple)
		w.remove(k.flow(&tuple), r)
	}
	if len(want) > 0 || w.due() != clock.Never {
		t.Errorf("%d are lost", len(want))
	}
}

func checkWaiting(t *testing.T, w *waiting, want map[wire.Tuple]timeWait) {
	t.Helper()
	if w.count != len(want) {
		t.Fatalf("%d entries, want %d", w.count, len(want))
	}
	for tuple, v := range want {
		if r := w.find(w.hashes.flow(&tuple), &tuple); r == 0 || *w.at(r) != v {
			t.Fatalf("%v: got %d, want %+v", tuple, r, v)
		}
	}
}

func TestLastChallenge(t *testing.T) {
	for _, at := range []clock.Time{0, 1, 1e9, challengeUnit * (1<<16 - 2), challengeUnit * (1<<16 - 1), challengeUnit*(1<<16) - 1, challengeUnit << 16, clock.Time(time.Hour), clock.Time(1000 * time.Hour)} {
		n := packChallenge(at)
		for _, later := range []time.Duration{0, time.Second, time.Minute, 2 * time.Hour} {
			got := n.upTo(at.Add(later))
			if got > at || at.Sub(got) > time.Duration(challengeUnit) {
				t.Errorf("challenge at %v, seen %v later, is taken for %v", at, later, got)
			}
		}
	}
}

// An Entry and the eight bytes that Go's allocator puts before large objects take 640
// bytes, ten cache lines and a size of the allocator; with 8 more they would take 704.
func TestEntrySize(t *testing.T) {
	if n := unsafe.Sizeof(Entry{}); n > 632 {
		t.Errorf("an entry takes %d bytes", n)
	}
}
