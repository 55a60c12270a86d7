package capture

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// The four magic numbers of pcap, as they read in the file's own byte order.
// https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-05.html
const (
	magicMicroseconds = 0xa1b2c3d4
	magicNanoseconds  = 0xa1b23c4d

	pcapHeader = 24
	pcapRecord = 16
)

// pcap is a file of the older format: one header, and records of packets.
type pcap struct {
	swap bool  // its numbers are big-endian
	unit int64 // of the fraction of a second, in nanoseconds
	link LinkType
}

func newPcap(in *bufio.Reader) (*pcap, error) {
	var h [pcapHeader]byte
	if n, err := io.ReadFull(in, h[:]); err != nil {
		return nil, fmt.Errorf("%w: it has only %d bytes", ErrFormat, n)
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		p := &pcap{swap: order == binary.BigEndian, link: LinkType(order.Uint32(h[20:]) & 0xffff)} // the upper bits tell of a checksum behind frames
		switch order.Uint32(h[:]) {
		case magicMicroseconds:
			p.unit = 1000
			return p, nil
		case magicNanoseconds:
			p.unit = 1
			return p, nil
		}
	}
	return nil, fmt.Errorf("%w: it begins with %x; pcap and pcapng are read", ErrFormat, h[:4])
}

func (p *pcap) next(r *Reader) error {
	h, err := r.read(pcapRecord)
	if err != nil {
		return err
	}
	seconds, fraction := int64(p.number(h)), int64(p.number(h[4:]))
	length, size := p.number(h[8:]), p.number(h[12:])
	if length > MaxPacket {
		return r.broken("a packet of %d bytes, where %d are the most", length, MaxPacket)
	}
	data, err := r.read(int(length))
	if err != nil {
		return r.cut(err)
	}
	r.packet.Time, r.packet.Link, r.packet.Interface = clock.Time(seconds*1e9+fraction*p.unit), p.link, 0
	r.packet.Data, r.packet.Size = data, max(int(min(size, MaxPacket)), len(data))
	return nil
}

// number reads a number in the file's byte order.
func (p *pcap) number(b []byte) uint32 {
	n := binary.LittleEndian.Uint32(b)
	if p.swap {
		return bits.ReverseBytes32(n)
	}
	return n
}
