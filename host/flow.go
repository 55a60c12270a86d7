package host

import (
	"encoding/binary"

	"github.com/handfast-tcp/handfast/buf"
	"github.com/handfast-tcp/handfast/wire"
)

// Flow says which shards a packet is for.
type Flow uint8

// The kinds of flow.
const (
	FlowHashed Flow = iota // the shard that the hash names
	FlowFirst              // shard 0: fragments, and what cannot be parsed
	FlowAll                // every shard: ARP and NDP. Each needs a copy
)

// ShardOf returns the shard, of n, that a hash names.
func ShardOf(hash uint32, n int) int { return int(uint64(hash) * uint64(n) >> 32) }

// TupleHash hashes a flow so that both directions give the same. Without the
// seed nobody can choose tuples that fall on one shard.
func TupleHash(seed uint64, t wire.Tuple) uint32 {
	aHi, aLo := t.Local.Words()
	bHi, bLo := t.Remote.Words()
	a := mix(aHi^seed, aLo^0xa0761d6478bd642f) + mix(uint64(t.LocalPort)^seed, 0xe7037ed1a0b428db)
	b := mix(bHi^seed, bLo^0xa0761d6478bd642f) + mix(uint64(t.RemotePort)^seed, 0xe7037ed1a0b428db)
	return uint32(mix((a+b)^seed, (a^b)|1) >> 32)
}

// flowLabel returns the label of a flow that we send: RFC 6437 §3 wants it
// uniform and hard to guess.
func flowLabel(seed uint64, t *wire.Tuple) uint32 {
	aHi, aLo := t.Local.Words()
	bHi, bLo := t.Remote.Words()
	ports := uint64(t.LocalPort)<<16 | uint64(t.RemotePort)
	h := mix(aHi^bHi^ports^seed, bLo^0xa0761d6478bd642f)
	return uint32(mix(h^aLo^seed, 0xe7037ed1a0b428db)) & 0xfffff
}

// FlowHash returns which shard of a host a packet is for, by its headers only:
// nothing is verified here. TCP and UDP go by their tuple, ICMP errors by the
// tuple of the packet that they quote, other packets by their addresses.
func FlowHash(seed uint64, ethernet bool, p *buf.Packet) (hash uint32, f Flow) {
	b := p.Data
	if ethernet {
		var e wire.Ethernet
		if wire.ParseEthernet(b, &e) != wire.None {
			return 0, FlowFirst
		}
		if e.Type == wire.EtherTypeARP {
			return 0, FlowAll
		}
		b = b[wire.EthernetSize:]
	}
	if hash, ok := plainHash(seed, b); ok {
		return hash, FlowHashed
	}
	var ip wire.IP
	if wire.ParseQuotedIP(b, &ip) != wire.None || ip.IsFragment() {
		return 0, FlowFirst
	}
	t := wire.Tuple{Local: ip.Src, Remote: ip.Dst}
	b = b[ip.HeaderLen:]
	switch ip.Proto {
	case wire.ProtoTCP, wire.ProtoUDP:
		if len(b) >= 4 {
			t.LocalPort, t.RemotePort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		}
	case wire.ProtoICMP, wire.ProtoICMPv6:
		return icmpFlow(seed, ip.Version, t, b)
	}
	return TupleHash(seed, t), FlowHashed
}

// plainHash is FlowHash for the bulk of all packets: TCP over IPv4 without IP
// options, whole, whose two ends it takes as they stand.
func plainHash(seed uint64, b []byte) (hash uint32, ok bool) {
	const fragment = 0x3fff // more fragments, and the offset
	if len(b) < wire.IPv4Size+4 || b[0] != 4<<4|wire.IPv4Size/4 || b[9] != wire.ProtoTCP || binary.BigEndian.Uint16(b[6:])&fragment != 0 {
		return 0, false
	}
	ports := binary.BigEndian.Uint32(b[20:])
	return TupleHash(seed, wire.Tuple{Local: wire.AddrFrom4(binary.BigEndian.Uint32(b[12:])), LocalPort: uint16(ports >> 16),
		Remote: wire.AddrFrom4(binary.BigEndian.Uint32(b[16:])), RemotePort: uint16(ports)}), true
}

func icmpFlow(seed uint64, version uint8, t wire.Tuple, b []byte) (hash uint32, f Flow) {
	if len(b) < wire.ICMPSize {
		return 0, FlowFirst
	}
	if version == 6 && b[0] >= wire.ICMPv6RouterSolicitation && b[0] <= wire.ICMPv6Redirect {
		return 0, FlowAll
	}
	if version == 6 && b[0] < 128 || version == 4 && isError4(b[0]) {
		if q, ok := parseQuote(b[wire.ICMPSize:]); ok {
			t = q.tuple
		}
	}
	return TupleHash(seed, t), FlowHashed
}

func isError4(kind byte) bool {
	return kind == wire.ICMPv4Unreachable || kind == wire.ICMPv4TimeExceeded || kind == wire.ICMPv4ParameterProblem
}
