package host

import (
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// maxUDPPayload is the largest payload of a UDP datagram in an IP packet of 65535 bytes.
const (
	maxUDPPayload4 = 65535 - wire.IPv4Size - wire.UDPSize
	maxUDPPayload6 = 65535 - wire.UDPSize
)

// receiveUDP is RFC 768 and RFC 1122 §4.1.
func (h *Host) receiveUDP(now clock.Time, in *inbound) wire.Drop {
	p := in.packet
	p.Flatten()
	var u wire.UDP
	if d := wire.ParseUDP(in.transport(), &u); d != wire.None {
		h.counters.UdpInErrors++
		return d
	}
	// Over IPv4 a zero says that there is no checksum. IPv6 has none in its header that
	// would cover the addresses, so it asks for one here (RFC 8200 §8.1).
	// https://www.rfc-editor.org/rfc/rfc8200#section-8.1
	if u.Checksum == 0 && in.ip.Version == 6 || u.Checksum != 0 && !in.checksumOK(in.transport(), int(u.Length)) {
		return wire.BadUDPChecksum
	}
	if u.DstPort == 0 {
		return wire.BadDestination
	}
	t := wire.Tuple{Local: in.ip.Dst, Remote: in.ip.Src, LocalPort: u.DstPort, RemotePort: u.SrcPort}
	// Up to the length of UDP and not of the packet: what an Ethernet has padded is no
	// payload.
	at := int(p.L3) + in.ip.HeaderLen
	if in.group {
		v := viewOf(p, at)
		return h.deliverToGroup(t, in.iface, in.ip.TTL, v.Slice(wire.UDPSize, int(u.Length)))
	}
	s := h.udp.find(t)
	if s == nil {
		h.sendPortUnreachable(now, in)
		return wire.NoPort
	}
	v := viewOf(p, at)
	return h.deliverUDP(s, t, in.ip.TTL, v.Slice(wire.UDPSize, int(u.Length)))
}

// deliverUDP queues a payload, which is borrowed, in s.
func (h *Host) deliverUDP(s *UDPSocket, t wire.Tuple, ttl uint8, payload buf.View) wire.Drop {
	d := Datagram{Src: t.Remote, Dst: t.Local, SrcPort: t.RemotePort, DstPort: t.LocalPort, TTL: ttl, Payload: keep(payload)}
	if !h.udp.enqueue(s, d) {
		return wire.QueueFull
	}
	h.counters.UdpInDatagrams++
	return wire.None
}

// enqueue has d wait in s. It reports false when s is full, or all sockets together are.
// One datagram always has room: a socket whose buffer is smaller than what comes would
// never receive anything.
// What is counted is memory that is held, which a small payload in a large block may be
// much of.
func (u *sockets) enqueue(s *UDPSocket, d Datagram) bool {
	n := held(d.Payload)
	if s.bytes > 0 && (s.bytes+n > s.limit || u.bytes+n > u.most) {
		d.Payload.Release()
		return false
	}
	s.bytes += n
	u.bytes += n
	s.queue.push(d)
	u.markReady(s)
	return true
}

// sendUDP sends one datagram of a flow.
func (h *Host) sendUDP(now clock.Time, t wire.Tuple, payload []byte) error {
	d, err := h.way(&t)
	if err != nil {
		return err
	}
	v, err := h.takePayload(t.Remote, payload)
	switch {
	case err != nil:
		return err
	case d.kind == own:
		h.loopUDP(t, v)
		return nil
	case d.kind == multicast:
		return h.sendDatagram(now, d, t, 1, v)
	}
	return h.sendDatagram(now, d, t, wire.DefaultTTL, v)
}

// takePayload copies what is to be sent in a datagram. What is larger than the path's MTU is cut
// into fragments; it refuses what no datagram can say the length of.
func (h *Host) takePayload(to wire.Addr, payload []byte) (v buf.View, err error) {
	if limit := maxUDPPayload(to); len(payload) > limit {
		return v, ErrMessageSize
	}
	b := buf.Get(max(len(payload), 1))
	h.counters.UdpOutDatagrams++
	return buf.MakeView(b, 0, copy(b.Bytes(), payload)), nil
}

// way returns where a datagram of the flow t goes, and sets its source, if it has none, to
// the address that the route gives.
func (h *Host) way(t *wire.Tuple) (*destination, error) {
	d := h.lookup(t.Remote)
	if d == nil {
		h.counters.IpOutNoRoutes++
		return nil, ErrNoRoute
	}
	if isUnspecified(t.Local) {
		switch t.Local = h.source(d); {
		case !isUnspecified(t.Local):
		case t.Remote == limitedBroadcast: // who asks for an address has none, RFC 1122 §3.2.1.3 (a)
			t.Local = anyIPv4
		default:
			return nil, ErrNoRoute // a forwarder without an address
		}
	}
	if t.Local.Is4() != t.Remote.Is4() {
		return nil, ErrDestination
	}
	return d, nil
}

func maxUDPPayload(dst wire.Addr) int {
	if dst.Is4() {
		return maxUDPPayload4
	}
	return maxUDPPayload6
}

// loopUDP gives a datagram for one of our own addresses straight to its socket: there is
// no link that would carry it, and nothing on the way that could damage it.
func (h *Host) loopUDP(t wire.Tuple, v buf.View) {
	defer v.Release()
	s := h.udp.find(t.Reverse())
	if s == nil {
		h.counters.UdpNoPorts++
		h.failUDP(t, tcp.Refused)
		return
	}
	h.counters.drop(h.deliverUDP(s, t.Reverse(), wire.DefaultTTL, v))
}

// sendDatagram sends a payload, which it owns.
func (h *Host) sendDatagram(now clock.Time, d *destination, t wire.Tuple, ttl uint8, v buf.View) error {
	length := wire.UDPSize + v.Len()
	u := wire.UDP{SrcPort: t.LocalPort, DstPort: t.RemotePort, Length: uint16(length)}
	m := message{payload: v}
	h.setHeader(&m.ip, &t, wire.ProtoUDP)
	m.ip.TTL = ttl
	sum := wire.PseudoSum(t.Local, t.Remote, wire.ProtoUDP, length)
	var room [wire.UDPSize]byte
	sum = wire.Sum(u.Append(room[:0]), sum)
	u.Checksum = wire.TransportChecksum(wire.Sum(v.Bytes(), sum))
	m.header = u.Append(room[:0])
	err := h.send(now, d, &m)
	if err != nil {
		h.counters.UdpSndbufErrors++
	}
	return err
}

// failUDP tells a connected socket what an ICMP error said. An unconnected one speaks
// with many, and could not tell its program of whom the error is: Linux is silent then,
// too.
func (h *Host) failUDP(t wire.Tuple, f tcp.Failure) wire.Drop {
	return h.fail(h.udp.connected[t], f)
}

func (h *Host) fail(s *UDPSocket, f tcp.Failure) wire.Drop {
	if s == nil {
		return wire.ForgedICMP
	}
	s.failure = f
	h.udp.markReady(s)
	return wire.None
}
