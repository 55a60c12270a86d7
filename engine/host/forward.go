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
	Echo     []netip.Prefix // requests; OpenAnyEcho gets them
}

// forwarded is Forwarded, ready to be compared: each packet for a foreign address asks.
type forwarded struct{ tcp, udp, echo []network }

// SetForwarded replaces what ends here.
func (h *Host) SetForwarded(f Forwarded) {
	h.forwarded = forwarded{tcp: makeNetworks(f.TCP), udp: makeNetworks(f.UDP), echo: makeNetworks(f.Echo)}
	h.forget()
}

func makeNetworks(prefixes []netip.Prefix) (all []network) {
	for _, p := range prefixes {
		all = append(all, makeNetwork(unmapPrefix(p)))
	}
	return all
}

func (f *forwarded) any() bool { return len(f.tcp)+len(f.udp)+len(f.echo) > 0 }

// takes reports whether a packet for a foreign address can concern us: of a
// protocol whose traffic to there ends here, or ICMP: an error, which receiveError
// looks at, or an echo request, which forwardEcho does.
func (f *forwarded) takes(ip *wire.IP) bool {
	switch ip.Proto {
	case wire.ProtoTCP:
		return oneContains(f.tcp, ip.Dst)
	case wire.ProtoUDP:
		return oneContains(f.udp, ip.Dst)
	case wire.ProtoICMP, wire.ProtoICMPv6:
		return (ip.Proto == wire.ProtoICMP) == (ip.Version == 4) && f.speaksFor(ip.Dst)
	}
	return false
}

func (f *forwarded) speaksFor(a wire.Addr) bool {
	return oneContains(f.tcp, a) || oneContains(f.udp, a) || oneContains(f.echo, a)
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

// Unreachable is why a packet is answered with an ICMP error.
type Unreachable uint8

// The reasons. That its time is exceeded is for echo requests: a router on the way
// has said so.
const (
	NetworkUnreachable Unreachable = iota
	HostUnreachable
	PortUnreachable
	AdministrativelyProhibited
	TimeExceeded
)

// icmpOf gives type and code by reason, RFC 792 and RFC 1812 §5.2.7.1 for IPv4,
// RFC 4443 §3 for IPv6.
var icmpOf = [...][2]wire.ICMP{
	NetworkUnreachable:         {{Type: wire.ICMPv4Unreachable, Code: 0}, {Type: wire.ICMPv6Unreachable, Code: 0}},
	HostUnreachable:            {{Type: wire.ICMPv4Unreachable, Code: 1}, {Type: wire.ICMPv6Unreachable, Code: 3}},
	PortUnreachable:            {{Type: wire.ICMPv4Unreachable, Code: 3}, {Type: wire.ICMPv6Unreachable, Code: 4}},
	AdministrativelyProhibited: {{Type: wire.ICMPv4Unreachable, Code: 13}, {Type: wire.ICMPv6Unreachable, Code: 1}},
	TimeExceeded:               {{Type: wire.ICMPv4TimeExceeded}, {Type: wire.ICMPv6TimeExceeded}},
}

// RefuseSyn answers a SYN that waits for its verdict with an ICMP error that
// quotes it. The packet is not kept for so long: what its sender looks at, ports and
// sequence number, is known, and the rest is made up. It returns false when the SYN no longer waits.
func (h *Host) RefuseSyn(now clock.Time, y tcp.Syn, why Unreachable) bool {
	if h.kindOf(y.Tuple.Remote) == own {
		return h.tcp.ResetSyn(now, y) // it is our own, and no packet leaves
	}
	if !h.tcp.IgnoreSyn(y) {
		return false
	}
	t := y.Tuple.Reverse()
	syn := wire.TCP{SrcPort: t.LocalPort, DstPort: t.RemotePort, Seq: y.ISN, Flags: wire.SYN}
	h.refuse(now, refusal{t: t, proto: wire.ProtoTCP, header: syn.Append(nil), why: why})
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
	h.refuse(now, refusal{t: t, proto: wire.ProtoUDP, header: u.Append(nil), bytes: bytes, why: why})
}

// refusal is what an ICMP error is to say.
type refusal struct {
	t      wire.Tuple // of the packet, named from who sent it
	proto  uint8
	header []byte // of the transport
	bytes  int    // behind it
	why    Unreachable
	by     wire.Addr // who says so; the zero address: the one that was asked
}

// refuse sends an ICMP error about a packet.
func (h *Host) refuse(now clock.Time, r refusal) {
	ip := wire.IP{Version: 4, Proto: r.proto, TTL: wire.DefaultTTL, Src: r.t.Local, Dst: r.t.Remote, DontFragment: true}
	c := icmpOf[r.why][0]
	if !ip.Src.Is4() {
		ip.Version, ip.DontFragment = 6, false
		c = icmpOf[r.why][1]
	}
	b := buf.Get(buf.SmallSize)
	defer b.Release()
	quote := append(ip.Append(b.Bytes()[:0], len(r.header)+r.bytes), r.header...)
	if c.Type == wire.ICMPv4Unreachable || c.Type == wire.ICMPv6Unreachable {
		h.counters.IcmpOutDestUnreachs++
	}
	if r.by != (wire.Addr{}) {
		ip.Dst = r.by // the error leaves from there
	}
	h.sendErrorAbout(now, &ip, buf.MakeView(b, 0, len(quote)), &c)
}
