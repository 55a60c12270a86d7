package gateway

import (
	"container/list"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/handfast-tcp/handfast/engine/host"
)

// sessions are the UDP flows, by their names, in order of when their clients spoke.
type sessions struct {
	max int

	mu    sync.Mutex
	by    map[Flow]*session
	order list.List // of *session, idle the longest first
}

// maxWaiting is how many datagrams wait for a session's dial.
const maxWaiting = 16

// session is one UDP flow.
type session struct {
	flow  Flow
	place *list.Element
	began time.Time
	last  time.Time // when a datagram passed

	sent, received int64 // bytes

	conn    net.Conn // nil while it is being dialled
	waiting [][]byte // for the dial: at most maxWaiting, the newest are dropped
	ended   bool
}

func (s *sessions) init(limit int) { s.max, s.by = limit, map[Flow]*session{} }

func (s *sessions) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.by)
}

// touch returns the session of a flow whose client speaks, and the connection that
// the datagram goes to; nil while that is being dialled, and then the datagram waits.
// A session that is not known is nil.
func (s *sessions) touch(f Flow, p []byte) (n *session, c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n = s.by[f]; n == nil {
		return nil, nil
	}
	n.last = time.Now()
	n.sent += int64(len(p))
	s.order.MoveToBack(n.place)
	if n.conn == nil && len(n.waiting) < maxWaiting {
		n.waiting = append(n.waiting, append([]byte(nil), p...))
	}
	return n, n.conn
}

// begin makes a session, whose first datagram waits. When there are too many, the
// one that is idle the longest ends.
func (s *sessions) begin(f Flow, p []byte) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.by) >= s.max {
		s.remove(s.order.Front().Value.(*session))
	}
	now := time.Now()
	n := &session{flow: f, began: now, last: now, sent: int64(len(p)), waiting: [][]byte{append([]byte(nil), p...)}}
	n.place = s.order.PushBack(n)
	s.by[f] = n
	return n
}

// start gives a session the connection that was dialled, and returns what waits for
// it. False: the session has ended meanwhile.
func (s *sessions) start(n *session, c net.Conn) (waiting [][]byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.ended {
		return nil, false
	}
	waiting, n.conn, n.waiting = n.waiting, c, nil
	return waiting, true
}

// heard notes that a datagram came back.
func (s *sessions) heard(n *session, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n.last = time.Now()
	n.received += int64(bytes)
}

// expired ends a session that has been idle, or says until when it may be.
func (s *sessions) expired(n *session, idle time.Duration) (until time.Time, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	until = n.last.Add(idle)
	if !n.ended && !time.Now().Before(until) {
		s.remove(n)
	}
	return until, n.ended
}

// finish forgets a session, if it is still known, and says what became of it.
func (s *sessions) finish(n *session, err error) End {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !n.ended {
		s.remove(n)
	}
	return End{Flow: n.flow, Began: n.began, Took: n.last.Sub(n.began), Sent: n.sent, Received: n.received, Err: err}
}

// end ends all sessions.
func (s *sessions) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.by {
		s.remove(n)
	}
}

// remove forgets a session. Its goroutine ends by the closed connection.
func (s *sessions) remove(n *session) {
	n.ended, n.waiting = true, nil
	delete(s.by, n.flow)
	s.order.Remove(n.place)
	if n.conn != nil {
		n.conn.Close()
	}
}

// largest is room for any datagram.
const largest = 64 << 10

// receive takes the datagrams of all clients.
func (g *Gateway) receive() {
	p := make([]byte, largest)
	for {
		n, from, to, err := g.socket.ReadFromTo(p)
		if err != nil {
			return
		}
		if !to.Addr().IsMulticast() {
			g.pass(Flow{Network: "udp", Source: from, Destination: to}, p[:n])
		}
	}
}

// pass carries a datagram on, in its session or a new one.
func (g *Gateway) pass(f Flow, p []byte) {
	n, c := g.sessions.touch(f, p)
	switch {
	case c != nil:
		g.send(n, c, p)
		return
	case n != nil:
		return
	}
	route := g.cfg.Policy(f)
	if route.Verdict == Accept {
		n := g.sessions.begin(f, p)
		if !g.start(func() { g.serve(n, route) }) {
			g.sessions.finish(n, nil)
		}
		return
	}
	g.cfg.Ended(End{Flow: f, Began: time.Now(), Sent: int64(len(p)), Err: ErrPolicy})
	switch route.Verdict {
	case Refuse:
		g.socket.Refuse(f.Source, f.Destination, len(p), host.PortUnreachable)
	case Prohibit:
		g.socket.Refuse(f.Source, f.Destination, len(p), host.AdministrativelyProhibited)
	}
}

// send passes a datagram to the other side. What an ICMP error has told since the
// last one is reported here, and then the datagram has not left.
func (g *Gateway) send(n *session, c net.Conn, p []byte) {
	if _, err := c.Write(p); errors.Is(err, syscall.ECONNREFUSED) {
		g.socket.Refuse(n.flow.Source, n.flow.Destination, len(p), host.PortUnreachable)
		c.Write(p)
	}
}

// serve dials for a session, and passes back what comes.
func (g *Gateway) serve(n *session, route Route) {
	c, err := g.dialer(route).DialContext(g.ctx, "udp", route.address(n.flow))
	if err == nil {
		defer c.Close()
		if waiting, ok := g.sessions.start(n, c); ok {
			for _, p := range waiting {
				g.send(n, c, p)
			}
			g.answer(n, c)
		}
	} else if why, ok := unreachable(err); ok {
		g.socket.Refuse(n.flow.Source, n.flow.Destination, 0, why)
	}
	g.cfg.Ended(g.sessions.finish(n, err))
}

// answer passes back what comes until the session has been idle, or is closed.
func (g *Gateway) answer(n *session, c net.Conn) {
	idle := g.cfg.UDPIdle
	if n.flow.Destination.Port() == 53 {
		idle = g.cfg.DNSIdle
	}
	p := make([]byte, largest)
	for {
		until, ended := g.sessions.expired(n, idle)
		if ended || g.ctx.Err() != nil {
			return
		}
		c.SetReadDeadline(until)
		size, err := c.Read(p)
		switch {
		case err == nil:
			g.sessions.heard(n, size)
			g.socket.WriteFromTo(p[:size], n.flow.Destination, n.flow.Source)
		case errors.Is(err, syscall.ECONNREFUSED):
			g.socket.Refuse(n.flow.Source, n.flow.Destination, 0, host.PortUnreachable)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return
		}
	}
}
