package lan

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link"
)

// Times of router advertisements. https://www.rfc-editor.org/rfc/rfc4861.html#section-6.2.1
const (
	advertiseEvery = 200 * time.Second
	advertiseApart = 3 * time.Second // at least
	routerLifetime = 1800            // seconds
	prefixValid    = 86400
	prefixPrefer   = 14400
)

// Router is an Ethernet link whose host is a router of IPv6: it tells the machines so
// when they ask, and once in a while.
type Router struct {
	link.Link
	network Network
	frame   []byte

	mu     sync.Mutex
	timer  *time.Timer
	last   time.Time // when all machines were told
	closed bool
}

// NewRouter wraps the link of a host that has n's addresses, and owns it from now on.
func NewRouter(l link.Link, n Network) *Router {
	r := &Router{Link: l, network: n, frame: advertisement(n, l.Attributes().HardwareAddr)}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer = time.AfterFunc(0, r.advertise)
	return r
}

// Read waits for frames. See link.Link.
func (r *Router) Read(queue int, batch []*buf.Packet) (int, error) {
	n, err := r.Link.Read(queue, batch)
	for _, p := range batch[:n] {
		if isSolicitation(p.Data) {
			r.advertise()
		}
	}
	return n, err
}

// Close closes the link.
func (r *Router) Close() error {
	r.mu.Lock()
	r.closed = true
	r.timer.Stop()
	r.mu.Unlock()
	return r.Link.Close()
}

// isSolicitation finds a router solicitation, which has no extension headers.
func isSolicitation(frame []byte) bool {
	const l3, icmp = wire.EthernetSize, wire.EthernetSize + wire.IPv6Size
	return len(frame) >= icmp+wire.ICMPSize && binary.BigEndian.Uint16(frame[12:]) == wire.EtherTypeIPv6 &&
		frame[l3+6] == wire.ProtoICMPv6 && frame[l3+7] == 255 && frame[icmp] == wire.ICMPv6RouterSolicitation
}

// advertise tells all machines, and does so again later. When they have been told a
// moment ago they are in a moment: one that solicits without end must not have us speak to
// all others as often. https://www.rfc-editor.org/rfc/rfc4861.html#section-6.2.6
func (r *Router) advertise() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	if wait := time.Until(r.last.Add(advertiseApart)); wait > 0 {
		r.timer.Reset(wait)
		return
	}
	r.last = time.Now()
	p := buf.NewPacket()
	p.Data = p.ReceiveInto(len(r.frame))[:len(r.frame)]
	copy(p.Data, r.frame)
	p.L3 = wire.EthernetSize
	r.Link.Write(0, []*buf.Packet{p}) // an error is the reader's to find
	r.timer.Reset(advertiseEvery)
}

// advertisement is the frame to all machines.
// https://www.rfc-editor.org/rfc/rfc4861.html#section-4.2
func advertisement(n Network, ours link.HardwareAddr) []byte {
	m := wire.ICMP{Type: wire.ICMPv6RouterAdvertisement, Rest: [4]byte{64, 0, routerLifetime >> 8, routerLifetime & 0xff}}
	b := append(m.Append(nil), make([]byte, 8)...) // reachable time, retransmission timer: the machine's own
	b = append(append(b, 1, 1), ours[:]...)
	b = binary.BigEndian.AppendUint32(append(b, 5, 1, 0, 0), uint32(n.MTU))

	const onLink, autonomous = 0x80, 0x40
	b = append(b, 3, 4, byte(n.Gateway6.Bits()), onLink|autonomous)
	b = binary.BigEndian.AppendUint32(b, prefixValid)
	b = binary.BigEndian.AppendUint32(b, prefixPrefer)
	prefix := n.Gateway6.Masked().Addr().As16()
	b = append(append(b, 0, 0, 0, 0), prefix[:]...)
	if n.DNS { // https://www.rfc-editor.org/rfc/rfc8106.html#section-5.1
		server := n.Gateway6.Addr().As16()
		b = binary.BigEndian.AppendUint32(append(b, 25, 3, 0, 0), routerLifetime)
		b = append(b, server[:]...)
	}

	ip := wire.IP{Src: wire.AddrFrom(n.Local6), Dst: wire.AddrFrom(netip.MustParseAddr("ff02::1")), Proto: wire.ProtoICMPv6, TTL: 255}
	sum := wire.Sum(b, wire.PseudoSum(ip.Src, ip.Dst, wire.ProtoICMPv6, len(b)))
	binary.BigEndian.PutUint16(b[2:], wire.Checksum(sum))
	ethernet := wire.Ethernet{Dst: [6]byte{0x33, 0x33, 0, 0, 0, 1}, Src: ours, Type: wire.EtherTypeIPv6}
	return append(ip.Append(ethernet.Append(nil), len(b)), b...)
}
