package trace

import (
	"fmt"
	"io"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// WriteCapture writes every packet of a run once, as it leaves its sender: there
// a lost one is seen too, and its retransmission is known for one. Comments say
// what happened to each. Its errors are the writer's.
func WriteCapture(w io.Writer, title string, r *Run) error {
	p := NewPcapng(w, title)
	interfaces := map[string]int{}
	for _, h := range r.Hosts {
		interfaces[h.Name] = p.AddInterface(h.Name)
	}
	comments := Comments(r)
	for i := range r.Packets {
		k := &r.Packets[i]
		p.Packet(&Captured{Time: k.Time, Interface: interfaces[k.From], Data: k.Data, Size: k.Size,
			Direction: Outbound, Comments: comments[k.ID]})
	}
	return p.Err()
}

// remarks gathers the comments on packets.
type remarks struct {
	of      map[int][]string
	waiting map[string][]string // said of the next packet that a host sends
	last    map[string]int      // packet that a host sent or received last
	arrived map[string]Event
}

// Comments returns what Wireshark should show with each packet: what the wire
// does to it, what it changes where it arrives, and what made its sender send it.
func Comments(run *Run) map[int][]string {
	r := remarks{map[int][]string{}, map[string][]string{}, map[string]int{}, map[string]Event{}}
	for i := range run.Events {
		r.event(&run.Events[i])
	}
	for host, said := range r.waiting {
		if id := r.last[host]; id > 0 {
			r.of[id] = append(r.of[id], said...)
		}
	}
	return r.of
}

func (r *remarks) event(e *Event) {
	switch {
	case e.Class == Wire:
		r.wire(e)
	case e.Class == Call || e.Class == Note:
		delete(r.arrived, e.Host) // what comes next is the program's doing
		r.waiting[e.Host] = append(r.waiting[e.Host], fmt.Sprintf("%s: %s", e.Host, e.Text))
	case e.Class == Outcome:
	case e.Kind == tcp.StateChanged:
		r.changed(e)
	case e.Kind == tcp.TimerFired:
		delete(r.arrived, e.Host)
		r.waiting[e.Host] = append(r.waiting[e.Host], fmt.Sprintf("%s: %v timer fired", e.Host, e.Timer))
	case e.Kind == tcp.SegmentSent:
		r.of[e.Packet] = append(r.waiting[e.Host], r.of[e.Packet]...)
		r.waiting[e.Host] = nil
		r.last[e.Host] = e.Packet
	default:
		r.arrived[e.Host], r.last[e.Host] = *e, e.Packet
		if e.Drop != wire.None {
			r.say(e.Packet, "%s does not use it: %v", e.Host, e.Drop)
		}
	}
}

// changed tells a change with the packet that caused it, or with the next one.
func (r *remarks) changed(e *Event) {
	text := fmt.Sprintf("%s: %v -> %v (%v)", e.Host, e.From, e.State, e.Cause)
	if a, ok := r.arrived[e.Host]; ok && a.Time == e.Time {
		r.say(a.Packet, "%s", text)
		return
	}
	r.waiting[e.Host] = append(r.waiting[e.Host], text)
}

func (r *remarks) wire(e *Event) {
	switch e.Fate {
	case ICMPSent, ICMPArrived:
		r.say(e.Packet, "%s", e.Text)
	case Refused:
		r.say(e.Packet, "%s does not use it: %v", e.Host, e.Drop)
	default:
		r.say(e.Packet, "on the wire: %v", e.Fate)
	}
}

func (r *remarks) say(packet int, format string, args ...any) {
	r.of[packet] = append(r.of[packet], fmt.Sprintf(format, args...))
}
