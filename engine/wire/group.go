package wire

import "time"

// ProtoIGMP is the protocol of membership in groups of IPv4, in IP.Proto. That of IPv6, MLD,
// is a part of ICMPv6.
const ProtoIGMP = 2

// Types of the messages of IGMP and MLD.
// https://www.rfc-editor.org/rfc/rfc9776#section-4
// https://www.rfc-editor.org/rfc/rfc9777#section-5
const (
	IGMPQuery    = 0x11
	IGMPv1Report = 0x12
	IGMPv2Report = 0x16
	IGMPv2Leave  = 0x17
	IGMPv3Report = 0x22

	ICMPv6ListenerQuery    = 130
	ICMPv6ListenerReport   = 131 // of MLDv1
	ICMPv6ListenerDone     = 132 // of MLDv1
	ICMPv6ListenerReportV2 = 143
)

// Lengths of messages: of the one group that older versions tell of, of the query that says its
// version by being longer, and of reports of many groups.
const (
	IGMPSize        = 8
	igmpQuerySize   = 12
	MLDSize         = 24
	mldQuerySize    = 28
	groupReportSize = 8
	IGMPRecordSize  = 8
	MLDRecordSize   = 20
)

// The versions of IGMP and MLD that report many groups at once.
const (
	NewestIGMP = 3
	NewestMLD  = 2
)

// GroupMessage is a query of either protocol, or what older versions say of one group.
type GroupMessage struct {
	Type    uint8
	Version uint8 // of the protocol
	Group   Addr  // of a query zero, in its family: all

	// What a query says: until when it wants an answer, and, 0 when it does not say so, how often
	// messages are repeated and queries asked.
	MaxResponse time.Duration
	Robustness  int
	Interval    time.Duration
}

// ParseIGMP reads the message b into m, and verifies its checksum. The reasons to drop are
// TooShort, BadICMPChecksum, UnknownProtocol for what is neither a query nor a report of one
// group, and BadMembership for a query about what is no group, or of a length that no version
// has. https://www.rfc-editor.org/rfc/rfc9776#section-7.1
func ParseIGMP(b []byte, m *GroupMessage) Drop {
	if len(b) < IGMPSize {
		return TooShort
	}
	if Fold(Sum(b, 0)) != 0xffff {
		return BadICMPChecksum
	}
	*m = GroupMessage{Type: b[0], Version: 2, Group: AddrFrom4(be32(b[4:]))}
	switch {
	case m.Type == IGMPv1Report:
		m.Version = 1
	case m.Type == IGMPv2Report:
	case m.Type != IGMPQuery:
		return UnknownProtocol
	case len(b) >= igmpQuerySize:
		m.Version, m.MaxResponse = 3, 100*time.Millisecond*time.Duration(floating8(b[1]))
		m.setQuerier(b[8:])
		if len(b) < igmpQuerySize+4*int(be16(b[10:])) {
			return TooShort
		}
	case len(b) != IGMPSize:
		return BadMembership
	case b[1] == 0:
		m.Version, m.MaxResponse = 1, 10*time.Second
	default:
		m.MaxResponse = 100 * time.Millisecond * time.Duration(b[1])
	}
	return m.check(AddrFrom4(0))
}

// ParseMLD is ParseIGMP for a message of ICMPv6, whose checksum it leaves to the caller.
// https://www.rfc-editor.org/rfc/rfc9777#section-8.1
func ParseMLD(b []byte, m *GroupMessage) Drop {
	if len(b) < MLDSize {
		return TooShort
	}
	*m = GroupMessage{Type: b[0], Version: 1, Group: readAddr(b[8:])}
	switch {
	case m.Type == ICMPv6ListenerReport:
	case m.Type != ICMPv6ListenerQuery:
		return UnknownProtocol
	case len(b) >= mldQuerySize:
		m.Version, m.MaxResponse = 2, time.Millisecond*time.Duration(floating16(be16(b[4:])))
		m.setQuerier(b[24:])
		if len(b) < mldQuerySize+16*int(be16(b[26:])) {
			return TooShort
		}
	case len(b) != MLDSize:
		return BadMembership
	default:
		m.MaxResponse = time.Millisecond * time.Duration(be16(b[4:]))
	}
	return m.check(Addr{})
}

// setQuerier reads what the newest versions say of the querier.
func (m *GroupMessage) setQuerier(b []byte) {
	m.Robustness, m.Interval = int(b[0]&7), time.Second*time.Duration(floating8(b[1]))
}

// check demands a group, or of a query that it may be about all.
func (m *GroupMessage) check(all Addr) Drop {
	query := m.Type == IGMPQuery || m.Type == ICMPv6ListenerQuery
	if !m.Group.IsMulticast() && !(query && m.Group == all) {
		return BadMembership
	}
	return None
}

// floating8 is a time of IGMPv3: from 128 on an exponent and a mantissa.
// https://www.rfc-editor.org/rfc/rfc9776#section-4.1.1
func floating8(c uint8) int {
	if c < 128 {
		return int(c)
	}
	return int(c&0xf|0x10) << (c>>4&7 + 3)
}

// floating16 is a time of MLDv2. https://www.rfc-editor.org/rfc/rfc9777#section-5.1.3
func floating16(c uint16) int {
	if c < 32768 {
		return int(c)
	}
	return int(c&0xfff|0x1000) << (c>>12&7 + 3)
}

// GroupRecord says in a report of the newest versions how it stands with a group. We have no
// lists of sources: of a group that we are in we want what all send, all but none.
type GroupRecord struct {
	Type  uint8
	Group Addr
}

// Types of records. https://www.rfc-editor.org/rfc/rfc9776#section-4.2.12
const (
	GroupIsMember = 2 // MODE_IS_EXCLUDE: the answer to a query
	GroupLeft     = 3 // CHANGE_TO_INCLUDE_MODE
	GroupJoined   = 4 // CHANGE_TO_EXCLUDE_MODE
)

// AppendIGMPReport appends a report of IGMPv3 to b.
func AppendIGMPReport(b []byte, records []GroupRecord) []byte {
	at := len(b)
	b = appendReport(b, IGMPv3Report, len(records))
	for _, r := range records {
		whole, w := grow(b, IGMPRecordSize)
		put32(w, uint32(r.Type)<<24)
		put32(w[4:], r.Group.As4())
		b = whole
	}
	put16(b[at+2:], Checksum(Sum(b[at:], 0)))
	return b
}

// AppendMLDReport appends a report of MLDv2 to b, without its checksum.
func AppendMLDReport(b []byte, records []GroupRecord) []byte {
	b = appendReport(b, ICMPv6ListenerReportV2, len(records))
	for _, r := range records {
		whole, w := grow(b, MLDRecordSize)
		put32(w, uint32(r.Type)<<24)
		r.Group.put(w[4:])
		b = whole
	}
	return b
}

func appendReport(b []byte, kind uint8, records int) []byte {
	whole, w := grow(b, groupReportSize)
	put32(w, uint32(kind)<<24)
	put32(w[4:], uint32(records))
	return whole
}

// AppendIGMP appends a message of IGMPv1 or IGMPv2 about one group to b.
func AppendIGMP(b []byte, kind uint8, group Addr) []byte {
	at := len(b)
	b, w := grow(b, IGMPSize)
	put32(w, uint32(kind)<<24)
	put32(w[4:], group.As4())
	put16(b[at+2:], Checksum(Sum(b[at:], 0)))
	return b
}

// AppendMLD appends a message of MLDv1 about one group to b, without its checksum.
func AppendMLD(b []byte, kind uint8, group Addr) []byte {
	b, w := grow(b, MLDSize)
	put32(w, uint32(kind)<<24)
	put32(w[4:], 0)
	group.put(w[8:])
	return b
}

// The option Router Alert: routers on the way look at the packet although it is not for them.
// https://www.rfc-editor.org/rfc/rfc2113#section-2.1
// https://www.rfc-editor.org/rfc/rfc2711#section-2.1
const (
	alert4     = 0x94
	alert6     = 5
	alert4Size = 4
	alert6Size = 8 // a header of hop-by-hop options
)

// AlertSize returns how many bytes AppendAlert adds.
func (ip *IP) AlertSize() int {
	if ip.Version == 4 {
		return IPv4Size + alert4Size
	}
	return IPv6Size + alert6Size
}

// AppendAlert is Append with the option Router Alert.
func (ip *IP) AppendAlert(b []byte, payload int) []byte {
	at := len(b)
	b = ip.Append(b, payload+ip.AlertSize()-ip.HeaderSize())
	if ip.Version == 6 {
		b[at+nextHeaderAt] = extHopByHop
		return append(b, ip.Proto, 0, alert6, 2, 0, 0, 1, 0) // and two bytes of padding
	}
	b = append(b, alert4, alert4Size, 0, 0)
	b[at] = 4<<4 | (IPv4Size+alert4Size)/4
	put16(b[at+10:], 0)
	put16(b[at+10:], Checksum(Sum(b[at:], 0)))
	return b
}

// HasAlert reports whether the packet b, that ParseIP took, has the option Router Alert.
func HasAlert(b []byte) bool {
	if b[0]>>4 == 4 {
		return hasAlert4(b[IPv4Size : int(b[0]&0xf)*4])
	}
	if b[nextHeaderAt] != extHopByHop {
		return false
	}
	b = b[IPv6Size:]
	b = b[2:extensionSize(extHopByHop, b)]
	for len(b) >= 2 {
		switch {
		case b[0] == 0:
			b = b[1:]
			continue
		case b[0] == alert6 && b[1] == 2:
			return true
		}
		b = b[min(2+int(b[1]), len(b)):]
	}
	return false
}

func hasAlert4(options []byte) bool {
	for len(options) >= 2 && options[0] != 0 {
		switch {
		case options[0] == 1:
			options = options[1:]
			continue
		case options[0] == alert4 && options[1] == alert4Size:
			return true
		}
		options = options[min(max(int(options[1]), 2), len(options)):]
	}
	return false
}
