package netem

import (
	"encoding/binary"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// corrupt returns p with one bit flipped. It works on a copy: others may see
// the memory that p lies in.
func (w *Wire) corrupt(p *buf.Packet) *buf.Packet {
	c := p.Copy()
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

// mark returns p marked CE, or as it is if its sender does not understand that. Like
// corrupt it works on a copy.
func (w *Wire) mark(p *buf.Packet) *buf.Packet {
	if at := min(int(p.L3), len(p.Data)); !wire.Markable(p.Data[at:]) {
		return p
	}
	w.counters.Marked++
	c := p.Copy()
	p.Release()
	wire.MarkCE(c.Data[c.L3:])
	return c
}

// completeChecksum puts the checksum where only the sum of the pseudo-header
// stands; the rest of the sum begins at CsumStart.
func completeChecksum(p *buf.Packet) {
	start, field := int(p.CsumStart), int(p.CsumStart)+int(p.CsumOffset)
	if field+2 > len(p.Data) {
		return
	}
	binary.BigEndian.PutUint16(p.Data[field:], ^sum(p.Data[start:]))
}

// sum is the Internet checksum of b before it is complemented, word by word: a
// corrupted packet is rare. https://www.rfc-editor.org/rfc/rfc1071
func sum(b []byte) uint16 {
	var s uint64
	for ; len(b) > 1; b = b[2:] {
		s += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	for s > 0xffff {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}
