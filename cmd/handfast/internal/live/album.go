package live

import (
	"slices"
	"sync"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/story"
)

// Life is a connection, as much of it as a list tells.
type Life struct {
	Tuple        wire.Tuple
	Dials        bool // our end has opened it
	Opened       bool // it was ESTABLISHED, or later
	State        tcp.State
	Cause        tcp.Cause  // of its last change
	Began, Ended clock.Time // TIME-WAIT is an end: nothing passes any more
	Moments      int        // how often something happened: it grows with each
}

// Album keeps the newest connections of a host, each with its beginning and its end.
// Those that no handshake has completed have little room of their own: of a flood there are
// many, and the others stay. Its methods may be called by several goroutines.
type Album struct {
	Peer say.Text // what the other side is called

	options        Options
	opened, asking int // how many are kept of each

	mu      sync.Mutex
	byTuple map[wire.Tuple]*page
	whole   []*page // in the order in which they were opened
	partial []*page // in the order in which they began
}

// page is one connection of an album.
type page struct {
	Life
	recorder *Recorder
}

// NewAlbum returns an empty album. Of o counts how much is kept of each; opened is how many
// there may be that were ESTABLISHED, asking how many that were not.
func NewAlbum(o Options, peer say.Text, opened, asking int) *Album {
	o.Connections = 1
	return &Album{Peer: peer, options: o, opened: opened, asking: asking, byTuple: map[wire.Tuple]*page{}}
}

// Events takes what has happened, and returns the connections that were opened by it, and
// those that ended.
func (a *Album) Events(events []tcp.Event) (opened, ended []Life) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range events {
		e := &events[i]
		p := a.page(e)
		if p == nil {
			continue
		}
		p.recorder.Events(events[i : i+1])
		p.Moments++
		if e.Kind != tcp.StateChanged {
			continue
		}
		p.State, p.Cause = e.State, e.Cause
		switch {
		case !p.Opened && e.State >= tcp.Established:
			a.open(p)
			opened = append(opened, p.Life)
		case p.Ended == 0 && (e.State == tcp.Closed || e.State == tcp.TimeWait):
			p.Ended = e.Time
			if p.Opened {
				ended = append(ended, p.Life)
			}
		}
	}
	return opened, ended
}

// page returns the connection that an event is of; nil: none that is told of.
func (a *Album) page(e *tcp.Event) *page {
	if e.Tuple.RemotePort == 0 {
		return nil // a listener's
	}
	first := e.Segment.Flags.Has(wire.SYN) && !e.Segment.Flags.Has(wire.ACK) && e.Kind <= tcp.SegmentReceived && !e.Retransmit
	p := a.byTuple[e.Tuple]
	switch {
	case p != nil && (!first || p.Ended == 0):
		return p
	case p == nil && !first && (e.State < tcp.Established || e.State == tcp.TimeWait):
		return nil // a stray, or the end of one that nobody has seen begin
	}
	return a.begin(e)
}

func (a *Album) begin(e *tcp.Event) *page {
	p := &page{Life: Life{Tuple: e.Tuple, Began: e.Time, State: e.State, Dials: e.Kind == tcp.SegmentSent && e.Segment.Flags.Has(wire.SYN)}}
	o := a.options
	o.Dials = p.Dials
	p.recorder = New(o)
	if old := a.byTuple[e.Tuple]; old != nil {
		a.forget(old)
	}
	a.byTuple[e.Tuple] = p
	if e.State >= tcp.Established {
		a.open(p)
		return p
	}
	a.partial = append(a.partial, p)
	if len(a.partial) > a.asking {
		a.forget(a.partial[0])
	}
	return p
}

// open notes that a connection is one.
func (a *Album) open(p *page) {
	p.Opened = true
	a.partial = slices.DeleteFunc(a.partial, func(o *page) bool { return o == p })
	a.whole = append(a.whole, p)
	if len(a.whole) > a.opened {
		a.forget(a.whole[0])
	}
}

func (a *Album) forget(p *page) {
	if a.byTuple[p.Tuple] == p {
		delete(a.byTuple, p.Tuple)
	}
	is := func(o *page) bool { return o == p }
	a.partial, a.whole = slices.DeleteFunc(a.partial, is), slices.DeleteFunc(a.whole, is)
}

// Lives returns the connections that are kept, the newest first.
func (a *Album) Lives() []Life {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []Life
	for _, p := range slices.Concat(a.whole, a.partial) {
		all = append(all, p.Life)
	}
	slices.SortStableFunc(all, func(x, y Life) int { return int(max(min(y.Began-x.Began, 1), -1)) })
	return all
}

// Tell tells of one connection; nil: it is not kept.
func (a *Album) Tell(t wire.Tuple, o story.TellOptions) *story.Telling {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.byTuple[t]
	if p == nil {
		return nil
	}
	p.recorder.Lang, p.recorder.Peer = o.Lang, a.Peer[o.Lang]
	return p.recorder.Tell(o)
}
