package netem

import (
	"encoding/binary"

	"github.com/handfast-tcp/handfast/buf"
	"github.com/handfast-tcp/handfast/wire"
)

// copyOf returns a packet with the same content in memory of its own.
func copyOf(p *buf.Packet) *buf.Packet {
	c := buf.NewPacket()
	mem := c.ReceiveInto(p.Len())
	n := copy(mem, p.Data)
	for i := range p.N {
		n += copy(mem[n:], p.Views[i].Bytes())
	}
	c.Data = mem[:n]
	c.L3, c.GSOSize = p.L3, p.GSOSize
	c.Checksum, c.CsumStart, c.CsumOffset = p.Checksum, p.CsumStart, p.CsumOffset
	return c
}

// corrupt returns p with one bit flipped. It works on a copy: others may see
// the memory that p lies in.
func (w *Wire) corrupt(p *buf.Packet) *buf.Packet {
	c := copyOf(p)
	p.Release()
	if c.Checksum == buf.ChecksumPartial {
		completeChecksum(c)
	}
	c.Checksum = buf.ChecksumFull
	if body := c.Data[min(int(c.L3), len(c.Data)):]; len(body) > 0 {
		bit := w.below(uint64(len(body)) * 8)
		body[bit/8] ^= 1 << (bit % 8)
	}
	return c
}

// completeChecksum puts the checksum where only the sum of the pseudo-header
// stands; the rest of the sum begins at CsumStart.
func completeChecksum(p *buf.Packet) {
	start, field := int(p.CsumStart), int(p.CsumStart)+int(p.CsumOffset)
	if field+2 > len(p.Data) {
		return
	}
	sum := wire.Checksum(wire.Sum(p.Data[start:], 0))
	binary.BigEndian.PutUint16(p.Data[field:], sum)
}
