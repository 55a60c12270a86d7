package wire

// Next header values that are extension headers.
// https://www.rfc-editor.org/rfc/rfc8200#section-4
const (
	extHopByHop    = 0
	extRouting     = 43
	extFragment    = 44
	extDestination = 60
)

// maxExtensions is how many extension headers a packet may have. No use needs
// more than four; a longer chain only costs time.
// https://www.rfc-editor.org/rfc/rfc8504#section-5.3
const maxExtensions = 8

// parse6 is parse for IPv6.
//
// IPv4-mapped addresses have no place on the wire. They would pass for IPv4
// inside, with our checks of IPv4 addresses not made.
// https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5.2
func (ip *IP) parse6(b []byte, quoted bool, p *Problem) Drop {
	if len(b) < IPv6Size {
		return TooShort
	}
	first := be32(b)
	ip.Version, ip.ID, ip.FragOffset, ip.MoreFragments, ip.DontFragment = 6, 0, 0, false, false
	ip.TOS = uint8(first >> 20)
	ip.FlowLabel = first & 0xfffff
	ip.HeaderLen, ip.TotalLen = IPv6Size, IPv6Size+int(be16(b[4:]))
	ip.Proto = b[6]
	ip.TTL = b[7]
	ip.Src = readAddr(b[8:])
	ip.Dst = readAddr(b[24:])
	if ip.Src.Is4() {
		return BadSource
	}
	if ip.Dst.Is4() {
		return BadDestination
	}
	if ip.TotalLen > len(b) {
		if !quoted {
			return BadTotalLength
		}
	} else {
		b = b[:ip.TotalLen]
	}
	if isExtension(ip.Proto) {
		if d := ip.walkExtensions(b, p); d != None {
			return d
		}
	}
	if quoted || !ip.IsFragment() {
		return None
	}
	return ip.checkFragment(p)
}

func isExtension(proto uint8) bool {
	switch proto {
	case extHopByHop, extRouting, extFragment, extDestination:
		return true
	}
	return false
}

// Problem is what an ICMPv6 Parameter Problem tells of a packet: why ParseIP
// refuses it, or, when it does not, that nobody knows what IP.Proto is.
// https://www.rfc-editor.org/rfc/rfc4443#section-3.4
type Problem struct {
	Code     uint8  // of ICMPv6ParameterProblem
	Answer   Answer // who is told that ParseIP refuses the packet
	Pointer  uint16 // offset in the packet, in bytes, of what is wrong
	Fragment bool   // there is a fragment header, even on a whole packet
}

// Diagnose looks at the headers of the IPv6 packet b again: ParseIP, which
// is for all packets, does not say where it met a problem.
func Diagnose(b []byte) (p Problem) {
	var ip IP
	p = Problem{Code: ICMPv6UnrecognizedNextHeader, Pointer: nextHeaderAt}
	ip.parse6(b, false, &p)
	return p
}

// Answer says which senders are told of a problem.
type Answer uint8

// The answers.
const (
	NoAnswer      Answer = iota // none
	AnswerUnicast               // those of packets for one host
	AnswerAll                   // those of packets for a group as well
)

// Offsets in the fixed header.
const (
	payloadLengthAt = 4
	nextHeaderAt    = 6
)

// refuse notes a problem that the sender must be told.
func (p *Problem) refuse(code uint8, a Answer, pointer int) Drop {
	p.Code, p.Answer, p.Pointer = code, a, uint16(pointer)
	return BadExtension
}

// walkExtensions walks the extension headers of the packet b, up to the first
// header that is none: that is then ip.Proto, and starts at ip.HeaderLen.
//
// The walk ends behind a fragment header too, because what follows is part of
// the whole packet and not of this one; Proto is then the first header of the
// fragmented part, which may be an extension header. The code that puts the fragments
// together parses the result again. A fragment header on a whole packet counts
// as nothing: https://www.rfc-editor.org/rfc/rfc6946#section-4
func (ip *IP) walkExtensions(b []byte, p *Problem) Drop {
	for n := 0; isExtension(ip.Proto); n++ {
		switch {
		case ip.Proto == extHopByHop && n > 0:
			// https://www.rfc-editor.org/rfc/rfc8200#section-4.1
			return p.refuse(ICMPv6UnrecognizedNextHeader, AnswerUnicast, int(p.Pointer))
		case n == maxExtensions:
			return BadExtension
		}
		if d := ip.takeExtension(b, p); d != None {
			return d
		}
		if ip.IsFragment() {
			break
		}
	}
	return None
}

// takeExtension takes the extension header of kind ip.Proto of the packet b.
func (ip *IP) takeExtension(b []byte, p *Problem) Drop {
	at := ip.HeaderLen
	size := extensionSize(ip.Proto, b[at:])
	if size == 0 {
		return BadExtension
	}
	if d := ip.acceptExtension(b[at:at+size], p); d != None {
		return d
	}
	ip.Proto, ip.HeaderLen, p.Pointer = b[at], at+size, uint16(at)
	return None
}

// extensionSize returns the length of the extension header at the start of b, 0
// when b is shorter.
func extensionSize(proto uint8, b []byte) int {
	if len(b) < 8 {
		return 0
	}
	size := 8
	if proto != extFragment {
		size += int(b[1]) * 8
	}
	if size > len(b) {
		return 0
	}
	return size
}

func (ip *IP) acceptExtension(b []byte, p *Problem) Drop {
	switch ip.Proto {
	case extFragment:
		return ip.takeFragment(b, p)
	case extRouting:
		// A host is the end of the way, and knows no type: nothing may be left
		// of it. That is also the end of type 0 (RFC 5095).
		// https://www.rfc-editor.org/rfc/rfc8200#section-4.4
		if b[3] != 0 {
			return p.refuse(ICMPv6ErroneousHeader, AnswerUnicast, ip.HeaderLen+2)
		}
		return None
	}
	return ip.skipOptions(b, p)
}

// takeFragment reads a fragment header. Hop-by-hop options and another fragment
// header cannot follow it. https://www.rfc-editor.org/rfc/rfc8200#section-4.5
func (ip *IP) takeFragment(b []byte, p *Problem) Drop {
	if p.Fragment || b[0] == extFragment {
		return BadExtension
	}
	w := be16(b[2:])
	p.Fragment = true
	ip.FragOffset = int(w &^ 7)
	ip.MoreFragments = w&1 != 0
	ip.ID = be32(b[4:])
	if b[0] == extHopByHop && ip.FragOffset == 0 {
		return p.refuse(ICMPv6UnrecognizedNextHeader, AnswerUnicast, ip.HeaderLen)
	}
	return None
}

// skipOptions walks the hop-by-hop or destination options b. We know padding and
// nothing else: the top two bits of a type say what becomes of the packet.
// https://www.rfc-editor.org/rfc/rfc8200#section-4.2
func (ip *IP) skipOptions(b []byte, p *Problem) Drop {
	for at := 2; at < len(b); {
		kind := b[at]
		if kind == 0 { // Pad1 is a lone byte
			at++
			continue
		}
		switch pointer := ip.HeaderLen + at; kind >> 6 {
		case 1:
			return BadExtension
		case 2:
			return p.refuse(ICMPv6UnrecognizedOption, AnswerAll, pointer)
		case 3:
			return p.refuse(ICMPv6UnrecognizedOption, AnswerUnicast, pointer)
		}
		if at+2 > len(b) || at+2+int(b[at+1]) > len(b) {
			return BadExtension
		}
		at += 2 + int(b[at+1])
	}
	return None
}

// UpperHeader finds the first header of the IPv6 packet b that is not an extension
// header: its protocol and where it starts. ok is false when
// it is not in b: the packet is cut off, or a fragment other than the first.
func UpperHeader(b []byte) (proto uint8, at int, ok bool) {
	if len(b) < IPv6Size {
		return 0, 0, false
	}
	proto, at = b[nextHeaderAt], IPv6Size
	for n := 0; isExtension(proto); n++ {
		size := extensionSize(proto, b[at:])
		if size == 0 || n == maxExtensions || proto == extFragment && be16(b[at+2:])&^7 != 0 {
			return proto, at, false
		}
		proto, at = b[at], at+size
	}
	return proto, at, true
}

func (ip *IP) appendIPv6(b []byte, payload int) []byte {
	fragment := ip.IsFragment()
	next := ip.Proto
	if fragment {
		next = extFragment
		payload += IPv6FragmentSize
	}
	whole, w := grow(b, IPv6Size)
	ip.put6((*[IPv6Size]byte)(w), next, payload)
	if fragment {
		return ip.appendFragment(whole)
	}
	return whole
}

// put6 writes a fixed header: payload is all that follows, next the first of it.
func (ip *IP) put6(w *[IPv6Size]byte, next uint8, payload int) {
	put64(w[0:], 6<<60|uint64(ip.TOS)<<52|uint64(ip.FlowLabel&0xfffff)<<32|
		uint64(uint16(payload))<<16|uint64(next)<<8|uint64(ip.TTL))
	ip.Src.put(w[8:])
	ip.Dst.put(w[24:])
}

func (ip *IP) appendFragment(b []byte) []byte {
	whole, w := grow(b, IPv6FragmentSize)
	w = w[:IPv6FragmentSize]
	w[0], w[1] = ip.Proto, 0
	offset := uint16(ip.FragOffset) &^ 7
	if ip.MoreFragments {
		offset |= 1
	}
	put16(w[2:], offset)
	put32(w[4:], ip.ID)
	return whole
}
