package bridge

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/link"
)

// table says behind which port an address is. It is pure: time is an argument. Each
// port has its own share, so that a machine that makes addresses up only forgets its own.
type table struct {
	age     time.Duration
	entries map[link.HardwareAddr]entry
	shares  []share // of each port
}

type entry struct {
	port, slot int
	seen       clock.Time
	pinned     bool // it neither ages nor moves
}

// share is the addresses of a port, in the order in which they were learned.
type share struct {
	slots []link.HardwareAddr // zero: free
	next  int                 // the oldest
}

func newTable(ports, addresses int, age time.Duration) *table {
	t := &table{age: age, entries: make(map[link.HardwareAddr]entry), shares: make([]share, ports)}
	for i := range t.shares {
		t.shares[i].slots = make([]link.HardwareAddr, addresses)
	}
	return t
}

// learn notes that a frame of an address came by a port. It returns false when another
// port has the address for good.
func (t *table) learn(now clock.Time, a link.HardwareAddr, port int) bool {
	e, known := t.entries[a]
	switch {
	case known && e.pinned:
		return e.port == port
	case known && e.port == port:
		e.seen = now
		t.entries[a] = e
		return true
	// The machine has moved, or another one has taken its address: as with any switch the one
	// heard last has it. Who must not lose it is pinned.
	case known:
		t.shares[e.port].slots[e.slot] = link.HardwareAddr{}
	}
	s := &t.shares[port]
	slot := s.next
	s.next = (s.next + 1) % len(s.slots)
	if old := s.slots[slot]; old != (link.HardwareAddr{}) {
		delete(t.entries, old)
	}
	s.slots[slot] = a
	t.entries[a] = entry{port: port, slot: slot, seen: now}
	return true
}

// pin says for good where an address is, until forget.
func (t *table) pin(a link.HardwareAddr, port int) {
	t.learn(0, a, port)
	e := t.entries[a]
	t.shares[port].slots[e.slot] = link.HardwareAddr{} // so that no other takes its place
	e.pinned = true
	t.entries[a] = e
}

// find returns where an address is, if that is known.
func (t *table) find(now clock.Time, a link.HardwareAddr) (port int, ok bool) {
	e, ok := t.entries[a]
	if !ok || !e.pinned && now.Sub(e.seen) > t.age {
		return 0, false
	}
	return e.port, true
}

// forget takes out what is known of a port: frames for a machine that has gone are flooded,
// and find it at its new port.
func (t *table) forget(port int) {
	for a, e := range t.entries {
		if e.port == port {
			delete(t.entries, a)
		}
	}
	clear(t.shares[port].slots)
	t.shares[port].next = 0
}
