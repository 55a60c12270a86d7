package capture

import (
	"slices"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// kept are segments of a connection: the first ones and the last ones.
type kept struct {
	most    int
	head    []keptSegment
	tail    []keptSegment // a ring, of which at is the oldest
	at      int
	skipped int
}

type keptSegment struct {
	number int
	time   clock.Time
	from   int
	tcp    wire.TCP
	length int
	repeat bool
}

func (k *kept) add(s keptSegment) {
	switch {
	case len(k.head) < k.most/2:
		k.head = append(k.head, s)
	case len(k.tail) < k.most-k.most/2:
		k.tail = append(k.tail, s)
	default:
		k.tail[k.at] = s
		k.at = (k.at + 1) % len(k.tail)
		k.skipped++
	}
}

// Segments is how many segments of the connection were kept, and how many between the
// first and the last of them were not.
func (c *Conn) Segments() (kept, skipped int) {
	if c.kept == nil {
		return 0, 0
	}
	return len(c.kept.head) + len(c.kept.tail), c.kept.skipped
}

// Run makes a trace of the segments that were kept and of the states of both ends, for
// package story. The two hosts are called by the given names. All times are those of the
// capture: it does not show when a segment has arrived.
func (c *Conn) Run(names [2]string) *trace.Run {
	r := &trace.Run{Start: c.First, End: c.Last}
	for i, a := range [2]wire.Addr{c.Tuple.Local, c.Tuple.Remote} {
		r.Hosts = append(r.Hosts, trace.Host{Name: names[i], Address: a.String()})
	}
	if c.kept == nil {
		return r
	}
	moves := [2][]Move{c.Sides[0].Moves, c.Sides[1].Moves}
	states := [2]tcp.State{c.Sides[0].first(), c.Sides[1].first()}
	for _, s := range slices.Concat(c.kept.head, c.kept.tail[c.kept.at:], c.kept.tail[:c.kept.at]) {
		c.tell(r, names, &s, &moves, &states)
	}
	return r
}

// tell adds a segment to a run, and the moves that it shows or makes.
func (c *Conn) tell(r *trace.Run, names [2]string, s *keptSegment, moves *[2][]Move, states *[2]tcp.State) {
	flip := func(at int, seen bool) {
		for len(moves[at]) > 0 && moves[at][0].Packet <= s.number && moves[at][0].Seen == seen {
			m := moves[at][0]
			moves[at] = moves[at][1:]
			e := c.event(names, at, s)
			e.Kind, e.From, e.State, e.Cause, e.Time, e.Segment, e.Len = tcp.StateChanged, m.From, m.To, m.Cause, m.Time, wire.TCP{}, 0
			states[at] = m.To
			r.Events = append(r.Events, e)
		}
	}
	to := 1 - s.from
	flip(s.from, false)
	flip(s.from, true)
	id := len(r.Packets) + 1
	r.Packets = append(r.Packets, trace.Packet{ID: id, Time: s.time, From: names[s.from], To: names[to], Arrivals: []trace.Arrival{{Time: s.time}}})
	sent := c.event(names, s.from, s)
	sent.Kind, sent.State, sent.Retransmit, sent.Packet = tcp.SegmentSent, states[s.from], s.repeat, id
	received := c.event(names, to, s)
	received.Kind, received.State, received.From, received.Packet = tcp.SegmentReceived, states[to], states[to], id
	r.Events = append(r.Events, sent, received)
	flip(to, false)
}

// event is one of a side, with the segment.
func (c *Conn) event(names [2]string, side int, s *keptSegment) trace.Event {
	t := c.Tuple
	if side == Server {
		t = t.Reverse()
	}
	return trace.Event{Host: names[side], Peer: names[1-side], Class: trace.Engine,
		Event: tcp.Event{Time: s.time, Tuple: t, Segment: s.tcp, Len: s.length, ISS: c.origin(side), IRS: c.origin(1 - side)}}
}

// origin is a side's first number, from which its others are counted.
func (c *Conn) origin(side int) uint32 { return uint32(c.Sides[side].isn) }

// first is the state before the first move.
func (e *states) first() tcp.State {
	if len(e.Moves) == 0 {
		return e.state
	}
	return e.Moves[0].From
}
