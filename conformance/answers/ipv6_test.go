package answers

import (
	"fmt"
	"net/netip"
)

// Extension headers, RFC 8200 §4, and what else may stand in their place.
const (
	hopByHop    = 0
	routing     = 43
	fragmented  = 44
	noNext      = 59
	destination = 60
)

// extension is one extension header: its type, and all of it but the first byte,
// which says what follows.
type extension struct {
	kind uint8
	rest []byte
}

// options6 is a header of options. They fill it: 6 bytes, or 14, and so on.
func options6(kind uint8, options ...byte) extension {
	return extension{kind, append([]byte{byte((len(options)+2)/8 - 1)}, options...)}
}

// route6 is a routing header with one address.
func route6(kind, left uint8) extension {
	b := append([]byte{2, kind, left, 0, 0, 0, 0}, peerAddr(true, 99).AsSlice()...)
	return extension{routing, b}
}

// fragment6 is a fragment header.
func fragment6(offsetAndFlags uint16, id uint32) extension {
	return extension{fragmented, be.AppendUint32(be.AppendUint16([]byte{0}, offsetAndFlags), id)}
}

// chain puts extension headers before a payload.
func (h ipHeader) chain(payload []byte, all ...extension) []byte {
	var b []byte
	next := h.protocol
	for i := len(all) - 1; i >= 0; i-- {
		b = append(append([]byte{next}, all[i].rest...), b...)
		next = all[i].kind
	}
	h.protocol = next
	return h.packet(append(b, payload...))
}

// chains are the chains of extension headers to ask with.
var chains = []struct {
	name string
	all  []extension
}{
	{"no extension", nil},
	{"atomic fragment", []extension{fragment6(0, 7)}},
	{"atomic fragment, reserved bits", []extension{fragment6(6, 7)}},
	{"routing 0 done", []extension{route6(0, 0)}},
	{"routing 0", []extension{route6(0, 1)}},
	{"routing 2 done", []extension{route6(2, 0)}},
	{"routing 2", []extension{route6(2, 1)}},
	{"routing 3", []extension{route6(3, 1)}},
	{"routing 4", []extension{route6(4, 1)}},
	{"routing 200 done", []extension{route6(200, 0)}},
	{"routing 200", []extension{route6(200, 1)}},
	{"two destination options", []extension{options6(destination, 1, 4, 0, 0, 0, 0), options6(destination, 1, 4, 0, 0, 0, 0)}},
	{"all in order", []extension{options6(hopByHop, 1, 4, 0, 0, 0, 0), options6(destination, 1, 4, 0, 0, 0, 0), route6(0, 0), fragment6(0, 7), options6(destination, 1, 4, 0, 0, 0, 0)}},
	{"hop-by-hop second", []extension{options6(destination, 1, 4, 0, 0, 0, 0), options6(hopByHop, 1, 4, 0, 0, 0, 0)}},
	{"hop-by-hop twice", []extension{options6(hopByHop, 1, 4, 0, 0, 0, 0), options6(hopByHop, 1, 4, 0, 0, 0, 0)}},
	{"atomic fragment, options 00", []extension{fragment6(0, 7), options6(destination, 0x1e, 4, 0, 0, 0, 0)}},
	{"atomic fragment, options 10", []extension{fragment6(0, 7), options6(destination, 0x9e, 4, 0, 0, 0, 0)}},
	{"atomic fragment twice", []extension{fragment6(0, 7), fragment6(0, 8)}},
	{"atomic fragment, hop-by-hop", []extension{fragment6(0, 7), options6(hopByHop, 1, 4, 0, 0, 0, 0)}},
	{"options past the end", []extension{{destination, []byte{200, 1, 4, 0, 0, 0, 0}}}},
	{"routing past the end", []extension{{routing, []byte{200, 0, 0, 0, 0, 0, 0}}}},
}

// optionKinds6 are options in a header of their own.
var optionKinds6 = []struct {
	name    string
	options []byte
}{
	{"Pad1", []byte{0, 0, 0, 0, 0, 0}},
	{"PadN", []byte{1, 4, 0, 0, 0, 0}},
	{"PadN not zero", []byte{1, 4, 1, 2, 3, 4}},
	{"unknown 00", []byte{0x1e, 4, 0, 0, 0, 0}},
	{"unknown 01", []byte{0x5e, 4, 0, 0, 0, 0}},
	{"unknown 10", []byte{0x9e, 4, 0, 0, 0, 0}},
	{"unknown 11", []byte{0xde, 4, 0, 0, 0, 0}},
	{"padding, then unknown 10", []byte{1, 0, 0x9e, 2, 0, 0}},
	{"unknown 00, then 11", []byte{0x1e, 0, 0xde, 2, 0, 0}},
	{"past the end", []byte{0x1e, 5, 0, 0, 0, 0}},
	{"padding past the end", []byte{1, 5, 0, 0, 0, 0}},
	{"no length", []byte{1, 3, 0, 0, 0, 0x1e}},
	{"router alert", []byte{5, 2, 0, 0, 1, 0}},
	{"jumbo", []byte{0xc2, 4, 0, 0, 0, 1}},
	{"nine Pad1", []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0x1e, 3, 0, 0, 0}},
}

// ipv6Kinds are the questions about headers of IPv6.
func ipv6Kinds() (all []packetKind) {
	for _, c := range chains {
		all = append(all, withPayloads(c.name, func(h ipHeader, payload []byte) []byte { return h.chain(payload, c.all...) })...)
	}
	for _, o := range optionKinds6 {
		all = append(all, withPayloads("destination option "+o.name, func(h ipHeader, payload []byte) []byte {
			return h.chain(payload, options6(destination, o.options...))
		})...)
		all = append(all, withPayloads("hop-by-hop option "+o.name, func(h ipHeader, payload []byte) []byte {
			return h.chain(payload, options6(hopByHop, o.options...))
		})...)
	}
	for _, next := range []uint8{noNext, 4, 41, 50, 51, 135, 139, 140, 253, 255, 1, hopByHop, fragmented, routing, destination} {
		all = append(all, packetKind{fmt.Sprintf("next header %d", next), one(func(p *peer) []byte {
			h := p.header()
			h.protocol = next
			return h.packet(make([]byte, 4))
		})}, packetKind{fmt.Sprintf("next header %d after options", next), one(func(p *peer) []byte {
			h := p.header()
			h.protocol = next
			return h.chain(make([]byte, 4), options6(destination, 1, 4, 0, 0, 0, 0))
		})})
	}
	for _, k := range []struct {
		name   string
		change func(b []byte) []byte
	}{
		{"length + 1", func(b []byte) []byte { be.PutUint16(b[4:], be.Uint16(b[4:])+1); return b }},
		{"length 0", func(b []byte) []byte { be.PutUint16(b[4:], 0); return b }},
		{"padding", func(b []byte) []byte { return append(b, 1, 2, 3) }},
		{"cut after 39", func(b []byte) []byte { return b[:39] }},
		{"version 4", func(b []byte) []byte { b[0] = 0x40; return b }},
		{"hop limit 0", func(b []byte) []byte { b[7] = 0; return b }},
		{"hop limit 1", func(b []byte) []byte { b[7] = 1; return b }},
		{"class 0xb8", func(b []byte) []byte { b[0], b[1] = 0x6b, 0x80; return b }},
		{"class 3", func(b []byte) []byte { b[1] = 0x30; return b }},
		{"flow label", func(b []byte) []byte { b[2], b[3] = 1, 2; return b }},
	} {
		all = append(all, withPayloads(k.name, func(h ipHeader, payload []byte) []byte { return k.change(h.packet(payload)) })...)
	}
	return append(all, ipv6Addresses()...)
}

// ipv6Addresses are the questions about addresses that belong to no host.
func ipv6Addresses() (all []packetKind) {
	for _, a := range []string{"::", "::1", "ff02::1", "ff05::9", "::ffff:10.77.1.2", "::10.77.1.2", "fd77::1"} {
		all = append(all, between("from "+a, netip.MustParseAddr(a), netip.Addr{})...)
	}
	for _, a := range []string{"::", "::1", "ff01::1", "ff02::1", "ff02::2", "ff02::1:ff00:1", "ff02::1:ff00:2", "ff05::1", "fd77::", "fd77::9", "::ffff:10.77.0.1"} {
		all = append(all, between("to "+a, netip.Addr{}, netip.MustParseAddr(a))...)
	}
	return all
}
