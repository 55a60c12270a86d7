package gateway

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/handfast-tcp/handfast/engine/host"
)

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
		// A group has no single answerer, and a dial to it would send from a socket that
		// hears none of its members.
		if !to.Addr().IsMulticast() {
			g.pass(Flow{Network: "udp", Source: from, Destination: to}, p[:n])
		}
	}
}

// pass carries a datagram on, in its session or a new one.
func (g *Gateway) pass(f Flow, p []byte) {
	// The first datagram of a flow begins its session and the policy is asked once; what
	// comes during the dial waits with it, in order.
	n, dialled := g.sessions.touch(f, p)
	switch {
	case dialled:
		g.sendNext(n, p)
		return
	case n != nil:
		return
	}
	route := g.cfg.Policy(f)
	if route.Verdict == Accept {
		n := g.sessions.begin(f, p)
		if !g.start(func() { g.serve(n, g.dialer(route), route.address(f)) }) {
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
func (g *Gateway) send(n *session[net.Conn], c net.Conn, p []byte) {
	// Of other errors nothing is told: a datagram may be lost without a word.
	if _, err := c.Write(p); errors.Is(err, syscall.ECONNREFUSED) {
		g.refuse(n, len(p), host.PortUnreachable)
		c.Write(p)
	}
}

// refuse tells a session's client why a datagram of so many bytes came nowhere. Who is
// outside cannot be told.
func (g *Gateway) refuse(n *session[net.Conn], bytes int, why host.Unreachable) {
	if n.outside == nil {
		g.socket.Refuse(n.flow.Source, n.flow.Destination, bytes, why)
	}
}

// reply passes a datagram back to a session's client.
func (g *Gateway) reply(n *session[net.Conn], p []byte) {
	if n.outside == nil {
		g.socket.WriteFromTo(p, n.flow.Destination, n.flow.Source)
	} else {
		n.outside.WriteToUDPAddrPort(p, n.client)
	}
}

// serve dials for a session, and passes back what comes.
func (g *Gateway) serve(n *session[net.Conn], d Dialer, address string) {
	c, err := d.DialContext(g.ctx, "udp", address)
	if err == nil {
		defer c.Close()
		if g.sendWaiting(n, c) {
			g.answer(n, c)
		}
	} else if why, ok := refusal(err); ok {
		g.refuse(n, 0, why)
	}
	g.cfg.Ended(g.sessions.finish(n, err))
}

// refusal returns what the client of a dial that failed is told. A dial that took too long
// had no answer, and its client gets none.
func refusal(err error) (why host.Unreachable, ok bool) {
	if why, ok = unreachable(err); ok {
		return why, true
	}
	// Else nobody is there, as far as can be told: a name that does not exist, a proxy that does
	// not like us.
	return host.PortUnreachable, !errors.Is(err, context.Canceled) && !isTimeout(err)
}

// sendWaiting gives a session its connection, and sends what has waited for it. False:
// the session has ended meanwhile.
func (g *Gateway) sendWaiting(n *session[net.Conn], c net.Conn) bool {
	n.sending.Lock()
	defer n.sending.Unlock()
	waiting, ok := g.sessions.start(n, c)
	for _, p := range waiting {
		g.send(n, c, p)
	}
	return ok
}

// sendNext sends a datagram of a session that has its connection.
func (g *Gateway) sendNext(n *session[net.Conn], p []byte) {
	n.sending.Lock()
	defer n.sending.Unlock()
	g.send(n, n.conn, p)
}

// answer passes back what comes until the session has been idle, or is closed.
func (g *Gateway) answer(n *session[net.Conn], c net.Conn) {
	idle := g.cfg.UDPIdle
	// A question and its answer are all there is to DNS: each has a socket of its own that
	// would otherwise lie around for a minute.
	if n.flow.Destination.Port() == 53 {
		idle = g.cfg.DNSIdle
	}
	in := readerOf(c)
	for {
		until, ended := g.sessions.expired(n, idle)
		if ended || g.ctx.Err() != nil {
			return
		}
		c.SetReadDeadline(until)
		p, err := in.read()
		switch {
		case err == nil:
			g.sessions.heard(n, len(p))
			g.reply(n, p)
			in.release()
		case errors.Is(err, syscall.ECONNREFUSED):
			g.refuse(n, 0, host.PortUnreachable)
		// A deadline only asks again whether the session is idle: its client may have spoken
		// meanwhile, which moves it.
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return
		}
	}
}
