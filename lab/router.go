package lab

import (
	"fmt"
	"net/netip"

	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// routerName is the name of the router that a wire with an MTU has half-way.
const routerName = "router"

// router returns the world's router. It has an address of each family, and
// forwards what fits without being seen. It is made when it has something to say: pictures
// of other scenarios have no lane for it.
func (w *World) router() *node {
	if n := w.node(routerName); n != nil {
		return n
	}
	n := &node{world: w, index: len(w.nodes), addr: wire.AddrFrom(netip.MustParseAddr("10.0.0.254"))}
	n.HostConfig = HostConfig{Name: routerName, Address: n.addr.Netip(), Scripted: true}
	w.nodes = append(w.nodes, n)
	w.links = append(w.links, nil)
	w.byAddr[n.addr] = n
	w.byAddr[routerAddr6] = n
	return n
}

var routerAddr6 = wire.AddrFrom(netip.MustParseAddr("fd00::fe"))

// meetRouter is a packet that comes to a link which is too narrow for it. It
// may not be cut up (DF, or IPv6), so it is dropped and its sender informed:
// RFC 1191 §4, RFC 4443 §3.2. https://www.rfc-editor.org/rfc/rfc1191#section-4
func (w *World) meetRouter(p *parcel, data []byte) {
	l := w.link(p.from, p.to)
	mtu := l.MTU
	if l.Silent {
		w.record.fate(p, trace.Lost, fmt.Sprintf("%d bytes, the next link takes %d, and nobody says so", len(data), mtu))
		return
	}
	w.record.fate(p, trace.TooBig, fmt.Sprintf("%d bytes, the next link takes %d", len(data), mtu))
	w.send(w.router(), tooBig(p, data, mtu), false)
}

// tooBig is the router's message about a packet.
func tooBig(p *parcel, data []byte, mtu int) []byte {
	if !p.from.addr.Is4() {
		return icmpPacket(wire.IP{Version: 6, Proto: wire.ProtoICMPv6, TTL: 64, Src: routerAddr6, Dst: p.from.addr},
			wire.ICMP{Type: wire.ICMPv6PacketTooBig}, mtu, data[:min(len(data), 1280-48)])
	}
	// An IPv4 header and eight bytes are quoted: RFC 792.
	return icmpPacket(wire.IP{Version: 4, Proto: wire.ProtoICMP, TTL: 64, Src: wire.AddrFrom(netip.MustParseAddr("10.0.0.254")), Dst: p.from.addr},
		wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4FragmentationNeeded}, mtu, data[:min(len(data), 28)])
}

func icmpPacket(ip wire.IP, m wire.ICMP, mtu int, quote []byte) []byte {
	m.SetMTU(mtu)
	length := wire.ICMPSize + len(quote)
	sum := uint64(0)
	if ip.Version == 6 {
		sum = wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, length)
	}
	m.Checksum = wire.Checksum(wire.Sum(quote, wire.Sum(m.Append(nil), sum)))
	return append(m.Append(ip.Append(nil, length)), quote...)
}

// describeICMP says in words what a packet that is not TCP says.
func describeICMP(ip *wire.IP, data []byte) string {
	if text := describeGroups(ip, data[ip.HeaderLen:]); text != "" {
		return text
	}
	var m wire.ICMP
	if wire.ParseICMP(data[ip.HeaderLen:], &m) != wire.None {
		return fmt.Sprintf("IP protocol %d", ip.Proto)
	}
	switch {
	case ip.Proto == wire.ProtoICMP && m.Type == wire.ICMPv4Unreachable && m.Code == wire.ICMPv4FragmentationNeeded:
		return fmt.Sprintf("ICMP: fragmentation needed, next link takes %d", m.MTU())
	case ip.Proto == wire.ProtoICMPv6 && m.Type == wire.ICMPv6PacketTooBig:
		return fmt.Sprintf("ICMPv6: packet too big, next link takes %d", m.MTU())
	}
	return fmt.Sprintf("ICMP type %d code %d", m.Type, m.Code)
}
