package lab

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/wire"
)

// WireConfig is how a wire treats packets in one direction. Probabilities are
// 0 to 1 and strike each packet on its own.
type WireConfig struct {
	Delay  time.Duration // from one host to the other
	Jitter time.Duration // up to this is added, and order is not kept
	Loss, Duplicate, Corrupt,
	Reorder float64 // Reorder: arrives later by up to three times Delay, at least 1 ms
	Rate  int // bits in a second; 0: no limit
	Queue int // packets that wait for their turn on a wire with a Rate; 0: 100
	// MTU is the largest IP packet that gets through a router half-way, which
	// tells the sender of a larger one so; 0: no router.
	MTU int
}

// link is a wire in one direction.
type link struct {
	WireConfig
	random *rand.Rand
	free   clock.Time // when the wire has sent what is given to it
	cut    bool
}

// parcel is a packet on its way from one host to another.
type parcel struct {
	id       int
	from, to *node
	data     []byte
	tcp      *wire.TCP // nil: something else
	len      int       // of the payload
	tuple    wire.Tuple
	forged   bool
	tooBig   bool // goes no further than the router
}

// verdict is what the scenario's rules do with a parcel.
type verdict struct {
	lose, corrupt, hold bool
	delay               time.Duration
	copies              []time.Duration // copies, and how much later each comes
}

// SetWire sets how packets travel between all hosts.
func (w *World) SetWire(c WireConfig) {
	w.base = c
	for i := range w.links {
		w.links[i] = nil
	}
}

// SetWireBetween sets how packets travel from one host to another.
func (w *World) SetWireBetween(from, to string, c WireConfig) {
	w.link(w.node(from), w.node(to)).WireConfig = c
}

// link returns the wire from one host to another.
func (w *World) link(from, to *node) *link {
	row := w.links[from.index]
	for len(row) < len(w.nodes) {
		row = append(row, nil)
	}
	w.links[from.index] = row
	if row[to.index] == nil {
		row[to.index] = &link{WireConfig: w.base, random: w.random(from.index+1<<16, to.index)}
	}
	return row[to.index]
}

// Cut lets nothing through between two hosts any more, in either direction; on
// false undoes it.
func (w *World) Cut(a, b string, on bool) {
	w.link(w.node(a), w.node(b)).cut = on
	w.link(w.node(b), w.node(a)).cut = on
}

// send puts a packet on the wire.
func (w *World) send(from *node, data []byte, forged bool) {
	p := w.record.sent(from, data, forged)
	if p.to == nil || p.to == from {
		w.record.fate(p, Lost, "nobody has this address")
		return
	}
	v := verdict{}
	if w.judge != nil {
		v = w.judge(p)
	}
	l := w.link(from, p.to)
	switch {
	case v.hold:
		return
	case l.MTU > 0 && len(data) > l.MTU:
		p.tooBig = true
		w.air.add(w.now.Add(l.Delay/2), p, data)
		return
	case v.lose, l.cut, l.random.Float64() < l.Loss:
		w.record.fate(p, Lost, "")
		return
	}
	w.travel(l, p, v)
}

// travel decides when the parcel arrives, and how.
func (w *World) travel(l *link, p *parcel, v verdict) {
	at, ok := l.turn(w.now, len(p.data))
	if !ok {
		w.record.fate(p, Lost, "queue is full")
		return
	}
	at = at.Add(l.Delay + v.delay)
	if l.Jitter > 0 {
		at = at.Add(time.Duration(l.random.Int64N(int64(l.Jitter))))
	}
	late := l.random.Float64() < l.Reorder
	if late {
		at = at.Add(time.Millisecond + time.Duration(l.random.Int64N(int64(3*l.Delay+1))))
	}
	if v.delay > 0 || late {
		w.record.fate(p, Delayed, "")
	}
	data := p.data
	if v.corrupt || l.random.Float64() < l.Corrupt {
		data = l.corrupted(data)
		w.record.fate(p, Corrupted, "")
	}
	w.air.add(at, p, data)
	if l.random.Float64() < l.Duplicate {
		v.copies = append(v.copies, time.Duration(l.random.Int64N(int64(2*l.Delay+1))))
	}
	for _, d := range v.copies {
		w.record.fate(p, Duplicated, "")
		w.air.add(at.Add(d), p, data)
	}
}

// turn returns when the wire has sent n bytes more; false: its queue is full.
func (l *link) turn(now clock.Time, n int) (clock.Time, bool) {
	if l.Rate == 0 {
		return now, true
	}
	each := time.Duration(int64(n) * 8 * int64(time.Second) / int64(l.Rate))
	limit := l.Queue
	if limit == 0 {
		limit = 100
	}
	l.free = max(l.free, now)
	if l.free.Sub(now) > time.Duration(limit)*each {
		return 0, false
	}
	l.free = l.free.Add(each)
	return l.free, true
}

// corrupted returns a copy in which bits of one byte are flipped. The Internet
// checksum finds every such error; it does not find every error in two places,
// and then TCP delivers wrong bytes, which is true but teaches nothing.
func (l *link) corrupted(data []byte) []byte {
	b := append([]byte(nil), data...)
	b[l.random.IntN(len(b))] ^= byte(1 + l.random.IntN(255))
	return b
}

func (w *World) deliver(f *flight) {
	if f.parcel.tooBig {
		w.meetRouter(f.parcel, f.data)
		return
	}
	w.record.arrival(f.parcel, f.data)
	f.parcel.to.receive(f.parcel.id, f.data)
}

// flight is a packet that will arrive.
type flight struct {
	at     clock.Time
	order  int // of those that arrive at the same time the first sent is first
	parcel *parcel
	data   []byte
}

// flights are all packets on their way, the next to arrive first.
type flights struct {
	heap  flightHeap
	count int
}

func (f *flights) add(at clock.Time, p *parcel, data []byte) {
	f.count++
	heap.Push(&f.heap, &flight{at, f.count, p, data})
}

func (f *flights) next() clock.Time {
	if len(f.heap) == 0 {
		return clock.Never
	}
	return f.heap[0].at
}

// due takes out what has arrived by now.
func (f *flights) due(now clock.Time) (list []*flight) {
	for f.next() <= now {
		list = append(list, heap.Pop(&f.heap).(*flight))
	}
	return list
}

type flightHeap []*flight

func (h flightHeap) Len() int { return len(h) }
func (h flightHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}
func (h flightHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *flightHeap) Push(x any)   { *h = append(*h, x.(*flight)) }
func (h *flightHeap) Pop() any {
	old := *h
	f := old[len(old)-1]
	*h = old[:len(old)-1]
	return f
}
