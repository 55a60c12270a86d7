package host

import (
	"encoding/binary"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Where the checksum lies in a transport header.
const (
	tcpChecksumAt = 16
	udpChecksumAt = 6
)

func put16(b []byte, v uint16) { binary.BigEndian.PutUint16(b, v) }

// Output returns the next packet that leaves and the link that it leaves by;
// nil when there is nothing more. The packet is the caller's.
func (h *Host) Output(now clock.Time) (p *buf.Packet, iface int) {
	// What is ready goes before what has to be built. The queue is short and bounded: ARP,
	// ICMP and datagrams, none of which TCP must hold up.
	for {
		if e, ok := h.queue.pop(); ok {
			return e.packet, e.iface
		}
		if !h.rest && !h.tcp.Output(now, &h.out) {
			h.stash.Flush()
			return nil, 0
		}
		if p, iface := h.outputTCP(now, &h.out); p != nil {
			return p, iface
		}
	}
}

// outputTCP makes a packet of a segment, or of the first one that a
// super-segment stands for; nil when it stays here: it is for ourselves, waits
// for a neighbour, or has no way out.
func (h *Host) outputTCP(now clock.Time, out *tcp.Output) (*buf.Packet, int) {
	h.counters.TcpOutSegs++
	h.rest = false
	// The route has gone since the connection was opened. TCP is not told: it sends again,
	// and the route may be back by then (RFC 1122 §4.2.3.9, soft errors).
	d := h.lookup(out.Tuple.Remote)
	if d == nil {
		h.counters.IpOutNoRoutes++
		releaseViews(out.Views)
		return nil, 0
	}
	if d.kind == own {
		out.Auth = nil // it is on no wire
		h.loopTCP(now, d, out)
		return nil, 0
	}
	p := h.buildTCP(d, out)
	if d.cutUp {
		h.allowFragments(p.Data[p.L3:])
	}
	r := d.route // the packet may call for another neighbour, and so for its destination
	if r.link.Ethernet {
		p = h.address(now, d, p)
	}
	return p, r.iface
}

// loopTCP gives a segment for one of our own addresses straight to its receiver.
// It needs no queue: what the receiver answers is pulled like all else, and
// windows bound what two ends in one endpoint can have under way.
func (h *Host) loopTCP(now clock.Time, d *destination, out *tcp.Output) {
	h.counters.TcpInSegs++
	t := out.Tuple.Reverse()
	out.TOS = out.Service.TOS()
	h.counters.drop(h.tcp.Receive(now, d.path, &t, &out.Segment))
	releaseViews(out.Views)
}

func releaseViews(views []buf.View) {
	for i := range views {
		views[i].Release()
	}
}

// buildTCP is the fast path: headers into Data, payload by reference. The
// checksum is filled in, or left to the link. What the link does not take at
// once stays in out.
func (h *Host) buildTCP(d *destination, out *tcp.Output) *buf.Packet {
	ip := &h.ip
	h.setHeader(ip, &out.Tuple, wire.ProtoTCP)
	ip.TOS, ip.TTL = out.Service.TOS()|uint8(out.ECN), out.Service.TTL()
	p := h.newFrame(d, ip)
	n := out.Len
	if out.GSOSize == 0 {
		for i := range out.Views {
			p.AddView(out.Views[i])
		}
	} else {
		n = h.takePart(p, d.route.link.MaxGSO, out)
	}
	sum, offload := uint64(0), d.route.link.ChecksumOffload
	if offload {
		p.Checksum, p.CsumStart, p.CsumOffset = buf.ChecksumPartial, p.L3+uint16(ip.HeaderSize()), tcpChecksumAt
	} else if p.N > 0 {
		sum = sumViews(p, 0, 0)
	}
	if n == out.Len {
		p.Data = wire.AppendSegment(p.Data, ip, &out.TCP, n, sum, offload)
		if out.Auth != nil {
			h.sign(p, ip.HeaderSize(), out)
		}
		return p
	}
	// The link takes less at once than TCP gave. The rest leaves with the next call,
	// before TCP is asked again, so that the order stays.
	last := out.Flags & (wire.PSH | wire.FIN) // what only the last part has
	out.Flags ^= last
	p.Data = wire.AppendSegment(p.Data, ip, &out.TCP, n, sum, offload)
	if !out.ACE {
		out.Flags &^= wire.CWR // only the first has it
	}
	out.Flags, out.Seq, out.Len, h.rest = out.Flags|last, out.Seq.Add(seq.Size(n)), out.Len-n, true
	return p
}

// setHeader fills in the header of a packet that is not fragmented. With DF set
// the packet is atomic and its ID says nothing: it is 0, so that there is no
// counter to observe (RFC 6864 §4.1, CVE-2020-36516). IPv6 gets a flow label
// that is constant for the flow and means nothing to others (RFC 6437).
func (h *Host) setHeader(ip *wire.IP, t *wire.Tuple, proto uint8) {
	ip.Version, ip.Proto, ip.TTL, ip.DontFragment = 4, proto, wire.DefaultTTL, true
	ip.Src, ip.Dst = t.Local, t.Remote
	if !t.Remote.Is4() {
		ip.Version, ip.DontFragment = 6, false
		ip.FlowLabel = h.keys.flowLabel(t)
	}
}

// newFrame returns a packet with the link's header for ip, the receiver's
// address in it still to come.
func (h *Host) newFrame(d *destination, ip *wire.IP) *buf.Packet {
	h.counters.IpOutRequests++
	p := h.stash.Get()
	if l := d.route.link; l.Ethernet {
		e := wire.Ethernet{Src: l.HardwareAddr, Type: wire.EtherTypeIPv4}
		if ip.Version == 6 {
			e.Type = wire.EtherTypeIPv6
		}
		p.Data = e.Append(p.Data)
		p.L3 = wire.EthernetSize
	}
	return p
}

// address fills in the receiver's Ethernet address; it returns nil when the
// packet has to wait for it.
func (h *Host) address(now clock.Time, d *destination, p *buf.Packet) *buf.Packet {
	if !d.route.link.Ethernet {
		return p
	}
	hw, ok := h.resolve(now, d, p)
	if !ok {
		return nil
	}
	copy(p.Data, hw[:])
	return p
}

// enqueue lets p leave with the next Output. It reports false when the queue is
// full; p is dropped then.
func (h *Host) enqueue(iface int, p *buf.Packet) bool {
	ok := h.queue.push(queued{packet: p, iface: iface})
	if !ok {
		h.counters.IpOutDiscards++
	}
	return ok
}

// message is a transport header and its payload on their way down. TCP has a way of its
// own, which builds no value for each packet: see buildTCP.
type message struct {
	ip      wire.IP
	header  []byte
	payload buf.View // owned; no Block when there is none
}

func (m *message) length() int { return len(m.header) + m.payload.Len() }

func (m *message) release() {
	if m.payload.Block != nil {
		m.payload.Release()
	}
}

// send sends m, in fragments when it is larger than the path's MTU. It takes
// over the payload's reference and fails with ErrQueueFull, or ErrMessageSize
// on a link that is too narrow for any fragment.
func (h *Host) send(now clock.Time, d *destination, m *message) error {
	defer m.release()
	if d.cutUp {
		m.ip.DontFragment, m.ip.ID = false, uint32(h.keys.fragments.next())
	}
	if m.ip.HeaderSize()+m.length() > d.path.MTU {
		return h.sendFragments(now, d, m)
	}
	return h.sendPart(now, d, m, 0, m.length())
}

// sendPart sends the bytes [from, to) of m behind m.ip.
func (h *Host) sendPart(now clock.Time, d *destination, m *message, from, to int) error {
	p := h.newFrame(d, &m.ip)
	p.Data = m.ip.Append(p.Data, to-from)
	head := len(m.header)
	if from < head {
		p.Data = append(p.Data, m.header[from:min(to, head)]...)
	}
	if to > head {
		p.AddView(m.payload.Slice(max(from-head, 0), to-head).Retain())
	}
	if p = h.address(now, d, p); p != nil && !h.enqueue(d.route.iface, p) {
		return ErrQueueFull
	}
	return nil
}

// sendFragments cuts m into packets of the path's MTU. Identifications are
// random: a counter would tell others how much we send (RFC 7739).
// https://www.rfc-editor.org/rfc/rfc8200#section-4.5
func (h *Host) sendFragments(now clock.Time, d *destination, m *message) error {
	m.ip.DontFragment = false
	m.ip.ID = uint32(h.keys.fragments.next())
	m.ip.MoreFragments = true
	// Offsets count units of 8 bytes, so every fragment but the last is a multiple of
	// that.
	step := (d.path.MTU - m.ip.HeaderSize()) &^ 7
	if step < 8 {
		return ErrMessageSize
	}
	pieces := (m.length() + step - 1) / step
	if h.queue.len()+pieces > h.queue.limit {
		h.counters.IpOutDiscards++
		return ErrQueueFull // not the first half of a datagram
	}
	for from := 0; from < m.length(); from += step {
		to := min(from+step, m.length())
		m.ip.FragOffset, m.ip.MoreFragments = from, to < m.length()
		if err := h.sendPart(now, d, m, from, to); err != nil {
			return err
		}
		h.counters.IpFragCreates++
	}
	h.counters.IpFragOKs++
	return nil
}
