package host

import (
	"encoding/binary"
	"net/netip"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// OpenAnyEcho opens a socket for the echo requests to a prefix's addresses that
// are not ours; the zero prefix has all. SetForwarded says whether they come in. A
// request is a datagram whose source port is its identifier and whose destination
// port is its sequence number. AnswerEcho and RefuseEcho answer it. It fails with
// ErrInUse.
func (h *Host) OpenAnyEcho(p netip.Prefix, owner any) (*UDPSocket, error) {
	return h.openAny(&UDPSocket{Owner: owner, echo: true}, p)
}

// forwardEcho gives an echo request for a foreign address to its socket. A fragmented
// one has been put together before.
func (h *Host) forwardEcho(in *inbound, c *wire.ICMP, request uint8) wire.Drop {
	s := findWild(h.udp.echo, in.ip.Dst)
	if s == nil || c.Type != request || !oneContains(h.forwarded.echo, in.ip.Dst) {
		return wire.NotOurs
	}
	h.counters.IcmpInEchos++
	d := Datagram{Src: in.ip.Src, Dst: in.ip.Dst, TTL: in.ip.TTL}
	d.SrcPort, d.DstPort = binary.BigEndian.Uint16(c.Rest[:]), binary.BigEndian.Uint16(c.Rest[2:])
	d.Payload = keep(viewOf(in.packet, int(in.packet.L3)+in.ip.HeaderLen+wire.ICMPSize))
	if !h.udp.enqueue(s, d) {
		return wire.QueueFull
	}
	return wire.None
}

// AnswerEcho sends the reply to a request that a socket of OpenAnyEcho has received.
// The payload is copied, that of the request does not count. It fails with
// ErrNotLocal for an address whose requests do not come here, and with
// ErrMessageSize.
func (h *Host) AnswerEcho(now clock.Time, to *Datagram, payload []byte) error {
	switch {
	// A program may not speak for hosts whose requests it was not given.
	case !oneContains(h.forwarded.echo, to.Dst):
		return ErrNotLocal
	case len(payload) > maxUDPPayload(to.Dst): // its header has as many bytes as UDP's
		return ErrMessageSize
	}
	ip := wire.IP{Version: 4, Src: to.Src, Dst: to.Dst}
	reply := wire.ICMP{Type: wire.ICMPv4EchoReply, Rest: echoRest(to)}
	if !ip.Src.Is4() {
		ip.Version, reply.Type = 6, wire.ICMPv6EchoReply
	}
	b := buf.Get(max(len(payload), 1))
	defer b.Release()
	h.counters.IcmpOutEchoReps++
	h.sendICMP(now, &ip, &reply, buf.MakeView(b, 0, copy(b.Bytes(), payload)))
	return nil
}

// RefuseEcho answers a request of so many bytes with an ICMP error that quotes its
// header. The error comes from by, a router on the way; the zero address is the one
// that was asked, or for TimeExceeded ours.
func (h *Host) RefuseEcho(now clock.Time, to *Datagram, bytes int, by wire.Addr, why Unreachable) {
	r := refusal{t: wire.Tuple{Local: to.Src, Remote: to.Dst}, proto: wire.ProtoICMP, bytes: bytes, why: why, by: by}
	request := wire.ICMP{Type: wire.ICMPv4EchoRequest, Rest: echoRest(to)}
	if !to.Src.Is4() {
		r.proto, request.Type = wire.ProtoICMPv6, wire.ICMPv6EchoRequest
	}
	r.header = request.Append(nil)
	if d := h.lookup(to.Src); d != nil && why == TimeExceeded && by == (wire.Addr{}) {
		r.by = h.source(d)
	}
	h.refuse(now, r)
}

// echoRest is where an echo message has its identifier and its sequence number.
func echoRest(d *Datagram) (rest [4]byte) {
	binary.BigEndian.PutUint16(rest[:], d.SrcPort)
	binary.BigEndian.PutUint16(rest[2:], d.DstPort)
	return rest
}
