package gateway

import (
	"container/list"
	"io"
	"net/netip"
	"sync"
	"time"
)

// sessions are the flows of UDP, or those of echo requests, by their names, in order
// of when their clients spoke. C is what goes to the other side.
type sessions[C io.Closer] struct {
	max int

	mu    sync.Mutex
	by    map[Flow]*session[C]
	order list.List // of *session[C], idle the longest first
}

// maxWaiting is how many datagrams wait for a session's dial. A dial of UDP sends nothing
// and is short; names may have to be looked up for it.
const maxWaiting = 16

// session is one flow.
type session[C io.Closer] struct {
	flow  Flow
	place *list.Element
	began time.Time
	last  time.Time // when a datagram passed

	// A client outside, of PublishPacket: the socket that it speaks to, and how that
	// names it.
	outside PacketConn
	client  netip.AddrPort

	sent, received int64 // bytes

	conn    C
	dialled bool     // conn is there
	waiting [][]byte // for the dial: at most maxWaiting, the newest are dropped
	ended   bool

	sending sync.Mutex // held while what has waited leaves: what comes then is sent behind it
}

func (s *sessions[C]) init(limit int) { s.max, s.by = limit, map[Flow]*session[C]{} }

func (s *sessions[C]) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.by)
}

// touch returns the session of a flow whose client speaks, and whether its
// connection is there; while that is being dialled the datagram waits. A session that
// is not known is nil.
func (s *sessions[C]) touch(f Flow, p []byte) (n *session[C], dialled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n = s.by[f]; n == nil {
		return nil, false
	}
	n.last = time.Now()
	n.sent += int64(len(p))
	// In order of what clients do and not of what comes back: a server that never stops
	// sending does not push those out that speak.
	s.order.MoveToBack(n.place)
	if !n.dialled && len(n.waiting) < maxWaiting {
		n.waiting = append(n.waiting, append([]byte(nil), p...))
	}
	return n, n.dialled
}

// begin makes a session, whose first datagram waits. When there are too many, the
// one that is idle the longest ends.
func (s *sessions[C]) begin(f Flow, p []byte) *session[C] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.by) >= s.max {
		s.remove(s.order.Front().Value.(*session[C]))
	}
	now := time.Now()
	n := &session[C]{flow: f, began: now, last: now, sent: int64(len(p)), waiting: [][]byte{append([]byte(nil), p...)}}
	n.place = s.order.PushBack(n)
	s.by[f] = n
	return n
}

// start gives a session the connection that was dialled, and returns what waits for
// it. False: the session has ended meanwhile.
func (s *sessions[C]) start(n *session[C], c C) (waiting [][]byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.ended {
		return nil, false
	}
	waiting, n.conn, n.dialled, n.waiting = n.waiting, c, true, nil
	return waiting, true
}

// heard notes that a datagram came back.
func (s *sessions[C]) heard(n *session[C], bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n.last = time.Now()
	n.received += int64(bytes)
}

// expired ends a session that has been idle, or says until when it may be. Each session's
// own goroutine asks: there is no timer for it, and no walk over all.
func (s *sessions[C]) expired(n *session[C], idle time.Duration) (until time.Time, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	until = n.last.Add(idle)
	if !n.ended && !time.Now().Before(until) {
		s.remove(n)
	}
	return until, n.ended
}

// finish forgets a session, if it is still known, and says what became of it. It took as long
// as something passed: the idle time at its end is not counted.
func (s *sessions[C]) finish(n *session[C], err error) End {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !n.ended {
		s.remove(n)
	}
	return End{Flow: n.flow, Began: n.began, Took: n.last.Sub(n.began), Sent: n.sent, Received: n.received, Err: err}
}

// end ends all sessions.
func (s *sessions[C]) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.by {
		s.remove(n)
	}
}

// remove forgets a session. Its goroutine ends by the closed connection.
func (s *sessions[C]) remove(n *session[C]) {
	n.ended, n.waiting = true, nil
	delete(s.by, n.flow)
	s.order.Remove(n.place)
	if n.dialled {
		n.conn.Close()
	}
}
