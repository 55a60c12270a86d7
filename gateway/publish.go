package gateway

import (
	"context"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/internal/splice"
)

// PacketConn is a UDP socket outside: *net.UDPConn, *handfast.UDPConn.
type PacketConn interface {
	ReadFromUDPAddrPort(p []byte) (n int, from netip.AddrPort, err error)
	WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error)
	Close() error
}

// Publish carries the connections that a listener outside accepts to an address
// behind the host, by the host's TCP, until the listener is closed; Close closes it.
// Half-closes and resets are passed on, and who is refused inside is reset. While
// MaxDials of them are under way to the inside the next ones wait in the listener. The
// host needs an address of its own for that.
func (g *Gateway) Publish(l net.Listener, to netip.AddrPort) {
	g.publishUntilClosed(l, func() { g.publish(l, to) })
}

// PublishPacket is Publish for UDP. Its sessions are among the others.
func (g *Gateway) PublishPacket(c PacketConn, to netip.AddrPort) {
	g.publishUntilClosed(c, func() { g.publishPacket(c, to) })
}

// publishUntilClosed runs f in a goroutine, and closes what it works on when the
// gateway is.
func (g *Gateway) publishUntilClosed(c io.Closer, f func()) {
	started := g.start(func() {
		stop := context.AfterFunc(g.ctx, func() { c.Close() })
		defer stop()
		f()
	})
	if !started {
		c.Close()
	}
}

// publish accepts. The place is taken before and not after: what cannot be dialled yet stays
// in the listener's queue, where its own bound is, and not in goroutines of ours.
func (g *Gateway) publish(l net.Listener, to netip.AddrPort) {
	dialling := make(chan struct{}, g.cfg.MaxDials)
	for {
		dialling <- struct{}{}
		c, err := l.Accept()
		if err != nil {
			return
		}
		if !g.start(func() { g.inward(c, to, dialling) }) {
			splice.Abort(c)
		}
	}
}

// inward carries a connection from outside.
func (g *Gateway) inward(c net.Conn, to netip.AddrPort, dialling <-chan struct{}) {
	f := Flow{Network: "tcp", Source: addrPort(c.RemoteAddr()), Destination: to}
	began := time.Now()
	ctx, give := context.WithTimeout(g.ctx, g.cfg.DialTimeout)
	inside, err := g.cfg.Host.DialContext(ctx, "tcp", to.String())
	give()
	<-dialling
	if err != nil {
		splice.Abort(c)
		g.cfg.Ended(End{Flow: f, Began: began, Took: time.Since(began), Err: err})
		return
	}
	g.relay(f, began, pair{c, inside, inside.(*handfast.TCPConn)})
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return unmapped(t.AddrPort())
	}
	return netip.AddrPort{}
}

// unmapped makes ::ffff:192.0.2.1, as sockets for both families have it, 192.0.2.1: a flow
// has one name.
func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// publishPacket is pass for what comes from outside: nobody is asked for a verdict, because
// whoever publishes a port has given it.
func (g *Gateway) publishPacket(c PacketConn, to netip.AddrPort) {
	p := make([]byte, largest)
	for {
		n, from, err := c.ReadFromUDPAddrPort(p)
		if err != nil {
			return
		}
		f := Flow{Network: "udp", Source: unmapped(from), Destination: to}
		s, dialled := g.sessions.touch(f, p[:n])
		switch {
		case dialled:
			g.sendNext(s, p[:n])
		case s == nil:
			s = g.sessions.begin(f, p[:n])
			s.outside, s.client = c, from
			if !g.start(func() { g.serve(s, g.cfg.Host, to.String()) }) {
				g.sessions.finish(s, nil)
			}
		}
	}
}
