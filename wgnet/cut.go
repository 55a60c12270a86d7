package wgnet

import (
	"encoding/binary"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Where things lie in headers.
const (
	ip4Length   = 2
	ip4ID       = 4
	ip4Fragment = 6
	ip4Checksum = 10
	ip6Length   = 4

	tcpSeq    = 4
	tcpOffset = 12
	tcpFlags  = 13
)

// ip4DontFragment is the flag in the field at ip4Fragment.
const ip4DontFragment = 0x4000

func get16(b []byte) uint16    { return binary.BigEndian.Uint16(b) }
func put16(b []byte, v uint16) { binary.BigEndian.PutUint16(b, v) }

// cutter writes packets into buffers: a super-segment as the segments that it stands
// for, with the checksums that a link with offload owes. The zero value begins with
// a packet.
type cutter struct {
	done int // bytes of the payload that are written
	part int // how many segments that were
	at   spot
}

// spot is a place in what a packet has behind its headers: in Data or in a view.
type spot struct {
	piece int // 0: Data, else Views[piece-1]
	off   int
}

// segments writes what p stands for, from where the last call has ended, into as many
// buffers as there are. It reports whether that was all.
func (c *cutter) segments(p *buf.Packet, bufs [][]byte, sizes []int, offset int) (n int, all bool) {
	if p.GSOSize == 0 {
		if offset+p.Len() > len(bufs[0]) {
			return 0, true // of a device that does not keep to the MTU
		}
		sizes[0] = whole(bufs[0][offset:], p)
		return 1, true
	}
	head := int(p.CsumStart) + int(p.Data[int(p.CsumStart)+tcpOffset]>>4)*4
	payload, size := p.Len()-head, int(p.GSOSize)
	if c.part == 0 {
		c.at = spot{off: head}
	}
	for c.done < payload && n < len(bufs) {
		step := min(size, payload-c.done)
		if offset+head+step > len(bufs[n]) {
			c.done = payload
			break
		}
		b := bufs[n][offset : offset+head+step]
		copy(b, p.Data[:head])
		c.at = c.at.copy(b[head:], p)
		c.finish(b, p, payload)
		sizes[n] = len(b)
		c.done += step
		c.part++
		n++
	}
	if c.done < payload {
		return n, false
	}
	*c = cutter{}
	return n, true
}

// whole writes a packet that is one, and returns its length. WireGuard enciphers what is in one
// piece, so that this copy has to be.
func whole(b []byte, p *buf.Packet) int {
	n := copy(b, p.Data)
	for i := range p.N {
		n += copy(b[n:], p.Views[i].Bytes())
	}
	if p.Checksum == buf.ChecksumPartial {
		at := int(p.CsumStart)
		sum := wire.Sum(b[at:n], 0)
		put16(b[at+int(p.CsumOffset):], wire.TransportChecksum(sum))
	}
	return n
}

// copy fills b with what lies from s on, and returns where that ends.
func (s spot) copy(b []byte, p *buf.Packet) spot {
	for {
		piece := p.Data
		if s.piece > 0 {
			piece = p.Views[s.piece-1].Bytes()
		}
		n := copy(b, piece[s.off:])
		if b = b[n:]; len(b) == 0 {
			s.off += n
			return s
		}
		s = spot{piece: s.piece + 1}
	}
}

// finish makes the headers in b those of the next segment of p, with a payload of so
// many bytes in all.
func (c *cutter) finish(b []byte, p *buf.Packet, payload int) {
	at := int(p.CsumStart)
	t := b[at:]
	if b[0]>>4 == 4 {
		c.finish4(b, at)
	} else {
		put16(b[ip6Length:], uint16(len(b)-wire.IPv6Size))
	}
	binary.BigEndian.PutUint32(t[tcpSeq:], binary.BigEndian.Uint32(t[tcpSeq:])+uint32(c.done))
	// As a card cuts up: CWR is for the first segment, FIN and PSH for the last. Under AccECN CWR
	// is part of a count, and the host gives no super-segment out that has it.
	if c.part > 0 {
		t[tcpFlags] &^= byte(wire.CWR)
	}
	if c.done+int(p.GSOSize) < payload {
		t[tcpFlags] &^= byte(wire.FIN | wire.PSH)
	}
	// The field holds the sum of a pseudo-header that has the length of the whole.
	field := t[p.CsumOffset:]
	other := uint64(^uint16(p.Len()-at)) + uint64(len(t))
	put16(field, wire.TransportChecksum(wire.Sum(t, other)))
}

// finish4 sets the length of a segment with an IPv4 header of so many bytes. One that
// may be cut into fragments needs an ID of its own.
func (c *cutter) finish4(b []byte, header int) {
	put16(b[ip4Length:], uint16(len(b)))
	if get16(b[ip4Fragment:])&ip4DontFragment == 0 {
		put16(b[ip4ID:], get16(b[ip4ID:])+uint16(c.part))
	}
	put16(b[ip4Checksum:], 0)
	put16(b[ip4Checksum:], wire.Checksum(wire.Sum(b[:header], 0)))
}
