package theirs

import (
	"context"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Inject gives the stack a packet that came from elsewhere: from a tunnel.
func Inject(ep *channel.Endpoint, packet []byte) {
	p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	defer p.DecRef()
	if header.IPVersion(packet) == header.IPv6Version {
		ep.InjectInbound(ipv6.ProtocolNumber, p)
	} else {
		ep.InjectInbound(ipv4.ProtocolNumber, p)
	}
}

// Next waits for a packet that the stack sends.
func Next(ctx context.Context, ep *channel.Endpoint) []byte {
	p := ep.ReadContext(ctx)
	if p == nil {
		return nil
	}
	defer p.DecRef()
	v := p.ToView()
	defer v.Release()
	return append([]byte(nil), v.AsSlice()...)
}
