package tcp

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

func newConnTable() *connTable {
	return &connTable{key: [6]uint64{0x1f83d9abfb41bd6b, 2, 3, 4, 0x5be0cd19137e2179, 6}}
}

// TestConnTable plays with the table and a map side by side: it grows, is
// mixed, and shrinks to nothing.
func TestConnTable(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	table, want := newConnTable(), map[wire.Tuple]*Entry{}
	var known []*Entry
	for i := range 60000 {
		leaves := []int{10, 50, 90}[i/20000] // per cent
		if len(known) > 0 && r.IntN(100) < leaves {
			at := r.IntN(len(known))
			en := known[at]
			known[at] = known[len(known)-1]
			known = known[:len(known)-1]
			if !table.remove(en) || table.remove(en) || table.find(&en.tuple) != nil {
				t.Fatalf("step %d: it does not leave once", i)
			}
			delete(want, en.tuple)
		} else {
			en := &Entry{}
			en.tuple, _ = spoofed(r, r.IntN(2) == 0, false)
			if table.find(&en.tuple) != nil {
				t.Fatalf("step %d: %v is there", i, en.tuple)
			}
			table.insert(en)
			known, want[en.tuple] = append(known, en), en
		}
		if i%997 == 0 {
			checkConnTable(t, table, want)
		}
	}
	for _, en := range known {
		table.remove(en)
	}
	checkConnTable(t, table, nil)
}

func checkConnTable(t *testing.T, table *connTable, want map[wire.Tuple]*Entry) {
	t.Helper()
	seen := 0
	for en := range table.all {
		if want[en.tuple] != en {
			t.Fatalf("%v is not to be there", en.tuple)
		}
		seen++
	}
	for tuple, en := range want {
		if table.find(&tuple) != en {
			t.Fatalf("%v is not found", tuple)
		}
	}
	if seen != len(want) || table.count != seen {
		t.Fatalf("%d seen, count %d, want %d", seen, table.count, len(want))
	}
	for n := range table.buckets {
		for b := table.nth(n); b.overflow != nil; b = b.overflow {
			if b.len() != bucketLen || b.overflow.len() == 0 {
				t.Fatalf("bucket %d has a gap", n)
			}
		}
	}
}

// Neighbours, and connections that differ in one bit anywhere, are spread like
// any others: no chain of buckets is long.
func TestConnTableChains(t *testing.T) {
	table := newConnTable()
	for i := range 1 << 16 {
		en := &Entry{}
		switch en.tuple = numbered(i%2 == 0, i); i % 3 {
		case 0:
			en.tuple.Local = wire.AddrFrom4(uint32(i) << 8)
		case 1:
			en.tuple = wire.Tuple{Local: wire.AddrFromWords(1<<(i%64), 5), Remote: wire.AddrFromWords(7, 1<<(i/64%64)), RemotePort: uint16(i)}
		}
		table.insert(en)
	}
	longest := 0
	for n := range table.buckets {
		have := 0
		for b := table.nth(n); b != nil; b = b.overflow {
			have += b.len()
		}
		longest = max(longest, have)
	}
	if longest > 24 { // Poisson of at most 6: once in 10^7 more than 23
		t.Errorf("%d of %d connections are in one bucket", longest, table.count)
	}
}

// TestConnectionsGiveBack: what a burst of connections took goes back while one
// of them lives on, and no step moves more than a few entries.
func TestConnectionsGiveBack(t *testing.T) {
	e := NewEndpoint(&Config{MaxTimeWait: 1})
	now := clock.Time(time.Hour)
	var entries []*Entry
	grown := grownBy(func() {
		open := func(i int) *Entry {
			en, err := e.Connect(now, path1500, numbered(i%2 == 0, i), nil)
			if err != nil {
				t.Fatal(err)
			}
			return en
		}
		for i := range 50000 {
			entries = append(entries, open(i))
			drain(e, now)
		}
		for _, en := range entries[1:] {
			e.Abort(now, en)
			before := e.conns.buckets
			drain(e, now)
			if gone := before - e.conns.buckets; gone > 4 {
				t.Fatalf("%d buckets went in one step", gone)
			}
		}
		entries = []*Entry{entries[0]}
	})
	if e.Len() != 1 || e.conns.find(&entries[0].tuple) != entries[0] {
		t.Fatalf("%d connections are left", e.Len())
	}
	if t.Logf("%.0f bytes are left", grown); grown > 64<<10 {
		t.Errorf("one connection of 50000 keeps %.0f bytes", grown)
	}
	runtime.KeepAlive(e)
}
