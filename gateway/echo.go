package gateway

import (
	"errors"
	"net/netip"
	"os"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/host"
)

// Pinger carries the echo requests of one session to an address.
type Pinger interface {
	// Send sends a request with this hop limit. It must not block.
	Send(seq uint16, ttl uint8, payload []byte) error
	// Receive waits until something comes back, and copies what a reply carries into p.
	// Before the deadline has passed its error ends the session.
	Receive(p []byte) (Pong, error)
	SetReadDeadline(t time.Time) error
	// Close ends the session, also one in which Receive waits. It may come twice.
	Close() error
}

// Pong is what comes back for an echo request.
type Pong struct {
	Seq   uint16 // the request's
	Bytes int    // of the reply's payload, or of the request's when it failed
	// Failed says that it is no reply but an error: why, and who says so, unless it is
	// the destination itself.
	Failed bool
	Why    host.Unreachable
	By     netip.Addr
}

// receiveEchoes takes the echo requests of all clients.
func (g *Gateway) receiveEchoes() {
	p := make([]byte, largest)
	for {
		n, e, err := g.echo.Read(p)
		if err != nil {
			return
		}
		// A gateway is a hop like any other, or traceroute would not see it.
		if e.TTL <= 1 {
			g.echo.Refuse(e, n, netip.Addr{}, host.TimeExceeded)
			continue
		}
		g.ping(e, p[:n])
	}
}

// ping carries an echo request on, in its session or a new one.
func (g *Gateway) ping(e handfast.Echo, p []byte) {
	f := Flow{Network: "icmp", Source: netip.AddrPortFrom(e.From, e.ID), Destination: netip.AddrPortFrom(e.To, 0)}
	n, _ := g.pings.touch(f, p)
	if n == nil {
		if n = g.beginPing(f, e, p); n == nil {
			return
		}
	}
	if err := n.conn.Send(e.Seq, e.TTL-1, p); err != nil {
		if why, ok := unreachable(err); ok {
			g.echo.Refuse(e, len(p), netip.Addr{}, why)
		}
	}
}

// beginPing makes a session. It returns nil when there is to be none: then the client
// knows.
func (g *Gateway) beginPing(f Flow, e handfast.Echo, p []byte) *session[Pinger] {
	route, began := g.cfg.Policy(f), time.Now()
	failed := func(err error) *session[Pinger] {
		g.cfg.Ended(End{Flow: f, Began: began, Sent: int64(len(p)), Err: err})
		return nil
	}
	switch route.Verdict { // of Drop nobody is told
	case Refuse:
		g.echo.Refuse(e, len(p), netip.Addr{}, host.HostUnreachable)
	case Prohibit:
		g.echo.Refuse(e, len(p), netip.Addr{}, host.AdministrativelyProhibited)
	}
	if route.Verdict != Accept {
		return failed(ErrPolicy)
	}
	c, err := g.dialPing(f, route)
	if err != nil {
		// What remains is that the system has no ping sockets for us: it is no fault of the way.
		why, ok := unreachable(err)
		if !ok {
			why = host.AdministrativelyProhibited
		}
		g.echo.Refuse(e, len(p), netip.Addr{}, why)
		return failed(err)
	}
	n := g.pings.begin(f, p)
	g.pings.start(n, c)
	if !g.start(func() { g.servePings(n, c) }) {
		g.pings.finish(n, nil)
		return nil
	}
	return n
}

func (g *Gateway) dialPing(f Flow, r Route) (Pinger, error) {
	to := f.Destination
	if r.Address != "" {
		var err error
		if to, err = netip.ParseAddrPort(r.Address); err != nil {
			return nil, err
		}
	}
	return g.cfg.Ping(to.Addr())
}

// servePings passes back what comes until the session has been idle, or is closed.
func (g *Gateway) servePings(n *session[Pinger], c Pinger) {
	g.passPongs(n, c)
	c.Close()
	g.cfg.Ended(g.pings.finish(n, nil))
}

func (g *Gateway) passPongs(n *session[Pinger], c Pinger) {
	to := handfast.Echo{From: n.flow.Source.Addr(), To: n.flow.Destination.Addr(), ID: n.flow.Source.Port()}
	for {
		until, ended := g.pings.expired(n, g.cfg.UDPIdle)
		if ended || g.ctx.Err() != nil {
			return
		}
		c.SetReadDeadline(until)
		text, r, pong, err := receivePong(c)
		to.Seq = pong.Seq
		switch {
		// Only to ask again whether the session is idle: see answer.
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			return
		case pong.Failed:
			g.echo.Refuse(to, pong.Bytes, router(pong.By, to.To), pong.Why)
		default:
			g.pings.heard(n, len(text))
			g.echo.Reply(to, text)
		}
		if r != nil {
			rooms.Put(r)
		}
	}
}

// lender is a Pinger that needs no room while it waits.
type lender interface {
	receive() (text []byte, r *room, p Pong, err error)
}

// receivePong waits for what a Pinger receives. A reply's text is in r, unless that is nil.
func receivePong(c Pinger) (text []byte, r *room, p Pong, err error) {
	if c, ok := c.(lender); ok {
		return c.receive()
	}
	r = rooms.Get().(*room)
	if p, err = c.Receive(r[:]); err != nil || p.Failed {
		rooms.Put(r)
		return nil, nil, p, err
	}
	return r[:p.Bytes], r, p, nil
}

// router is who the client hears an error from: who says so, or the destination where
// the policy has led to one of the other family.
func router(by, destination netip.Addr) netip.Addr {
	if by.Is4() != destination.Is4() {
		return destination
	}
	return by
}
