package netem

import (
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
)

// item is a packet under way.
type item struct {
	at     clock.Time
	order  uint64 // of those that arrive at the same time, the smaller is first
	packet *buf.Packet
}

func (i *item) before(j *item) bool {
	return i.at < j.at || i.at == j.at && i.order < j.order
}

// flight is a heap of packets by time of arrival. Written out and not by container/heap, which
// would allocate for each packet that it is given.
type flight struct {
	items []item
	next  uint64 // order of the next packet
}

func (f *flight) first() clock.Time {
	if len(f.items) == 0 {
		return clock.Never
	}
	return f.items[0].at
}

func (f *flight) push(at clock.Time, p *buf.Packet) {
	f.items = append(f.items, item{at, f.next, p})
	f.next++
	child := len(f.items) - 1
	for child > 0 {
		parent := (child - 1) / 2
		if !f.items[child].before(&f.items[parent]) {
			break
		}
		f.items[child], f.items[parent] = f.items[parent], f.items[child]
		child = parent
	}
}

func (f *flight) pop() *buf.Packet {
	first, end := f.items[0].packet, len(f.items)-1
	// Emptied, or the heap would hold on to a packet that others have by now.
	f.items[0], f.items[end] = f.items[end], item{}
	f.items = f.items[:end]
	f.sink()
	return first
}

// sink moves the first item down to its place.
func (f *flight) sink() {
	for parent := 0; ; {
		child := 2*parent + 1
		if child >= len(f.items) {
			return
		}
		if right := child + 1; right < len(f.items) && f.items[right].before(&f.items[child]) {
			child = right
		}
		if !f.items[child].before(&f.items[parent]) {
			return
		}
		f.items[child], f.items[parent] = f.items[parent], f.items[child]
		parent = child
	}
}
