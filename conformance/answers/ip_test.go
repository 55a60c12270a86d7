package answers

import (
	"net/netip"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// Questions below TCP: packets that are not what they should be, and what else
// a host answers.

// packetKind is a question in raw packets, for both versions of IP or one.
type packetKind struct {
	name    string
	packets func(p *peer) [][]byte
}

// one is for a question in one packet.
func one(f func(p *peer) []byte) func(p *peer) [][]byte {
	return func(p *peer) [][]byte { return [][]byte{f(p)} }
}

// carried are what packets carry that have something odd about their headers:
// each calls for an answer of its own. n is how long it is, at least 20 bytes.
var carried = []struct {
	name    string
	payload func(h *ipHeader, p *peer, n int) []byte
}{
	{"echo", func(h *ipHeader, p *peer, n int) []byte { return echoRequest(h, 1, counted(n-8)) }},
	{"SYN", func(h *ipHeader, p *peer, n int) []byte {
		h.protocol = protoTCP
		return tcpMessage(*h, tcpHeader{from: p.here.Port(), to: p.there.Port(), seq: uint32(p.irs), flags: wire.SYN, window: 1000}, counted(n-20))
	}},
	{"datagram", func(h *ipHeader, p *peer, n int) []byte {
		h.protocol = protoUDP
		return udpMessage(*h, p.here.Port(), p.there.Port(), counted(n-8))
	}},
	{"protocol 253", func(h *ipHeader, p *peer, n int) []byte {
		h.protocol = 253
		return counted(n)
	}},
}

// echoRequest makes h's packet an echo request.
func echoRequest(h *ipHeader, number uint32, payload []byte) []byte {
	kind := uint8(8)
	h.protocol = protoICMP
	if h.src.Is6() {
		kind, h.protocol = 128, protoICMPv6
	}
	return icmpMessage(*h, kind, 0, number, payload)
}

// counted returns n bytes that differ.
func counted(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = pattern(uint32(i))
	}
	return b
}

// withPayloads asks with each payload: change makes the odd packet of a header
// and what it carries.
func withPayloads(name string, change func(h ipHeader, payload []byte) []byte) (all []packetKind) {
	for _, c := range carried {
		all = append(all, packetKind{name + ", " + c.name, one(func(p *peer) []byte {
			h := p.header()
			payload := c.payload(&h, p, 20)
			return change(h, payload)
		})})
	}
	return all
}

// between asks with other addresses than those of the peer and the stack.
func between(name string, src, dst netip.Addr) (all []packetKind) {
	for _, c := range carried {
		all = append(all, packetKind{name + ", " + c.name, one(func(p *peer) []byte {
			h := p.header()
			if src.IsValid() {
				h.src = src
			}
			if dst.IsValid() {
				h.dst = dst
			}
			payload := c.payload(&h, p, 20)
			return h.packet(payload)
		})})
	}
	return all
}
