package answers

import (
	"encoding/binary"
	"net/netip"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// be is the byte order of the network.
var be = binary.BigEndian

const (
	mtu = 1500 // of the link to a stack

	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

// ipHeader is what a packet to a stack begins with. Packets are written out
// here, and not by package wire, because some have to be wrong.
type ipHeader struct {
	src, dst  netip.Addr
	protocol  uint8
	ttl, tos  uint8
	id        uint16
	fragment  uint16 // flags and offset of IPv4, as on the wire
	options   []byte // of IPv4, a multiple of 4 bytes
	flowLabel uint32
}

// packet returns a whole packet, with a header that is right.
func (h ipHeader) packet(payload []byte) []byte {
	if h.src.Is6() {
		b := be.AppendUint32(nil, 6<<28|uint32(h.tos)<<20|h.flowLabel)
		b = be.AppendUint16(b, uint16(len(payload)))
		b = append(b, h.protocol, h.ttl)
		b = append(append(b, h.src.AsSlice()...), h.dst.AsSlice()...)
		return append(b, payload...)
	}
	n := 20 + len(h.options)
	b := []byte{4<<4 | byte(n/4), h.tos}
	b = be.AppendUint16(b, uint16(n+len(payload)))
	b = be.AppendUint16(b, h.id)
	b = be.AppendUint16(b, h.fragment)
	b = append(b, h.ttl, h.protocol, 0, 0)
	b = append(append(b, h.src.AsSlice()...), h.dst.AsSlice()...)
	b = append(b, h.options...)
	sumHeader(b)
	return append(b, payload...)
}

// sumHeader makes the checksum of an IPv4 header right.
func sumHeader(b []byte) {
	n := int(b[0]&15) * 4
	be.PutUint16(b[10:], 0)
	be.PutUint16(b[10:], wire.Checksum(wire.Sum(b[:n], 0)))
}

// summed puts the checksum of a transport protocol at offset at.
func (h ipHeader) summed(protocol uint8, at int, b []byte) []byte {
	be.PutUint16(b[at:], 0)
	sum := uint64(0)
	if protocol != protoICMP {
		sum = wire.PseudoSum(wire.AddrFrom(h.src), wire.AddrFrom(h.dst), protocol, len(b))
	}
	be.PutUint16(b[at:], wire.Checksum(wire.Sum(b, sum)))
	return b
}

// icmpMessage returns an ICMP message of h's version.
func icmpMessage(h ipHeader, kind, code uint8, rest uint32, payload []byte) []byte {
	b := be.AppendUint32([]byte{kind, code, 0, 0}, rest)
	protocol := uint8(protoICMP)
	if h.src.Is6() {
		protocol = protoICMPv6
	}
	return h.summed(protocol, 2, append(b, payload...))
}

// udpMessage returns a UDP datagram.
func udpMessage(h ipHeader, from, to uint16, payload []byte) []byte {
	b := be.AppendUint16(be.AppendUint16(nil, from), to)
	b = be.AppendUint16(b, uint16(8+len(payload)))
	return h.summed(protoUDP, 6, append(append(b, 0, 0), payload...))
}

// tcpHeader is a TCP header with options as they are on the wire.
type tcpHeader struct {
	from, to uint16
	seq, ack uint32
	flags    wire.Flags
	window   uint16
	urgent   uint16
	options  []byte // any length; padded with zeros
}

// tcpMessage returns a segment.
func tcpMessage(h ipHeader, s tcpHeader, text []byte) []byte {
	n := (20 + len(s.options) + 3) &^ 3
	b := be.AppendUint16(be.AppendUint16(nil, s.from), s.to)
	b = be.AppendUint32(be.AppendUint32(b, s.seq), s.ack)
	b = be.AppendUint16(b, uint16(n/4)<<12|uint16(s.flags))
	b = append(be.AppendUint16(b, s.window), 0, 0)
	b = append(be.AppendUint16(b, s.urgent), s.options...)
	b = append(b, make([]byte, n-len(b))...)
	return h.summed(protoTCP, 16, append(b, text...))
}
