package host

import (
	"slices"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// maxPieces is how many fragments a datagram may have: one of 64 KiB in packets
// of 576 bytes. More are an attack on the sorting (CVE-2018-5391).
const maxPieces = 120

// fragmentKey names the datagram that a fragment belongs to. The protocol is
// part of it in IPv4 only: RFC 791 §2.3, RFC 8200 §4.5.
type fragmentKey struct {
	src, dst wire.Addr
	id       uint32
	proto    uint8
}

// fragment is the bytes [offset, end) of a datagram's payload.
type fragment struct {
	offset, end int
	packet      buf.View // the whole IP packet, owned
	header      int      // where the payload starts in it
}

func (f *fragment) payload() []byte { return f.packet.Bytes()[f.header:] }

// datagram is what has come of a fragmented packet.
type datagram struct {
	key   fragmentKey
	until clock.Time
	total int // length of the payload; -1 while the last fragment has not come
	bytes int // memory that the pieces hold
	have  int // bytes of payload that have come
	dead  bool
	// pieces do not overlap and are in order of offset.
	pieces []fragment
}

// reassembly is the datagrams that wait for fragments, oldest first. All wait equally long,
// so that this is the order of their deadlines, too.
type reassembly struct {
	cfg      *Config
	byKey    map[fragmentKey]*datagram
	list     []*datagram
	bytes    int
	deadline clock.Time // the oldest one's
}

func (r *reassembly) init(cfg *Config) {
	r.cfg, r.byKey, r.deadline = cfg, map[fragmentKey]*datagram{}, clock.Never
}

// receiveFragment keeps a fragment, and delivers the datagram when it is the
// last one missing.
func (h *Host) receiveFragment(now clock.Time, in *inbound) wire.Drop {
	h.counters.IpReasmReqds++
	r := &h.fragments
	in.packet.Flatten()
	// Before it takes a place: what is refused here must not push out what is complete soon.
	if drop := in.checkFirst(); drop != wire.None {
		h.counters.IpReasmFails++
		// Never to a group: each of its members would answer the same packet.
		if drop == wire.TooShort && in.ip.Version == 6 && !in.group {
			// https://www.rfc-editor.org/rfc/rfc8200#section-4.5
			h.sendProblem(now, in, &wire.Problem{Code: wire.ICMPv6IncompleteHeaderChain})
		}
		return drop
	}
	d := h.findDatagram(now, in)
	drop := r.add(d, in.fragment(), !in.ip.MoreFragments)
	switch {
	case drop == wire.FragmentOverlap || drop == wire.FragmentLimit:
		h.counters.IpReasmFails++
		return drop
	case drop != wire.None:
		return drop
	case d.have == d.total:
		return h.deliverDatagram(now, in, d)
	}
	return h.shrinkFragments(d)
}

// checkFirst demands that a first fragment holds the whole transport header,
// behind all extension headers, so that an attacker cannot hide a part of it in the
// second: RFC 1858 §3, RFC 7112 §5. A protocol that we do not speak is refused
// at once; with IPv6 only the whole packet can tell the sender where it says so.
func (in *inbound) checkFirst() wire.Drop {
	if in.ip.FragOffset != 0 {
		return wire.None
	}
	b, proto, at, ok := in.packet.Data[in.packet.L3:], in.ip.Proto, in.ip.HeaderLen, true
	if in.ip.Version == 6 {
		proto, at, ok = wire.UpperHeader(b)
	}
	need := 8
	switch proto {
	case wire.ProtoTCP:
		need = 20
		if len(b) >= at+need {
			need = max(int(b[at+12]>>4)*4, need)
		}
	case wire.ProtoUDP, wire.ProtoICMP, wire.ProtoICMPv6:
	default:
		if in.ip.Version == 4 {
			return wire.UnknownProtocol
		}
		need = 0
	}
	if !ok || len(b) < at+need {
		return wire.TooShort
	}
	return wire.None
}

// fragment returns the packet as a fragment that owns its bytes.
func (in *inbound) fragment() fragment {
	v := viewOf(in.packet, int(in.packet.L3))
	return fragment{in.ip.FragOffset, in.ip.FragOffset + in.length(), keep(v), in.ip.HeaderLen}
}

func (h *Host) findDatagram(now clock.Time, in *inbound) *datagram {
	r := &h.fragments
	key := fragmentKey{in.ip.Src, in.ip.Dst, in.ip.ID, in.ip.Proto}
	if in.ip.Version == 6 {
		// With IPv6 the protocol stands behind the fragment header, and an extension
		// header of one fragment may differ from another's.
		key.proto = 0
	}
	if d := r.byKey[key]; d != nil {
		return d
	}
	// The oldest makes room, not the newest: what is complete soon came in together.
	if len(r.list) >= r.cfg.MaxFragmentDatagrams {
		h.counters.IpReasmFails++
		r.remove(r.list[0])
	}
	d := &datagram{key: key, until: now.Add(r.cfg.FragmentTimeout), total: -1}
	r.byKey[key] = d
	r.list = append(r.list, d)
	r.deadline = r.list[0].until
	return d
}

// add puts f into d and takes over its reference. Any overlap makes the whole
// datagram, and its later fragments, invalid: no sender overlaps by accident
// (RFC 5722 §4). The same bytes again are a duplicate (RFC 8200 §4.5).
// https://www.rfc-editor.org/rfc/rfc8200#section-4.5
func (r *reassembly) add(d *datagram, f fragment, last bool) wire.Drop {
	i, drop := d.place(&f, last)
	if drop != wire.None {
		f.packet.Release()
		if drop != wire.Duplicate {
			r.kill(d)
		}
		return drop
	}
	if last {
		d.total = f.end
	}
	d.pieces = append(d.pieces, f)
	copy(d.pieces[i+1:], d.pieces[i:])
	d.pieces[i] = f
	d.have += f.end - f.offset
	d.bytes += held(f.packet)
	r.bytes += held(f.packet)
	return wire.None
}

// place returns where f belongs among the pieces.
func (d *datagram) place(f *fragment, last bool) (int, wire.Drop) {
	// It stays until its time is over, or its later fragments would begin a new
	// datagram in which the overlap is not seen.
	if d.dead {
		return 0, wire.FragmentOverlap
	}
	i := len(d.pieces)
	// From the back, because fragments nearly always come in order.
	for i > 0 && d.pieces[i-1].offset >= f.offset {
		i--
	}
	if i < len(d.pieces) && d.pieces[i].same(f) && last == (d.total == f.end) {
		return 0, wire.Duplicate
	}
	switch {
	case i > 0 && d.pieces[i-1].end > f.offset, i < len(d.pieces) && d.pieces[i].offset < f.end:
		return 0, wire.FragmentOverlap
	case last && (d.total >= 0 || i < len(d.pieces)), d.total >= 0 && f.end > d.total:
		return 0, wire.FragmentOverlap // two different ends
	case len(d.pieces) >= maxPieces:
		return 0, wire.FragmentLimit
	}
	return i, wire.None
}

func (f *fragment) same(g *fragment) bool {
	return f.offset == g.offset && f.end == g.end && string(f.payload()) == string(g.payload())
}

// kill gives back what d holds; d stays, to swallow what still comes of it: as a new
// datagram that would never be complete it would hold memory until its time is over.
func (r *reassembly) kill(d *datagram) {
	for i := range d.pieces {
		d.pieces[i].packet.Release()
	}
	r.bytes -= d.bytes
	d.pieces, d.bytes, d.have, d.dead = nil, 0, 0, true
}

func (r *reassembly) remove(d *datagram) {
	r.kill(d)
	delete(r.byKey, d.key)
	i := slices.Index(r.list, d)
	r.list = slices.Delete(r.list, i, i+1)
	r.deadline = clock.Never
	if len(r.list) > 0 {
		r.deadline = r.list[0].until
	}
}

// shrinkFragments drops the oldest datagrams until the memory limit is kept. It
// says what became of the fragment that was added to d.
func (h *Host) shrinkFragments(d *datagram) wire.Drop {
	r := &h.fragments
	outcome := wire.FragmentPending
	for r.bytes > r.cfg.MaxFragmentBytes {
		if r.list[0] == d {
			outcome = wire.FragmentLimit
		}
		h.counters.IpReasmFails++
		r.remove(r.list[0])
	}
	return outcome
}

// deliverDatagram puts d together. Another shard's packet is handed over.
func (h *Host) deliverDatagram(now clock.Time, in *inbound, d *datagram) wire.Drop {
	p := in.assemble(d, in.link.Ethernet)
	h.fragments.remove(d)
	if p == nil {
		h.counters.IpReasmFails++
		return wire.FragmentECN
	}
	h.counters.IpReasmOKs++
	if hash, f := h.keys.flows.FlowHash(in.link.Ethernet, p); f == FlowHashed {
		// Only the first fragment has ports, so all went to shard 0. Now the flow is
		// known, and with it its shard.
		if shard := ShardOf(hash, h.cfg.Shards); shard != h.cfg.Shard {
			h.handover.push(queued{packet: p, iface: in.iface, shard: shard})
			return wire.None
		}
	}
	in.packet, in.assembled = p, p
	if drop := in.parse(); drop != wire.None {
		return h.answerBadHeader(now, in, drop)
	}
	return h.deliver(now, in)
}

// assemble copies the pieces into one packet, behind the first one's header
// without options and without the extension headers before the fragment header. It is
// nil when no field ECN is right for all.
func (in *inbound) assemble(d *datagram, ethernet bool) *buf.Packet {
	var ip wire.IP
	wire.ParseQuotedIP(d.pieces[0].packet.Bytes(), &ip)
	ip.MoreFragments, ip.FragOffset = false, 0 // the ID stays: an error may quote it
	if !d.joinECN(&ip) {
		return nil
	}
	// A copy, because the layers above expect a packet in one piece; nobody who cares
	// for speed sends fragments.
	p := buf.NewPacket()
	b := p.ReceiveInto(wire.EthernetSize + wire.IPv6Size + d.total)[:0]
	if ethernet {
		b = in.ethernet.Append(b)
		p.L3 = wire.EthernetSize
	}
	b = ip.Append(b, d.total)
	for i := range d.pieces {
		b = append(b, d.pieces[i].payload()...)
	}
	p.Data = b
	return p
}

// joinECN puts into ip the field ECN of the whole. A mark on one fragment is a mark on
// all; it reports false when one is marked that another, by its sender's word, must not
// be. https://www.rfc-editor.org/rfc/rfc3168#section-5.3
func (d *datagram) joinECN(ip *wire.IP) bool {
	var seen [wire.CE + 1]bool
	for i := range d.pieces {
		var piece wire.IP
		wire.ParseQuotedIP(d.pieces[i].packet.Bytes(), &piece)
		seen[piece.ECN()] = true
	}
	if seen[wire.CE] {
		ip.TOS |= uint8(wire.CE)
	}
	return !seen[wire.CE] || !seen[wire.NotECT]
}

// advanceFragments drops what waited too long. The sender of a first fragment is
// told (RFC 1122 §3.3.2, RFC 8200 §4.5).
func (h *Host) advanceFragments(now clock.Time) {
	r := &h.fragments
	for r.deadline <= now {
		d := r.list[0]
		if !d.dead {
			h.counters.IpReasmTimeout++
			h.counters.IpReasmFails++
			h.sendTimeExceeded(now, d)
		}
		r.remove(d)
	}
}

func (h *Host) sendTimeExceeded(now clock.Time, d *datagram) {
	if len(d.pieces) == 0 || d.pieces[0].offset != 0 || !h.HasAddress(d.key.dst) {
		return
	}
	var ip wire.IP
	b := d.pieces[0].packet.Bytes()
	wire.ParseQuotedIP(b, &ip)
	proto := ip.Proto
	if ip.Version == 6 {
		proto, _, _ = wire.UpperHeader(b)
	}
	// An error about an error may go back and forth between two hosts.
	// https://www.rfc-editor.org/rfc/rfc1122#section-3.2.2
	if proto == wire.ProtoICMP || proto == wire.ProtoICMPv6 {
		return
	}
	c := wire.ICMP{Type: wire.ICMPv4TimeExceeded, Code: wire.ICMPv4ReassemblyExceeded}
	if ip.Version == 6 {
		c = wire.ICMP{Type: wire.ICMPv6TimeExceeded, Code: wire.ICMPv6ReassemblyExceeded}
	}
	h.counters.IcmpOutTimeExcds++
	h.sendErrorAbout(now, &ip, d.pieces[0].packet, &c)
}
