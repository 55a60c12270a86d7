package ours

import (
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// Inject gives the host at the other end of the pipe a packet that came from
// elsewhere: from a tunnel.
func Inject(far *pipe.End, packet []byte) error {
	p := buf.NewPacket()
	p.Data = append(p.ReceiveInto(len(packet))[:0], packet...)
	return far.Write(0, []*buf.Packet{p})
}

// Next waits for packets that the host sends, a batch at a time.
func Next(far *pipe.End, batch []*buf.Packet, send func(packet []byte)) error {
	n, err := far.Read(0, batch)
	for _, p := range batch[:n] {
		p.Flatten()
		send(p.Data)
		p.Release()
	}
	return err
}
