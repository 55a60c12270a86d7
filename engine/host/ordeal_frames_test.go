package host

import (
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/oracle"
)

// What arrives in an ordeal.

// ordealFlags are the flags of frames; the last one is for any.
var ordealFlags = [16]wire.Flags{wire.ACK, wire.ACK | wire.PSH, wire.SYN, wire.FIN | wire.ACK, wire.SYN | wire.ACK, wire.RST, wire.RST | wire.ACK, wire.FIN,
	0, wire.PSH, wire.SYN | wire.FIN, wire.ACK | wire.URG, wire.ACK | wire.ECE, wire.ACK | wire.CWR, wire.SYN | wire.ECE | wire.CWR, 0}

// ordealLengths are those of text.
var ordealLengths = [16]int{0, 0, 1, 10, 100, 536, 1000, 1400, 1420, 3, 2, 50, 700, 1, 300, 0}

// segment has a segment of a flow arrive. Three bytes say which: flags and where it begins;
// what it acknowledges and how long it is; its options and window.
func (o *ordeal) segment(f *ordealFlow) {
	shape, where, rest := o.op(), o.op(), o.op()
	h := wire.TCP{Flags: ordealFlags[shape&15], Window: [4]uint16{4096, 65535, 0, 100}[rest>>2&3]}
	if shape&15 == 15 {
		h.Flags = wire.Flags(o.op())
	}
	h.Seq = f.begins(int(shape>>4), h.Flags.Has(wire.SYN))
	if h.Flags.Has(wire.ACK) {
		h.Ack = f.acks(int(where & 15))
	}
	if h.Flags.Has(wire.URG) {
		h.Urgent = uint16(where) << 2
	}
	f.options(&h, rest)
	n := ordealLengths[where>>4]
	o.arrive(f, &h, n)
	if rest>>6&1 != 0 {
		o.arrive(f, &h, n)
	}
}

// begins is where a frame begins: mostly at what the host awaits, or near an edge.
func (f *ordealFlow) begins(which int, syn bool) seq.Num {
	if syn && which < 8 {
		return f.first
	}
	n := f.next
	return [16]seq.Num{n, f.ours, n - 1, n + 1, n + 10, n + 100, n + 1000, n + 1420, n + f.window - 1, n + f.window, n + f.window + 1, n - 500,
		n + 1<<31, f.first, n - f.window, f.first + 1}[which]
}

// acks is what a frame acknowledges.
func (f *ordealFlow) acks(which int) seq.Num {
	a := f.end
	return [16]seq.Num{a, f.una, a, a - 1, a + 1, f.una + 1, f.una + 536, f.una + 1460, f.una - 1, f.start, f.start + 1, a + 1<<31, a - 70000, a + 5000, 0, f.una + 100}[which]
}

func (f *ordealFlow) options(h *wire.TCP, rest byte) {
	p := &h.Options
	if h.Flags.Has(wire.SYN) {
		p.Set, p.MSS, p.WindowScale = wire.OptMSS|wire.OptWindowScale|wire.OptSACKPermitted, 1460, rest>>4&3
		if rest>>4&3 == 3 {
			p.Set, p.MSS = wire.OptMSS, 100
		}
	}
	if f.val != 0 || h.Flags.Has(wire.SYN) {
		p.Set, p.TSVal, p.TSEcr = p.Set|wire.OptTimestamps, f.val+1000, f.val
	}
	switch rest & 3 {
	case 1:
		p.Set &^= wire.OptTimestamps
	case 2:
		p.TSVal -= 1 << 20
	case 3:
		p.TSVal, p.TSEcr = p.TSVal+1<<27, p.TSEcr+1
	}
	if blocks := rest >> 4 & 3; blocks > 0 && !h.Flags.Has(wire.SYN) {
		p.Set, p.SACKBlocks = p.Set|wire.OptSACK, 1
		p.SACK[0] = [4]wire.SACKBlock{1: {Left: f.end - 536, Right: f.end}, 2: {Left: f.una - 10, Right: f.una}, 3: {Left: f.end + 9, Right: f.una}}[blocks]
	}
}

// arrive gives the host a segment whose text is what its numbers say.
func (o *ordeal) arrive(f *ordealFlow, h *wire.TCP, n int) {
	h.SrcPort, h.DstPort = f.tuple.RemotePort, f.tuple.LocalPort
	n = min(n, 1440-h.HeaderLen())
	ip := wire.IP{Version: 4, Proto: wire.ProtoTCP, TTL: 64, Src: o.src, Dst: o.dst, DontFragment: true}
	if !o.src.Is4() {
		ip.Version, ip.DontFragment = 6, false
	}
	b := h.Append(ip.Append(o.frame[:0], h.HeaderLen()+n))
	at := h.Seq
	if h.Flags.Has(wire.SYN) {
		at++
	}
	b = append(b, make([]byte, n)...)
	octets(b[len(b)-n:], at)
	o.frame = b
	o.sum(b)
	end := at.Add(seq.Size(n))
	if h.Flags.Has(wire.FIN) {
		end++
	}
	if end.Sub(f.ours) < 1<<20 {
		f.ours = end
	}
	if h.Flags.Has(wire.ACK) && f.una.Less(h.Ack) && h.Ack.LessEq(f.end) {
		f.una = h.Ack
	}
	o.deliver(b)
}

// sum puts the checksum of TCP in.
func (o *ordeal) sum(b []byte) {
	n := 20
	if !o.src.Is4() {
		n = wire.IPv6Size
	}
	if len(b) < n+tcpChecksumAt+2 {
		return
	}
	s := b[n:]
	put16(s[tcpChecksumAt:], 0)
	put16(s[tcpChecksumAt:], wire.Checksum(wire.Sum(s, wire.PseudoSum(o.src, o.dst, wire.ProtoTCP, len(s)))))
}

// deliver gives the host a packet, and has what comes of it judged.
func (o *ordeal) deliver(b []byte) {
	if len(b) == 0 {
		return
	}
	o.last = append(o.last[:0], b...)
	o.wire.Delivered(o.now, o.last)
	packet := buf.NewPacket()
	packet.Data = packet.ReceiveInto(len(b))[:copy(packet.Block.Bytes(), b)]
	s, flow, ok := oracle.SegmentOf(b)
	if !ok {
		d := o.h.Receive(o.now, 0, packet)
		o.note("< %d bytes (%v)", len(b), d)
		o.settle()
		return
	}
	t := wire.Tuple{Local: wire.AddrFrom16(flow.Dst), Remote: wire.AddrFrom16(flow.Src), LocalPort: flow.DstPort, RemotePort: flow.SrcPort}
	k := oracle.Step{Before: ordealView(o.h.TCP().Look(t)), Segment: s}
	o.step, o.back = &k, flow.Reverse()
	d := o.h.Receive(o.now, 0, packet)
	o.note("< %d %v (%v)", flow.SrcPort, &s, d)
	o.pull()
	o.step = nil
	k.After = ordealView(o.h.TCP().Look(t))
	if err := o.relation.Check(&k); err != nil {
		o.Fatalf("at %v: %v", o.now, err)
	}
	o.settle()
}

// ordealView is a connection as the relation wants it.
func ordealView(i tcp.Info) oracle.View {
	return oracle.View{State: oracle.State(i.State), ISS: i.ISS, Una: i.SndUna, Next: i.SndNxt, MaxWindow: i.SndMaxWnd,
		IRS: i.IRS, RcvNext: i.RcvNxt, Window: uint32(i.RcvWnd), TSRecent: i.TSRecent, Timestamps: i.Timestamps,
		Passive: i.Passive, FinSent: i.FinSent, EarlyFin: i.EarlyFin, Orphan: i.Orphan, Paced: i.Paced}
}

// taint says that text may be other than its numbers say.
func (o *ordeal) taint() {
	for i := range o.flows {
		o.flows[i].tainted = true
	}
}

// patch changes a byte of the packet that came last, and has it come again.
func (o *ordeal) patch(mend bool) {
	at, by := int(o.op()), o.op()
	if len(o.last) == 0 {
		return
	}
	o.taint()
	b := append([]byte(nil), o.last...)
	b[at%len(b)] ^= by
	if mend {
		o.sum(b)
	}
	o.deliver(b)
}

// raw has any bytes come.
func (o *ordeal) raw(n int) {
	b := o.ops[:min(n, len(o.ops))]
	o.ops = o.ops[len(b):]
	o.taint()
	o.deliver(b)
}

// error is an ICMP error about the packet that the host sent last.
func (o *ordeal) error(which int) {
	var quoted wire.IP
	if wire.ParseQuotedIP(o.sent, &quoted) != wire.None {
		return
	}
	mtu := int(o.op()) << 3
	ip, proto, v6 := wire.IP{Version: 4, TTL: 64, Src: o.src, Dst: o.dst, Proto: wire.ProtoICMP}, uint8(wire.ProtoICMP), !o.src.Is4()
	c := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: uint8(which), Rest: [4]byte{2: byte(mtu >> 8), 3: byte(mtu)}}
	if v6 {
		ip.Version, proto = 6, wire.ProtoICMPv6
		c.Type, c.Code = [4]uint8{wire.ICMPv6PacketTooBig, wire.ICMPv6Unreachable, wire.ICMPv6Unreachable, 3}[which&3], uint8(which>>2)
	}
	ip.Proto = proto
	m := icmp(ip, c, o.sent[:min(len(o.sent), 80)])
	o.deliver(append(ip.Append(nil, len(m)), m...))
}

// other is a datagram, or the packet that came last in fragments.
func (o *ordeal) other(which int) {
	ip := wire.IP{Version: 4, TTL: 64, Src: o.src, Dst: o.dst, Proto: wire.ProtoUDP}
	if !o.src.Is4() {
		ip.Version = 6
	}
	switch which & 3 {
	case 0, 1:
		u := udp(ip, 7, []uint16{53, 54}[which&1], o.ops[:min(len(o.ops), which)])
		o.deliver(append(ip.Append(nil, len(u)), u...))
	default:
		if ip.Version == 6 || len(o.last) < 28 || o.last[0] != 0x45 {
			return
		}
		ip.Proto, ip.ID = o.last[9], uint32(which)
		body, cut := o.last[20:], 8
		first, second := ip, ip
		first.MoreFragments, second.FragOffset = true, cut
		o.taint()
		a, b := append(first.Append(nil, cut), body[:cut]...), append(second.Append(nil, len(body)-cut), body[cut:]...)
		if which&4 != 0 {
			a, b = b, a
		}
		o.deliver(a)
		o.deliver(b)
	}
}
