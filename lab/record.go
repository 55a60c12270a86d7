package lab

import (
	"fmt"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// record is what happened so far: the events, the packets, and what the
// language of scenarios has to know of both.
type record struct {
	world   *World
	off     bool // keep nothing but counts: a random run is long
	events  []trace.Event
	packets []trace.Packet
	sends   int
	isns    map[direction]seq.Num // of the last SYN of an engine or a script
	states  map[string]tcp.State  // where a host's latest connection is
}

// told returns all that happened.
func (w *World) told() trace.Run {
	r := trace.Run{Start: start, End: w.now, Events: w.record.events, Packets: w.record.packets}
	for _, n := range w.nodes {
		r.Hosts = append(r.Hosts, n.told())
	}
	return r
}

func (n *node) told() trace.Host {
	h := trace.Host{Name: n.Name, Address: n.Address.String(), Scripted: n.Scripted, Router: n.Name == routerName}
	if n.host != nil {
		h.HalfOpen = n.host.TCP().Defence().MaxHalfOpen
	}
	return h
}

// direction is one stream of a connection.
type direction struct {
	src, dst         wire.Addr
	srcPort, dstPort uint16
}

func (d direction) reverse() direction { return direction{d.dst, d.src, d.dstPort, d.srcPort} }

func (r *record) add(e trace.Event) {
	if e.Time == 0 {
		e.Time = r.world.now
	}
	r.events = append(r.events, e)
}

// engine takes the events of a host's TCP; id is the packet that just came in,
// 0 when none did. It reports whether TCP saw that packet.
func (r *record) engine(n *node, id int) (seen bool) {
	// The engine's events come in batches, after each thing that the host did: the
	// packet that caused them is known only here.
	for _, e := range n.trace.Take() {
		if r.world.watch.Event != nil {
			r.world.watch.Event(n.Name, &e)
		}
		e.Time = r.world.now // a host's own clock is nobody else's
		out := trace.Event{Host: n.Name, Class: trace.Engine, Event: e}
		switch e.Kind {
		case tcp.SegmentReceived, tcp.SegmentDropped:
			out.Packet, out.Peer, seen = id, r.name(e.Tuple.Remote), true
		case tcp.SegmentSent:
			out.Peer = r.name(e.Tuple.Remote)
			out.Packet = r.sends + 1 // it is on its way out
		case tcp.StateChanged:
			r.moved(n.Name, e.State)
		}
		if !r.off {
			out.HalfOpen = n.host.TCP().Defence().HalfOpen
			r.fillBases(&out.Event)
			r.add(out)
		}
	}
	return seen
}

// fillBases adds what the engine does not know and the wire does: the first
// numbers of the streams that a stateless answer, or a new peer, speaks of.
func (r *record) fillBases(e *tcp.Event) {
	t := e.Tuple
	own, far := r.bases(direction{t.Local, t.Remote, t.LocalPort, t.RemotePort})
	if e.Kind == tcp.SegmentSent && e.Segment.Flags.Has(wire.SYN) {
		own = uint32(e.Segment.Seq)
	}
	if e.ISS == 0 {
		e.ISS = own
	}
	if e.IRS == 0 {
		e.IRS = far
	}
}

func (r *record) moved(name string, s tcp.State) {
	if r.states == nil {
		r.states = map[string]tcp.State{}
	}
	r.states[name] = s
}

func (r *record) name(a wire.Addr) string {
	if n := r.world.byAddr[a]; n != nil {
		return n.Name
	}
	return ""
}

// sent notes a packet that is put on the wire.
func (r *record) sent(from *node, data []byte, forged bool) *parcel {
	r.engine(from, 0)
	r.sends++
	p := &parcel{id: r.sends, from: from, data: data, forged: forged}
	var ip wire.IP
	if wire.ParseIP(data, &ip) == wire.None {
		p.to = r.world.byAddr[ip.Dst]
		p.parse(&ip)
	}
	if p.tcp != nil && p.tcp.Flags.Has(wire.SYN) && !forged {
		r.noteISN(p)
	}
	if r.off {
		return p
	}
	to := ""
	if p.to != nil {
		to = p.to.Name
	}
	r.packets = append(r.packets, trace.Packet{ID: p.id, Time: r.world.now, From: from.Name, To: to,
		Data: data, Forged: forged, Lost: true})
	r.announce(p, &ip)
	return p
}

// announce makes the event of a packet for which no engine makes one.
func (r *record) announce(p *parcel, ip *wire.IP) {
	switch {
	case p.forged && p.tcp != nil:
		r.fate(p, trace.Forged, "")
	case p.from.Scripted && p.tcp != nil:
		e := trace.Event{Host: p.from.Name, Peer: p.peer(), Class: trace.Scripted, Packet: p.id, Event: p.event()}
		r.fillBases(&e.Event)
		r.add(e)
	case p.tcp == nil:
		r.add(trace.Event{Host: p.from.Name, Peer: p.peer(), Class: trace.Wire, Fate: trace.ICMPSent, Packet: p.id, Text: describeICMP(ip, p.data)})
	}
}

// parse finds the TCP header. Its checksum is not looked at: what a script or a forger sends is
// told of, also when its receiver will not take it.
func (p *parcel) parse(ip *wire.IP) {
	if ip.Proto != wire.ProtoTCP {
		return
	}
	var h wire.TCP
	n, d := wire.ParseTCP(p.data[ip.HeaderLen:ip.TotalLen], &h)
	if d != wire.None {
		return
	}
	p.tcp, p.len = &h, ip.TotalLen-ip.HeaderLen-n
	p.tuple = wire.Tuple{Local: ip.Src, Remote: ip.Dst, LocalPort: h.SrcPort, RemotePort: h.DstPort}
}

func (p *parcel) peer() string {
	if p.to == nil {
		return ""
	}
	return p.to.Name
}

func (p *parcel) direction() direction {
	return direction{p.tuple.Local, p.tuple.Remote, p.tuple.LocalPort, p.tuple.RemotePort}
}

// event is the segment as an event of its sender.
func (p *parcel) event() tcp.Event {
	if p.tcp == nil {
		return tcp.Event{}
	}
	return tcp.Event{Kind: tcp.SegmentSent, Tuple: p.tuple, Segment: *p.tcp, Len: p.len}
}

// noteISN makes the SYN's number the one that all of its stream are counted from: the latest
// SYN's, so that each connection of a pair of ports begins with 0.
func (r *record) noteISN(p *parcel) {
	if r.isns == nil {
		r.isns = map[direction]seq.Num{}
	}
	r.isns[p.direction()] = p.tcp.Seq
}

// fate notes what the wire does with a parcel.
func (r *record) fate(p *parcel, f trace.Fate, text string) {
	if r.off {
		return
	}
	e := p.event()
	e.ISS, e.IRS = r.bases(p.direction())
	r.add(trace.Event{Host: p.from.Name, Peer: p.peer(), Class: trace.Wire, Fate: f, Packet: p.id, Text: text, Event: e})
}

// bases returns the first numbers of both streams of a connection, 0 when not known.
func (r *record) bases(d direction) (own, far uint32) {
	return uint32(r.isns[d]), uint32(r.isns[d.reverse()])
}

// arrival notes what came out of the wire. Until then a packet counts as lost: so nobody has
// to say that it is.
func (r *record) arrival(id int, data []byte) {
	if r.off {
		return
	}
	k := &r.packets[id-1]
	k.Lost = false
	k.Arrivals = append(k.Arrivals, trace.Arrival{Time: r.world.now, Data: data})
}

// refused notes a packet that never got as far as TCP.
func (r *record) refused(n *node, id int, data []byte, d wire.Drop) {
	if r.off {
		return
	}
	e := trace.Event{Host: n.Name, Class: trace.Wire, Fate: trace.Refused, Packet: id}
	if id > 0 {
		e.Peer = r.packets[id-1].From
	}
	e.Drop = d
	r.add(e)
}

// icmpArrived notes an ICMP message that reaches a host.
func (r *record) icmpArrived(n *node, id int, data []byte) {
	var ip wire.IP
	if r.off || wire.ParseIP(data, &ip) != wire.None || ip.Proto == wire.ProtoTCP {
		return
	}
	r.add(trace.Event{Host: n.Name, Peer: r.name(ip.Src), Class: trace.Wire, Fate: trace.ICMPArrived, Packet: id, Text: describeICMP(&ip, data)})
}

func (r *record) note(n *node, text *note) {
	if !r.off {
		r.add(trace.Event{Host: n.Name, Class: trace.Note, Text: text.en, TextZH: text.zh})
	}
}

// say notes a call, an outcome or a remark of a program.
func (r *record) say(n *node, c trace.Class, format string, args ...any) {
	if !r.off {
		r.add(trace.Event{Host: n.Name, Class: c, Text: fmt.Sprintf(format, args...)})
	}
}
