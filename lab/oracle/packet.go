package oracle

import (
	"encoding/binary"
	"fmt"
)

// The control bits of a TCP header, with the reserved ones.
const (
	flagFIN uint16 = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
	flagURG
	flagECE
	flagCWR
	flagAE

	reservedFlags = 0xe00
)

// Protocol numbers.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

// address is one of IPv6, or one of IPv4 in the form ::ffff:0:0/96.
type address [16]byte

// packet is what an IP packet says.
type packet struct {
	src, dst address
	v6       bool
	fragment bool // a part of a packet, or behind headers that are not read
	whole    bool // of IPv4: DF is set
	alert    bool // routers are to look at it
	ttl      byte
	proto    byte
	size     int    // in bytes
	body     []byte // behind the IP header

	// Of TCP.
	srcPort, dstPort uint16
	seq, ack         uint32
	flags            uint16
	window, urgent   uint16
	options          options
	text             []byte
}

func (p *packet) has(flags uint16) bool { return p.flags&flags == flags }

// length is SEG.LEN: text, with SYN and FIN counted.
func (p *packet) length() uint32 {
	return uint32(len(p.text)) + uint32(p.flags&flagFIN) + uint32(p.flags&flagSYN>>1)
}

// parse reads an IP packet. usable reports whether a host may take anything from
// it: what cannot be read, or has a wrong checksum, never arrived. The error is the
// first rule that the packet's form breaks; one that is usable may break some.
func parse(b []byte) (p packet, usable bool, err error) {
	switch {
	case len(b) < 20:
		return p, false, fault("W1", "RFC 791 §3.1", "%d bytes are no IP packet", len(b))
	case b[0]>>4 == 4:
		usable, err = p.parse4(b)
	case b[0]>>4 == 6:
		usable, err = p.parse6(b)
	default:
		return p, false, fault("W1", "RFC 791 §3.1", "IP version %d", b[0]>>4)
	}
	if !usable || p.fragment {
		return p, usable, err
	}
	var above error
	switch p.proto {
	case protoTCP:
		usable, above = p.parseTCP()
	case protoICMP, protoICMPv6, protoUDP, protoIGMP:
		usable, above = p.parseOther()
	}
	if err == nil {
		err = above
	}
	return p, usable, err
}

func (p *packet) parse4(b []byte) (usable bool, err error) {
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	fragment := binary.BigEndian.Uint16(b[6:])
	switch {
	case header < 20 || header > total || total > len(b):
		return false, fault("W1", "RFC 791 §3.1", "header of %d bytes, total length %d, in %d bytes", header, total, len(b))
	case sum(0, b[:header]) != 0xffff:
		return false, fault("W1", "RFC 791 §3.1", "the IP header's checksum is wrong")
	case total < len(b):
		err = fault("W1", "RFC 791 §3.1", "%d bytes follow the packet's end", len(b)-total)
	case fragment&0x8000 != 0:
		err = fault("W1", "RFC 791 §3.1", "the reserved bit of the fragment field is set")
	case fragment == 0x4000 && b[4]|b[5] != 0:
		err = fault("W4", "RFC 6864 §4", "an atomic packet has ID %d, which tells of others", binary.BigEndian.Uint16(b[4:]))
	}
	p.src, p.dst = mapped(b[12:16]), mapped(b[16:20])
	p.fragment, p.whole = fragment&0x3fff != 0, fragment&0x4000 != 0
	p.ttl, p.proto, p.size, p.body = b[8], b[9], total, b[header:total]
	p.alert = hasAlert4(b[20:header])
	return true, err
}

func (p *packet) parse6(b []byte) (usable bool, err error) {
	if len(b) < 40 {
		return false, fault("W1", "RFC 8200 §3", "%d bytes are no IPv6 packet", len(b))
	}
	total := 40 + int(binary.BigEndian.Uint16(b[4:]))
	if total > len(b) {
		return false, fault("W1", "RFC 8200 §3", "payload of %d bytes in %d", total-40, len(b)-40)
	}
	if total < len(b) {
		err = fault("W1", "RFC 8200 §3", "%d bytes follow the packet's end", len(b)-total)
	}
	copy(p.src[:], b[8:])
	copy(p.dst[:], b[24:])
	p.v6, p.whole = true, true
	p.proto, p.ttl, p.size, p.body = b[6], b[7], total, b[40:total]
	if p.proto == 0 {
		p.openHops()
	}
	switch p.proto {
	case 0, 43, 44, 60: // headers that TCP may lie behind
		p.fragment = true
	}
	return true, err
}

func mapped(b []byte) (a address) {
	a[10], a[11] = 0xff, 0xff
	copy(a[12:], b)
	return a
}

func (p *packet) parseTCP() (usable bool, err error) {
	b := p.body
	if len(b) < 20 {
		return false, fault("W1", "RFC 9293 §3.1", "%d bytes are no TCP header", len(b))
	}
	header := int(b[12]>>4) * 4
	if header < 20 || header > len(b) {
		return false, fault("W1", "RFC 9293 §3.1", "a data offset of %d bytes in %d", header, len(b))
	}
	if !p.summed() {
		return false, fault("W1", "RFC 9293 §3.1", "the TCP checksum is wrong")
	}
	p.srcPort, p.dstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	p.seq, p.ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	p.flags, p.window = binary.BigEndian.Uint16(b[12:])&0xfff, binary.BigEndian.Uint16(b[14:])
	p.urgent, p.text = binary.BigEndian.Uint16(b[18:]), b[header:]
	if err = p.options.parse(b[20:header], p.has(flagSYN)); err == nil {
		err = p.checkFlags()
	}
	return true, err
}

// checkFlags looks at what does not depend on what came before.
func (p *packet) checkFlags() error {
	switch {
	case p.flags&reservedFlags != 0:
		return fault("W1", "RFC 9293 §3.1", "reserved bits are set: %#x", p.flags)
	case !p.has(flagURG) && p.urgent != 0:
		return fault("W1", "RFC 9293 §3.1", "an urgent pointer of %d without URG", p.urgent)
	case p.has(flagSYN | flagFIN), p.has(flagSYN | flagRST), p.has(flagRST | flagFIN):
		return fault("W1", "RFC 9293 §3.1", "flags %#x contradict each other", p.flags)
	case !p.has(flagACK) && p.flags&(flagSYN|flagRST) == 0:
		return fault("W3", "RFC 9293 §3.1", "no ACK, and neither SYN nor RST: flags %#x", p.flags)
	case !p.has(flagACK) && p.ack != 0:
		return fault("W3", "RFC 9293 §3.1", "an ACK number of %d without ACK", p.ack)
	case p.srcPort == 0 || p.dstPort == 0:
		return fault("W1", "RFC 9293 §3.1", "ports %d and %d", p.srcPort, p.dstPort)
	}
	return nil
}

// parseOther looks at lengths and checksums of what is not TCP.
func (p *packet) parseOther() (usable bool, err error) {
	name := map[byte]string{protoICMP: "ICMP", protoICMPv6: "ICMPv6", protoUDP: "UDP", protoIGMP: "IGMP"}[p.proto]
	switch {
	case len(p.body) < 8:
		return false, fault("W1", "RFC 1122 §3.2.2", "%d bytes are no %s message", len(p.body), name)
	case p.proto == protoUDP && int(binary.BigEndian.Uint16(p.body[4:])) != len(p.body):
		return false, fault("W1", "RFC 768", "a UDP length of %d in %d bytes", binary.BigEndian.Uint16(p.body[4:]), len(p.body))
	case p.proto == protoUDP && !p.v6 && p.body[6]|p.body[7] == 0:
		return true, nil // without a checksum
	case !p.summed():
		return false, fault("W1", "RFC 1122 §3.2.2", "the %s checksum is wrong", name)
	}
	return true, nil
}

// summed reports whether the checksum of what the packet carries is right.
func (p *packet) summed() bool {
	var pseudo uint64
	if p.proto != protoICMP && p.proto != protoIGMP { // they have no pseudo-header
		pseudo = words(p.src[:]) + words(p.dst[:]) + uint64(p.proto) + uint64(len(p.body))
		if !p.v6 {
			pseudo -= 2 * 0xffff // the prefixes of both
		}
	}
	return sum(pseudo, p.body) == 0xffff
}

// sum is the ones' complement sum of RFC 1071, on top of what was summed before.
func sum(before uint64, b []byte) uint16 {
	s := before + words(b)
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// words adds up all that b holds, as words of 16 bits.
func words(b []byte) (s uint64) {
	for ; len(b) >= 8; b = b[8:] {
		w := binary.BigEndian.Uint64(b)
		s += w>>48 + w>>32&0xffff + w>>16&0xffff + w&0xffff
	}
	for ; len(b) >= 2; b = b[2:] {
		s += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

func (p *packet) String() string {
	names := ""
	for i, c := range "FSRP.UEWe" {
		if p.flags>>i&1 != 0 {
			names += string(c)
		}
	}
	return fmt.Sprintf("%d > %d %s seq %d ack %d win %d len %d", p.srcPort, p.dstPort, names, p.seq, p.ack, p.window, len(p.text))
}
