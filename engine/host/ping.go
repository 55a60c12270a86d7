package host

import (
	"encoding/binary"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Where things lie in an echo message.
const (
	icmpCodeAt     = 1
	icmpChecksumAt = 2
	echoIDAt       = 4
)

// OpenPing opens a socket that sends echo requests with an identifier that the caller
// chose, as a port of UDP, and gets the replies to these: whole ICMP messages. The
// addresses are as those of OpenUDP, and so are the errors.
func (h *Host) OpenPing(local wire.Addr, id uint16, remote wire.Addr, owner any) (*UDPSocket, error) {
	if !isUnspecified(local) && !h.HasAddress(local) {
		return nil, ErrNotLocal
	}
	return h.open(&h.pings, &UDPSocket{Owner: owner, ping: true}, wire.Tuple{Local: local, LocalPort: id, Remote: remote})
}

// SendPing sends an echo request, which is copied, from s to dst; for a connected
// socket that may be zero. Identifier and checksum are filled in. It fails with
// ErrNotEcho for any other message, and otherwise as SendUDP does.
func (h *Host) SendPing(now clock.Time, s *UDPSocket, dst wire.Addr, request []byte) error {
	t := s.tuple
	switch {
	case !s.open:
		return ErrClosed
	case s.homeless:
		return ErrNotLocal
	case !s.connected && isUnspecified(dst):
		return ErrNotBound
	case !s.connected:
		t.Remote, s.lastAddr = dst, dst
	case !isUnspecified(dst) && dst != t.Remote:
		return ErrConnected
	}
	kind, _ := echoTypes(t.Remote)
	switch {
	case len(request) < wire.ICMPSize || request[0] != kind || request[icmpCodeAt] != 0:
		return ErrNotEcho
	case len(request) > maxUDPPayload(t.Remote)+wire.UDPSize:
		return ErrMessageSize
	}
	d, err := h.way(&t)
	if err != nil {
		return err
	}
	b := buf.Get(len(request))
	v := buf.MakeView(b, 0, copy(b.Bytes(), request))
	// The socket's, whatever the request says: by it the reply finds its way back.
	binary.BigEndian.PutUint16(b.Bytes()[echoIDAt:], t.LocalPort)
	h.counters.IcmpOutMsgs++
	h.counters.IcmpOutEchos++
	if d.kind == own {
		h.loopPing(t, v)
		return nil
	}
	setEchoChecksum(&t, b.Bytes()[:v.Len()])
	m := message{payload: v}
	h.setHeader(&m.ip, &t, echoProto(t.Remote))
	if t.Remote.IsMulticast() {
		m.ip.TTL = 1 // as for UDP
	}
	if err = h.send(now, d, &m); err != nil {
		h.counters.IcmpOutErrors++
	}
	return err
}

// echoTypes returns the types of requests and replies of a's family.
func echoTypes(a wire.Addr) (request, reply uint8) {
	if a.Is4() {
		return wire.ICMPv4EchoRequest, wire.ICMPv4EchoReply
	}
	return wire.ICMPv6EchoRequest, wire.ICMPv6EchoReply
}

func echoProto(a wire.Addr) uint8 {
	if a.Is4() {
		return wire.ProtoICMP
	}
	return wire.ProtoICMPv6
}

// setEchoChecksum fills in the checksum of a message that is sent over t.
func setEchoChecksum(t *wire.Tuple, b []byte) {
	sum := uint64(0)
	if !t.Remote.Is4() {
		sum = wire.PseudoSum(t.Local, t.Remote, wire.ProtoICMPv6, len(b))
	}
	put16(b[icmpChecksumAt:], 0)
	put16(b[icmpChecksumAt:], wire.Checksum(wire.Sum(b, sum)))
}

// loopPing answers a request, which it owns, to one of our own addresses.
func (h *Host) loopPing(t wire.Tuple, v buf.View) {
	defer v.Release()
	b := v.Block.Bytes()[:v.Len()]
	_, b[0] = echoTypes(t.Remote)
	setEchoChecksum(&t, b) // the same for both directions
	h.deliverEchoReply(t, wire.DefaultTTL, v)
}

// receiveEchoReply gives a reply to the socket that has asked, if there is one.
func (h *Host) receiveEchoReply(in *inbound, c *wire.ICMP) wire.Drop {
	h.counters.IcmpInEchoReps++
	// The identifier stands for a port: of all programs that ping a host, it says which.
	id, _ := c.Echo()
	t := wire.Tuple{Local: in.ip.Dst, Remote: in.ip.Src, LocalPort: id}
	return h.deliverEchoReply(t, in.ip.TTL, viewOf(in.packet, int(in.packet.L3)+in.ip.HeaderLen))
}

// deliverEchoReply queues a message, which is borrowed, in the socket of a flow, seen
// from our side. One that nobody waits for is none of our business.
func (h *Host) deliverEchoReply(t wire.Tuple, ttl uint8, message buf.View) wire.Drop {
	s := h.pings.find(t)
	if s == nil {
		return wire.None
	}
	if !h.udp.enqueue(s, Datagram{Src: t.Remote, Dst: t.Local, DstPort: t.LocalPort, TTL: ttl, Payload: keep(message)}) {
		return wire.QueueFull
	}
	return wire.None
}

// pingTuple returns the flow of an echo request that an ICMP error quotes.
func (q *quote) pingTuple() (t wire.Tuple, ok bool) {
	kind, _ := echoTypes(q.tuple.Local)
	t = q.tuple
	t.LocalPort = q.id
	return t, q.kind == kind && q.ip.Proto == echoProto(t.Local)
}

// failPing tells a connected socket what an ICMP error said.
func (h *Host) failPing(q *quote, f tcp.Failure) wire.Drop {
	t, ok := q.pingTuple()
	if !ok {
		return wire.ForgedICMP
	}
	return h.fail(h.pings.connected[t], f)
}
