package host

import (
	"encoding/binary"
	"math/bits"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/secret"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Flow says which shards a packet is for.
type Flow uint8

// The kinds of flow.
const (
	FlowHashed Flow = iota // the shard that the hash names
	FlowFirst              // shard 0: fragments, what cannot be parsed, ICMP errors that quote such, and who is in which group
	FlowAll                // every shard: ARP and NDP of this link. Each needs a copy
)

// ShardOf returns the shard, of n, that a hash names: by its high bits, and a product in
// place of a division, so that n need not be a power of two.
func ShardOf(hash uint32, n int) int { return int(uint64(hash) * uint64(n) >> 32) }

// FlowKey keys a hash of flows. An attacker with the key that spreads them over shards
// can put all of a flood on one, and watching does not reveal it.
type FlowKey struct {
	key    secret.Key
	hi, lo uint64
}

// NewFlowKey returns the key that spreads the flows of hosts whose TCP has this
// secret.
func NewFlowKey(from [16]byte) FlowKey { return makeFlowKey(secret.New(from), "shard") }

func makeFlowKey(from secret.Key, purpose string) FlowKey {
	return FlowKey{key: from.For(purpose, 0), hi: from.Number(purpose, 1), lo: from.Number(purpose, 2)}
}

// TupleHash hashes a flow so that both directions give the same.
func (k *FlowKey) TupleHash(t wire.Tuple) uint32 {
	return k.hash(k.end(t.Local, t.LocalPort), k.end(t.Remote, t.RemotePort))
}

// end is an end of a flow as one word; of IPv6 a quick keyed hash of it, which
// nobody sees but through another one.
func (k *FlowKey) end(a wire.Addr, port uint16) uint64 {
	if a.Is4() {
		return end4(a.As4(), port)
	}
	hi, lo := a.Words()
	return secret.Fold(hi^k.hi, lo^k.lo) ^ uint64(port)
}

func end4(a uint32, port uint16) uint64 { return uint64(a)<<16 | uint64(port) }

// hash is TupleHash of two ends: put in order, so that directions do not differ, and an
// ICMP error finds the shard of the packet that it quotes.
func (k *FlowKey) hash(a, b uint64) uint32 { return uint32(k.key.QuickPair(min(a, b), max(a, b))) }

// flowLabel returns the label of a flow that we send: RFC 6437 §3 wants it
// uniform and hard to guess.
func (k *keys) flowLabel(t *wire.Tuple) uint32 {
	a, b := k.labels.end(t.Local, t.LocalPort), k.labels.end(t.Remote, t.RemotePort)
	return uint32(k.labels.key.QuickWord(a^bits.RotateLeft64(b, 32))) & 0xfffff
}

// FlowHash returns which shard of a host a packet is for, by its headers only:
// nothing is verified here. TCP and UDP go by their tuple, ICMP errors by the
// tuple of the packet that they quote, other packets by their addresses.
func (k *FlowKey) FlowHash(ethernet bool, p *buf.Packet) (hash uint32, f Flow) {
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
	if hash, ok := k.plainHash(b); ok {
		return hash, FlowHashed
	}
	var ip wire.IP
	// Of fragments only the first has ports: all go to where datagrams are put together.
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
		return k.icmpFlow(&ip, p, ethernet)
	case wire.ProtoIGMP:
		return 0, FlowFirst
	}
	return k.TupleHash(t), FlowHashed
}

// plainHash is FlowHash for the bulk of all packets: TCP over IPv4 without IP
// options, whole, whose two ends it takes as they stand.
func (k *FlowKey) plainHash(b []byte) (hash uint32, ok bool) {
	const fragment = 0x3fff // more fragments, and the offset
	if len(b) < wire.IPv4Size+4 || b[0] != 4<<4|wire.IPv4Size/4 || b[9] != wire.ProtoTCP || binary.BigEndian.Uint16(b[6:])&fragment != 0 {
		return 0, false
	}
	return k.hash(end4(binary.BigEndian.Uint32(b[12:]), binary.BigEndian.Uint16(b[20:])),
		end4(binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint16(b[22:]))), true
}

// quoteRoom holds what is looked at of the packet that an ICMP error quotes.
const quoteRoom = 160

func (k *FlowKey) icmpFlow(ip *wire.IP, p *buf.Packet, ethernet bool) (hash uint32, f Flow) {
	at := ip.HeaderLen
	if ethernet {
		at += wire.EthernetSize
	}
	b := p.Data[at:]
	switch {
	case len(b) < wire.ICMPSize:
		return 0, FlowFirst
	case ip.Version == 6 && ethernet && isNeighbourly(ip, b) && !wire.Diagnose(p.Data[wire.EthernetSize:]).Fragment:
		return 0, FlowAll
	case ip.Version == 6 && isAboutGroups(b[0]):
		return 0, FlowFirst
	case ip.Version == 6 && b[0] >= wire.ICMPv6EchoRequest, ip.Version == 4 && !isError4(b[0]):
		return k.TupleHash(wire.Tuple{Local: ip.Src, Remote: ip.Dst}), FlowHashed
	}
	// The quote may lie in views: in memory an error comes as it was sent.
	var room [quoteRoom]byte
	n := copy(room[:], b[wire.ICMPSize:])
	for i := range p.N {
		n += copy(room[n:], p.Views[i].Bytes())
	}
	q, ok := parseQuote(room[:n])
	if !ok {
		return 0, FlowFirst
	}
	return k.TupleHash(q.tuple), FlowHashed
}

// isNeighbourly reports whether b is a message about neighbours that can come
// from one: no router has forwarded it. All shards get a copy of these, so not
// of what anybody else sends. https://www.rfc-editor.org/rfc/rfc4861#section-7.1
func isNeighbourly(ip *wire.IP, b []byte) bool {
	return (b[0] == wire.ICMPv6NeighbourSolicitation || b[0] == wire.ICMPv6NeighbourAdvert) &&
		ip.TTL == 255 && b[1] == 0 && !ip.Src.IsMulticast()
}

func isError4(kind byte) bool {
	return kind == wire.ICMPv4Unreachable || kind == wire.ICMPv4TimeExceeded || kind == wire.ICMPv4ParameterProblem
}
