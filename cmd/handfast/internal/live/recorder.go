// Package live keeps what is worth telling of the connections of a host that
// works in real time, as a trace.Run: so what draws and writes the lab's runs
// does the same for these.
package live

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/story"
)

// Options say what a Recorder keeps. What lies between the beginning and the end
// of a connection is counted, and what other connections do is neither kept nor
// drawn.
type Options struct {
	Host, Peer string // what our host and the other side are called
	Port       uint16 // of the service; 0: all services
	Dials      bool   // our host is the client: Port is the peer's
	Lang       story.Lang

	Connections int // how many are kept: the first ones
	Head, Tail  int // moments at the beginning and at the end of each

	// Known are the addresses of those who mean it; nil: everybody. Of others, who
	// pretend to be somebody, Strangers connections are kept beside.
	Known     []netip.Prefix
	Strangers int

	// Withholds says that what our host sends never leaves, except for its SYNs.
	Withholds bool
}

// midMoments are the last before the close: the answer whose end the FIN follows is part of
// the story.
const midMoments = 2

// moment is one thing that happened at our end, or a state that was seen at
// the peer's.
type moment struct {
	order int           // among those of all connections
	seen  time.Duration // since the recorder began
	event tcp.Event     // when peer is nil
	peer  *peerChange
}

type peerChange struct {
	from, to tcp.State
	cause    tcp.Cause
}

// connection is what is kept of one.
type connection struct {
	tuple      wire.Tuple // as our host has it
	forged     bool       // the peer is none of the known ones
	head, tail []moment
	skipped    int // segments between head and tail
	closing    bool
	closed     bool
	peerState  tcp.State
}

// Recorder keeps connections of one host. Its methods may be called by several
// goroutines.
type Recorder struct {
	Options
	began  time.Time
	closed chan struct{}

	mu                 sync.Mutex
	connections        []*connection
	byTuple            map[wire.Tuple]*connection
	strangers, moments int
	looked             bool  // a state of a peer was seen
	peerErr            error // why the peer's state cannot be read

	sent, received, retransmitted int
}

// New returns a recorder that has seen nothing yet.
func New(o Options) *Recorder {
	return &Recorder{Options: o, began: time.Now(), closed: make(chan struct{}), byTuple: map[wire.Tuple]*connection{}}
}

// Closed returns a channel that is closed when the first connection is.
func (r *Recorder) Closed() <-chan struct{} { return r.closed }

// Events is the trace function of our host: handfast.Config.Trace.
func (r *Recorder) Events(events []tcp.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Since(r.began)
	for i := range events {
		e := &events[i]
		r.count(e)
		c := r.connection(e.Tuple)
		if c == nil {
			continue
		}
		r.keep(c, moment{seen: now, event: *e}, closes(e))
		if e.Kind == tcp.StateChanged && e.State == tcp.Closed {
			r.finish(c)
		}
	}
}

func (r *Recorder) count(e *tcp.Event) {
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

// connection returns the one with this tuple, nil when it is not to be kept.
func (r *Recorder) connection(t wire.Tuple) *connection {
	if c := r.byTuple[t]; c != nil {
		return c
	}
	forged := !r.known(t.Remote.Netip())
	switch {
	case !r.serves(t.LocalPort, t.RemotePort):
		return nil
	case forged && r.strangers >= r.Strangers, !forged && len(r.connections)-r.strangers >= r.Connections:
		return nil
	case forged:
		r.strangers++
	}
	c := &connection{tuple: t, forged: forged}
	r.connections, r.byTuple[t] = append(r.connections, c), c
	return c
}

// serves reports whether the ports are those of a connection with the service.
func (r *Recorder) serves(local, remote uint16) bool {
	if r.Dials {
		local, remote = remote, local
	}
	return (local == r.Port || r.Port == 0) && remote != 0
}

func (r *Recorder) known(a netip.Addr) bool {
	return r.Known == nil || slices.ContainsFunc(r.Known, func(p netip.Prefix) bool { return p.Contains(a) })
}

// finish ends the wait of whoever wants to draw the first connection, also if its ports are
// used a second time.
func (r *Recorder) finish(c *connection) {
	c.closed = true
	if c != r.connections[0] {
		return
	}
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
// last before the close, or the close. Of that, too, the end is kept.
func (r *Recorder) keep(c *connection, m moment, closes bool) {
	m.order = r.moments
	r.moments++
	c.closing = c.closing || closes
	limit := midMoments
	if c.closing {
		limit = r.Tail
	}
	switch {
	case !c.closing && len(c.head) < r.Head:
		c.head = append(c.head, m)
		return
	case len(c.tail) >= limit:
		c.skip(&c.tail[0])
		c.tail = append(c.tail[:0], c.tail[1:]...)
	}
	c.tail = append(c.tail, m)
}

// skip counts what is left out: segments, as only their number is told of in a gap.
func (c *connection) skip(m *moment) {
	if m.peer == nil && m.event.Kind <= tcp.SegmentDropped {
		c.skipped++
	}
}

// peer notes the state that the other end of a connection is seen in, and its
// cause when known. t is the connection as our host has it.
func (r *Recorder) peer(t wire.Tuple, s tcp.State, cause tcp.Cause) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.connection(t)
	if c == nil || s == c.peerState {
		return
	}
	r.looked = true
	r.keep(c, moment{seen: time.Since(r.began), peer: &peerChange{c.peerState, s, cause}}, s > tcp.Established)
	c.peerState = s
}

// PeerEvents is the trace function of the other side's host, when it is ours too.
func (r *Recorder) PeerEvents(events []tcp.Event) {
	for i := range events {
		if e := &events[i]; e.Kind == tcp.StateChanged && e.Tuple.RemotePort != 0 {
			r.peer(e.Tuple.Reverse(), e.State, e.Cause)
		}
	}
}

// peerUnknown notes that the other end's state cannot be read.
func (r *Recorder) peerUnknown(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peerErr = err
}

// peerSettled reports whether the other end of a connection needs no look: it is
// in a state that no handshake and no close is about to change, or nobody wants
// to know.
func (r *Recorder) peerSettled(t wire.Tuple) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.byTuple[t]
	return c == nil || c.peerState == tcp.Established || c.peerState == tcp.Closed
}

// PeerProblem returns why the other end's states are missing.
func (r *Recorder) PeerProblem() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.peerErr
}

// Counts returns the segments that our host sent, received and sent again, of
// all its connections.
func (r *Recorder) Counts() (sent, received, retransmitted int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent, r.received, r.retransmitted
}
