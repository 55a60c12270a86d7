package tcp

import "github.com/handfast-tcp/handfast/engine/clock"

// deadlines is a heap of what is due when. It is lazy: one that gets a later
// deadline leaves its item where it is and looks again when that comes up, so
// that a timer which is set again with every segment costs nothing. An item
// counts only while armed of its key says its time.
type deadlines[K any] struct {
	items []deadline[K]
}

type deadline[K any] struct {
	at  clock.Time
	key K
}

func (d *deadlines[K]) next() clock.Time {
	if len(d.items) == 0 {
		return clock.Never
	}
	return d.items[0].at
}

// push adds an item. One that the key had before stays, and no longer counts.
func (d *deadlines[K]) push(at clock.Time, key K) {
	d.items = append(d.items, deadline[K]{at, key})
	d.up(len(d.items) - 1)
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
// the heap. Of none that live nothing is kept, and no room for many.
func (d *deadlines[K]) prune(live int, counts func(at clock.Time, key K) bool) {
	if live > 0 && len(d.items) < 2*live+64 {
		return
	}
	kept := d.items[:0]
	for _, it := range d.items {
		if counts(it.at, it.key) {
			kept = append(kept, it)
		}
	}
	clear(d.items[len(kept):])
	if d.items = kept; cap(kept) > 4*len(kept)+256 {
		d.items = append(make([]deadline[K], 0, 2*len(kept)), kept...)
	}
	// Dropping items from the middle has broken the order. It is made again from the
	// last parent up, which takes time in proportion to what is left.
	for i := len(kept) / 4; i >= 0; i-- {
		if i < len(kept) {
			d.down(i)
		}
	}
}
