package main

import (
	"net/netip"
	"sync"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/story"
)

// How much of a connection is kept for its ladder; what lies between the
// handshake and the close is counted.
const (
	headMoments = 10
	midMoments  = 2
	tailMoments = 64
)

// moment is one thing that happened at our end, or a state that was seen at
// the peer's.
type moment struct {
	seen  time.Duration // since the recorder began
	event tcp.Event     // when peer is nil
	peer  *peerChange
}

type peerChange struct {
	from, to tcp.State
	cause    string
}

// recorder keeps what is worth drawing of the first connection to a port, and
// counts the segments of all.
type recorder struct {
	port   uint16
	began  time.Time
	closed chan struct{} // closed when the connection is

	mu         sync.Mutex
	tuple      wire.Tuple
	found      bool
	head, tail []moment
	skipped    int // segments between head and tail
	closing    bool
	peerState  tcp.State
	peerErr    error // why the peer's state cannot be read

	sent, received, retransmitted int
}

func newRecorder(port uint16) *recorder {
	return &recorder{port: port, began: time.Now(), closed: make(chan struct{})}
}

// events is the trace function of the server's host.
func (r *recorder) events(events []tcp.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Since(r.began)
	for i := range events {
		e := &events[i]
		r.count(e)
		if r.follows(e.Tuple) {
			r.keep(moment{seen: now, event: *e}, closes(e))
		}
		if e.Kind == tcp.StateChanged && e.State == tcp.Closed && e.Tuple == r.tuple {
			r.finish()
		}
	}
}

func (r *recorder) count(e *tcp.Event) {
	switch e.Kind {
	case tcp.SegmentSent:
		r.sent++
	case tcp.SegmentReceived:
		r.received++
	}
	if e.Retransmit {
		r.retransmitted++
	}
}

// follows reports whether t is the connection to draw: the first to the port.
func (r *recorder) follows(t wire.Tuple) bool {
	if !r.found && t.LocalPort == r.port && t.RemotePort != 0 {
		r.tuple, r.found = t, true
	}
	return r.found && t == r.tuple
}

func (r *recorder) finish() {
	select {
	case <-r.closed:
	default:
		close(r.closed)
	}
}

// closes reports whether the connection's end begins with e.
func closes(e *tcp.Event) bool {
	if e.Kind == tcp.StateChanged {
		return e.State > tcp.Established || e.State == tcp.Closed
	}
	return e.Kind != tcp.TimerFired && e.Segment.Flags&(wire.FIN|wire.RST) != 0
}

// keep puts a moment where it belongs: into the head, the few that may be the
// last before the close, or the close.
func (r *recorder) keep(m moment, closes bool) {
	r.closing = r.closing || closes
	switch {
	case !r.closing && len(r.head) < headMoments:
		r.head = append(r.head, m)
		return
	case !r.closing && len(r.tail) >= midMoments:
		r.skip(&r.tail[0])
		r.tail = append(r.tail[:0], r.tail[1:]...)
	case len(r.tail) >= tailMoments:
		return
	}
	r.tail = append(r.tail, m)
}

func (r *recorder) skip(m *moment) {
	if m.peer == nil && m.event.Kind <= tcp.SegmentReceived {
		r.skipped++
	}
}

// peer notes the state that the other end is seen in, and its cause when known.
func (r *recorder) peer(s tcp.State, cause string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s == r.peerState {
		return
	}
	r.keep(moment{seen: time.Since(r.began), peer: &peerChange{r.peerState, s, cause}}, s > tcp.Established)
	r.peerState = s
}

// peerEvents is the trace function of the client's host, when it is ours too.
func (r *recorder) peerEvents(events []tcp.Event) {
	for i := range events {
		if e := &events[i]; e.Kind == tcp.StateChanged && e.Tuple.RemotePort == r.port {
			r.peer(e.State, e.Cause.String())
		}
	}
}

// peerUnknown notes that the other end's state cannot be read.
func (r *recorder) peerUnknown(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peerErr = err
}

// peerSettled reports whether the other end is in a state that no handshake
// and no close is about to change.
func (r *recorder) peerSettled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.peerState == tcp.Established || r.peerState == tcp.Closed
}

// peerProblem returns why the other end's states are missing.
func (r *recorder) peerProblem() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.peerErr
}

// counts returns the segments that our host sent, received and sent again.
func (r *recorder) counts() (sent, received, retransmitted int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent, r.received, r.retransmitted
}

// ends returns the addresses of the client and the server.
func (r *recorder) ends() [2]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.tuple
	return [2]string{netip.AddrPortFrom(t.Remote.Netip(), t.RemotePort).String(),
		netip.AddrPortFrom(t.Local.Netip(), t.LocalPort).String()}
}

// steps returns the ladder's steps, our end on the right.
func (r *recorder) steps() []story.Step {
	r.mu.Lock()
	defer r.mu.Unlock()
	flow := story.Flow{Us: story.Right, Peer: story.Left}
	offset := r.offset()
	var steps []story.Step
	var last clock.Time
	add := func(moments []moment) {
		for i := range moments {
			m := &moments[i]
			if m.peer == nil {
				last = m.event.Time
				steps = append(steps, flow.Step(&m.event))
				continue
			}
			last = max(last, clock.Time(m.seen)+offset)
			steps = append(steps, story.Changed(last, story.Left, m.peer.from, m.peer.to, m.peer.cause))
		}
	}
	add(r.head)
	if r.skipped > 0 {
		steps = append(steps, story.Skipped(last, formatCount(r.skipped)+" segments more"))
	}
	add(r.tail)
	return steps
}

// offset returns what to add to our clock to get the host's. An event is seen
// a little after it happened, so the smallest difference is the best.
func (r *recorder) offset() clock.Time {
	best := clock.Time(0)
	first := true
	for _, moments := range [][]moment{r.head, r.tail} {
		for i := range moments {
			m := &moments[i]
			if d := m.event.Time - clock.Time(m.seen); m.peer == nil && (first || d > best) {
				best, first = d, false
			}
		}
	}
	return best
}
