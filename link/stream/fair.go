package stream

import (
	"hash/maphash"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// fair is what waits to be sent: a queue for each flow, which take turns, so that none
// waits for what another one has sent, and a delay that is bounded in each. It is
// FQ-CoDel. Time is what has passed since any moment that its user likes.
// https://www.rfc-editor.org/rfc/rfc8290#section-4
type fair struct {
	seed  maphash.Seed
	room  []waiting // all frames that wait, and the places that are free
	free  int32     // first free place
	count int       // how many frames wait
	bytes int       // that they have
	fat   int32     // the flow that was the longest last
	flows [1 + flowQueues]flow
	fresh line // of flows that have come lately
	old   line // of those that have had their turn
	drop  func(*buf.Packet)
}

// flowQueues is how many queues flows are spread over, with a key that nobody knows. The
// one before them is for what is no IP: ARP, say.
const flowQueues = 256

// quantum is how many bytes of a flow are sent before it is another one's turn.
const quantum = 1514

// none is the place of no frame, and the number of no flow.
const none = -1

// waiting is a frame in the queue of its flow.
type waiting struct {
	frame *buf.Packet
	since time.Duration
	next  int32
}

// flow is the queue of one, or of several whose hash is the same.
type flow struct {
	first, last int32 // frames
	bytes       int
	credit      int   // bytes until it is another one's turn
	next        int32 // the flow behind it in its line
	lined       bool  // it is in a line
	control     codel
}

// line is flows in order.
type line struct{ first, last int32 }

func (q *fair) init(limit int, drop func(*buf.Packet)) {
	q.seed, q.room, q.drop = maphash.MakeSeed(), make([]waiting, limit), drop
	for i := range q.room {
		q.room[i].next = int32(i) + 1
	}
	q.room[limit-1].next = none
	q.fresh, q.old = line{none, none}, line{none, none}
	for i := range q.flows {
		q.flows[i].first, q.flows[i].last = none, none
	}
}

// put appends a frame, and owns it. When there is no room, the oldest frame of the flow
// with the most bytes makes some: https://www.rfc-editor.org/rfc/rfc8290#section-4.1.3
func (q *fair) put(now time.Duration, p *buf.Packet) {
	if q.free == none {
		q.drop(q.pop(q.longest()))
	}
	n := q.flowOf(p)
	f, at := &q.flows[n], q.free
	q.free = q.room[at].next
	q.room[at] = waiting{p, now, none}
	if f.last == none {
		f.first = at
	} else {
		q.room[f.last].next = at
	}
	f.last = at
	f.bytes += p.Len()
	q.bytes += p.Len()
	q.count++
	if !f.lined {
		f.lined, f.credit = true, quantum
		q.join(&q.fresh, n)
	}
}

// take returns the frame whose turn it is; nil when none waits.
// https://www.rfc-editor.org/rfc/rfc8290#section-4.2
func (q *fair) take(now time.Duration) *buf.Packet {
	for {
		from := &q.fresh
		if from.first == none {
			from = &q.old
		}
		n := from.first
		if n == none {
			return nil
		}
		f := &q.flows[n]
		if f.credit <= 0 {
			f.credit += quantum
			q.leave(from)
			q.join(&q.old, n)
			continue
		}
		p := q.next(now, n)
		if p == nil {
			q.leave(from)
			// A flow that was new waits among the old ones once, or it would be new each time.
			if f.lined = from == &q.fresh; f.lined {
				q.join(&q.old, n)
			}
			continue
		}
		f.credit -= p.Len()
		return p
	}
}

// next returns the next frame of a flow, without those that the delay in it costs: where
// the sender understands that, one is marked in their place.
func (q *fair) next(now time.Duration, n int32) *buf.Packet {
	f := &q.flows[n]
	for f.first != none {
		late := n > 0 && f.control.late(now, now-q.room[f.first].since, f.bytes)
		p := q.pop(n)
		if !late || mark(p) {
			return p
		}
		q.drop(p)
	}
	f.control.empty()
	return nil
}

// mark tells by ECN that p has waited for too long. Who else holds its memory must not
// see that.
func mark(p *buf.Packet) bool {
	return p.Block == nil && len(p.Data) > ethernetHeader && wire.MarkCE(p.Data[ethernetHeader:])
}

// clear drops all that waits.
func (q *fair) clear() {
	for n := range q.flows {
		for q.flows[n].first != none {
			q.drop(q.pop(int32(n)))
		}
	}
}

// pop takes the first frame from a flow that has one.
func (q *fair) pop(n int32) *buf.Packet {
	f := &q.flows[n]
	at := f.first
	p := q.room[at].frame
	f.first = q.room[at].next
	if f.first == none {
		f.last = none
	}
	f.bytes -= p.Len()
	q.bytes -= p.Len()
	q.room[at] = waiting{next: q.free}
	q.free = at
	q.count--
	return p
}

// longest returns the flow with the most bytes. As a rule that is one that has half of
// all, and stays it: then nothing is searched for each frame of a flood.
func (q *fair) longest() int32 {
	if 2*q.flows[q.fat].bytes >= q.bytes {
		return q.fat
	}
	for n := range q.flows {
		if q.flows[n].bytes > q.flows[q.fat].bytes {
			q.fat = int32(n)
		}
	}
	return q.fat
}

func (q *fair) join(l *line, n int32) {
	q.flows[n].next = none
	if l.last == none {
		l.first = n
	} else {
		q.flows[l.last].next = n
	}
	l.last = n
}

// leave takes the first flow out of a line.
func (q *fair) leave(l *line) {
	l.first = q.flows[l.first].next
	if l.first == none {
		l.last = none
	}
}

// flowOf returns the queue of a frame: that of its addresses, protocol and ports. All
// fragments of a packet have the same one.
func (q *fair) flowOf(p *buf.Packet) int32 {
	var ip wire.IP
	if len(p.Data) < ethernetHeader || wire.ParseQuotedIP(p.Data[ethernetHeader:], &ip) != wire.None {
		return 0
	}
	var key [2*16 + 1 + 4]byte
	src, dst := ip.Src.As16(), ip.Dst.As16()
	copy(key[:], src[:])
	copy(key[16:], dst[:])
	key[32] = ip.Proto
	if (ip.Proto == wire.ProtoTCP || ip.Proto == wire.ProtoUDP) && !ip.IsFragment() {
		copy(key[33:], p.Data[min(ethernetHeader+ip.HeaderLen, len(p.Data)):])
	}
	return 1 + int32(maphash.Bytes(q.seed, key[:])%flowQueues)
}
