package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/story"
)

func visitor(port uint16) wire.Tuple {
	return wire.Tuple{Local: wire.AddrFrom(ourAddrs[0].Addr()), LocalPort: 80, Remote: wire.AddrFrom(kernelAddrs[0].Addr()), RemotePort: port}
}

func segmentEvent(kind tcp.EventKind, f wire.Flags, n int) tcp.Event {
	return tcp.Event{Time: clock.Time(1e9), Kind: kind, Tuple: visitor(40000), Segment: wire.TCP{Flags: f}, Len: n}
}

func stateEvent(from, to tcp.State) tcp.Event {
	return tcp.Event{Time: clock.Time(1e9), Kind: tcp.StateChanged, Tuple: visitor(40000), From: from, State: to}
}

// record plays a connection with many segments to a recorder.
func record(data int) *recorder {
	r := newRecorder(80)
	r.peer(tcp.SynSent, "")
	r.events([]tcp.Event{segmentEvent(tcp.SegmentReceived, wire.SYN, 0), stateEvent(tcp.Listen, tcp.SynReceived)})
	r.events([]tcp.Event{segmentEvent(tcp.SegmentSent, wire.SYN|wire.ACK, 0)})
	r.peer(tcp.Established, "")
	r.events([]tcp.Event{segmentEvent(tcp.SegmentReceived, wire.ACK, 0), stateEvent(tcp.SynReceived, tcp.Established)})
	for range data {
		r.events([]tcp.Event{segmentEvent(tcp.SegmentSent, wire.ACK, 1000)})
	}
	r.peer(tcp.FinWait1, "")
	r.events([]tcp.Event{segmentEvent(tcp.SegmentReceived, wire.FIN|wire.ACK, 0), stateEvent(tcp.Established, tcp.CloseWait)})
	r.events([]tcp.Event{stateEvent(tcp.CloseWait, tcp.LastAck), segmentEvent(tcp.SegmentSent, wire.FIN|wire.ACK, 0)})
	r.peer(tcp.TimeWait, "")
	r.events([]tcp.Event{segmentEvent(tcp.SegmentReceived, wire.ACK, 0), stateEvent(tcp.LastAck, tcp.Closed)})
	return r
}

// However long the connection was, its handshake and its whole close are kept,
// and every segment is either drawn or counted.
func TestRecorderKeepsBothEnds(t *testing.T) {
	for _, data := range []int{0, 1, 2, 3, 4, 5, 100, 100_000} {
		r := record(data)
		steps := r.steps()
		if len(steps) > headMoments+midMoments+1+12 {
			t.Errorf("%d segments: %d steps", data, len(steps))
		}
		sent, received, _ := r.counts()
		arrows := 0
		for _, s := range steps {
			if s.Kind == story.Arrow {
				arrows++
			}
		}
		if sent != data+2 || received != 4 || arrows+r.skipped != sent+received {
			t.Errorf("%d segments: %d sent, %d received, %d drawn, %d skipped", data, sent, received, arrows, r.skipped)
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
		<-r.closed
	}
}

// Other connections to the port, and other ports, are counted but not drawn.
func TestRecorderFollowsOne(t *testing.T) {
	r := record(0)
	before := len(r.steps())
	e := segmentEvent(tcp.SegmentSent, wire.RST, 0)
	e.Tuple.RemotePort++
	e.Retransmit = true
	r.events([]tcp.Event{e})
	if _, _, again := r.counts(); len(r.steps()) != before || again != 1 {
		t.Errorf("%d steps, were %d; %d again", len(r.steps()), before, again)
	}
}

func TestRecorderPeer(t *testing.T) {
	r := newRecorder(80)
	e := stateEvent(tcp.Closed, tcp.SynSent)
	e.Tuple, e.Cause = e.Tuple.Reverse(), tcp.CauseActiveOpen
	r.peerEvents([]tcp.Event{e, e})
	if s := r.steps(); len(s) != 1 || s[0].Lane != story.Left || s[0].Text != "active open" {
		t.Errorf("%+v", s)
	}
	if r.peerSettled() {
		t.Error("SYN-SENT is settled")
	}
	r.peerUnknown(errors.New("no"))
	if r.peerProblem() == nil {
		t.Error("the problem is forgotten")
	}
}
