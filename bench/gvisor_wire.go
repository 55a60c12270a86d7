package main

import (
	"context"
	"net/netip"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
)

// gvisorWire puts a stack on each end of a wire.
func gvisorWire(a, b link.Link, _ int) (near, far stack, err error) {
	if near, err = gvisorOnLink(a, nearAddr); err != nil {
		return nil, nil, err
	}
	far, err = gvisorOnLink(b, farAddr)
	return near, far, err
}

// gvisorOnLink makes a stack whose packets go by a link of ours.
func gvisorOnLink(l link.Link, address netip.Addr) (stack, error) {
	e := channel.New(gvisorQueue, 1500, "")
	s, err := newGvisorStack(e, address)
	if err != nil {
		return nil, err
	}
	go gvisorToLink(e, l)
	go linkToGvisor(l, e)
	return s, nil
}

func gvisorToLink(e *channel.Endpoint, l link.Link) {
	for {
		p := e.ReadContext(context.Background())
		v := p.ToView()
		q := buf.NewPacket()
		q.Data = q.ReceiveInto(v.Size())[:v.Size()]
		copy(q.Data, v.AsSlice())
		v.Release()
		p.DecRef()
		if l.Write(0, []*buf.Packet{q}) != nil {
			return
		}
	}
}

func linkToGvisor(l link.Link, e *channel.Endpoint) {
	batch := make([]*buf.Packet, 64)
	for {
		n, err := l.Read(0, batch)
		if err != nil {
			return
		}
		for _, p := range batch[:n] {
			// Handfast is not at the other end: all bytes lie in Data.
			q := gstack.NewPacketBuffer(gstack.PacketBufferOptions{Payload: buffer.MakeWithData(p.Data)})
			p.Release()
			e.InjectInbound(ipv4.ProtocolNumber, q)
			q.DecRef()
		}
	}
}
