package live

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/story"
)

func visitor(port uint16) wire.Tuple {
	return wire.Tuple{Local: wire.AddrFrom(netip.MustParseAddr("10.77.0.2")), LocalPort: 80, Remote: wire.AddrFrom(netip.MustParseAddr("10.77.0.1")), RemotePort: port}
}

func segmentEvent(kind tcp.EventKind, f wire.Flags, n int) tcp.Event {
	return tcp.Event{Time: clock.Time(1e9), Kind: kind, Tuple: visitor(40000), Segment: wire.TCP{Flags: f}, Len: n}
}

func stateEvent(from, to tcp.State) tcp.Event {
	return tcp.Event{Time: clock.Time(1e9), Kind: tcp.StateChanged, Tuple: visitor(40000), From: from, State: to}
}

// one is a recorder of the first connection to a server of ours.
var one = Options{Host: "Handfast", Peer: "the kernel", Port: 80, Connections: 1, Head: 10, Tail: 64}

func steps(r *Recorder) []story.Step { return r.Tell(story.TellOptions{}).Steps }

// record plays a connection with many segments to a recorder.
func record(data int) *Recorder {
	r := New(one)
	r.peer(visitor(40000), tcp.SynSent, tcp.CauseNone)
	r.Events([]tcp.Event{segmentEvent(tcp.SegmentReceived, wire.SYN, 0), stateEvent(tcp.Listen, tcp.SynReceived)})
	r.Events([]tcp.Event{segmentEvent(tcp.SegmentSent, wire.SYN|wire.ACK, 0)})
	r.peer(visitor(40000), tcp.Established, tcp.CauseNone)
	r.Events([]tcp.Event{segmentEvent(tcp.SegmentReceived, wire.ACK, 0), stateEvent(tcp.SynReceived, tcp.Established)})
	for range data {
		r.Events([]tcp.Event{segmentEvent(tcp.SegmentSent, wire.ACK, 1000)})
	}
	r.peer(visitor(40000), tcp.FinWait1, tcp.CauseNone)
	r.Events([]tcp.Event{segmentEvent(tcp.SegmentReceived, wire.FIN|wire.ACK, 0), stateEvent(tcp.Established, tcp.CloseWait)})
	r.Events([]tcp.Event{stateEvent(tcp.CloseWait, tcp.LastAck), segmentEvent(tcp.SegmentSent, wire.FIN|wire.ACK, 0)})
	r.peer(visitor(40000), tcp.TimeWait, tcp.CauseNone)
	r.Events([]tcp.Event{segmentEvent(tcp.SegmentReceived, wire.ACK, 0), stateEvent(tcp.LastAck, tcp.Closed)})
	return r
}

// However long the connection was, its handshake and its whole close are kept,
// and every segment is either drawn or counted.
func TestRecorderKeepsBothEnds(t *testing.T) {
	for _, data := range []int{0, 1, 2, 3, 4, 5, 100, 100_000} {
		r := record(data)
		steps := steps(r)
		if len(steps) > one.Head+midMoments+1+12 {
			t.Errorf("%d segments: %d steps", data, len(steps))
		}
		sent, received, _ := r.Counts()
		arrows := 0
		for _, s := range steps {
			if s.Kind == story.Arrow {
				arrows++
			}
		}
		if sent != data+2 || received != 4 || arrows+r.connections[0].skipped != sent+received {
			t.Errorf("%d segments: %d sent, %d received, %d drawn, %d skipped", data, sent, received, arrows, r.connections[0].skipped)
		}
		var b bytes.Buffer
		if err := (story.Ladder{ASCII: true}).Write(&b, steps); err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{"SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1", "CLOSE-WAIT", "LAST-ACK", "TIME-WAIT", "* CLOSED"} {
			if strings.Count(b.String(), s) != 1 {
				t.Errorf("%d segments: %q is there %d times in\n%s", data, s, strings.Count(b.String(), s), &b)
			}
		}
		<-r.Closed()
	}
}

// Other connections to the port, and other ports, are counted but not drawn.
func TestRecorderFollowsOne(t *testing.T) {
	r := record(0)
	before := len(steps(r))
	e := segmentEvent(tcp.SegmentSent, wire.RST, 0)
	e.Tuple.RemotePort++
	e.Retransmit = true
	r.Events([]tcp.Event{e})
	if _, _, again := r.Counts(); len(steps(r)) != before || again != 1 {
		t.Errorf("%d steps, were %d; %d again", len(steps(r)), before, again)
	}
}

func TestRecorderPeer(t *testing.T) {
	r := New(one)
	e := stateEvent(tcp.Closed, tcp.SynSent)
	e.Tuple, e.Cause = e.Tuple.Reverse(), tcp.CauseActiveOpen
	r.PeerEvents([]tcp.Event{e, e})
	if s := steps(r); len(s) != 1 || s[0].Lane != story.Left || s[0].Text != "active open" {
		t.Errorf("%+v", s)
	}
	if r.peerSettled(visitor(40000)) {
		t.Error("SYN-SENT is settled")
	}
	r.peerUnknown(errors.New("no"))
	if r.PeerProblem() == nil {
		t.Error("the problem is forgotten")
	}
}
