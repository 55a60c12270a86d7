package answers

import "net/netip"

// ipv4Kinds are the questions about headers of IPv4.
func ipv4Kinds() (all []packetKind) {
	for _, k := range []struct {
		name   string
		change func(b []byte) []byte
	}{
		{"plain", func(b []byte) []byte { return b }},
		{"version 5", func(b []byte) []byte { b[0] = 0x55; return b }},
		{"version 6", func(b []byte) []byte { b[0] = 0x65; return b }},
		{"IHL 4", func(b []byte) []byte { b[0] = 0x44; return b }},
		{"IHL 15", func(b []byte) []byte { b[0] = 0x4f; return b }},
		{"length 19", func(b []byte) []byte { be.PutUint16(b[2:], 19); return b }},
		{"length 20", func(b []byte) []byte { be.PutUint16(b[2:], 20); return b }},
		{"length + 1", func(b []byte) []byte { be.PutUint16(b[2:], uint16(len(b)+1)); return b }},
		{"padding", func(b []byte) []byte { return append(b, 1, 2, 3) }},
		{"cut after 19", func(b []byte) []byte { return b[:19] }},
		{"reserved flag", func(b []byte) []byte { b[6] |= 0x80; return b }},
		{"don't fragment", func(b []byte) []byte { b[6] |= 0x40; return b }},
		{"TTL 0", func(b []byte) []byte { b[8] = 0; return b }},
		{"TTL 1", func(b []byte) []byte { b[8] = 1; return b }},
		{"TOS 0xb8", func(b []byte) []byte { b[1] = 0xb8; return b }},
		{"TOS 3", func(b []byte) []byte { b[1] = 3; return b }},
	} {
		all = append(all, withPayloads(k.name, func(h ipHeader, payload []byte) []byte {
			b := k.change(h.packet(payload))
			if n := int(b[0]&15) * 4; n >= 20 && n <= len(b) {
				sumHeader(b)
			}
			return b
		})...)
	}
	all = append(all, withPayloads("wrong checksum", func(h ipHeader, payload []byte) []byte {
		b := h.packet(payload)
		b[10]++
		return b
	})...)
	for name, options := range map[string][]byte{
		"NOPs":              {1, 1, 1, 1},
		"end":               {0, 0, 0, 0},
		"unknown":           {30, 4, 1, 2},
		"unknown, copied":   {158, 4, 1, 2},
		"router alert":      {148, 4, 0, 0},
		"length 0":          {30, 0, 1, 1},
		"length 1":          {30, 1, 1, 1},
		"past the end":      {30, 5, 1, 1},
		"record route":      {7, 7, 4, 0, 0, 0, 0, 0},
		"record route full": {7, 7, 8, 1, 2, 3, 4, 0},
		"loose source":      {131, 7, 4, 10, 77, 9, 9, 0},
		"loose source done": {131, 7, 8, 10, 77, 9, 9, 0},
		"strict source":     {137, 7, 4, 10, 77, 9, 9, 0},
		"time":              {68, 8, 5, 0, 0, 0, 0, 0},
	} {
		all = append(all, withPayloads("option "+name, func(h ipHeader, payload []byte) []byte {
			h.options = options
			return h.packet(payload)
		})...)
	}
	return append(all, ipv4Addresses()...)
}

// ipv4Addresses are the questions about addresses that belong to no host.
func ipv4Addresses() (all []packetKind) {
	for _, a := range []string{"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "10.77.255.255", "10.77.0.0", "10.77.0.1"} {
		all = append(all, between("from "+a, netip.MustParseAddr(a), netip.Addr{})...)
	}
	for _, a := range []string{"0.0.0.0", "127.0.0.1", "224.0.0.1", "224.0.0.9", "240.0.0.1", "255.255.255.255", "10.77.255.255", "10.77.0.0", "10.77.9.9", "10.99.0.1"} {
		all = append(all, between("to "+a, netip.Addr{}, netip.MustParseAddr(a))...)
	}
	return all
}
