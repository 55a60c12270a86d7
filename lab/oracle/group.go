package oracle

import "encoding/binary"

const protoIGMP = 2

// Types of messages of IGMP, and of MLD in ICMPv6.
const (
	igmpQuery = 0x11
	igmpLeave = 0x17
	igmpV3    = 0x22

	mldQuery = 130
	mldDone  = 132
	mldV2    = 143
)

// isAboutGroups reports whether the packet is one of IGMP or MLD.
func (p *packet) isAboutGroups() bool {
	if len(p.body) == 0 {
		return false
	}
	kind := p.body[0]
	return !p.v6 && p.proto == protoIGMP || p.v6 && p.proto == protoICMPv6 && (kind >= mldQuery && kind <= mldDone || kind == mldV2)
}

// checkGroups: what is said about groups stays on the link, routers look at it, it goes to who
// has to hear it, and is as long as it says.
// https://www.rfc-editor.org/rfc/rfc9776#section-4
// https://www.rfc-editor.org/rfc/rfc9777#section-5
func (p *packet) checkGroups() error {
	source := "RFC 9776 §4"
	if p.v6 {
		source = "RFC 9777 §5"
	}
	switch {
	case p.ttl != 1:
		return fault("G1", source, "a TTL of %d: it is for this link", p.ttl)
	case !p.alert:
		return fault("G1", source, "no Router Alert")
	case p.v6 && p.src != (address{}) && (p.src[0] != 0xfe || p.src[1]&0xc0 != 0x80):
		return fault("G1", "RFC 9777 §5.2.13", "a source that is not of this link")
	case p.body[0] == igmpQuery && !p.v6, p.body[0] == mldQuery && p.v6:
		return nil // a router's
	}
	return p.checkReport(source)
}

// checkReport looks at who hears a report, and at its length.
func (p *packet) checkReport(source string) error {
	newest, record, group, routers := byte(igmpV3), 8, mappedGroup(p.body), mapped([]byte{224, 0, 0, 2})
	reporters, size := mapped([]byte{224, 0, 0, 22}), 8
	if p.v6 {
		newest, record, group, routers = mldV2, 20, groupOf(p.body), address{0xff, 2, 15: 2}
		reporters, size = address{0xff, 2, 15: 22}, 24
	}
	to := group
	switch kind := p.body[0]; {
	case kind == newest:
		to, size = reporters, 8+record*int(binary.BigEndian.Uint16(p.body[6:]))
	case kind == igmpLeave && !p.v6, kind == mldDone && p.v6:
		to = routers
	}
	switch {
	case len(p.body) != size:
		return fault("G1", source, "a report of %d bytes, want %d", len(p.body), size)
	case p.dst != to:
		return fault("G1", source, "a report to where nobody waits for it: %x", p.dst)
	}
	return nil
}

// mappedGroup and groupOf read the group of a message of the older versions.
func mappedGroup(b []byte) address { return mapped(b[4:8]) }

func groupOf(b []byte) (a address) {
	if len(b) >= 24 {
		copy(a[:], b[8:24])
	}
	return a
}

// hasAlert4 reports whether options of IPv4 say Router Alert, RFC 2113 §2.1.
func hasAlert4(options []byte) bool {
	for len(options) >= 2 && options[0] != 0 {
		switch n := int(options[1]); {
		case options[0] == 1:
			options = options[1:]
		case options[0] == 148 && n == 4 && len(options) >= 4:
			return true
		case n < 2 || n > len(options):
			return false
		default:
			options = options[n:]
		}
	}
	return false
}

// openHops takes the header of hop-by-hop options off an IPv6 packet, and looks for Router
// Alert in it, RFC 2711 §2.1. With other options it stays: a host may drop what it does not know.
func (p *packet) openHops() {
	size := 8
	if len(p.body) >= 8 {
		size += 8 * int(p.body[1])
	}
	if len(p.body) < size {
		return
	}
	for options := p.body[2:size]; len(options) > 0; {
		n := 1
		if options[0] != 0 {
			if len(options) < 2 || 2+int(options[1]) > len(options) || options[0] != 1 && options[0] != 5 {
				return
			}
			n = 2 + int(options[1])
		}
		p.alert = p.alert || options[0] == 5 && n == 4
		options = options[n:]
	}
	p.proto, p.body = p.body[0], p.body[size:]
}
