package drill

import (
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// The lanes of a ladder.
const (
	hostLane   = "host"
	scriptLane = "script"
)

// record is what happened, for ladders.
type record struct {
	tcp     tcp.Trace
	events  []trace.Event
	packets []trace.Packet
}

func (r *record) trace(h *host.Host) { h.SetTrace(&r.tcp) }

func (r *record) told(p *player) trace.Run {
	t := trace.Run{Start: start, End: p.now, Events: r.events, Packets: r.packets}
	if p.host != nil {
		t.Hosts = []trace.Host{{Name: hostLane, Address: p.local.String()}, {Name: scriptLane, Address: p.remote.String(), Scripted: true}}
	}
	return t
}

func (r *record) add(p *player, e trace.Event) {
	e.Time = p.now
	r.events = append(r.events, e)
}

// say notes a call and what it gave.
func (r *record) say(p *player, c trace.Class, text string) {
	r.add(p, trace.Event{Host: hostLane, Class: c, Text: text})
}

// engine takes what the host's TCP reports; id is the packet that came in, 0: none did.
func (r *record) engine(p *player, id int) {
	for _, e := range r.tcp.Take() {
		out := trace.Event{Host: hostLane, Class: trace.Engine, Event: e}
		switch e.Kind {
		case tcp.SegmentReceived, tcp.SegmentDropped:
			out.Packet, out.Peer = id, scriptLane
		case tcp.SegmentSent:
			out.Packet, out.Peer = len(r.packets)+1, scriptLane
		}
		r.fillBases(p, &out.Event)
		r.add(p, out)
	}
}

// fillBases adds the first numbers that the engine does not know.
func (r *record) fillBases(p *player, e *tcp.Event) {
	if e.IRS == 0 {
		e.IRS = uint32(peerISN)
	}
	for _, f := range p.flows {
		if f.tuple == e.Tuple && e.ISS == 0 {
			e.ISS = uint32(f.own)
		}
	}
}

// sent notes a packet that leaves the host; it has reached the script at once.
func (r *record) sent(p *player, data []byte) {
	r.engine(p, 0)
	r.packets = append(r.packets, trace.Packet{ID: len(r.packets) + 1, Time: p.now, From: hostLane, To: scriptLane, Data: data,
		Arrivals: []trace.Arrival{{Time: p.now, Data: data}}})
	if s, ok := parseSegment(data); ok {
		e := tcp.Event{Kind: tcp.SegmentReceived, Tuple: s.tuple.Reverse(), Segment: s.tcp, Len: len(s.payload), ISS: uint32(peerISN), IRS: uint32(p.flowTo(s.tuple).own)}
		r.add(p, trace.Event{Host: scriptLane, Peer: hostLane, Class: trace.Scripted, Packet: len(r.packets), Event: e})
	}
}

// arrives notes a packet of the script and returns its number.
func (r *record) arrives(p *player, data []byte) int {
	r.packets = append(r.packets, trace.Packet{ID: len(r.packets) + 1, Time: p.now, From: scriptLane, To: hostLane, Data: data,
		Arrivals: []trace.Arrival{{Time: p.now, Data: data}}})
	id := len(r.packets)
	if s, ok := parseSegment(data); ok {
		e := tcp.Event{Kind: tcp.SegmentSent, Tuple: s.tuple, Segment: s.tcp, Len: len(s.payload), ISS: uint32(peerISN), IRS: uint32(p.flowTo(s.tuple.Reverse()).own)}
		r.add(p, trace.Event{Host: scriptLane, Peer: hostLane, Class: trace.Scripted, Packet: id, Event: e})
	} else {
		r.add(p, trace.Event{Host: scriptLane, Peer: hostLane, Class: trace.Wire, Fate: trace.ICMPSent, Packet: id, Text: printOther(data)})
	}
	return id
}
