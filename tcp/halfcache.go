package tcp

import (
	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/wire"
)

// setWays is how many slots a four-tuple may be in: the cache is a hash table
// of sets. When a set is full one entry has to go, even if others are not.
const setWays = 8

// firstSlots is how many slots there are until more are needed.
const firstSlots = 64

// halfOpenCache holds half-open connections: bounded, without pointers, and
// fair. Each source's share is counted; when one entry must go it is one of
// the largest share, and of those the one that waits longest for an answer.
type halfOpenCache struct {
	slots []halfOpen
	tags  []uint8 // of a slot: eight bits of its hash; 0 when it is free
	count int
	limit int // entries at most
	// waiting are queues by the number of retries, and one of those that wait
	// for a verdict. All in one wait equally long, so each is in order of its
	// deadline.
	waiting [asking + 1]slotQueue
	shares  [1024]uint16           // entries by hash of the source's prefix
	flowOf  func(*wire.Tuple) flow // hashes
}

// maxRetries bounds SynAckRetries: there is a queue for each.
const maxRetries = 15

// asking is the queue of those that wait for a verdict.
const asking = maxRetries + 1

// slotQueue is a list of slots, plus one: 0 is the end.
type slotQueue struct{ first, last uint32 }

// find returns the slot of t's entry, or -1.
func (k *halfOpenCache) find(f flow, t *wire.Tuple) int {
	if k.count == 0 {
		return -1
	}
	tag, set := tagOf(f), k.set(f)
	for i, g := range k.tags[set : set+setWays] {
		if g == tag && k.slots[set+i].tuple == *t {
			return set + i
		}
	}
	return -1
}

func tagOf(f flow) uint8 { return uint8(f.slot>>24) | 1 }

func (k *halfOpenCache) set(f flow) int {
	return int(f.slot) & (len(k.slots)/setWays - 1) * setWays
}

// insert makes an entry of h, which has no place yet, and returns its slot; -1
// when there is no room and none may be evicted. evicted says that another
// entry had to go.
func (k *halfOpenCache) insert(f flow, h *halfOpen, evict bool) (at int, evicted bool) {
	if 2*k.count >= len(k.slots) {
		k.grow()
	}
	at, free := k.place(f)
	for !free && k.grow() {
		at, free = k.place(f)
	}
	if !free || k.count >= k.limit {
		victim := at
		if free {
			victim = k.victimBehind(at)
		}
		if !evict || k.slots[victim].unanswered() {
			return -1, false
		}
		k.remove(victim)
		evicted = true
	}
	k.put(f, at, h)
	return at, evicted
}

func (k *halfOpenCache) put(f flow, at int, h *halfOpen) {
	k.slots[at] = *h
	k.tags[at] = tagOf(f)
	k.count++
	k.shares[shareOf(&h.tuple.Remote)]++
}

// place returns a free slot of f's set, or else the slot of the entry that
// should go first.
func (k *halfOpenCache) place(f flow) (at int, free bool) {
	set := k.set(f)
	for i := set; i < set+setWays; i++ {
		if k.tags[i] == 0 {
			return i, true
		}
	}
	return k.victimIn(set), false
}

// victimIn returns which entry of a set should go first; -1 when it has none.
func (k *halfOpenCache) victimIn(set int) int {
	victim := -1
	for i := set; i < set+setWays; i++ {
		if k.tags[i] != 0 && (victim < 0 || k.goesBefore(&k.slots[i], &k.slots[victim])) {
			victim = i
		}
	}
	return victim
}

// victimBehind returns an entry to evict from the next set that has any. The
// cache is full, so it is near.
func (k *halfOpenCache) victimBehind(at int) int {
	for set := at &^ (setWays - 1); ; set = (set + setWays) % len(k.slots) {
		if victim := k.victimIn(set); victim >= 0 {
			return victim
		}
	}
}

// goesBefore reports whether a is to be evicted before b: one that has its
// SYN-ACK before one that has not, then the source with the larger share, then
// more retries without an answer, then the older one.
func (k *halfOpenCache) goesBefore(a, b *halfOpen) bool {
	if a.unanswered() != b.unanswered() {
		return b.unanswered()
	}
	if x, y := k.shares[shareOf(&a.tuple.Remote)], k.shares[shareOf(&b.tuple.Remote)]; x/4 != y/4 {
		return x > y
	}
	if a.retries != b.retries {
		return a.retries > b.retries
	}
	return a.sent < b.sent
}

// shareOf is where a source's prefix is counted: /24, or /56 of IPv6.
func shareOf(a *wire.Addr) uint32 {
	prefix, lo := a.Words()
	if a.Is4() {
		prefix = lo
	}
	return uint32(prefix >> 8 * 0x9e3779b97f4a7c15 >> 54)
}

// remove forgets the entry in a slot.
func (k *halfOpenCache) remove(at int) {
	h := &k.slots[at]
	k.unlink(at)
	k.shares[shareOf(&h.tuple.Remote)]--
	k.tags[at] = 0
	k.count--
}

// grow doubles the table, until every entry that the limit allows has two
// slots; false when it is that large already.
func (k *halfOpenCache) grow() bool {
	if len(k.slots) > 0 && len(k.slots) >= 2*k.limit {
		return false
	}
	old := *k
	k.slots = make([]halfOpen, max(2*len(old.slots), firstSlots))
	k.tags = make([]uint8, len(k.slots))
	k.waiting, k.shares, k.count = [asking + 1]slotQueue{}, [1024]uint16{}, 0
	for q := range old.waiting {
		for i := old.waiting[q].first; i != 0; i = old.slots[i-1].next {
			k.move(&old.slots[i-1], q)
			old.tags[i-1] = 0
		}
	}
	for i, tag := range old.tags {
		if tag != 0 {
			k.move(&old.slots[i], -1)
		}
	}
	return true
}

// move takes an entry over from a table of half the size. Its set has split in
// two, so there is room.
func (k *halfOpenCache) move(h *halfOpen, queue int) {
	f := k.flowOf(&h.tuple)
	at, _ := k.place(f)
	k.put(f, at, h)
	k.slots[at].next, k.slots[at].prev = 0, 0
	k.slots[at].marks &^= markTimed
	if queue >= 0 {
		k.link(at, queue)
	}
}

// link puts an entry at the end of a queue: its deadline is the latest there.
func (k *halfOpenCache) link(at, queue int) {
	h, q := &k.slots[at], &k.waiting[queue]
	h.marks |= markTimed
	h.queue, h.next, h.prev = uint8(queue), 0, q.last
	if q.last == 0 {
		q.first = uint32(at + 1)
	} else {
		k.slots[q.last-1].next = uint32(at + 1)
	}
	q.last = uint32(at + 1)
}

// unlink takes an entry out of its queue, if it is in one.
func (k *halfOpenCache) unlink(at int) {
	h := &k.slots[at]
	if !h.is(markTimed) {
		return
	}
	h.marks &^= markTimed
	q := &k.waiting[h.queue]
	if h.prev == 0 {
		q.first = h.next
	} else {
		k.slots[h.prev-1].next = h.next
	}
	if h.next == 0 {
		q.last = h.prev
	} else {
		k.slots[h.next-1].prev = h.prev
	}
}

// schedule puts an entry into the queue that its deadline belongs to.
func (k *halfOpenCache) schedule(at int) {
	h := &k.slots[at]
	queue := int(min(h.retries, maxRetries))
	if h.is(markAsking) {
		queue = asking
	}
	if h.is(markTimed) && int(h.queue) == queue {
		return
	}
	k.unlink(at)
	if h.due != clock.Never {
		k.link(at, queue)
	}
}

// next returns when the first entry is due.
func (k *halfOpenCache) next() clock.Time {
	if k.count == 0 {
		return clock.Never
	}
	d := clock.Never
	for i := range k.waiting {
		if first := k.waiting[i].first; first != 0 {
			d = min(d, k.slots[first-1].due)
		}
	}
	return d
}

// expired returns the slot of an entry that is due, and takes it out of its
// queue; -1 when there is none.
func (k *halfOpenCache) expired(now clock.Time) int {
	for i := range k.waiting {
		if first := int(k.waiting[i].first) - 1; first >= 0 && k.slots[first].due <= now {
			k.unlink(first)
			return first
		}
	}
	return -1
}
