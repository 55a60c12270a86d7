// Package offload translates between a packet's offload fields and the
// virtio-net header that TUN and AF_PACKET put in front of a packet.
//
// https://docs.oasis-open.org/virtio/virtio/v1.2/virtio-v1.2.html#x1-2170006
package offload

import (
	"encoding/binary"

	"github.com/handfast-tcp/handfast/engine/buf"
)

// HeaderSize is the length of the header in bytes, without its later
// additions.
const HeaderSize = 10

// MaxSegment is the largest super-segment in bytes, IP header included: what
// the length field of IPv4 can say.
const MaxSegment = 65535

// The bits and values of the header's first two bytes.
const (
	needsChecksum = 1 // flags: the receiver must put the sum from csum_start on at csum_offset
	dataValid     = 2 // flags: the checksum has been verified

	gsoNone  = 0
	gsoTCPv4 = 1
	gsoTCPv6 = 4
	gsoECN   = 0x80 // only the first segment has CWR
)

// The fields of a TCP header that are needed here.
const (
	tcpHeaderSize = 20
	tcpDataOffset = 12
	tcpFlags      = 13
	tcpChecksum   = 16
	tcpCWR        = 0x80
)

// Encode writes p's header into the first HeaderSize bytes of b. p.Data begins
// where the device's frames begin; a super-segment has ChecksumPartial. The
// byte order is the machine's, as both kernel interfaces have it.
func Encode(b []byte, p *buf.Packet) {
	clear(b[:HeaderSize])
	switch p.Checksum {
	case buf.ChecksumPartial:
		b[0] = needsChecksum
		binary.NativeEndian.PutUint16(b[6:], p.CsumStart)
		binary.NativeEndian.PutUint16(b[8:], p.CsumOffset)
		binary.NativeEndian.PutUint16(b[2:], headersOf(p))
	case buf.ChecksumVerified:
		b[0] = dataValid
	}
	if p.GSOSize != 0 {
		encodeGSO(b, p)
	}
}

func encodeGSO(b []byte, p *buf.Packet) {
	tcp := p.Data[p.CsumStart:]
	b[1] = gsoTCPv4
	if p.Data[p.L3]>>4 == 6 {
		b[1] = gsoTCPv6
	}
	if tcp[tcpFlags]&tcpCWR != 0 {
		b[1] |= gsoECN
	}
	binary.NativeEndian.PutUint16(b[4:], p.GSOSize)
}

// headersOf is how long the headers of a TCP segment are; 0: not known. The kernel keeps
// so much apart from the text, which then begins where a page does, super-segment or not:
// processors copy 64 KiB to another place up to ten times as slowly.
func headersOf(p *buf.Packet) uint16 {
	at := int(p.CsumStart)
	if p.CsumOffset != tcpChecksum || at+tcpHeaderSize > len(p.Data) {
		return 0
	}
	if n := at + int(p.Data[at+tcpDataOffset]>>4)*4; n <= len(p.Data) {
		return uint16(n)
	}
	return 0
}

// Decode sets p's offload fields from the header at the start of b. p.Data
// holds the frame already. It returns false when the header does not fit the
// packet, or when the packet stands for several that are not TCP segments.
func Decode(b []byte, p *buf.Packet) bool {
	p.Checksum, p.GSOSize = buf.ChecksumFull, 0
	switch {
	case b[0]&needsChecksum != 0:
		p.Checksum = buf.ChecksumPartial
		p.CsumStart = binary.NativeEndian.Uint16(b[6:])
		p.CsumOffset = binary.NativeEndian.Uint16(b[8:])
		if int(p.CsumStart)+int(p.CsumOffset)+2 > len(p.Data) {
			return false
		}
	case b[0]&dataValid != 0:
		p.Checksum = buf.ChecksumVerified
	}
	switch b[1] &^ gsoECN {
	case gsoNone:
		return true
	case gsoTCPv4, gsoTCPv6:
		p.GSOSize = binary.NativeEndian.Uint16(b[4:])
		return p.GSOSize != 0
	}
	return false
}

// Valid reports whether Encode can describe p: a super-segment has a partial
// checksum and its TCP header lies in Data.
func Valid(p *buf.Packet) bool {
	if p.Checksum == buf.ChecksumPartial && int(p.CsumStart)+int(p.CsumOffset)+2 > len(p.Data) {
		return false
	}
	if p.GSOSize == 0 {
		return true
	}
	return p.Checksum == buf.ChecksumPartial && int(p.CsumStart)+tcpHeaderSize <= len(p.Data) && int(p.L3) < len(p.Data)
}
