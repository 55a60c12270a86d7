package tcp

import "github.com/handfast-tcp/handfast/engine/clock"

// deadlines is what is due when. It is lazy: one that gets a later deadline leaves
// its item where it is and looks again when that comes up, so that a timer which is
// set again with every segment costs nothing. An item counts only while armed of its
// key says its time.
//
// It is a heap. Where items are many, those that are not due soon wait in slots, in
// no order, and a slot goes into the heap when its first item is due: so the heap is
// small, and a connection that is put off by a long idle time goes to the end of a list.
type deadlines[K any] struct {
	items []deadline[K]
	later *later[K] // nil until items are many
}

type deadline[K any] struct {
	at  clock.Time
	key K
}

// later is a ring of slots, each for the items of 2^slotShift ns: 67 ms. All together
// are 34 s. What is due after that waits in the heap.
type later[K any] struct {
	slots [numSlots][]deadline[K]
	first int64           // the number of the slot that may be due next
	least clock.Time      // the earliest item in slots
	count int             // of items in slots
	spare [][]deadline[K] // room for the next slots
}

const (
	slotShift = 26
	numSlots  = 512
	// manyItems is from when on slots are of use: a smaller heap lies in the processor's
	// nearest cache.
	manyItems = 1024
	// The room of so many slots is used again, if it is not for more than so many items.
	maxSpareSlots = 16
	maxSpareSlot  = 4096
)

func (d *deadlines[K]) len() int {
	if d.later == nil {
		return len(d.items)
	}
	return len(d.items) + d.later.count
}

func (d *deadlines[K]) next() clock.Time {
	first := clock.Never
	if len(d.items) > 0 {
		first = d.items[0].at
	}
	if d.later != nil {
		first = min(first, d.later.least)
	}
	return first
}

// push adds an item. One that the key had before stays, and no longer counts.
func (d *deadlines[K]) push(at clock.Time, key K) {
	if d.later == nil && len(d.items) >= manyItems {
		d.later = &later[K]{least: clock.Never}
	}
	if d.later == nil || !d.later.push(at, key) {
		d.pushNow(at, key)
	}
}

func (d *deadlines[K]) pushNow(at clock.Time, key K) {
	d.items = append(d.items, deadline[K]{at, key})
	d.up(len(d.items) - 1)
}

// push adds an item, unless it is due before what the slots are for, or after.
func (l *later[K]) push(at clock.Time, key K) bool {
	n := int64(at >> slotShift)
	// Half of them before this item: the next one may be due earlier.
	if l.count == 0 { // the slots are for what comes from now on
		l.first = max(l.first, n-numSlots/2)
	}
	if n < l.first || n-l.first >= numSlots {
		return false
	}
	slot := &l.slots[n&(numSlots-1)]
	if n := len(l.spare) - 1; *slot == nil && n >= 0 {
		*slot, l.spare = l.spare[n], l.spare[:n]
	}
	*slot = append(*slot, deadline[K]{at, key})
	l.least = min(l.least, at)
	l.count++
	return true
}

// fetch moves the first slot into the heap, if the earliest of all items is there.
func (d *deadlines[K]) fetch() {
	l := d.later
	for l != nil && l.count > 0 && (len(d.items) == 0 || l.least < d.items[0].at) {
		l.first = int64(l.least >> slotShift)
		slot := &l.slots[l.first&(numSlots-1)]
		for _, it := range *slot {
			d.pushNow(it.at, it.key)
		}
		l.count -= len(*slot)
		clear(*slot)
		if cap(*slot) <= maxSpareSlot && len(l.spare) < maxSpareSlots {
			l.spare = append(l.spare, (*slot)[:0])
		}
		*slot = nil
		l.look()
	}
}

// look finds the earliest item again.
func (l *later[K]) look() {
	l.least = clock.Never
	for n := l.first; l.count > 0 && n < l.first+numSlots; n++ {
		if slot := l.slots[n&(numSlots-1)]; len(slot) > 0 {
			for _, it := range slot {
				l.least = min(l.least, it.at)
			}
			return
		}
	}
}

// take moves up to as many items to batch as it has room for: those that are due by
// now, the earliest first.
func (d *deadlines[K]) take(now clock.Time, batch []deadline[K]) []deadline[K] {
	for len(batch) < cap(batch) && d.next() <= now {
		batch = append(batch, d.pop())
	}
	return batch
}

func (d *deadlines[K]) up(i int) {
	it := d.items[i]
	for i > 0 {
		// Four children to a node: half as many levels as with two, and the four lie
		// side by side in memory.
		parent := (i - 1) / 4
		if d.items[parent].at <= it.at {
			break
		}
		d.items[i] = d.items[parent]
		i = parent
	}
	d.items[i] = it
}

// pop removes and returns the earliest item. There is one.
func (d *deadlines[K]) pop() deadline[K] {
	d.fetch()
	first := d.items[0]
	last := len(d.items) - 1
	d.items[0] = d.items[last]
	d.items[last] = deadline[K]{}
	d.items = d.items[:last]
	if last > 0 {
		d.down(0)
	}
	return first
}

func (d *deadlines[K]) down(i int) {
	it := d.items[i]
	for {
		child := 4*i + 1
		if child >= len(d.items) {
			break
		}
		least := child
		for j := child + 1; j < min(child+4, len(d.items)); j++ {
			if d.items[j].at < d.items[least].at {
				least = j
			}
		}
		if it.at <= d.items[least].at {
			break
		}
		d.items[i] = d.items[least]
		i = least
	}
	d.items[i] = it
}

// prune drops the items that do not count any more, when they may be most of
// all: so each item that was ever pushed pays for a constant part of the search. Of none that live nothing is kept, and no room for many.
func (d *deadlines[K]) prune(live int, counts func(at clock.Time, key K) bool) {
	if live > 0 && d.len() < 2*live+64 {
		return
	}
	d.items = pruned(d.items, counts)
	if l := d.later; l != nil {
		l.count = 0
		for i := range l.slots {
			if l.slots[i] = pruned(l.slots[i], counts); len(l.slots[i]) == 0 {
				l.slots[i] = nil
			}
			l.count += len(l.slots[i])
		}
		l.look()
		if live == 0 && l.count == 0 {
			d.later = nil
		}
	}
	// Dropping items from the middle has broken the order. It is made again from the
	// last parent up, which takes time in proportion to what is left.
	for i := len(d.items) / 4; i >= 0; i-- {
		if i < len(d.items) {
			d.down(i)
		}
	}
}

// expose drops the items before the first that counts, as far as they lie in the heap:
// nobody wakes up for one that does not.
func (d *deadlines[K]) expose(counts func(at clock.Time, key K) bool) {
	for len(d.items) > 0 && d.items[0].at == d.next() && !counts(d.items[0].at, d.items[0].key) {
		d.pop()
	}
}

// pruned is items without those that do not count, in their room unless that is for many more.
func pruned[K any](items []deadline[K], counts func(at clock.Time, key K) bool) []deadline[K] {
	kept := items[:0]
	for _, it := range items {
		if counts(it.at, it.key) {
			kept = append(kept, it)
		}
	}
	clear(items[len(kept):])
	if cap(kept) > 4*len(kept)+256 {
		kept = append(make([]deadline[K], 0, 2*len(kept)), kept...)
	}
	return kept
}
