package capture

import "encoding/binary"

// LinkType says what a captured frame begins with.
// https://www.tcpdump.org/linktypes.html
type LinkType uint16

// The link types that are read.
const (
	LinkNull     LinkType = 0   // BSD loopback: the family in the host's byte order
	LinkEthernet LinkType = 1   // with VLAN tags or without
	LinkRawBSD   LinkType = 12  // raw IP, as some systems call it
	LinkRawOld   LinkType = 14  // raw IP, as OpenBSD calls it
	LinkRaw      LinkType = 101 // raw IP
	LinkLoop     LinkType = 108 // OpenBSD loopback: the family in network order
	LinkSLL      LinkType = 113 // Linux's "any" device
	LinkIPv4     LinkType = 228
	LinkIPv6     LinkType = 229
	LinkSLL2     LinkType = 276 // Linux's "any" device, with the interface
)

const (
	etherIPv4   = 0x0800
	etherIPv6   = 0x86dd
	etherVLAN   = 0x8100
	etherQinQ   = 0x88a8
	etherOldQ   = 0x9100
	maxTags     = 4
	etherHeader = 14
)

// Known reports whether frames of this type are understood.
func (l LinkType) Known() bool {
	switch l {
	case LinkNull, LinkEthernet, LinkRawBSD, LinkRawOld, LinkRaw, LinkLoop, LinkSLL, LinkIPv4, LinkIPv6, LinkSLL2:
		return true
	}
	return false
}

// IP returns the IP packet of a frame, and how many bytes lie before it. It is nil when
// there is none.
func (l LinkType) IP(frame []byte) (packet []byte, before int) {
	at := l.header(frame)
	if at < 0 || at >= len(frame) {
		return nil, 0
	}
	if v := frame[at] >> 4; v != 4 && v != 6 {
		return nil, 0
	}
	return frame[at:], at
}

// header returns the length of what lies before the IP packet, and -1 when there is none.
func (l LinkType) header(b []byte) int {
	switch l {
	case LinkRaw, LinkRawBSD, LinkRawOld, LinkIPv4, LinkIPv6:
		return 0
	case LinkNull, LinkLoop: // the family has a number for each system; the version tells as well
		return 4
	case LinkEthernet:
		return afterTags(b, etherHeader-2, etherHeader)
	case LinkSLL:
		return afterTags(b, 14, 16)
	case LinkSLL2:
		return afterTags(b, 0, 20)
	}
	return -1
}

// afterTags reads the protocol at one place, and passes over VLAN tags behind the header.
func afterTags(b []byte, proto, end int) int {
	for range maxTags {
		if len(b) < end {
			return -1
		}
		switch binary.BigEndian.Uint16(b[proto:]) {
		case etherIPv4, etherIPv6:
			return end
		case etherVLAN, etherQinQ, etherOldQ:
			proto, end = end+2, end+4
		default:
			return -1
		}
	}
	return -1
}
