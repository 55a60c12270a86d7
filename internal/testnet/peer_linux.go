package testnet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link"
)

// Peer is the far end of the kernel's sockets: it makes and takes packets on a
// link, one conversation at a time, just well enough to test the link.
type Peer struct {
	T             testing.TB
	Link          link.Link
	Local, Remote netip.Addr        // ours and the kernel's
	Gateway       link.HardwareAddr // the kernel's, on Ethernet

	LocalPort, RemotePort uint16
	Next, Ack             seq.Num // of TCP: what we send next, and expect next

	pending []*buf.Packet
}

// Received is a packet that came, and where its parts are.
type Received struct {
	*buf.Packet
	IP      wire.IP
	Payload []byte // of TCP or UDP
	TCP     wire.TCP
	UDP     wire.UDP
}

// Await reads until a packet of the given protocol to Local comes.
func (p *Peer) Await(protocol uint8) Received {
	p.T.Helper()
	for {
		packet := p.read()
		r, err := p.parse(packet, protocol)
		if err == nil {
			return r
		}
		p.T.Logf("passed over: %v", err)
		packet.Release()
	}
}

func (p *Peer) read() *buf.Packet {
	p.T.Helper()
	for len(p.pending) == 0 {
		batch := make([]*buf.Packet, 16)
		n, err := p.Link.Read(0, batch)
		if err != nil {
			p.T.Fatalf("read: %v", err)
		}
		p.pending = batch[:n]
	}
	first := p.pending[0]
	p.pending = p.pending[1:]
	return first
}

func (p *Peer) parse(packet *buf.Packet, protocol uint8) (Received, error) {
	r := Received{Packet: packet}
	if packet.Block == nil || packet.N != 0 {
		return r, fmt.Errorf("packet is not in one block: %+v", packet)
	}
	if drop := wire.ParseIP(packet.Data[packet.L3:], &r.IP); drop != 0 {
		return r, fmt.Errorf("not IP: %v", drop)
	}
	if r.IP.Proto != protocol || r.IP.Dst != wire.AddrFrom(p.Local) {
		return r, fmt.Errorf("protocol %d to %v", r.IP.Proto, r.IP.Dst)
	}
	start := int(packet.L3) + r.IP.HeaderLen
	transport := packet.Data[start : int(packet.L3)+r.IP.TotalLen]
	if err := r.checkSum(start, transport); err != nil {
		return r, err
	}
	if protocol == wire.ProtoUDP {
		wire.ParseUDP(transport, &r.UDP)
		r.Payload = transport[8:]
		p.LocalPort, p.RemotePort = r.UDP.DstPort, r.UDP.SrcPort
		return r, nil
	}
	size, drop := wire.ParseTCP(transport, &r.TCP)
	if drop != 0 {
		return r, fmt.Errorf("not TCP: %v", drop)
	}
	r.Payload = transport[size:]
	p.LocalPort, p.RemotePort = r.TCP.DstPort, r.TCP.SrcPort
	return r, nil
}

// checkSum checks that the checksum is what the packet says that it is.
func (r *Received) checkSum(start int, transport []byte) error {
	pseudo := wire.PseudoSum(r.IP.Src, r.IP.Dst, r.IP.Proto, len(transport))
	switch r.Checksum {
	case buf.ChecksumFull:
		if sum := wire.Checksum(wire.Sum(transport, pseudo)); sum != 0 {
			return fmt.Errorf("wrong checksum, by %#x", sum)
		}
	case buf.ChecksumPartial:
		field := binary.BigEndian.Uint16(r.Data[r.CsumStart+r.CsumOffset:])
		if int(r.CsumStart) != start || field != wire.Fold(pseudo) {
			return fmt.Errorf("partial checksum from %d of %#x, want from %d of %#x", r.CsumStart, field, start, wire.Fold(pseudo))
		}
	}
	return nil
}

// SendUDP answers the last datagram.
func (p *Peer) SendUDP(payload []byte) {
	h := wire.UDP{SrcPort: p.LocalPort, DstPort: p.RemotePort, Length: uint16(8 + len(payload))}
	p.send(wire.ProtoUDP, h.Append(nil), 6, payload, 0)
}

// SendTCP sends a segment with flags and payload; if size is not 0, as one
// super-segment for segments of that size.
func (p *Peer) SendTCP(flags wire.Flags, payload []byte, size int) {
	h := wire.TCP{SrcPort: p.LocalPort, DstPort: p.RemotePort, Seq: p.Next, Ack: p.Ack, Flags: flags, Window: 65535}
	if flags.Has(wire.SYN) {
		h.Options.Set, h.Options.MSS = wire.OptMSS, uint16(p.Link.Attributes().MTU-60)
	}
	p.send(wire.ProtoTCP, h.Append(nil), 16, payload, size)
	p.Next = p.Next.Add(seq.Size(len(payload)))
	if flags.Has(wire.SYN) {
		p.Next = p.Next.Add(1)
	}
}

// Accept answers the handshake of a connection that the kernel opens.
func (p *Peer) Accept() {
	p.T.Helper()
	syn := p.Await(wire.ProtoTCP)
	if syn.TCP.Flags != wire.SYN {
		p.T.Fatalf("first segment is %v", &syn.TCP)
	}
	p.Next, p.Ack = 1000, syn.TCP.Seq.Add(1)
	syn.Release()
	p.SendTCP(wire.SYN|wire.ACK, nil, 0)
	ack := p.Await(wire.ProtoTCP)
	if ack.TCP.Flags != wire.ACK || ack.TCP.Ack != p.Next {
		p.T.Fatalf("third segment is %v", &ack.TCP)
	}
	ack.Release()
}

// send writes one packet: headers in Data, payload in a view.
func (p *Peer) send(protocol uint8, transport []byte, field int, payload []byte, size int) {
	p.T.Helper()
	packet := p.Packet(protocol, transport, field, payload, size)
	if err := p.Link.Write(0, []*buf.Packet{packet}); err != nil {
		p.T.Fatalf("write: %v", err)
	}
}

// Packet returns a packet to the kernel: the checksum field lies field bytes
// into the transport header, and is left to the link when it takes that.
func (p *Peer) Packet(protocol uint8, transport []byte, field int, payload []byte, size int) *buf.Packet {
	packet, attributes := buf.NewPacket(), p.Link.Attributes()
	if attributes.Medium == link.Ethernet {
		packet.L3 = 14
		packet.Data = append(append(append(packet.Data, p.Gateway[:]...), attributes.HardwareAddr[:]...), p.etherType()...)
	}
	total := len(transport) + len(payload)
	ip := wire.IP{Version: 4, Proto: protocol, TTL: 64, Src: wire.AddrFrom(p.Local), Dst: wire.AddrFrom(p.Remote), DontFragment: true}
	if p.Local.Is6() {
		ip.Version = 6
	}
	packet.Data = ip.Append(packet.Data, total)
	packet.CsumStart, packet.CsumOffset = uint16(len(packet.Data)), uint16(field)
	packet.Data = append(packet.Data, transport...)
	if len(payload) > 0 {
		block := buf.Get(len(payload))
		copy(block.Bytes(), payload)
		packet.AddView(buf.MakeView(block, 0, len(payload)))
	}
	sum := wire.PseudoSum(ip.Src, ip.Dst, protocol, total)
	value := wire.Fold(sum)
	packet.Checksum, packet.GSOSize = buf.ChecksumPartial, uint16(size)
	if !attributes.ChecksumOffload {
		value = wire.Checksum(wire.SumAt(wire.Sum(transport, sum), payload, len(transport)))
		packet.Checksum = buf.ChecksumFull
	}
	binary.BigEndian.PutUint16(packet.Data[packet.CsumStart+packet.CsumOffset:], value)
	return packet
}

func (p *Peer) etherType() []byte {
	if p.Local.Is6() {
		return []byte{0x86, 0xdd}
	}
	return []byte{8, 0}
}
