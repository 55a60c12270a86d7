package host

import (
	"net/netip"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Forwarded are networks of which unicast traffic ends here although their
// addresses are not ours, by protocol, as a forwarder needs it (a VPN, tun2socks,
// the network of virtual machines). Who answers speaks from the address that was
// asked for. Programs may bind and dial from such an address, too, as IP_TRANSPARENT
// allows in Linux.
type Forwarded struct {
	TCP, UDP []netip.Prefix
}

// forwarded is Forwarded, ready to be compared.
type forwarded struct{ tcp, udp []network }

// SetForwarded replaces what ends here.
func (h *Host) SetForwarded(f Forwarded) {
	h.forwarded = forwarded{tcp: makeNetworks(f.TCP), udp: makeNetworks(f.UDP)}
	h.forget()
}

func makeNetworks(prefixes []netip.Prefix) (all []network) {
	for _, p := range prefixes {
		all = append(all, makeNetwork(unmapPrefix(p)))
	}
	return all
}

func (f *forwarded) any() bool { return len(f.tcp)+len(f.udp) > 0 }

// takes reports whether a packet for a foreign address can concern us: of a
// protocol whose traffic to there ends here, or an ICMP error, which receiveError
// looks at.
func (f *forwarded) takes(ip *wire.IP) bool {
	switch ip.Proto {
	case wire.ProtoTCP:
		return oneContains(f.tcp, ip.Dst)
	case wire.ProtoUDP:
		return oneContains(f.udp, ip.Dst)
	case wire.ProtoICMP, wire.ProtoICMPv6:
		return (ip.Proto == wire.ProtoICMP) == (ip.Version == 4) && (oneContains(f.tcp, ip.Dst) || oneContains(f.udp, ip.Dst))
	}
	return false
}

func oneContains(all []network, a wire.Addr) bool {
	for i := range all {
		if all[i].family == family(a) && all[i].contains(a) {
			return true
		}
	}
	return false
}

// MaySpeakFrom reports whether a is an address that TCP or UDP may use as its own:
// one of the host's, or one whose traffic ends here.
func (h *Host) MaySpeakFrom(a wire.Addr, proto uint8) bool {
	if h.HasAddress(a) {
		return true
	}
	all := h.forwarded.tcp
	if proto == wire.ProtoUDP {
		all = h.forwarded.udp
	}
	return h.kindOf(a) == ordinary && oneContains(all, a)
}

// Unreachable is why a SYN is refused with an ICMP error.
type Unreachable uint8

// The reasons.
const (
	NetworkUnreachable Unreachable = iota
	HostUnreachable
	PortUnreachable
	AdministrativelyProhibited
)

// icmpOf gives type and code by reason, RFC 792 and RFC 1812 §5.2.7.1 for IPv4,
// RFC 4443 §3.1 for IPv6.
var icmpOf = [...][2]wire.ICMP{
	NetworkUnreachable:         {{Type: wire.ICMPv4Unreachable, Code: 0}, {Type: wire.ICMPv6Unreachable, Code: 0}},
	HostUnreachable:            {{Type: wire.ICMPv4Unreachable, Code: 1}, {Type: wire.ICMPv6Unreachable, Code: 3}},
	PortUnreachable:            {{Type: wire.ICMPv4Unreachable, Code: 3}, {Type: wire.ICMPv6Unreachable, Code: 4}},
	AdministrativelyProhibited: {{Type: wire.ICMPv4Unreachable, Code: 13}, {Type: wire.ICMPv6Unreachable, Code: 1}},
}

// RefuseSyn answers a SYN that waits for its verdict with an ICMP error that
// quotes it. It returns false when the SYN no longer waits.
func (h *Host) RefuseSyn(now clock.Time, y tcp.Syn, why Unreachable) bool {
	if h.kindOf(y.Tuple.Remote) == own {
		return h.tcp.ResetSyn(now, y) // it is our own, and no packet leaves
	}
	if !h.tcp.IgnoreSyn(y) {
		return false
	}
	t := y.Tuple.Reverse()
	syn := wire.TCP{SrcPort: t.LocalPort, DstPort: t.RemotePort, Seq: y.ISN, Flags: wire.SYN}
	h.refuse(now, &t, wire.ProtoTCP, syn.Append(nil), 0, why)
	return true
}

// RefuseDatagram answers a datagram of the flow t, named from our side, whose
// payload had so many bytes, with an ICMP error that quotes its headers.
func (h *Host) RefuseDatagram(now clock.Time, t wire.Tuple, bytes int, why Unreachable) {
	if h.kindOf(t.Remote) == own {
		return // it is our own, and no packet leaves
	}
	t = t.Reverse()
	u := wire.UDP{SrcPort: t.LocalPort, DstPort: t.RemotePort, Length: uint16(wire.UDPSize + bytes)}
	h.refuse(now, &t, wire.ProtoUDP, u.Append(nil), bytes, why)
}

// refuse sends an ICMP error about a packet of the flow t, named from who sent it,
// with this transport header and so many bytes behind it.
func (h *Host) refuse(now clock.Time, t *wire.Tuple, proto uint8, header []byte, bytes int, why Unreachable) {
	ip := wire.IP{Version: 4, Proto: proto, TTL: defaultTTL, Src: t.Local, Dst: t.Remote, DontFragment: true}
	c := icmpOf[why][0]
	if !t.Local.Is4() {
		ip.Version, ip.DontFragment = 6, false
		c = icmpOf[why][1]
	}
	b := buf.Get(buf.SmallSize)
	defer b.Release()
	quote := append(ip.Append(b.Bytes()[:0], len(header)+bytes), header...)
	h.counters.IcmpOutDestUnreachs++
	h.sendErrorAbout(now, &ip, buf.MakeView(b, 0, len(quote)), &c)
}
