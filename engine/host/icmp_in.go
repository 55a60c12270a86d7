package host

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// parseICMP reads the message's header and returns its bytes. The checksum is still to
// be verified: only that of IPv6 covers the addresses.
func (h *Host) parseICMP(in *inbound, c *wire.ICMP) (b []byte, d wire.Drop) {
	h.counters.IcmpInMsgs++
	in.packet.Flatten()
	b = in.transport()
	if d = wire.ParseICMP(b, c); d != wire.None {
		h.counters.IcmpInErrors++
	}
	return b, d
}

// receiveICMPv4 takes the messages of RFC 792.
func (h *Host) receiveICMPv4(now clock.Time, in *inbound) wire.Drop {
	var c wire.ICMP
	b, d := h.parseICMP(in, &c)
	if d != wire.None {
		return d
	}
	if wire.Fold(wire.Sum(b, 0)) != 0xffff {
		return wire.BadICMPChecksum
	}
	// To an address that we only forward for, errors are about flows that we end in its
	// name; a question is for whoever has the address, and not for us to answer.
	if in.foreign && !isError4(c.Type) {
		return h.forwardEcho(in, &c, wire.ICMPv4EchoRequest)
	}
	switch c.Type {
	case wire.ICMPv4EchoRequest:
		return h.sendEcho(now, in, &c)
	case wire.ICMPv4EchoReply:
		return h.receiveEchoReply(in, &c)
	case wire.ICMPv4Unreachable, wire.ICMPv4TimeExceeded, wire.ICMPv4ParameterProblem:
		return h.receiveError(now, in, &c, meaning4(&c))
	}
	// Source Quench is ignored (RFC 6633; RFC 9293, MUST-55), as is all that we never ask for.
	return wire.UnknownProtocol
}

// receiveICMPv6 takes the messages of RFC 4443 and RFC 4861.
func (h *Host) receiveICMPv6(now clock.Time, in *inbound) wire.Drop {
	var c wire.ICMP
	b, d := h.parseICMP(in, &c)
	if d != wire.None {
		return d
	}
	if !in.checksumOK(b, in.length()) {
		return wire.BadICMPChecksum
	}
	switch k := in.from.kind; {
	// Who has no address yet can only ask whether one is free; what comes from ours is
	// either forged or says that somebody else has it, which is what NDP is for.
	case k == unspecified && c.Type != wire.ICMPv6NeighbourSolicitation, k == own && c.Type != wire.ICMPv6NeighbourAdvert:
		return wire.BadSource
	}
	if in.foreign && c.Type >= wire.ICMPv6EchoRequest && !(c.Type == wire.ICMPv6NeighbourSolicitation && in.asksStandIn()) {
		return h.forwardEcho(in, &c, wire.ICMPv6EchoRequest)
	}
	switch c.Type {
	case wire.ICMPv6EchoRequest:
		return h.sendEcho(now, in, &c)
	case wire.ICMPv6EchoReply:
		return h.receiveEchoReply(in, &c)
	case wire.ICMPv6Unreachable, wire.ICMPv6PacketTooBig, wire.ICMPv6TimeExceeded, wire.ICMPv6ParameterProblem:
		return h.receiveError(now, in, &c, meaning6(&c))
	case wire.ICMPv6NeighbourSolicitation, wire.ICMPv6NeighbourAdvert:
		return h.receiveNDP(now, in, b)
	case wire.ICMPv6ListenerQuery, wire.ICMPv6ListenerReport:
		return h.receiveMLD(now, in, b)
	}
	return wire.UnknownProtocol
}

// meaning4 says what an IPv4 error means: RFC 1122 §3.2.2.1 and §4.2.3.9.
// https://www.rfc-editor.org/rfc/rfc1122#section-4.2.3.9
func meaning4(c *wire.ICMP) tcp.ICMPError {
	switch c.Type {
	case wire.ICMPv4TimeExceeded:
		return tcp.ICMPError{Kind: tcp.ICMPSoft, Failure: tcp.HostUnreachable}
	case wire.ICMPv4ParameterProblem:
		return tcp.ICMPError{Kind: tcp.ICMPSoft, Failure: tcp.ProtocolError}
	}
	switch c.Code {
	case wire.ICMPv4ProtocolUnreachable, wire.ICMPv4PortUnreachable:
		return tcp.ICMPError{Kind: tcp.ICMPHard, Failure: tcp.Refused}
	case wire.ICMPv4FragmentationNeeded:
		return tcp.ICMPError{Kind: tcp.ICMPTooBig, MTU: c.MTU()}
	case wire.ICMPv4NetUnreachable, 6, 9, 11: // network unknown, prohibited, not for this TOS
		return tcp.ICMPError{Kind: tcp.ICMPSoft, Failure: tcp.NetworkUnreachable}
	}
	return tcp.ICMPError{Kind: tcp.ICMPSoft, Failure: tcp.HostUnreachable}
}

// meaning6 says what an IPv6 error means. https://www.rfc-editor.org/rfc/rfc4443#section-3
func meaning6(c *wire.ICMP) tcp.ICMPError {
	switch c.Type {
	case wire.ICMPv6PacketTooBig:
		return tcp.ICMPError{Kind: tcp.ICMPTooBig, MTU: c.MTU()}
	case wire.ICMPv6TimeExceeded:
		return tcp.ICMPError{Kind: tcp.ICMPSoft, Failure: tcp.HostUnreachable}
	case wire.ICMPv6ParameterProblem:
		if c.Code == wire.ICMPv6UnrecognizedNextHeader {
			return tcp.ICMPError{Kind: tcp.ICMPHard, Failure: tcp.ProtocolError}
		}
		return tcp.ICMPError{Kind: tcp.ICMPSoft, Failure: tcp.ProtocolError}
	}
	switch c.Code {
	case wire.ICMPv6PortUnreachable:
		return tcp.ICMPError{Kind: tcp.ICMPHard, Failure: tcp.Refused}
	case wire.ICMPv6NoRoute:
		return tcp.ICMPError{Kind: tcp.ICMPSoft, Failure: tcp.NetworkUnreachable}
	}
	return tcp.ICMPError{Kind: tcp.ICMPSoft, Failure: tcp.HostUnreachable}
}

// receiveError takes an ICMP error, which anybody can forge: it counts only
// when it quotes a packet that we may have sent and that its protocol
// recognises. One that quotes an answer of ours, or a fragment other than the
// first, tells nothing, because nothing is known of these.
// https://www.rfc-editor.org/rfc/rfc5927#section-4
func (h *Host) receiveError(now clock.Time, in *inbound, c *wire.ICMP, e tcp.ICMPError) wire.Drop {
	h.countError(in, c, e.Kind)
	q, ok := parseQuote(in.transport()[wire.ICMPSize:])
	if !ok || in.group || q.tuple.Local != in.ip.Dst {
		return wire.ForgedICMP
	}
	if e.Kind == tcp.ICMPTooBig {
		return h.receiveTooBig(now, &q, e)
	}
	switch q.ip.Proto {
	case wire.ProtoTCP:
		e.Seq = q.seq
		return h.tcp.ReceiveICMP(now, q.tuple, e)
	case wire.ProtoUDP:
		return h.failUDP(q.tuple, e.Failure)
	case wire.ProtoICMP, wire.ProtoICMPv6:
		return h.failPing(&q, e.Failure)
	}
	return wire.ForgedICMP
}

// countError counts under the names of /proc/net/snmp, before it is known whether the
// error is believed: the counters are of what came.
func (h *Host) countError(in *inbound, c *wire.ICMP, k tcp.ICMPKind) {
	exceeded := uint8(wire.ICMPv4TimeExceeded)
	if in.ip.Version == 6 {
		exceeded = wire.ICMPv6TimeExceeded
	}
	switch {
	case k == tcp.ICMPTooBig:
		h.counters.IcmpInPktTooBig++
	case c.Type == exceeded:
		h.counters.IcmpInTimeExcds++
	default:
		h.counters.IcmpInDestUnreachs++
	}
}

// receiveTooBig lowers the path MTU when the quoted packet was larger and its
// protocol has it in flight. https://www.rfc-editor.org/rfc/rfc5927#section-7.2
func (h *Host) receiveTooBig(now clock.Time, q *quote, e tcp.ICMPError) wire.Drop {
	dst := q.tuple.Remote
	mtu := tooBigMTU(dst, e.MTU, q.ip.TotalLen)
	d := h.lookup(dst)
	// An MTU that the quoted packet fits into contradicts itself: nothing was too big.
	if mtu == 0 || e.MTU >= q.ip.TotalLen || d == nil || d.kind == own {
		return wire.ForgedICMP
	}
	switch {
	case q.ip.Proto == wire.ProtoTCP:
		e.Seq, e.MTU, e.Size = q.seq, mtu, q.ip.TotalLen
		drop := h.tcp.ReceiveICMP(now, q.tuple, e)
		h.takeNarrowed(now)
		return drop
	case q.ip.Proto == wire.ProtoUDP && h.udp.mayHaveSent(q.tuple):
		h.lowerMTU(now, dst, mtu)
		return wire.None
	}
	if t, ok := q.pingTuple(); ok && h.pings.mayHaveSent(t) {
		h.lowerMTU(now, dst, mtu)
		return wire.None
	}
	return wire.ForgedICMP
}
