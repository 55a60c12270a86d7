package host

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/account"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

var (
	hwA = [6]byte{2, 0, 0, 0, 0, 0xa}
	hwB = [6]byte{2, 0, 0, 0, 0, 0xb}
)

func addr(s string) wire.Addr { return wire.AddrFrom(netip.MustParseAddr(s)) }

// pair is two hosts on one wire, in virtual time. Addresses are named a and b.
type pair struct {
	testing.TB
	now      clock.Time
	a, b     *Host
	addrA    wire.Addr
	addrB    wire.Addr
	ethernet bool
	v6       bool
	mtu      int

	// tap sees each packet before it arrives; it may keep it by returning false.
	tap func(to *Host, p *buf.Packet) bool
	// drops are the reasons for which packets were not used since last asked.
	drops []wire.Drop
}

// config changes what newPair makes.
type config struct {
	ethernet, v6 bool
	mtu          int
	host         Config
	link         LinkConfig
	keep         account.Keep
}

func newPair(t testing.TB, c config) *pair {
	p := &pair{TB: t, now: clock.Time(time.Hour), ethernet: c.ethernet, v6: c.v6, mtu: c.mtu}
	if p.mtu == 0 {
		p.mtu = 1500
	}
	p.addrA, p.addrB = addr("10.0.0.1"), addr("10.0.0.2")
	if c.v6 {
		p.addrA, p.addrB = addr("fd00::1"), addr("fd00::2")
	}
	p.a, p.b = p.newHost(c, "10.0.0.1/24", "fd00::1/64", hwA), p.newHost(c, "10.0.0.2/24", "fd00::2/64", hwB)
	return p
}

func (p *pair) newHost(c config, v4, v6 string, hw [6]byte) *Host {
	c.host.TCP.Secret[15] += hw[5]
	h := New(c.host)
	if c.keep.Connections > 0 {
		trace := new(tcp.Trace)
		trace.CollectNothing()
		trace.Keep(c.keep)
		h.TCP().SetTrace(trace)
	}
	c.link.Name, c.link.Ethernet, c.link.MTU, c.link.HardwareAddr = "wire", p.ethernet, p.mtu, hw
	iface := h.AddLink(c.link)
	for _, a := range []string{v4, v6} {
		if err := h.AddAddress(iface, netip.MustParsePrefix(a)); err != nil {
			p.Fatal(err)
		}
	}
	return h
}

// everywhere runs a test on both media with both versions of IP.
func everywhere(t *testing.T, c config, f func(t *testing.T, p *pair)) {
	for _, ethernet := range []bool{false, true} {
		for _, v6 := range []bool{false, true} {
			c.ethernet, c.v6 = ethernet, v6
			t.Run(fmt.Sprintf("ethernet=%v,v6=%v", ethernet, v6), func(t *testing.T) {
				p := newPair(t, c)
				f(t, p)
				p.settle()
			})
		}
	}
}

// run carries packets until both hosts are quiet.
func (p *pair) run() {
	p.Helper()
	for range 100000 {
		if !p.carry(p.a, p.b) && !p.carry(p.b, p.a) {
			return
		}
	}
	p.Fatal("the hosts do not come to rest")
}

func (p *pair) carry(from, to *Host) bool {
	packet, iface := from.Output(p.now)
	if packet == nil {
		return false
	}
	if iface != 0 {
		p.Fatalf("packet leaves by link %d", iface)
	}
	if p.tap == nil || p.tap(to, packet) {
		p.arrive(to, packet)
	}
	return true
}

func (p *pair) arrive(to *Host, packet *buf.Packet) {
	if d := to.Receive(p.now, 0, packet); d != wire.None {
		p.drops = append(p.drops, d)
	}
}

// after lets time pass, and the timers of both hosts fire on the way.
func (p *pair) after(d time.Duration) {
	p.Helper()
	end := p.now.Add(d)
	for next := min(p.a.Deadline(), p.b.Deadline()); next <= end; next = min(p.a.Deadline(), p.b.Deadline()) {
		p.now = max(p.now, next)
		p.a.Advance(p.now)
		p.b.Advance(p.now)
		p.run()
	}
	p.now = end
}

// settle is the end of every test: nothing unexpected was dropped, and nothing
// is left to be sent.
func (p *pair) settle() {
	p.Helper()
	p.wantDrops("test is over")
	for _, h := range []*Host{p.a, p.b} {
		if packet, _ := h.Output(p.now); packet != nil {
			p.Errorf("test is over: unexpected packet %x", packet.Data)
		}
	}
}

func (p *pair) wantDrops(why string, want ...wire.Drop) {
	p.Helper()
	if fmt.Sprint(p.drops) != fmt.Sprint(want) {
		p.Fatalf("%s: dropped for %v, want %v", why, p.drops, want)
	}
	p.drops = nil
}

// inject gives b an IP packet as if a's wire brought it.
func (p *pair) inject(ip wire.IP, transport []byte) wire.Drop {
	return p.b.Receive(p.now, 0, p.frame(wire.Ethernet{Dst: hwB, Src: hwA}, ip, transport))
}

func (p *pair) frame(e wire.Ethernet, ip wire.IP, transport []byte) *buf.Packet {
	packet := buf.NewPacket()
	b := packet.ReceiveInto(len(transport) + 100)[:0]
	if p.ethernet {
		e.Type = wire.EtherTypeIPv4
		if ip.Version == 6 {
			e.Type = wire.EtherTypeIPv6
		}
		b = e.Append(b)
	}
	b = ip.Append(b, len(transport))
	packet.Data = append(b, transport...)
	return packet
}

// fromA is the header of a packet from a to b.
func (p *pair) fromA(proto uint8) wire.IP {
	ip := wire.IP{Version: 4, TTL: 64, Proto: proto, Src: p.addrA, Dst: p.addrB}
	if p.v6 {
		ip.Version = 6
	}
	return ip
}

func (p *pair) protoICMP() uint8 {
	if p.v6 {
		return wire.ProtoICMPv6
	}
	return wire.ProtoICMP
}

// icmp is an ICMP message with its checksum.
func icmp(ip wire.IP, c wire.ICMP, payload []byte) []byte {
	b := append(c.Append(nil), payload...)
	sum := uint64(0)
	if ip.Version == 6 {
		sum = wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, len(b))
	}
	put16(b[2:], wire.Checksum(wire.Sum(b, sum)))
	return b
}

// udp is a UDP datagram with its checksum.
func udp(ip wire.IP, from, to uint16, payload []byte) []byte {
	u := wire.UDP{SrcPort: from, DstPort: to, Length: uint16(wire.UDPSize + len(payload))}
	b := append(u.Append(nil), payload...)
	put16(b[6:], wire.TransportChecksum(wire.Sum(b, wire.PseudoSum(ip.Src, ip.Dst, wire.ProtoUDP, len(b)))))
	return b
}

// open opens a UDP socket; remote may be the zero address.
func (p *pair) open(h *Host, port uint16, remote wire.Addr, remotePort uint16) *UDPSocket {
	p.Helper()
	s, err := h.OpenUDP(wire.Addr{}, port, remote, remotePort, "owner")
	if err != nil {
		p.Fatal(err)
	}
	return s
}

func (p *pair) send(h *Host, s *UDPSocket, to wire.Addr, port uint16, payload []byte) {
	p.Helper()
	if err := h.SendUDP(p.now, s, to, port, payload); err != nil {
		p.Fatalf("send: %v", err)
	}
}

func (p *pair) wantDatagram(why string, s *UDPSocket, from wire.Addr, port uint16, payload []byte) {
	p.Helper()
	d, ok := s.Receive()
	if !ok {
		p.Fatalf("%s: no datagram; dropped for %v", why, p.drops)
	}
	defer d.Payload.Release()
	if d.Src != from || d.SrcPort != port {
		p.Errorf("%s: from %v port %d, want %v port %d", why, d.Src, d.SrcPort, from, port)
	}
	if !bytes.Equal(d.Payload.Bytes(), payload) {
		p.Errorf("%s: %d bytes that differ from the %d sent", why, d.Payload.Len(), len(payload))
	}
}

func (p *pair) wantSilence(why string, s *UDPSocket) {
	p.Helper()
	if d, ok := s.Receive(); ok {
		p.Errorf("%s: unexpected datagram of %d bytes", why, d.Payload.Len())
	}
}

func (p *pair) wantFailure(why string, s *UDPSocket, want tcp.Failure) {
	p.Helper()
	if f := s.TakeFailure(); f != want {
		p.Errorf("%s: failure %d, want %d", why, f, want)
	}
}

// wantNothing says that h sends nothing.
func (p *pair) wantNothing(why string, h *Host) {
	p.Helper()
	if packet, _ := h.Output(p.now); packet != nil {
		p.Errorf("%s: unexpected packet %x", why, packet.Data)
	}
}

// pattern is n bytes that show when they are moved.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8)*31
	}
	return b
}
