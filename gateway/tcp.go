package gateway

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/internal/splice"
)

// decide is asked about each SYN. It must not wait: it runs where the shard's packets
// are handled, and everybody's would wait with it. A dial has a goroutine of its own.
func (g *Gateway) decide(r *handfast.Request) {
	f := Flow{Network: "tcp", Source: r.Remote(), Destination: r.Local()}
	route := g.cfg.Policy(f)
	if route.Verdict == Accept {
		g.dial(f, r, route)
		return
	}
	g.cfg.Ended(End{Flow: f, Began: time.Now(), Err: ErrPolicy})
	switch route.Verdict {
	case Refuse:
		r.Reset()
	case Prohibit:
		r.Refuse(host.AdministrativelyProhibited)
	default:
		r.Ignore()
	}
}

// dial opens the other side of a flow, and answers its SYN.
func (g *Gateway) dial(f Flow, r *handfast.Request, route Route) {
	// The SYN stays without an answer until the dial has one: an early SYN-ACK would be a
	// promise to the client that nobody can keep.
	ctx, give := context.WithTimeout(g.ctx, g.cfg.DialTimeout)
	d := g.dials.begin(f, r, give)
	if d == nil {
		give()
		return
	}
	began := time.Now()
	started := g.start(func() {
		defer give()
		c, err := g.dialer(route).DialContext(ctx, "tcp", route.address(f))
		r := g.dials.finish(d)
		if err != nil {
			refuse(r, err)
			g.cfg.Ended(End{Flow: f, Began: began, Took: time.Since(began), Err: err})
		} else if r.AcceptWith(&dialled{c, f, began}) != nil { // the client gave up meanwhile
			splice.Abort(c)
		}
	})
	if !started {
		give()
	}
}

// refuse passes on why a dial failed. A dial that took too long had no answer, and
// its client gets none.
func refuse(r *handfast.Request, err error) {
	switch why, isKnown := unreachable(err); {
	case errors.Is(err, syscall.ECONNREFUSED):
		r.Reset()
	case isKnown:
		r.Refuse(why)
	case errors.Is(err, context.Canceled), isTimeout(err):
		r.Ignore()
	default: // a name that does not exist, a proxy that does not like us
		r.Reset()
	}
}

// unreachable returns what ICMP says for an error.
func unreachable(err error) (why host.Unreachable, ok bool) {
	switch {
	case errors.Is(err, syscall.EHOSTUNREACH):
		return host.HostUnreachable, true
	case errors.Is(err, syscall.ENETUNREACH):
		return host.NetworkUnreachable, true
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return host.AdministrativelyProhibited, true
	}
	return 0, false
}

// isTimeout also finds the timeouts of dialers that have errors of their own.
func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// dialled is the other side of a flow.
type dialled struct {
	net.Conn
	flow  Flow
	began time.Time
}

// hangUp ends what was dialled for a client that is gone.
func hangUp(what any) {
	if d, ok := what.(*dialled); ok {
		splice.Abort(d.Conn)
	}
}

// accept carries the connections whose handshakes are complete.
func (g *Gateway) accept() {
	for {
		c, what, err := g.listener.AcceptPrepared()
		if err != nil {
			return
		}
		if !g.start(func() { g.carry(c, what) }) {
			splice.Abort(c)
			hangUp(what)
		}
	}
}

// carry copies both ways until both have ended. Who comes without a dialled
// connection was answered by a SYN cookie, and the dial was given up: it is reset.
func (g *Gateway) carry(client *handfast.TCPConn, what any) {
	other, ok := what.(*dialled)
	if !ok {
		splice.Abort(client)
		return
	}
	g.relay(other.flow, other.began, pair{client, other.Conn, client})
}

// pair is both sides of a connection. Ours is the one of them of which Info tells.
type pair struct {
	client, other net.Conn
	ours          *handfast.TCPConn
}

// relay copies both ways until both have ended.
func (g *Gateway) relay(f Flow, began time.Time, p pair) {
	g.carried.Add(1)
	end := End{Flow: f, Began: began}
	end.Sent, end.Received, end.Err = splice.Both(g.ctx, p.client, p.other, g.beside)
	end.Info, _ = p.ours.Info() // fails when the connection was reset by us
	p.client.Close()
	p.other.Close()
	end.Took = time.Since(end.Began)
	g.carried.Add(-1) // before Ended: who is told and asks Stats finds it gone
	g.cfg.Ended(end)
}
