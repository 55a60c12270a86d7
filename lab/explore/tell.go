package explore

import (
	"io"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/story"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// Tell plays a way again and returns all that happens on it, to be drawn, and what is
// wrong at its end. In an exploration nothing takes time but timers; here each act takes
// a millisecond, so that one stands below the other.
func Tell(r *Rung, p Path) (trace.Run, error) {
	t := &telling{rung: r, x: newExplorer(r), ids: map[int]int{}}
	t.run.Start = start
	for i, name := range r.Hosts {
		t.run.Hosts = append(t.run.Hosts, trace.Host{Name: name, Address: address(i).String()})
	}
	w := newWorld(r, true)
	for _, a := range p {
		w = t.step(w, a)
		if w.wrong != nil {
			break
		}
	}
	t.run.End = t.at(w)
	if w.wrong == nil && w.fair(r).kind == nothing {
		return t.run, w.over(r)
	}
	return t.run, w.wrong
}

// Draw writes a way as a ladder. Its errors are the writer's.
func Draw(w io.Writer, r *Rung, p Path) error {
	run, _ := Tell(r, p)
	told := story.Tell(&run, story.TellOptions{})
	return story.Ladder{Lanes: told.Lanes, Width: 100}.Write(w, told.Steps)
}

// telling is a run that is told.
type telling struct {
	rung  *Rung
	x     *explorer
	run   trace.Run
	steps int
	ids   map[int]int // of the packets of the world, in the run
}

func (t *telling) at(w *world) clock.Time {
	return w.now.Add(time.Duration(t.steps) * time.Millisecond)
}

func (t *telling) step(w *world, a act) *world {
	t.steps++
	var k packet
	switch a.kind {
	case call:
		o, _ := w.pending(t.rung, int(a.at))
		t.add(w, trace.Event{Host: t.rung.Hosts[a.at], Class: trace.Call, Text: o.String()})
	case deliver, duplicate, together, twice:
		k = w.wire[a.at]
	case drop:
		t.fate(w, &w.wire[a.at], trace.Lost)
	case mutate:
		t.fate(w, &w.wire[a.at], trace.Corrupted)
		t.add(w, trace.Event{Host: t.rung.Hosts[w.wire[a.at].to], Class: trace.Note, Text: "changed on its way: " + mutations[a.how].name})
	}
	n := w.step(t.x, a)
	if k.sent != 0 {
		p := &t.run.Packets[t.ids[k.id]-1]
		p.Lost, p.Arrivals = false, append(p.Arrivals, trace.Arrival{Time: t.at(n), Data: k.bytes()})
		if a.kind == duplicate || a.kind == twice {
			t.fate(w, &k, trace.Duplicated)
		}
	}
	t.events(n, t.ids[k.id])
	if n.batch.open {
		t.add(n, trace.Event{Host: t.rung.Hosts[n.batch.at], Class: trace.Note, Text: "in one batch with what follows"})
	}
	return n
}

// events takes what the engines tell; id is the packet that came in.
func (t *telling) events(w *world, id int) {
	sent := w.wire
	for i, e := range w.ends {
		for _, ev := range e.trace.Take() {
			out := trace.Event{Host: t.rung.Hosts[i], Class: trace.Engine, Event: ev}
			switch ev.Kind {
			case tcp.SegmentReceived, tcp.SegmentDropped:
				out.Packet, out.Peer = id, t.rung.Hosts[w.peer(i)]
			case tcp.SegmentSent:
				out.Peer = t.rung.Hosts[w.peer(i)]
				for len(sent) > 0 && (sent[0].from != i || t.ids[sent[0].id] != 0) {
					sent = sent[1:]
				}
				if len(sent) > 0 {
					out.Packet = t.sends(w, &sent[0])
				}
			}
			if out.ISS == 0 {
				out.ISS = uint32(e.iss)
			}
			if out.IRS == 0 {
				out.IRS = uint32(w.ends[w.peer(i)].iss)
			}
			t.add(w, out)
		}
		sent = w.wire
	}
}

func (t *telling) add(w *world, e trace.Event) {
	e.Time = t.at(w)
	t.run.Events = append(t.run.Events, e)
}

// sends notes a packet that was put on the wire, and returns its name in the run.
func (t *telling) sends(w *world, k *packet) int {
	id := len(t.run.Packets) + 1
	t.ids[k.id] = id
	t.run.Packets = append(t.run.Packets, trace.Packet{ID: id, Time: t.at(w), From: t.rung.Hosts[k.from], To: t.rung.Hosts[k.to], Data: k.bytes(), Lost: true})
	return id
}

func (t *telling) fate(w *world, k *packet, f trace.Fate) {
	e := tcp.Event{Kind: tcp.SegmentSent, Tuple: k.tuple.Reverse(), Segment: k.segment.TCP, Len: k.segment.Len,
		ISS: uint32(w.ends[k.from].iss), IRS: uint32(w.ends[k.to].iss)}
	t.add(w, trace.Event{Host: t.rung.Hosts[k.from], Peer: t.rung.Hosts[k.to], Class: trace.Wire, Fate: f, Packet: t.ids[k.id], Event: e})
}

// bytes returns the packet as it is on the wire.
func (k *packet) bytes() []byte {
	t, h := k.tuple.Reverse(), k.segment.TCP
	h.SrcPort, h.DstPort = t.LocalPort, t.RemotePort
	text := make([]byte, 0, mtu)
	for _, v := range appendStream(nil, k.life, k.offset, k.segment.Len) {
		text = append(text, v.Bytes()...)
	}
	ip := wire.IP{Version: 4, Src: t.Local, Dst: t.Remote, Proto: wire.ProtoTCP, TTL: 64}
	return append(wire.AppendSegment(nil, &ip, &h, len(text), wire.Sum(text, 0), false), text...)
}
