package wgnet

import (
	"github.com/handfast-tcp/handfast/engine/buf"
)

// merger makes packets for the host of what WireGuard has deciphered.
type merger struct {
	batch []*buf.Packet
}

// packets returns copies of the packets in bufs, until the next call.
func (m *merger) packets(bufs [][]byte, offset int) []*buf.Packet {
	m.batch = m.batch[:0]
	for _, b := range bufs {
		if len(b) <= offset || len(b)-offset > buf.LargeSize {
			continue
		}
		p := buf.NewPacket()
		room := p.ReceiveInto(len(b) - offset)
		p.Data = room[:copy(room, b[offset:])]
		m.batch = append(m.batch, p)
	}
	return m.batch
}
