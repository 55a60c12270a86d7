package story

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// fate is what became of a packet: it is known later than it is sent.
type fate struct {
	lost, altered, doubled bool
	marked                 bool
	tooBig                 clock.Time  // when a router dropped it; 0: none did
	drops                  []wire.Drop // one for each copy that arrived
	why                    trace.Fate
	reason                 string // why the wire lost it, if there is more to say
}

func fatesOf(r *trace.Run) map[int]*fate {
	all := map[int]*fate{}
	for i := range r.Packets {
		all[r.Packets[i].ID] = &fate{}
	}
	for i := range r.Events {
		if e := &r.Events[i]; all[e.Packet] != nil {
			all[e.Packet].note(e)
		}
	}
	return all
}

func (f *fate) note(e *trace.Event) {
	switch {
	case e.Fate == trace.Lost || e.Fate == trace.TooBig:
		f.lost, f.why, f.reason = true, e.Fate, e.Text
		if e.Fate == trace.TooBig {
			f.tooBig = e.Time
		}
	case e.Fate == trace.Corrupted:
		f.altered = true
	case e.Fate == trace.Marked:
		f.marked = true
	case e.Fate == trace.Duplicated:
		f.doubled = true
	case e.Fate == trace.Refused, e.Class == trace.Engine && e.Kind == tcp.SegmentReceived,
		e.Class == trace.Engine && e.Kind == tcp.SegmentDropped:
		f.drops = append(f.drops, e.Drop)
	}
}

// drop returns why a copy of the packet was not used.
func (f *fate) drop(n int) wire.Drop {
	if n < len(f.drops) {
		return f.drops[n]
	}
	return wire.None
}

func (f *fate) word(l Lang) string { return fateText(f.why, f.reason, l) }
