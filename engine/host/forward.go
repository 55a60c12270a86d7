package host

import (
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// SetAnyAddress makes TCP connections to every unicast address end here, as a
// forwarder needs it (a VPN, tun2socks, the network of virtual machines). What
// answers them speaks from the address that was asked for.
func (h *Host) SetAnyAddress(on bool) {
	h.anyAddress = on
	h.forget()
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
// quotes it. It returns false when the SYN does not wait any more.
func (h *Host) RefuseSyn(now clock.Time, y tcp.Syn, why Unreachable) bool {
	if h.kindOf(y.Tuple.Remote) == own {
		return h.tcp.ResetSyn(now, y) // it is our own, and no packet leaves
	}
	if !h.tcp.IgnoreSyn(y) {
		return false
	}
	t := y.Tuple.Reverse()
	ip := wire.IP{Version: 4, Proto: wire.ProtoTCP, TTL: defaultTTL, Src: t.Local, Dst: t.Remote, DontFragment: true}
	c := icmpOf[why][0]
	if !t.Local.Is4() {
		ip.Version, ip.DontFragment = 6, false
		c = icmpOf[why][1]
	}
	b := buf.Get(buf.SmallSize)
	defer b.Release()
	syn := wire.TCP{SrcPort: t.LocalPort, DstPort: t.RemotePort, Seq: y.ISN, Flags: wire.SYN}
	quote := syn.Append(ip.Append(b.Bytes()[:0], syn.HeaderLen()))
	h.counters.IcmpOutDestUnreachs++
	h.sendErrorAbout(now, &ip, buf.MakeView(b, 0, len(quote)), &c)
	return true
}
