package host

import (
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// inbound is a packet that came in, while it is worked on. There are as many as are in
// flight at a time, and they are used again: a packet costs no allocation.
type inbound struct {
	iface     int
	link      *LinkConfig
	packet    *buf.Packet
	ethernet  wire.Ethernet
	ip        wire.IP
	from      *destination // the way back to its source
	group     bool         // it is for a multicast group or broadcast
	foreign   bool         // it is for an address that a forwarder has
	assembled *buf.Packet  // what was put together of fragments, or nil
	drop      wire.Drop    // what became of it
	forTCP    bool         // drop is not decided yet: TCP will

	path    tcp.Path
	tuple   wire.Tuple // as seen from our side
	segment tcp.Segment
	views   [1]buf.View
}

// inFlight is how many packets of a batch are worked on at a time: their room is reserved
// in each Host, and a super-segment that GRO puts together is no longer than this.
const inFlight = 16

// Desk is what packets are parsed into, so that nothing is allocated for one. The zero
// value is ready; it has 7 KiB. A goroutine that receives for several hosts, one after
// the other, does so at one desk, which stays in its processor's nearest cache: see ReceiveAt.
type Desk struct {
	in    [inFlight]inbound
	views [inFlight * buf.MaxViews]buf.View // of segments that are merged
}

// Receive takes a packet that came in by link iface, and says what became of
// it. The packet is the host's from here on.
func (h *Host) Receive(now clock.Time, iface int, p *buf.Packet) wire.Drop {
	in := &h.ownDesk().in[0]
	h.receiveBelowTCP(now, in, iface, p)
	return h.receiveInTCP(now, in, p)
}

func (h *Host) ownDesk() *Desk {
	if h.desk == nil {
		h.desk = new(Desk)
	}
	return h.desk
}

// ReceiveBatch is Receive for packets that came in together. Some of them go
// through IP first and then through TCP, because the code of one half fits the
// processor's nearest cache, and that of both does not. Segments that continue
// each other go through TCP as one.
func (h *Host) ReceiveBatch(now clock.Time, iface int, batch []*buf.Packet) {
	h.ReceiveAt(now, iface, batch, h.ownDesk())
}

// ReceiveAt is ReceiveBatch at a desk of the caller's.
func (h *Host) ReceiveAt(now clock.Time, iface int, batch []*buf.Packet, d *Desk) {
	for len(batch) > 0 {
		n := min(len(batch), inFlight)
		for i, p := range batch[:n] {
			h.receiveBelowTCP(now, &d.in[i], iface, p)
		}
		if n > 1 && h.tcp.Crowded() {
			h.lookAhead(d.in[:n])
		}
		for i := 0; i < n; {
			if d.in[i].hasText() {
				i += h.receiveMerged(now, d, i, batch[:n])
			} else {
				h.receiveInTCP(now, &d.in[i], batch[i])
				i++
			}
		}
		batch = batch[n:]
	}
}

// lookAhead tells TCP which segments it is about to get, so that what it needs of all their
// connections is read from memory at the same time (see tcp.Endpoint.LookAhead).
func (h *Host) lookAhead(in []inbound) {
	var room [inFlight]*wire.Tuple
	tuples := room[:0]
	for i := range in {
		if in[i].forTCP {
			tuples = append(tuples, &in[i].tuple)
		}
	}
	h.tcp.LookAhead(tuples)
}

// receiveBelowTCP handles a packet, except for what belongs to TCP.
func (h *Host) receiveBelowTCP(now clock.Time, in *inbound, iface int, p *buf.Packet) {
	in.iface, in.link, in.packet, in.assembled, in.forTCP = iface, h.links[iface], p, nil, false
	if in.link.Ethernet {
		in.drop = h.receiveFrame(now, in)
	} else {
		p.L3 = 0
		in.drop = h.receiveIP(now, in)
	}
}

// receiveInTCP gives a segment to TCP, and lets go of the packet of any protocol.
func (h *Host) receiveInTCP(now clock.Time, in *inbound, p *buf.Packet) wire.Drop {
	if in.forTCP && h.auth != nil {
		in.drop = h.verify(in)
		in.forTCP = in.drop == wire.None
	}
	if in.forTCP {
		in.drop = h.tcp.Receive(now, in.path, &in.tuple, &in.segment)
	}
	h.counters.drop(in.drop)
	h.stash.Put(p)
	if in.assembled != nil {
		in.assembled.Release()
	}
	return in.drop
}

// receiveFrame takes an Ethernet frame.
func (h *Host) receiveFrame(now clock.Time, in *inbound) wire.Drop {
	b := in.packet.Data
	if d := wire.ParseEthernet(b, &in.ethernet); d != wire.None {
		return d
	}
	// A switch that has forgotten a station floods its frames to all ports, and a
	// device may be promiscuous: what is addressed to another station is its business.
	if in.ethernet.Dst[0]&1 == 0 && in.ethernet.Dst != in.link.HardwareAddr {
		return wire.NotOurs
	}
	in.packet.L3 = wire.EthernetSize
	version := byte(0)
	switch in.ethernet.Type {
	case wire.EtherTypeARP:
		return h.receiveARP(now, in.iface, b[wire.EthernetSize:])
	case wire.EtherTypeIPv4:
		version = 4
	case wire.EtherTypeIPv6:
		version = 6
	default:
		return wire.UnknownEtherType
	}
	// A filter on the way may have looked at one of the two and believed the other.
	if len(b) > wire.EthernetSize && b[wire.EthernetSize]>>4 != version {
		return wire.BadVersion
	}
	return h.receiveIP(now, in)
}

func (h *Host) receiveIP(now clock.Time, in *inbound) wire.Drop {
	h.counters.IpInReceives++
	if d := in.parse(); d != wire.None {
		return h.answerBadHeader(now, in, d)
	}
	h.counters.ecn(in.ip.ECN(), 1)
	// Before the way back is looked up: who speaks is answered by that link.
	if isLinkLocal(in.ip.Src) {
		h.Scope(now, in.ip.Src, in.iface, now)
	}
	if d := h.checkAddresses(in); d != wire.None {
		return d
	}
	if in.ip.IsFragment() {
		return h.receiveFragment(now, in)
	}
	return h.deliver(now, in)
}

// parse reads the IP header and cuts off the link's padding.
func (in *inbound) parse() wire.Drop {
	p := in.packet
	if p.N > 0 {
		if in.parseSplit() {
			return wire.None
		}
		p.Flatten()
	}
	if d := wire.ParseIP(p.Data[p.L3:], &in.ip); d != wire.None {
		return d
	}
	// Ethernet pads short frames to 60 bytes: what follows the packet is no payload.
	if n := int(p.L3) + in.ip.TotalLen; n < len(p.Data) {
		p.Data = p.Data[:n]
	}
	return wire.None
}

// parseSplit reads the header of a packet that comes from a sender in the same
// process: headers in Data, payload in Views, so that it need not be copied.
// It leaves all that is unusual to parse, by reporting false.
func (in *inbound) parseSplit() bool {
	p := in.packet
	b := p.Data[p.L3:]
	if wire.ParseQuotedIP(b, &in.ip) != wire.None || in.ip.IsFragment() || in.ip.TotalLen != p.Len()-int(p.L3) {
		return false
	}
	// ParseQuotedIP does not verify the header's checksum, because a quote may be
	// changed. Here it must be right.
	return in.ip.Version == 6 || wire.Fold(wire.Sum(b[:in.ip.HeaderLen], 0)) == 0xffff
}

// checkAddresses refuses, without any answer, packets that no host of good
// faith sends to us. RFC 1122 §3.2.1.3.
func (h *Host) checkAddresses(in *inbound) wire.Drop {
	// The way back is looked up now, although only an answer needs it: the lookup tells what
	// kind of address the source is, which has to be known anyway. So no SYN comes from a
	// group, or from ourselves (RFC 9293, MUST-63).
	in.from = h.find(in.ip.Src)
	if k := in.from.kind; k != ordinary && !in.mayBeFrom(k) {
		return wire.BadSource
	}
	k := h.kindOf(in.ip.Dst)
	in.group, in.foreign = k.isGroup(), false
	switch {
	case k == own:
		// RFC 1122 §3.3.6: for one host, and yet sent to all on the link.
		if in.link.Ethernet && in.ethernet.Dst[0]&1 != 0 {
			return wire.BadDestination
		}
	// For UDP and ICMP. TCP refuses it later, where its own counters see it.
	case k == broadcast, k == multicast && h.hears(in.ip.Dst, in.iface):
	case k == ordinary && (h.forwarded.takes(&in.ip) || in.asksStandIn()):
		in.foreign = true
	default:
		return wire.NotOurs
	}
	return wire.None
}

// mayBeFrom is for those who have no address yet: a neighbour solicitation that asks
// whether one is free (RFC 4862 §5.4.2), and a datagram to all on the link that asks for
// one (DHCP, https://www.rfc-editor.org/rfc/rfc1122#page-30); and for an advertisement by
// who has the address that we believe to be ours. receiveICMPv6 looks which it is.
func (in *inbound) mayBeFrom(k addressKind) bool {
	switch {
	case in.ip.Version == 4:
		return k == unspecified && (in.ip.Proto == wire.ProtoUDP && in.ip.Dst == limitedBroadcast || in.ip.Proto == wire.ProtoIGMP)
	case in.ip.Proto == wire.ProtoICMPv6:
		return k == unspecified || k == own && in.link.Ethernet
	}
	return false
}

// deliver gives a whole packet to its protocol.
func (h *Host) deliver(now clock.Time, in *inbound) wire.Drop {
	h.counters.IpInDelivers++
	if in.ip.Proto == wire.ProtoTCP {
		return h.receiveTCP(now, in)
	}
	switch {
	case in.ip.Proto == wire.ProtoUDP:
		return h.receiveUDP(now, in)
	case in.ip.Proto == wire.ProtoICMP && in.ip.Version == 4:
		return h.receiveICMPv4(now, in)
	case in.ip.Proto == wire.ProtoICMPv6 && in.ip.Version == 6:
		return h.receiveICMPv6(now, in)
	case in.ip.Proto == wire.ProtoIGMP && in.ip.Version == 4:
		return h.receiveIGMP(now, in)
	}
	// RFC 1122 §3.2.2.1: whoever sent it learns that nothing here speaks the protocol.
	// https://www.rfc-editor.org/rfc/rfc1122#section-3.2.2.1
	h.sendProtocolUnreachable(now, in)
	return wire.UnknownProtocol
}

// receiveTCP makes a segment of a packet: the fast path, nothing is copied,
// nothing allocated.
func (h *Host) receiveTCP(now clock.Time, in *inbound) wire.Drop {
	h.counters.TcpInSegs++
	// TCP connects two hosts. An answer to a group's segment would let one forged
	// packet make many (RFC 9293, MUST-57).
	// https://www.rfc-editor.org/rfc/rfc1122#section-4.2.3.10
	if in.group {
		return wire.BadDestination
	}
	// Before anything is believed of it (RFC 9293, MUST-3): who sent it is in the sum too.
	b := in.transport()
	if !in.checksumOK(b, in.length()) {
		return wire.BadTCPChecksum
	}
	s := &in.segment
	n, drop := wire.ParseTCP(b, &s.TCP)
	if drop != wire.None {
		h.counters.TcpInErrs++
		return drop
	}
	// Port 0 stands for "any" in calls and in our tables; no connection can have it.
	if s.SrcPort == 0 {
		return wire.BadSource
	}
	if s.DstPort == 0 {
		return wire.BadDestination
	}
	// Nothing is begun with a host that no answer would reach.
	if !in.from.reachable {
		return wire.NoRoute
	}
	s.Len, s.Views, s.GSOSize, s.ECN = in.length()-n, nil, int(in.packet.GSOSize), in.ip.ECN()
	s.TOS = in.ip.TOS
	if s.Len > 0 {
		s.Views = in.payload(n)
		if s.GSOSize > 0 {
			h.countParts(s)
		}
	}
	t := &in.tuple
	t.Local, t.Remote, t.LocalPort, t.RemotePort = in.ip.Dst, in.ip.Src, s.DstPort, s.SrcPort
	in.path, in.forTCP = in.from.path, true
	return wire.None
}

// countParts counts the segments that s stands for, beyond the first.
func (h *Host) countParts(s *tcp.Segment) {
	n := uint64(s.Count() - 1)
	h.counters.TcpInSegs += n
	h.counters.ecn(s.ECN, n)
}

// length returns the length of the transport header and its payload.
func (in *inbound) length() int { return in.ip.TotalLen - in.ip.HeaderLen }

// transport returns the transport header and what follows it in Data.
func (in *inbound) transport() []byte {
	return in.packet.Data[int(in.packet.L3)+in.ip.HeaderLen:]
}

// checksumOK verifies the transport checksum over n bytes, of which b are the
// first, with the pseudo-header, unless a layer below has done it.
func (in *inbound) checksumOK(b []byte, n int) bool {
	// The device has verified it, or the packet never was on a wire.
	p := in.packet
	if p.Checksum != buf.ChecksumFull {
		return true
	}
	sum := wire.PseudoSum(in.ip.Src, in.ip.Dst, in.ip.Proto, n)
	if p.N == 0 {
		return wire.Fold(wire.Sum(b[:n], sum)) == 0xffff
	}
	return wire.Fold(sumViews(p, len(b), wire.Sum(b, sum))) == 0xffff
}

// sumViews adds the bytes of p's views; the first byte is number offset.
func sumViews(p *buf.Packet, offset int, sum uint64) uint64 {
	for i := range p.N {
		b := p.Views[i].Bytes()
		sum = wire.SumAt(sum, b, offset)
		offset += len(b)
	}
	return sum
}

// payload returns what lies behind a transport header of n bytes, borrowed from
// the packet.
func (in *inbound) payload(n int) []buf.View {
	p := in.packet
	at := int(p.L3) + in.ip.HeaderLen + n
	if at == len(p.Data) {
		return p.Views[:p.N]
	}
	in.views[0] = viewOf(p, at)
	return in.views[:]
}

// viewOf returns a view of all of p from Data[at] on, without a reference of
// its own. It flattens p when it has to.
func viewOf(p *buf.Packet, at int) buf.View {
	if p.N > 0 || p.Block == nil {
		p.Flatten()
	}
	// A link may have given Data that lies anywhere in Block, or not in it at all.
	room := p.Block.Bytes()
	off := cap(room) - cap(p.Data)
	if off < 0 || off+len(p.Data) > len(room) || &room[off] != &p.Data[0] {
		off = 0
		moveIntoBlock(p)
	}
	return buf.MakeView(p.Block, off+at, len(p.Data)-at)
}

// moveIntoBlock copies Data, of which we cannot tell where it lies in Block, to
// the start of a new block.
func moveIntoBlock(p *buf.Packet) {
	b := buf.Get(len(p.Data))
	p.Data = b.Bytes()[:copy(b.Bytes(), p.Data)]
	p.Block.Release()
	p.Block = b
}
