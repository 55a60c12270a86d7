package wire

import "math"

// ICMPSize is the length of the part that all ICMP messages begin with, in bytes.
const ICMPSize = 8

// Types and codes of ICMP for IPv4.
// https://www.iana.org/assignments/icmp-parameters
const (
	ICMPv4EchoReply        = 0
	ICMPv4Unreachable      = 3
	ICMPv4SourceQuench     = 4 // no longer used: https://www.rfc-editor.org/rfc/rfc6633
	ICMPv4EchoRequest      = 8
	ICMPv4TimeExceeded     = 11
	ICMPv4ParameterProblem = 12

	// Codes of ICMPv4Unreachable.
	ICMPv4NetUnreachable      = 0
	ICMPv4HostUnreachable     = 1
	ICMPv4ProtocolUnreachable = 2
	ICMPv4PortUnreachable     = 3
	ICMPv4FragmentationNeeded = 4 // Rest holds the MTU: https://www.rfc-editor.org/rfc/rfc1191#section-4
	ICMPv4AdminProhibited     = 13

	// Codes of ICMPv4TimeExceeded.
	ICMPv4TTLExceeded        = 0
	ICMPv4ReassemblyExceeded = 1
)

// Types and codes of ICMPv6.
// https://www.iana.org/assignments/icmpv6-parameters
const (
	ICMPv6Unreachable           = 1
	ICMPv6PacketTooBig          = 2 // Rest holds the MTU
	ICMPv6TimeExceeded          = 3
	ICMPv6ParameterProblem      = 4
	ICMPv6EchoRequest           = 128
	ICMPv6EchoReply             = 129
	ICMPv6RouterSolicitation    = 133
	ICMPv6RouterAdvertisement   = 134
	ICMPv6NeighbourSolicitation = 135
	ICMPv6NeighbourAdvert       = 136
	ICMPv6Redirect              = 137

	// Codes of ICMPv6Unreachable.
	ICMPv6NoRoute            = 0
	ICMPv6AdminProhibited    = 1
	ICMPv6AddressUnreachable = 3
	ICMPv6PortUnreachable    = 4

	// Codes of ICMPv6TimeExceeded.
	ICMPv6HopLimitExceeded   = 0
	ICMPv6ReassemblyExceeded = 1

	// Codes of ICMPv6ParameterProblem.
	ICMPv6ErroneousHeader        = 0
	ICMPv6UnrecognizedNextHeader = 1
	ICMPv6UnrecognizedOption     = 2
	ICMPv6IncompleteHeaderChain  = 3 // of a first fragment: https://www.rfc-editor.org/rfc/rfc7112#section-5
)

// ICMP is the start of an ICMP message of either version.
// https://www.rfc-editor.org/rfc/rfc792
// https://www.rfc-editor.org/rfc/rfc4443#section-2.1
type ICMP struct {
	Type, Code uint8
	Checksum   uint16
	Rest       [4]byte // of an echo: identifier and sequence number; of some errors: the MTU
}

// ParseICMP reads the start of the message b into m; what follows, such as the
// quoted packet, is b[ICMPSize:]. It does not check the checksum, which is over
// Sum(b, 0) in IPv4 and over the pseudo-header too in IPv6. The only reason to
// drop is TooShort.
func ParseICMP(b []byte, m *ICMP) Drop {
	if len(b) < ICMPSize {
		return TooShort
	}
	*m = ICMP{b[0], b[1], be16(b[2:]), [4]byte(b[4:8])}
	return None
}

// Append appends the eight bytes of m to b.
func (m *ICMP) Append(b []byte) []byte {
	whole, w := grow(b, ICMPSize)
	w = w[:ICMPSize]
	w[0], w[1] = m.Type, m.Code
	put16(w[2:], m.Checksum)
	copy(w[4:], m.Rest[:])
	return whole
}

// Echo returns identifier and sequence number of an echo request or reply.
func (m *ICMP) Echo() (id, seq uint16) { return be16(m.Rest[0:]), be16(m.Rest[2:]) }

// SetEcho sets identifier and sequence number of an echo request or reply.
func (m *ICMP) SetEcho(id, seq uint16) {
	put16(m.Rest[0:], id)
	put16(m.Rest[2:], seq)
}

// MTU returns the MTU, in bytes, that ICMPv4Unreachable with the code
// ICMPv4FragmentationNeeded reports (0 from an old router), or ICMPv6PacketTooBig
// (at most 2^31-1).
func (m *ICMP) MTU() int {
	if m.Type == ICMPv6PacketTooBig {
		return int(min(be32(m.Rest[:]), math.MaxInt32))
	}
	return int(be16(m.Rest[2:]))
}

// SetMTU sets the MTU in bytes. The type has to be set before.
func (m *ICMP) SetMTU(mtu int) {
	if m.Type == ICMPv6PacketTooBig {
		put32(m.Rest[:], uint32(mtu))
		return
	}
	put32(m.Rest[:], uint32(min(mtu, 0xffff)))
}
