package offload

import (
	"encoding/binary"
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
)

// header returns a virtio-net header in the machine's byte order.
func header(flags, gsoType byte, headerLen, gsoSize, csumStart, csumOffset uint16) []byte {
	b := []byte{flags, gsoType}
	for _, v := range []uint16{headerLen, gsoSize, csumStart, csumOffset} {
		b = binary.NativeEndian.AppendUint16(b, v)
	}
	return b
}

// segment returns a packet with l3 bytes of link header, an IP header of
// ipSize bytes and a TCP header of 32 bytes.
func segment(l3, ipSize int, version, flags byte, set func(*buf.Packet)) *buf.Packet {
	p := buf.NewPacket()
	p.Data = append(p.Data, make([]byte, l3+ipSize+32)...)
	p.L3 = uint16(l3)
	p.Data[l3] = version << 4
	p.Data[l3+ipSize+tcpDataOffset] = 8 << 4
	p.Data[l3+ipSize+tcpFlags] = flags
	if set != nil {
		set(p)
	}
	return p
}

func partial(start, gso uint16) func(*buf.Packet) {
	return func(p *buf.Packet) {
		p.Checksum, p.CsumStart, p.CsumOffset, p.GSOSize = buf.ChecksumPartial, start, 16, gso
	}
}

func TestEncode(t *testing.T) {
	for _, c := range []struct {
		name   string
		packet *buf.Packet
		want   []byte
	}{
		{"full checksum", segment(0, 20, 4, 0x10, nil), header(0, 0, 0, 0, 0, 0)},
		{"partial checksum", segment(0, 20, 4, 0x10, partial(20, 0)), header(1, 0, 52, 0, 20, 16)},
		{"partial checksum of UDP", segment(0, 20, 4, 0x10, func(p *buf.Packet) {
			p.Checksum, p.CsumStart, p.CsumOffset = buf.ChecksumPartial, 20, 6
		}), header(1, 0, 0, 0, 20, 6)},
		{"TCP header that says it is longer than the packet", segment(0, 20, 4, 0x10, func(p *buf.Packet) {
			partial(20, 0)(p)
			p.Data[20+tcpDataOffset] = 15 << 4
		}), header(1, 0, 0, 0, 20, 16)},
		{"IPv4", segment(0, 20, 4, 0x10, partial(20, 1448)), header(1, 1, 52, 1448, 20, 16)},
		{"IPv6", segment(0, 40, 6, 0x10, partial(40, 1428)), header(1, 4, 72, 1428, 40, 16)},
		{"IPv6 on Ethernet", segment(14, 40, 6, 0x10, partial(54, 1428)), header(1, 4, 86, 1428, 54, 16)},
		{"CWR", segment(0, 20, 4, 0x90, partial(20, 1448)), header(1, 0x81, 52, 1448, 20, 16)},
		{"verified", segment(0, 20, 4, 0x10, func(p *buf.Packet) { p.Checksum = buf.ChecksumVerified }), header(2, 0, 0, 0, 0, 0)},
	} {
		got := make([]byte, HeaderSize)
		for i := range got {
			got[i] = 0xff
		}
		Encode(got, c.packet)
		if string(got) != string(c.want) {
			t.Errorf("%s: got %x, want %x", c.name, got, c.want)
		}
		if !Valid(c.packet) {
			t.Errorf("%s: not valid", c.name)
		}
	}
}

func TestDecode(t *testing.T) {
	type fields struct {
		checksum           buf.Checksum
		gso, start, offset uint16
	}
	for _, c := range []struct {
		name   string
		header []byte
		ok     bool
		want   fields
	}{
		{"nothing", header(0, 0, 0, 0, 0, 0), true, fields{}},
		{"partial", header(1, 0, 0, 0, 20, 16), true, fields{buf.ChecksumPartial, 0, 20, 16}},
		{"verified", header(2, 0, 0, 0, 0, 0), true, fields{checksum: buf.ChecksumVerified}},
		{"TSO, IPv4", header(1, 1, 52, 1448, 20, 16), true, fields{buf.ChecksumPartial, 1448, 20, 16}},
		{"TSO, IPv6, CWR", header(1, 0x84, 72, 1428, 40, 6), true, fields{buf.ChecksumPartial, 1428, 40, 6}},
		{"checksum at the end", header(1, 0, 0, 0, 60, 10), true, fields{buf.ChecksumPartial, 0, 60, 10}},
		{"checksum past the end", header(1, 0, 0, 0, 60, 11), false, fields{}},
		{"start past the end", header(1, 0, 0, 0, 65535, 65535), false, fields{}},
		{"TSO of nothing", header(1, 1, 52, 0, 20, 16), false, fields{}},
		{"UDP fragments", header(1, 3, 28, 1448, 20, 6), false, fields{}},
		{"UDP segments", header(1, 5, 28, 1448, 20, 6), false, fields{}},
	} {
		p := segment(0, 40, 6, 0x10, nil)
		ok := Decode(c.header, p)
		if ok != c.ok {
			t.Errorf("%s: ok is %v", c.name, ok)
		}
		got := fields{p.Checksum, p.GSOSize, p.CsumStart, p.CsumOffset}
		if ok && got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// What is left in a packet that is used again must not be taken for news.
func TestDecodeForgets(t *testing.T) {
	p := segment(0, 20, 4, 0x10, partial(20, 1448))
	if !Decode(header(0, 0, 0, 0, 0, 0), p) || p.Checksum != buf.ChecksumFull || p.GSOSize != 0 {
		t.Errorf("got checksum %v, GSO size %d", p.Checksum, p.GSOSize)
	}
}

func TestInvalid(t *testing.T) {
	for _, c := range []struct {
		name   string
		packet *buf.Packet
	}{
		{"super-segment with full checksum", segment(0, 20, 4, 0x10, func(p *buf.Packet) { p.GSOSize = 1000 })},
		{"checksum field outside", segment(0, 20, 4, 0x10, partial(51, 0))},
		{"TCP header outside", segment(0, 20, 4, 0x10, partial(33, 1000))},
	} {
		if Valid(c.packet) {
			t.Errorf("%s: valid", c.name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(header(1, 4, 72, 1428, 40, 16), 60)
	f.Fuzz(func(t *testing.T, head []byte, size int) {
		if len(head) < HeaderSize || size < 0 || size > 1000 {
			return
		}
		p := buf.NewPacket()
		p.Data = make([]byte, size)
		if Decode(head, p) && p.Checksum == buf.ChecksumPartial {
			_ = p.Data[int(p.CsumStart)+int(p.CsumOffset)+1]
		}
	})
}
