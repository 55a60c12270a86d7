package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/host"
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
			abort(c)
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
		abort(d.Conn)
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
			abort(c)
			hangUp(what)
		}
	}
}

// carry copies both ways until both have ended. Who comes without a dialled
// connection was answered by a SYN cookie, and the dial was given up: it is reset.
func (g *Gateway) carry(client *handfast.TCPConn, what any) {
	other, ok := what.(*dialled)
	if !ok {
		abort(client)
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
	// Two copies that wait for their peers hear of Close only by their connections' end.
	stop := context.AfterFunc(g.ctx, func() {
		abort(p.client)
		abort(p.other)
	})
	defer stop()
	end := End{Flow: f, Began: began}
	var failed error
	var back sync.WaitGroup
	back.Go(func() { end.Received, failed = copyHalf(p.client, p.other) })
	end.Sent, end.Err = copyHalf(p.other, p.client)
	back.Wait()
	end.Info, _ = p.ours.Info() // fails when the connection was reset by us
	p.client.Close()
	p.other.Close()
	end.Took, end.Err = time.Since(end.Began), cause(end.Err, failed)
	g.carried.Add(-1) // before Ended: who is told and asks Stats finds it gone
	g.cfg.Ended(end)
}

// cause is why a connection ended, of what its two directions say: who has it first
// closes both sides, and the other one only says so.
func cause(sent, received error) error {
	if sent == nil || received != nil && errors.Is(sent, net.ErrClosed) {
		return received
	}
	return sent
}

// halfCloser is what has a direction that ends alone.
type halfCloser interface{ CloseWrite() error }

// copyHalf copies one direction to its end. An error is the end of both: whichever
// side had it, the other one is reset.
func copyHalf(to, from net.Conn) (n int64, err error) {
	if n, err = io.Copy(to, from); err != nil {
		abort(to)
		abort(from)
		return n, err
	}
	// The end of one direction is passed on and the other goes on: a client that has sent
	// its request and closed still waits for the answer. What cannot half-close, as TLS of
	// old, ends whole.
	if h, ok := to.(halfCloser); ok {
		h.CloseWrite()
	} else {
		to.Close()
	}
	return n, nil
}

// abort closes c with a RST where it can: the peer must see that the stream was cut, and
// not take what it has got for all there was.
func abort(c net.Conn) {
	if l, ok := c.(interface{ SetLinger(sec int) error }); ok {
		l.SetLinger(0)
	}
	c.Close()
}
