package capture

import (
	"encoding/binary"
	"io"
	"math/bits"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// The blocks of pcapng that are read; all others are passed over.
// https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html
const (
	blockSection     = 0x0a0d0d0a
	blockInterface   = 1
	blockOldPacket   = 2
	blockSimple      = 3
	blockPacket      = 6
	byteOrderMagic   = 0x1a2b3c4d
	optionEnd        = 0
	optionResolution = 9
	optionOffset     = 14
)

// pcapng is a file of blocks, in sections that each have a byte order and interfaces of
// their own.
type pcapng struct {
	order      binary.ByteOrder
	interfaces []source
}

// source is an interface that packets were captured on.
type source struct {
	link LinkType
	snap uint32 // the longest that is kept of a packet; 0: no limit
	// A unit of its times is up/down nanoseconds; base is added, in seconds.
	up, down uint64
	base     int64
}

func (f *pcapng) next(r *Reader) error {
	for {
		kind, body, err := f.block(r)
		if err != nil {
			return err
		}
		switch kind {
		case blockInterface:
			err = f.addInterface(r, body)
		case blockPacket:
			return f.packet(r, body, f.id(body, 4), 20)
		case blockOldPacket:
			return f.packet(r, body, uint32(f.short(body)), 20)
		case blockSimple:
			return f.simple(r, body)
		}
		if err != nil {
			return err
		}
	}
}

// block reads a block and returns its kind, and what is between its two lengths.
func (f *pcapng) block(r *Reader) (kind uint32, body []byte, err error) {
	h, err := r.in.Peek(12)
	switch {
	case err == io.EOF && len(h) == 0:
		return 0, nil, io.EOF
	case err != nil:
		return 0, nil, r.cut(err)
	}
	if binary.LittleEndian.Uint32(h) == blockSection { // the same in either order
		if err := f.section(r, h); err != nil {
			return 0, nil, err
		}
	}
	length := f.order.Uint32(h[4:])
	if length < 12 || length%4 != 0 || length > maxBlock {
		return 0, nil, r.broken("a block of %d bytes", length)
	}
	kind = f.order.Uint32(h)
	b, err := r.read(int(length))
	if err != nil {
		return 0, nil, r.cut(err)
	}
	return kind, b[8 : length-4], nil
}

// section begins a section, whose blocks may be in another byte order.
func (f *pcapng) section(r *Reader, h []byte) error {
	f.interfaces = f.interfaces[:0]
	switch {
	case binary.LittleEndian.Uint32(h[8:]) == byteOrderMagic:
		f.order = binary.LittleEndian
	case binary.BigEndian.Uint32(h[8:]) == byteOrderMagic:
		f.order = binary.BigEndian
	default:
		return r.broken("a section without a byte order: %x", h[8:12])
	}
	return nil
}

func (f *pcapng) addInterface(r *Reader, b []byte) error {
	if len(b) < 8 || len(f.interfaces) == maxInterfaces {
		return r.broken("an interface of %d bytes, behind %d others", len(b), len(f.interfaces))
	}
	s := source{link: LinkType(f.order.Uint16(b)), snap: f.order.Uint32(b[4:]), up: 1000, down: 1}
	for o := b[8:]; len(o) >= 4; {
		code, n := f.order.Uint16(o), int(f.order.Uint16(o[2:]))
		if code == optionEnd || 4+n > len(o) {
			break
		}
		switch v := o[4 : 4+n]; {
		case code == optionResolution && n == 1:
			if !s.resolve(v[0]) {
				return r.broken("an interface whose times are in units of %#x", v[0])
			}
		case code == optionOffset && n == 8:
			s.base = int64(f.order.Uint64(v))
		}
		o = o[min(len(o), 4+(n+3)&^3):]
	}
	f.interfaces = append(f.interfaces, s)
	return nil
}

// resolve takes the unit of an interface's times: a negative power of ten, or with the
// highest bit of two.
func (s *source) resolve(v byte) bool {
	s.up, s.down = 1e9, 1
	n := v & 0x7f
	if v&0x80 != 0 {
		s.down = 1 << min(n, 63)
		return n < 64
	}
	for ; n > 0 && s.up > 1; n-- {
		s.up /= 10
	}
	for ; n > 0 && s.down < 1e9; n-- {
		s.down *= 10
	}
	return n == 0
}

// lastTime, in the year 2116, and 1970 bound the times of packets: they differ by no more than
// a Duration holds, and something can come after each.
const lastTime = clock.Never / 2

// time turns an interface's units into an instant within the bounds.
func (s *source) time(units uint64) clock.Time {
	return max(0, min(s.unbounded(units), lastTime))
}

// unbounded is Never beyond the year 2262.
func (s *source) unbounded(units uint64) clock.Time {
	hi, lo := bits.Mul64(units, s.up)
	if hi >= s.down {
		return clock.Never
	}
	n, _ := bits.Div64(hi, lo, s.down)
	const most = int64(clock.Never) / 1e9 // in seconds
	whole, rest := int64(n/1e9), int64(n%1e9)
	if n > uint64(clock.Never) || s.base > most || s.base < -most || whole+s.base >= most {
		return clock.Never
	}
	return clock.Time((whole+s.base)*1e9 + rest)
}

func (f *pcapng) id(b []byte, least int) uint32 {
	if len(b) < least {
		return maxInterfaces
	}
	return f.order.Uint32(b)
}

func (f *pcapng) short(b []byte) uint16 {
	if len(b) < 2 {
		return maxInterfaces - 1
	}
	return f.order.Uint16(b)
}

// packet reads a packet with a time; its data begin at so many bytes of the body.
func (f *pcapng) packet(r *Reader, b []byte, id uint32, at int) error {
	if len(b) < at || id >= uint32(len(f.interfaces)) {
		return r.broken("a packet of interface %d, of which the file has %d", id, len(f.interfaces))
	}
	length, size := f.order.Uint32(b[12:]), f.order.Uint32(b[16:])
	if uint64(length) > uint64(len(b)-at) {
		return r.broken("a packet of %d bytes in a block of %d", length, len(b))
	}
	s := &f.interfaces[id]
	r.packet.Time = s.time(uint64(f.order.Uint32(b[4:]))<<32 | uint64(f.order.Uint32(b[8:])))
	r.packet.Link, r.packet.Interface = s.link, int(id)
	r.packet.Data, r.packet.Size = b[at:at+int(length)], max(int(min(size, MaxPacket)), int(length))
	return nil
}

// simple reads a packet without a time, of the first interface.
func (f *pcapng) simple(r *Reader, b []byte) error {
	if len(b) < 4 || len(f.interfaces) == 0 {
		return r.broken("a packet of %d bytes, and %d interfaces", len(b), len(f.interfaces))
	}
	s := &f.interfaces[0]
	size := f.order.Uint32(b)
	length := min(size, uint32(len(b)-4))
	if s.snap > 0 {
		length = min(length, s.snap)
	}
	r.packet.Link, r.packet.Interface = s.link, 0
	r.packet.Data, r.packet.Size = b[4:4+length], max(int(min(size, MaxPacket)), int(length))
	return nil
}
