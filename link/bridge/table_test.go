package bridge

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/link"
)

// modelEntry is an address in the model: a list, in the order in which ports learnt.
type modelEntry struct {
	address link.HardwareAddr
	port    int
	learnt  int // a number of a step of that port
	seen    clock.Time
}

// model says in the plainest way what a table knows.
type model struct {
	bound   int
	age     time.Duration
	entries []modelEntry
	steps   map[int]int // how many addresses a port has learnt so far
	pinned  map[link.HardwareAddr]int
}

func (m *model) learn(now clock.Time, a link.HardwareAddr, port int) bool {
	if p, ok := m.pinned[a]; ok {
		return p == port
	}
	for i := range m.entries {
		if e := &m.entries[i]; e.address == a && e.port == port {
			e.seen = now
			return true
		}
	}
	m.entries = slices.DeleteFunc(m.entries, func(e modelEntry) bool {
		return e.address == a || e.port == port && e.learnt == m.steps[port]-m.bound
	})
	m.entries = append(m.entries, modelEntry{a, port, m.steps[port], now})
	m.steps[port]++
	return true
}

func (m *model) find(now clock.Time, a link.HardwareAddr) (int, bool) {
	if p, ok := m.pinned[a]; ok {
		return p, true
	}
	for _, e := range m.entries {
		if e.address == a && now.Sub(e.seen) <= m.age {
			return e.port, true
		}
	}
	return 0, false
}

func (m *model) forget(port int) {
	m.entries = slices.DeleteFunc(m.entries, func(e modelEntry) bool { return e.port == port })
	m.steps[port] = 0
	for a, p := range m.pinned {
		if p == port {
			delete(m.pinned, a)
		}
	}
}

// Over random frames, moves, ages, floods of addresses and ports that come and go the
// table knows what the model knows, and keeps its bound.
func TestTableIsLikeItsModel(t *testing.T) {
	const ports, bound = 4, 8
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	address := func() link.HardwareAddr { return link.HardwareAddr{2, 0, 0, 0, 0, byte(1 + random.IntN(40))} }
	table := newTable(ports, bound, time.Minute)
	m := &model{bound: bound, age: time.Minute, steps: map[int]int{}, pinned: map[link.HardwareAddr]int{}}
	now := clock.Time(0)
	for step := range 50_000 {
		now = now.Add(time.Duration(random.Int64N(int64(3 * time.Second))))
		switch a, port := address(), random.IntN(ports); random.IntN(200) {
		case 0:
			table.forget(port)
			m.forget(port)
		case 1:
			if len(m.pinned) > 2 {
				continue
			}
			if _, ok := m.find(now, a); ok {
				continue // a host comes with an address of its own
			}
			m.learn(now, a, port)
			m.entries = slices.DeleteFunc(m.entries, func(e modelEntry) bool { return e.address == a })
			m.pinned[a] = port
			table.pin(a, port)
		default:
			if got, want := table.learn(now, a, port), m.learn(now, a, port); got != want {
				t.Fatalf("step %d: learn says %v, want %v", step, got, want)
			}
		}
		a := address()
		port, ok := table.find(now, a)
		if want, known := m.find(now, a); ok != known || ok && port != want {
			t.Fatalf("step %d: %v is at %d, %v; want %d, %v", step, a, port, ok, want, known)
		}
		if n := len(table.entries); n > ports*bound+3 {
			t.Fatalf("step %d: %d addresses are known", step, n)
		}
	}
}
