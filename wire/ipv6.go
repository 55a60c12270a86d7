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
func (ip *IP) parse6(b []byte, quoted bool) Drop {
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
		if d := ip.walkExtensions(b); d != None {
			return d
		}
	}
	if quoted || !ip.IsFragment() {
		return None
	}
	return ip.checkFragment()
}

func isExtension(proto uint8) bool {
	switch proto {
	case extHopByHop, extRouting, extFragment, extDestination:
		return true
	}
	return false
}

// walkExtensions walks the extension headers of the packet b, up to the first
// header that is none: that is then ip.Proto, and starts at ip.HeaderLen.
//
// The walk ends behind a fragment header too, because what follows is part of
// the whole packet and not of this one; Proto is then the first header of the
// fragmented part, which may be an extension header. Whoever puts the fragments
// together parses the result again. A fragment header on a whole packet counts
// as nothing: https://www.rfc-editor.org/rfc/rfc6946#section-4
func (ip *IP) walkExtensions(b []byte) Drop {
	for n := 0; isExtension(ip.Proto); n++ {
		if n == maxExtensions || ip.Proto == extHopByHop && n > 0 {
			return BadExtension
		}
		if d := ip.takeExtension(b[ip.HeaderLen:]); d != None {
			return d
		}
		if ip.IsFragment() {
			break
		}
	}
	return None
}

// takeExtension takes the extension header of kind ip.Proto at the start of b.
func (ip *IP) takeExtension(b []byte) Drop {
	if len(b) < 8 {
		return BadExtension
	}
	size := 8
	if ip.Proto != extFragment {
		size += int(b[1]) * 8
	}
	if size > len(b) || !ip.acceptExtension(b[:size]) {
		return BadExtension
	}
	ip.Proto = b[0]
	ip.HeaderLen += size
	return None
}

func (ip *IP) acceptExtension(b []byte) bool {
	switch ip.Proto {
	case extFragment:
		return ip.takeFragment(b)
	case extRouting:
		// A host is the end of the way: nothing may be left of it. That is
		// also the end of type 0. https://www.rfc-editor.org/rfc/rfc8200#section-4.4
		return b[3] == 0
	}
	return skippableOptions(b[2:])
}

// takeFragment reads a fragment header. Hop-by-hop options and another fragment
// header cannot follow it. https://www.rfc-editor.org/rfc/rfc8200#section-4.5
func (ip *IP) takeFragment(b []byte) bool {
	w := be16(b[2:])
	ip.FragOffset = int(w &^ 7)
	ip.MoreFragments = w&1 != 0
	ip.ID = be32(b[4:])
	return b[0] != extFragment && b[0] != extHopByHop
}

// skippableOptions walks hop-by-hop or destination options and reports whether
// all may be skipped: the top two bits of a type that we do not know say so. We
// know padding, and its types have the bits 00 too.
// https://www.rfc-editor.org/rfc/rfc8200#section-4.2
func skippableOptions(b []byte) bool {
	for len(b) > 0 {
		if b[0] == 0 { // Pad1 is a lone byte
			b = b[1:]
			continue
		}
		if b[0]>>6 != 0 || len(b) < 2 || 2+int(b[1]) > len(b) {
			return false
		}
		b = b[2+int(b[1]):]
	}
	return true
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
