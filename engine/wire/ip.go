package wire

// Sizes of the IP headers that Append writes, in bytes.
const (
	IPv4Size         = 20
	IPv6Size         = 40
	IPv6FragmentSize = 8
)

// DefaultTTL is what packets start with, RFC 1700.
const DefaultTTL = 64

// Service is how a packet is treated on its way: the octet TOS, or traffic class, without
// the field ECN, and the TTL, or hop limit. It is an array so that both are copied as one.
type Service [2]uint8

// MakeService returns a Service; without a TTL it has DefaultTTL.
func MakeService(tos, ttl uint8) Service {
	if ttl == 0 {
		ttl = DefaultTTL
	}
	return Service{tos &^ ECNMask, ttl}
}

// TOS returns the octet TOS, or traffic class, without the field ECN.
func (s Service) TOS() uint8 { return s[0] }

// TTL returns the TTL, or hop limit.
func (s Service) TTL() uint8 { return s[1] }

// ECNMask are the bits of the octet TOS, or traffic class, that belong to ECN.
const ECNMask = 3

// Protocol numbers, in IP.Proto.
// https://www.iana.org/assignments/protocol-numbers
const (
	ProtoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58
	ProtoNone   = 59 // IPv6: nothing follows
)

// Bits of the flags and fragment offset word of IPv4.
const (
	ipv4DontFragment  = 0x4000
	ipv4MoreFragments = 0x2000
	ipv4OffsetMask    = 0x1fff
)

// maxTotal is the largest packet of IPv4, and the largest payload of IPv6.
const maxTotal = 65535

// IP is an IP header of either version.
type IP struct {
	Version    uint8 // 4 or 6
	Proto      uint8 // the transport protocol, after the extension headers
	TTL        uint8 // hop limit
	TOS        uint8 // traffic class: DSCP and, in the low two bits, ECN
	Src, Dst   Addr
	HeaderLen  int // offset of the transport header: options and extension headers included
	TotalLen   int // header and payload; what lies behind it is padding of the link
	FlowLabel  uint32
	ID         uint32 // of a fragment; 16 bits in IPv4
	FragOffset int    // bytes

	MoreFragments, DontFragment bool
}

// IsFragment reports whether the packet is a part of a larger one.
func (ip *IP) IsFragment() bool { return ip.MoreFragments || ip.FragOffset != 0 }

// ParseIP reads the header at the start of b, a packet of either version, into
// ip. The payload is b[ip.HeaderLen:ip.TotalLen].
//
// The checksum of an IPv4 header is verified, its options are skipped without
// a look (RFC 9293, MUST-50). IPv6 extension headers are walked; see walkExtensions. A fragment has to
// have a length and an offset that can be part of a packet.
//
// The reasons to drop are TooShort, BadVersion, BadHeaderLength, BadTotalLength,
// BadIPChecksum, BadExtension, and BadSource or BadDestination for an
// IPv4-mapped address in an IPv6 header. Diagnose says whom BadExtension and
// BadTotalLength of IPv6 are told.
// https://www.rfc-editor.org/rfc/rfc791#section-3.1
func ParseIP(b []byte, ip *IP) Drop {
	var p Problem
	return ip.parse(b, false, &p)
}

// ParseQuotedIP reads the header at the start of b, the part of a packet that
// an ICMP error quotes. It is ParseIP, except that the packet may be cut off
// after the header (TotalLen may be larger than b), and that the IPv4 checksum
// is not verified: a router on the way may have left the one from before it
// changed the TTL. https://www.rfc-editor.org/rfc/rfc1812#section-4.3.2.3
func ParseQuotedIP(b []byte, ip *IP) Drop {
	var p Problem
	return ip.parse(b, true, &p)
}

func (ip *IP) parse(b []byte, quoted bool, p *Problem) Drop {
	if len(b) == 0 {
		return TooShort
	}
	switch b[0] >> 4 {
	case 4:
	case 6:
		return ip.parse6(b, quoted, p)
	default:
		return BadVersion
	}
	if len(b) < IPv4Size {
		return TooShort
	}
	first, second, dst := be64(b), be64(b[8:]), be32(b[16:])
	ip.Version, ip.FlowLabel = 4, 0
	ip.TOS = uint8(first >> 48)
	ip.ID = uint32(uint16(first >> 16))
	ip.FragOffset = int(first&ipv4OffsetMask) * 8
	ip.MoreFragments = first&ipv4MoreFragments != 0
	ip.DontFragment = first&ipv4DontFragment != 0
	ip.TTL = uint8(second >> 56)
	ip.Proto = uint8(second >> 48)
	ip.Src, ip.Dst = AddrFrom4(uint32(second)), AddrFrom4(dst)
	ip.HeaderLen, ip.TotalLen = int(first>>56&15)*4, int(uint16(first>>32))
	switch {
	case ip.HeaderLen < IPv4Size || ip.HeaderLen > len(b):
		return BadHeaderLength
	case ip.TotalLen < ip.HeaderLen:
		return BadTotalLength
	case quoted:
		return None
	case ip.TotalLen > len(b):
		return BadTotalLength
	}
	sum := addCarry(addCarry(first, second), uint64(dst))
	if ip.HeaderLen > IPv4Size {
		sum = Sum(b[IPv4Size:ip.HeaderLen], sum)
	}
	if Fold(sum) != 0xffff {
		return BadIPChecksum
	}
	if !ip.IsFragment() {
		return None
	}
	return ip.checkFragment(p)
}

// checkFragment finds fragments that no packet can be made of: one that is not
// the last and not a multiple of eight bytes, or empty; one that ends past the
// largest packet. https://www.rfc-editor.org/rfc/rfc8200#section-4.5
func (ip *IP) checkFragment(p *Problem) Drop {
	n := ip.TotalLen - ip.HeaderLen
	if ip.MoreFragments && (n == 0 || n%8 != 0) {
		p.refuse(ICMPv6ErroneousHeader, AnswerUnicast, payloadLengthAt)
		return BadTotalLength
	}
	if ip.FragOffset == 0 {
		return None
	}
	end := ip.FragOffset + n
	if ip.Version == 4 {
		end += ip.HeaderLen
	}
	if end > maxTotal {
		p.refuse(ICMPv6ErroneousHeader, AnswerUnicast, ip.HeaderLen-IPv6FragmentSize+2)
		return BadTotalLength
	}
	return None
}

// HeaderSize returns how many bytes Append adds: 20 for IPv4, 40 for IPv6, 48
// for a fragment of IPv6.
func (ip *IP) HeaderSize() int {
	switch {
	case ip.Version == 4:
		return IPv4Size
	case ip.IsFragment():
		return IPv6Size + IPv6FragmentSize
	}
	return IPv6Size
}

// Append appends the header of a packet with payload bytes behind it to b: no
// options, an IPv4 checksum that is right, a fragment header when the packet is
// a fragment of IPv6. HeaderLen and TotalLen are not used. Header and payload
// together are at most 65535 bytes.
func (ip *IP) Append(b []byte, payload int) []byte {
	if ip.Version != 4 {
		return ip.appendIPv6(b, payload)
	}
	whole, added := grow(b, IPv4Size)
	w := (*[IPv4Size]byte)(added)
	first := (4<<4|IPv4Size/4)<<56 | uint64(ip.TOS)<<48 | uint64(uint16(IPv4Size+payload))<<32 |
		uint64(uint16(ip.ID))<<16 | uint64(ip.fragmentWord())
	second := uint64(ip.TTL)<<56 | uint64(ip.Proto)<<48 | uint64(ip.Src.As4())
	sum := addCarry(addCarry(first, second), uint64(ip.Dst.As4()))
	put64(w[0:], first)
	put64(w[8:], second|uint64(Checksum(sum))<<32)
	put32(w[16:], ip.Dst.As4())
	return whole
}

func (ip *IP) fragmentWord() uint16 {
	w := uint16(ip.FragOffset / 8)
	if ip.MoreFragments {
		w |= ipv4MoreFragments
	}
	if ip.DontFragment {
		w |= ipv4DontFragment
	}
	return w
}
