package lab

import (
	"container/heap"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/netem"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// WireConfig is how a wire treats packets in one direction.
type WireConfig struct {
	netem.Config
	// MTU is the largest IP packet, in bytes, that gets through a router
	// half-way, which tells the sender of a larger one so; 0: no router.
	MTU int
	// Silent makes that router say nothing: a black hole.
	Silent bool
}

// link is a wire in one direction. It is made when it is first used: of many hosts few speak
// with each other.
type link struct {
	WireConfig
	wire   *netem.Wire
	random *rand.Rand // for what a scenario's rules leave to chance
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
	lose, corrupt, mark, hold bool
	delay                     time.Duration
	copies                    []time.Duration // copies, and how much later each comes
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
	w.configure(w.link(w.node(from), w.node(to)), w.node(from), w.node(to), c)
}

// link returns the wire from one host to another.
func (w *World) link(from, to *node) *link {
	row := w.links[from.index]
	for len(row) < len(w.nodes) {
		row = append(row, nil)
	}
	w.links[from.index] = row
	if row[to.index] == nil {
		row[to.index] = &link{}
		w.configure(row[to.index], from, to, w.base)
	}
	return row[to.index]
}

func (w *World) configure(l *link, from, to *node, c WireConfig) {
	l.WireConfig = c
	// Each wire draws from a source of its own: one packet more on another wire
	// changes nothing on this one.
	l.random = w.random(from.index+1<<16, to.index)
	l.wire = netem.New(c.Config, l.random.Uint64())
}

// eachLink calls f for all wires, always in the same order: the order of a map would be
// another one in each run.
func (w *World) eachLink(f func(*link)) {
	for _, row := range w.links {
		for _, l := range row {
			if l != nil {
				f(l)
			}
		}
	}
}

// Cut stops all packets between two hosts, in both directions; on
// false undoes it.
func (w *World) Cut(a, b string, on bool) {
	w.link(w.node(a), w.node(b)).wire.SetDown(on)
	w.link(w.node(b), w.node(a)).wire.SetDown(on)
}

// send lets a host send a packet: the scenario's rules come first.
func (w *World) send(from *node, data []byte, forged bool) {
	p := w.record.sent(from, data, forged)
	if w.watch.Packet != nil {
		w.watch.Packet(from.Name, data, forged)
	}
	// The address of a forged SYN belongs to nobody, and the SYN-ACK to it ends here,
	// as in a flood.
	if p.to == nil || p.to == from {
		w.record.fate(p, trace.Lost, "no host has this address")
		return
	}
	v := verdict{}
	if w.judge != nil {
		v = w.judge(p)
	}
	l := w.link(from, p.to)
	switch {
	case v.lose:
		w.record.fate(p, trace.Lost, "")
		return
	case v.hold:
		return
	case l.MTU > 0 && len(data) > l.MTU:
		p.tooBig = true
		// The router is half-way: its message takes as long back as the packet took to
		// it.
		w.back.add(w.now.Add(l.Delay/2), p, data)
		return
	}
	w.treat(l, p, &v)
}

// treat does to a parcel what the rules say, and puts it on the wire.
func (w *World) treat(l *link, p *parcel, v *verdict) {
	data := p.data
	if v.corrupt {
		data = l.corrupted(data)
		w.record.fate(p, trace.Corrupted, "")
	}
	if v.mark {
		data = w.marked(p, data)
	}
	if v.delay > 0 {
		w.record.fate(p, trace.Delayed, "")
		w.back.add(w.now.Add(v.delay), p, data)
	} else {
		w.enter(l, p, data)
	}
	for _, d := range v.copies {
		w.record.fate(p, trace.Duplicated, "")
		w.back.add(w.now.Add(d), p, data)
	}
}

// marked returns a copy with the mark of a congested router, if the sender understands
// that.
func (w *World) marked(p *parcel, data []byte) []byte {
	b := append([]byte(nil), data...)
	if wire.MarkCE(b) {
		w.record.fate(p, trace.Marked, "")
	}
	return b
}

// corrupted returns a copy in which bits of one byte are flipped. The Internet
// checksum finds every such error.
func (l *link) corrupted(data []byte) []byte {
	b := append([]byte(nil), data...)
	b[l.random.IntN(len(b))] ^= byte(1 + l.random.IntN(255))
	return b
}

// idSize is the length of the header that packets have on the lab's wires: the
// number of the packet. The wire keeps it when it corrupts or copies a packet.
const idSize = 4

// enter puts a packet on the wire, and notes what chance does to it.
func (w *World) enter(l *link, p *parcel, data []byte) {
	// A copy, because the wire may corrupt it, and the record keeps what was sent.
	k := buf.NewPacket()
	mem := k.ReceiveInto(idSize + len(data))
	binary.BigEndian.PutUint32(mem, uint32(p.id))
	k.Data = mem[:idSize+copy(mem[idSize:], data)]
	k.L3 = idSize
	if w.record.off {
		l.wire.Input(w.now, k)
		return
	}
	// The wire does not say what it did to one packet, only how often it did what. It
	// is one packet between the two readings.
	before := l.wire.Counters()
	l.wire.Input(w.now, k)
	w.noteChance(p, before, l.wire.Counters())
}

// noteChance tells what the wire's counters say about one packet.
func (w *World) noteChance(p *parcel, before, after netem.Counters) {
	for _, c := range []struct {
		before, after uint64
		fate          trace.Fate
		text          string
	}{
		{before.Lost, after.Lost, trace.Lost, ""},
		{before.Down, after.Down, trace.Lost, "the wire is cut"},
		{before.Overflow, after.Overflow, trace.Lost, "the queue is full"},
		{before.Duplicated, after.Duplicated, trace.Duplicated, ""},
		{before.Reordered, after.Reordered, trace.Delayed, ""},
		{before.Corrupted, after.Corrupted, trace.Corrupted, ""},
		{before.Marked, after.Marked, trace.Marked, ""},
	} {
		if c.after > c.before {
			w.record.fate(p, c.fate, c.text)
		}
	}
}

// arrive takes all that has arrived by now off the wires, and puts on them what
// rules held back until now. It reports whether there was anything.
func (w *World) arrive() (any bool) {
	for _, f := range w.back.due(w.now) {
		any = true
		if p := f.parcel; p.tooBig {
			w.meetRouter(p, f.data)
		} else {
			w.enter(w.link(p.from, p.to), p, f.data)
		}
	}
	for _, row := range w.links {
		for to, l := range row {
			if l == nil {
				continue
			}
			for k := l.wire.Output(w.now); k != nil; k = l.wire.Output(w.now) {
				any = true
				id := int(binary.BigEndian.Uint32(k.Data))
				// The record may keep it for the whole run; the wire's packet goes
				// back to its pool.
				data := append([]byte(nil), k.Data[idSize:]...)
				k.Release()
				w.record.arrival(id, data)
				w.nodes[to].take(id, data)
			}
			w.nodes[to].receiveBatch()
		}
	}
	return any
}

// heldBack is a packet that enters the wire later, because a rule says so, or
// that is on its way to a router.
type heldBack struct {
	at     clock.Time
	order  int // of those with the same time the first comes first
	parcel *parcel
	data   []byte
}

// waiting are all packets that are held back, the next to go first.
type waiting struct {
	heap  heldHeap
	count int
}

func (f *waiting) add(at clock.Time, p *parcel, data []byte) {
	f.count++
	heap.Push(&f.heap, &heldBack{at, f.count, p, data})
}

func (f *waiting) next() clock.Time {
	if len(f.heap) == 0 {
		return clock.Never
	}
	return f.heap[0].at
}

// due takes out what may go by now.
func (f *waiting) due(now clock.Time) (list []*heldBack) {
	for f.next() <= now {
		list = append(list, heap.Pop(&f.heap).(*heldBack))
	}
	return list
}

type heldHeap []*heldBack

func (h heldHeap) Len() int { return len(h) }
func (h heldHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}
func (h heldHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heldHeap) Push(x any)   { *h = append(*h, x.(*heldBack)) }
func (h *heldHeap) Pop() any {
	old := *h
	f := old[len(old)-1]
	*h = old[:len(old)-1]
	return f
}
