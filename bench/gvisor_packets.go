package main

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// gvisorInFlight is how many handshakes a forwarder has under way at a time:
// what programs that embed gVisor usually say.
const gvisorInFlight = 1024

// gvisorPackets is a stack on a link/channel that we serve.
func gvisorPackets(o packetOptions) (*packetStack, error) {
	ep := channel.New(gvisorQueue, 1500, "")
	g, err := newGvisorStack(ep, nearAddr)
	if err != nil {
		return nil, err
	}
	s := &packetStack{
		send: func(batch [][]byte) { gvisorSend(ep, batch) },
		receive: func(f func([]byte)) error {
			p := ep.ReadContext(context.Background())
			v := p.ToView()
			p.DecRef()
			f(v.AsSlice())
			v.Release()
			return nil
		},
	}
	if o.forward {
		s.listener, err = g.forward()
	} else {
		s.listener, err = g.listenDeep(benchPort, max(o.capacity, gvisorBacklog))
	}
	return s, err
}

func gvisorSend(ep *channel.Endpoint, batch [][]byte) {
	for _, b := range batch {
		p := gstack.NewPacketBuffer(gstack.PacketBufferOptions{Payload: buffer.MakeWithData(b)})
		ep.InjectInbound(header.IPv4ProtocolNumber, p)
		p.DecRef()
	}
}

// forward accepts connections to every address and port.
func (g *gvisorStack) forward() (net.Listener, error) {
	if err := g.s.SetPromiscuousMode(gvisorNIC, true); err != nil {
		return nil, errors.New(err.String())
	}
	if err := g.s.SetSpoofing(gvisorNIC, true); err != nil {
		return nil, errors.New(err.String())
	}
	l := make(forwardListener, gvisorBacklog)
	f := tcp.NewForwarder(g.s, 0, gvisorInFlight, l.accept)
	g.s.SetTransportProtocolHandler(tcp.ProtocolNumber, f.HandlePacket)
	return l, nil
}

// forwardListener makes a net.Listener of what a forwarder accepts.
type forwardListener chan net.Conn

func (l forwardListener) accept(r *tcp.ForwarderRequest) {
	var wq waiter.Queue
	ep, err := r.CreateEndpoint(&wq)
	r.Complete(err != nil)
	if err == nil {
		l <- gonet.NewTCPConn(&wq, ep)
	}
}

// Accept waits for a connection.
func (l forwardListener) Accept() (net.Conn, error) { return <-l, nil }

// Close does nothing: the process ends soon.
func (l forwardListener) Close() error { return nil }

// Addr returns the address that stands for all.
func (l forwardListener) Addr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
}

// listenDeep opens a listener by hand: gonet's own has a backlog of 10.
func (g *gvisorStack) listenDeep(port uint16, backlog int) (net.Listener, error) {
	var wq waiter.Queue
	ep, err := g.s.NewEndpoint(tcp.ProtocolNumber, ipv4.ProtocolNumber, &wq)
	if err != nil {
		return nil, errors.New(err.String())
	}
	if err := ep.Bind(g.full(netip.AddrPortFrom(g.address, port))); err != nil {
		return nil, errors.New(err.String())
	}
	if err := ep.Listen(backlog); err != nil {
		return nil, errors.New(err.String())
	}
	return gonet.NewTCPListener(g.s, &wq, ep), nil
}
