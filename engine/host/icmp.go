package host

import (
	"encoding/binary"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// How much of the packet an ICMP error quotes: all that fits in a packet that
// every path carries. RFC 1812 §4.3.2.3, RFC 4443 §2.4 (c).
const (
	maxError4 = 576
	maxError6 = 1280
)

// sendEcho answers an echo request with its own payload. Requests
// to groups are not answered (RFC 1122 §3.2.2.6 allows that): they multiply.
func (h *Host) sendEcho(now clock.Time, in *inbound, request *wire.ICMP) wire.Drop {
	h.counters.IcmpInEchos++
	if in.group {
		return wire.BadDestination
	}
	if !h.echoes.take(now) {
		h.counters.IcmpOutRateLimitGlobal++
		return wire.None
	}
	reply := wire.ICMP{Type: wire.ICMPv4EchoReply, Rest: request.Rest}
	if in.ip.Version == 6 {
		reply.Type = wire.ICMPv6EchoReply
	}
	p := in.packet
	v := viewOf(p, int(p.L3)+in.ip.HeaderLen+wire.ICMPSize)
	h.counters.IcmpOutEchoReps++
	return h.sendICMP(now, &in.ip, &reply, v)
}

// sendICMP sends a message with a payload, which is borrowed, to who sent the
// packet with the header ip. It leaves from the address that it was sent to. A
// payload that is small is copied: the answer may wait for a neighbour, and
// must not hold the large block that a link reads into.
func (h *Host) sendICMP(now clock.Time, ip *wire.IP, c *wire.ICMP, payload buf.View) wire.Drop {
	d := h.lookup(ip.Src)
	if d == nil || d.kind != ordinary { // a default route leads to no host that has no address
		h.counters.IpOutNoRoutes++
		return wire.NoRoute
	}
	// From the address that was asked, or its sender would not know the answer for one; a
	// group has none to answer from.
	t := wire.Tuple{Local: ip.Dst, Remote: ip.Src}
	if t.Local.IsMulticast() {
		t.Local = h.source(d)
	}
	m := message{payload: keep(payload)}
	sum := uint64(0)
	if ip.Version == 4 {
		h.setHeader(&m.ip, &t, wire.ProtoICMP)
	} else {
		h.setHeader(&m.ip, &t, wire.ProtoICMPv6)
		sum = wire.PseudoSum(t.Local, t.Remote, wire.ProtoICMPv6, wire.ICMPSize+payload.Len())
	}
	var room [wire.ICMPSize]byte
	sum = wire.Sum(c.Append(room[:0]), sum)
	c.Checksum = wire.Checksum(wire.Sum(payload.Bytes(), sum))
	m.header = c.Append(room[:0])
	h.counters.IcmpOutMsgs++
	if h.send(now, d, &m) != nil {
		h.counters.IcmpOutErrors++
	}
	return wire.None
}

// sendPortUnreachable answers a UDP datagram for which there is no socket.
func (h *Host) sendPortUnreachable(now clock.Time, in *inbound) {
	c := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4PortUnreachable}
	if in.ip.Version == 6 {
		c = wire.ICMP{Type: wire.ICMPv6Unreachable, Code: wire.ICMPv6PortUnreachable}
	}
	h.counters.IcmpOutDestUnreachs++
	h.sendError(now, in, &c)
}

// sendProtocolUnreachable answers a packet of a protocol that we do not speak.
func (h *Host) sendProtocolUnreachable(now clock.Time, in *inbound) {
	c := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4ProtocolUnreachable}
	if in.ip.Version == 6 {
		if in.ip.Proto == wire.ProtoNone {
			return // nothing follows: https://www.rfc-editor.org/rfc/rfc8200#section-4.7
		}
		in.packet.Flatten()
		problem := wire.Diagnose(in.packet.Data[in.packet.L3:])
		c = parameterProblem(&problem)
	}
	h.sendError(now, in, &c)
}

func parameterProblem(p *wire.Problem) wire.ICMP {
	c := wire.ICMP{Type: wire.ICMPv6ParameterProblem, Code: p.Code}
	binary.BigEndian.PutUint32(c.Rest[:], uint32(p.Pointer))
	return c
}

// answerBadHeader tells the sender of an IPv6 packet what is wrong with its
// headers for which they were refused, if the sender must be told. It returns why
// the packet is dropped.
func (h *Host) answerBadHeader(now clock.Time, in *inbound, why wire.Drop) wire.Drop {
	if why != wire.BadExtension && why != wire.BadTotalLength || in.ip.Version != 6 {
		return why
	}
	data := &in.packet.Data
	*data = (*data)[:min(len(*data), int(in.packet.L3)+in.ip.TotalLen)]
	p := wire.Diagnose((*data)[in.packet.L3:])
	if p.Answer == wire.NoAnswer || h.checkAddresses(in) != wire.None || in.group && p.Answer != wire.AnswerAll {
		return why
	}
	h.sendProblem(now, in, &p)
	return why
}

// sendProblem sends a Parameter Problem about a packet, unless that is an ICMP
// error itself, behind any headers: RFC 4443 §2.4 (e).
func (h *Host) sendProblem(now clock.Time, in *inbound, p *wire.Problem) {
	in.packet.Flatten()
	b := in.packet.Data[in.packet.L3:]
	if !isErrorMessage6(b) {
		c := parameterProblem(p)
		h.sendErrorAbout(now, &in.ip, viewOf(in.packet, int(in.packet.L3)), &c)
	}
}

// isErrorMessage6 reports whether an IPv6 packet is an ICMP error or a redirect,
// or may be one.
func isErrorMessage6(b []byte) bool {
	proto, at, _ := wire.UpperHeader(b)
	return proto == wire.ProtoICMPv6 && (at >= len(b) || b[at] < wire.ICMPv6EchoRequest || b[at] == wire.ICMPv6Redirect)
}

// sendError sends an ICMP error about a packet that came in.
func (h *Host) sendError(now clock.Time, in *inbound, c *wire.ICMP) {
	if !in.group {
		in.packet.Flatten()
		h.sendErrorAbout(now, &in.ip, viewOf(in.packet, int(in.packet.L3)), c)
	}
}

// sendErrorAbout sends an ICMP error about a packet that starts with the header
// ip. The caller has checked that the packet is not an ICMP message, came to one
// of our own addresses and from a single host, and is not a fragment other than the
// first. https://www.rfc-editor.org/rfc/rfc1122#section-3.2.2
func (h *Host) sendErrorAbout(now clock.Time, ip *wire.IP, packet buf.View, c *wire.ICMP) {
	if !h.takeError(now) {
		h.counters.IcmpOutRateLimitGlobal++
		return
	}
	limit := maxError4 - wire.IPv4Size - wire.ICMPSize
	if ip.Version == 6 {
		limit = maxError6 - wire.IPv6Size - wire.ICMPSize
	}
	h.sendICMP(now, ip, c, packet.Slice(0, min(packet.Len(), limit)))
}

// takeError asks the bucket that all errors share. Now and then it takes one
// token more than needed, so that no outsider can count our errors to others by how
// many are left for an attacker (CVE-2020-25705).
func (h *Host) takeError(now clock.Time) bool {
	if h.keys.errors.next()%4 == 0 {
		h.errors.take(now)
	}
	return h.errors.take(now)
}
