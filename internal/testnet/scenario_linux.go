package testnet

import (
	"io"
	"net"
	"net/netip"
	"sync"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Dial makes a socket of the kernel that is connected to port 80 of the peer. A
// connection ends with a reset: otherwise the kernel sends its FIN again and again,
// into the devices of later tests.
func (p *Peer) Dial(network string) net.Conn {
	p.T.Helper()
	c, err := net.Dial(network, netip.AddrPortFrom(p.Local, 80).String())
	if err != nil {
		p.T.Error(err)
		return nil
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	p.T.Cleanup(func() { c.Close() })
	return c
}

// Established returns a TCP socket of the kernel that is connected to the peer.
func (p *Peer) Established() (c net.Conn) {
	p.T.Helper()
	var dialing sync.WaitGroup
	dialing.Go(func() { c = p.Dial("tcp") })
	p.Accept()
	dialing.Wait()
	return c
}

// ExchangeDatagrams checks that a datagram from the kernel arrives, without a
// checksum when the link has that offload, and that the answer arrives.
func (p *Peer) ExchangeDatagrams() {
	p.T.Helper()
	c := p.Dial("udp")
	io.WriteString(c, "question")
	r := p.Await(wire.ProtoUDP)
	if string(r.Payload) != "question" {
		p.T.Errorf("received %q", r.Payload)
	}
	if partial := r.Checksum == buf.ChecksumPartial; partial != p.Link.Attributes().ChecksumOffload {
		p.T.Errorf("checksum is %v", r.Checksum)
	}
	r.Release()
	p.SendUDP([]byte("an answer"))
	answer := make([]byte, 100)
	if n, err := c.Read(answer); err != nil || string(answer[:n]) != "an answer" {
		p.T.Errorf("the kernel received %q, %v", answer[:n], err)
	}
}

// ExchangeSuperSegments checks that the kernel's segments come whole and that
// ours go whole. 10000 bytes fit the kernel's first window.
func (p *Peer) ExchangeSuperSegments() {
	p.T.Helper()
	c := p.Established()
	data := make([]byte, 10000)
	for i := range data {
		data[i] = byte(i * 7)
	}
	var writing sync.WaitGroup
	writing.Go(func() { c.Write(data) })
	r := p.Await(wire.ProtoTCP)
	// How many segments Linux puts into one depends on the round trip of the
	// handshake, which is long on a busy machine: two at least.
	if r.GSOSize < 1000 || len(r.Payload) < 2*int(r.GSOSize) || string(r.Payload) != string(data[:len(r.Payload)]) {
		p.T.Errorf("received %d bytes, GSO size %d; want several segments in one packet", len(r.Payload), r.GSOSize)
	}
	p.Ack = r.TCP.Seq.Add(10000)
	r.Release()
	writing.Wait()

	p.SendTCP(wire.ACK|wire.PSH, data, 1000)
	got := make([]byte, len(data))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != string(data) {
		p.T.Errorf("the kernel's application received other bytes, or %v", err)
	}
}

// SegmentPacket returns a TCP packet for benchmarks: a super-segment when the
// payload is longer than a segment.
func (p *Peer) SegmentPacket(payload []byte) *buf.Packet {
	header := make([]byte, 20)
	header[12] = 5 << 4
	size := 0
	if len(payload) > 1460 {
		size = 1460
	}
	return p.Packet(wire.ProtoTCP, header, 16, payload, size)
}
