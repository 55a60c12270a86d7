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
	head    []Segment
	tail    []Segment // a ring, of which at is the oldest
	at      int
	skipped int
}

// Segment is one of those that were kept.
type Segment struct {
	Number int // of its packet
	Time   clock.Time
	From   int // its side
	TCP    wire.TCP
	Length int // of its payload
	Kind   SegmentKind
	// First is the place of its number in its sender's stream, and Ack that of the number
	// that it acknowledges in the other one: they are not cut to 32 bits. A SYN stands at
	// 0; without one the first number that was seen does.
	First, Ack int64
	Window     int // in bytes
}

// End is the place behind it, counting its SYN and FIN.
func (s *Segment) End() int64 {
	n := int64(s.Length)
	for _, f := range [2]wire.Flags{wire.SYN, wire.FIN} {
		if s.TCP.Flags.Has(f) {
			n++
		}
	}
	return s.First + n
}

func (k *kept) add(s Segment) {
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

// Segments are those of the connection that were kept: the first of them, and the last
// ones. Between them so many were not.
func (c *Conn) Segments() (first, last []Segment, skipped int) {
	if c.kept == nil {
		return nil, nil, 0
	}
	return c.kept.head, slices.Concat(c.kept.tail[c.kept.at:], c.kept.tail[:c.kept.at]), c.kept.skipped
}

// Run makes a trace of the segments that were kept and of the states of both ends, for
// package story. The two hosts are called by the given names. All times are those of the
// capture: it does not show when a segment has arrived.
func (c *Conn) Run(names [2]string) *trace.Run {
	r := &trace.Run{Start: c.First, End: c.Last}
	for i, a := range [2]wire.Addr{c.Tuple.Local, c.Tuple.Remote} {
		r.Hosts = append(r.Hosts, trace.Host{Name: names[i], Address: a.String()})
	}
	moves := [2][]Move{c.Sides[0].Moves, c.Sides[1].Moves}
	states := [2]tcp.State{c.Sides[0].first(), c.Sides[1].first()}
	head, tail, _ := c.Segments()
	for _, s := range slices.Concat(head, tail) {
		c.tell(r, names, &s, &moves, &states)
	}
	return r
}

// tell adds a segment to a run, and the moves that it shows or makes.
func (c *Conn) tell(r *trace.Run, names [2]string, s *Segment, moves *[2][]Move, states *[2]tcp.State) {
	flip := func(at int, seen bool) {
		for len(moves[at]) > 0 && moves[at][0].Packet <= s.Number && moves[at][0].Seen == seen {
			m := moves[at][0]
			moves[at] = moves[at][1:]
			e := c.event(names, at, s)
			e.Kind, e.From, e.State, e.Cause, e.Time, e.Segment, e.Len = tcp.StateChanged, m.From, m.To, m.Cause, m.Time, wire.TCP{}, 0
			states[at] = m.To
			r.Events = append(r.Events, e)
		}
	}
	to := 1 - s.From
	flip(s.From, false)
	flip(s.From, true)
	id := len(r.Packets) + 1
	r.Packets = append(r.Packets, trace.Packet{ID: id, Time: s.Time, From: names[s.From], To: names[to], Arrivals: []trace.Arrival{{Time: s.Time}}})
	sent := c.event(names, s.From, s)
	sent.Kind, sent.State, sent.Retransmit, sent.Packet = tcp.SegmentSent, states[s.From], s.Kind.Repeat(), id
	received := c.event(names, to, s)
	received.Kind, received.State, received.From, received.Packet = tcp.SegmentReceived, states[to], states[to], id
	r.Events = append(r.Events, sent, received)
	flip(to, false)
}

// event is one of a side, with the segment.
func (c *Conn) event(names [2]string, side int, s *Segment) trace.Event {
	t := c.Tuple
	if side == Server {
		t = t.Reverse()
	}
	return trace.Event{Host: names[side], Peer: names[1-side], Class: trace.Engine,
		Event: tcp.Event{Time: s.Time, Tuple: t, Segment: s.TCP, Len: s.Length, ISS: c.origin(side), IRS: c.origin(1 - side)}}
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
