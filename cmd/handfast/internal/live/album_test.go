package live

import (
	"testing"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/story"
)

func newAlbum() *Album {
	return NewAlbum(Options{Host: "serve", Head: 10, Tail: 20}, say.Text{"peer", "对端"}, 5, 3)
}

// lived is the life of a connection of a visitor, as far as a state.
func lived(port uint16, until tcp.State) (all []tcp.Event) {
	at := clock.Time(port) * 1e6
	add := func(e tcp.Event) {
		e.Tuple, e.Time = visitor(port), at
		at++
		all = append(all, e)
	}
	add(segmentEvent(tcp.SegmentReceived, wire.SYN, 0))
	add(stateEvent(tcp.Listen, tcp.SynReceived))
	add(segmentEvent(tcp.SegmentSent, wire.SYN|wire.ACK, 0))
	if until >= tcp.Established {
		add(segmentEvent(tcp.SegmentReceived, wire.ACK, 0))
		add(stateEvent(tcp.SynReceived, tcp.Established))
	}
	if until > tcp.Established {
		add(stateEvent(tcp.Established, tcp.FinWait1))
		add(stateEvent(tcp.FinWait1, tcp.TimeWait))
		add(stateEvent(tcp.TimeWait, tcp.Closed))
	}
	return all
}

func ports(a *Album) (all []uint16) {
	for _, l := range a.Lives() {
		all = append(all, l.Tuple.RemotePort)
	}
	return all
}

// Of connections the newest are kept, and a flood of SYNs drives out none that is open or
// was.
func TestAlbumKeepsTheNewest(t *testing.T) {
	a := newAlbum()
	for port := uint16(1); port <= 9; port++ {
		opened, ended := a.Events(lived(port, tcp.TimeWait))
		if len(opened) != 1 || len(ended) != 1 || opened[0].Tuple.RemotePort != port || ended[0].State != tcp.TimeWait {
			t.Errorf("connection %d: %v opened, %v ended", port, opened, ended)
		}
	}
	for port := uint16(1000); port < 2000; port++ {
		if opened, ended := a.Events(lived(port, tcp.SynReceived)); len(opened)+len(ended) != 0 {
			t.Errorf("a SYN: %v, %v", opened, ended)
		}
	}
	if got := ports(a); len(got) != 8 || got[0] != 1999 || got[2] != 1997 || got[3] != 9 || got[7] != 5 {
		t.Errorf("kept are %v", got)
	}
	if len(a.byTuple) != 8 {
		t.Errorf("%d are remembered", len(a.byTuple))
	}
}

// Ends that are used again are another connection; what repeats or strays is none.
func TestAlbumTellsConnectionsApart(t *testing.T) {
	a := newAlbum()
	a.Events(lived(7, tcp.TimeWait))
	first := a.Lives()[0]
	again := segmentEvent(tcp.SegmentReceived, wire.SYN, 0)
	again.Tuple, again.Time, again.Retransmit = visitor(7), 1e9, true
	a.Events([]tcp.Event{again})
	if l := a.Lives(); len(l) != 1 || l[0].Began != first.Began || l[0].Ended == 0 {
		t.Errorf("a repetition: %+v", l)
	}
	late := lived(7, tcp.Established)
	for i := range late {
		late[i].Time += 1e9
	}
	a.Events(late)
	if l := a.Lives(); len(l) != 1 || l[0].Began == first.Began || l[0].Ended != 0 || l[0].State != tcp.Established {
		t.Errorf("a second one: %+v", l)
	}
	stray := segmentEvent(tcp.SegmentDropped, wire.ACK, 0)
	stray.Tuple, stray.State = visitor(8), tcp.Closed
	listening := stateEvent(tcp.Closed, tcp.Listen)
	listening.Tuple.RemotePort = 0
	a.Events([]tcp.Event{stray, listening})
	if len(a.Lives()) != 1 {
		t.Errorf("%+v", a.Lives())
	}
}

// One that was open before anybody looked is told from then on; and who dials stands on the
// left.
func TestAlbumTells(t *testing.T) {
	a := newAlbum()
	data := segmentEvent(tcp.SegmentReceived, wire.ACK, 100)
	data.Tuple, data.State = visitor(1), tcp.Established
	a.Events([]tcp.Event{data})
	dial := segmentEvent(tcp.SegmentSent, wire.SYN, 0)
	dial.Tuple = visitor(2)
	a.Events([]tcp.Event{dial})
	for port, left := range map[uint16]string{1: "peer\n10.77.0.1:1", 2: "serve\n10.77.0.2:80"} {
		told := a.Tell(visitor(port), story.TellOptions{})
		if told == nil || len(told.Steps) != 1 || told.Lanes[0].Title != left {
			t.Fatalf("%d: %+v", port, told)
		}
	}
	if told := a.Tell(visitor(1), story.TellOptions{Lang: story.Chinese}); told.Lanes[0].Title != "对端\n10.77.0.1:1" {
		t.Errorf("%q", told.Lanes[0].Title)
	}
	if a.Tell(visitor(3), story.TellOptions{}) != nil {
		t.Error("nobody is told of")
	}
}
