package testnet

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link"
)

// read calls got for every packet of a queue until the link ends, and returns
// why it ended.
func read(l link.Link, queue int, got func(*buf.Packet)) error {
	batch := make([]*buf.Packet, 8)
	for {
		n, err := l.Read(queue, batch)
		if err != nil {
			return err
		}
		for _, p := range batch[:n] {
			got(p)
			p.Release()
		}
	}
}

// ReadToEnd takes what comes by a queue until the link ends, and returns why it
// ended.
func ReadToEnd(l link.Link, queue int) error { return read(l, queue, func(*buf.Packet) {}) }

// SpreadFlows checks that the kernel spreads flows over all queues of the link,
// where every datagram comes by one. It closes the link.
func (p *Peer) SpreadFlows() {
	p.T.Helper()
	const flows = 32
	var received, readers sync.WaitGroup
	received.Add(flows)
	for queue := range p.Link.Attributes().Queues {
		readers.Go(func() {
			read(p.Link, queue, func(packet *buf.Packet) {
				if ip := packet.Data[packet.L3:]; ip[0]>>4 == 4 && ip[9] == wire.ProtoUDP {
					received.Done()
				}
			})
		})
	}
	for range flows {
		io.WriteString(p.Dial("udp"), "x")
	}
	received.Wait()
	p.Link.Close()
	readers.Wait()
}

// CheckClose checks that Close ends what waits and what comes later.
func CheckClose(t *testing.T, l link.Link) {
	t.Helper()
	var readers sync.WaitGroup
	for queue := range l.Attributes().Queues {
		readers.Go(func() {
			if err := ReadToEnd(l, queue); !errors.Is(err, link.ErrClosed) {
				t.Errorf("queue %d: %v", queue, err)
			}
		})
	}
	l.Close()
	readers.Wait()
	if err := l.Write(0, []*buf.Packet{buf.NewPacket()}); !errors.Is(err, link.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
	if err := ReadToEnd(l, 0); !errors.Is(err, link.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

// CheckVanishes checks that a link says that its device is gone, once the
// device other, which may be its own, is deleted.
func (p *Peer) CheckVanishes(other string) {
	p.T.Helper()
	says := "device " + p.Link.Attributes().Name + " is gone"
	check := func(what string, err error) {
		if err == nil || errors.Is(err, link.ErrClosed) || !strings.Contains(err.Error(), says) {
			p.T.Errorf("%s: %v", what, err)
		}
	}
	var reader sync.WaitGroup
	reader.Go(func() { check("read", ReadToEnd(p.Link, 0)) })
	Delete(p.T, other)
	reader.Wait()
	check("write", p.Link.Write(0, []*buf.Packet{p.SegmentPacket(nil)}))
}

// CheckAllocations checks that a packet in and out allocates nothing.
func (p *Peer) CheckAllocations() {
	p.T.Helper()
	c := p.Dial("udp")
	batch, payload := make([]*buf.Packet, 1), []byte("x")
	allocations := testing.AllocsPerRun(200, func() {
		c.Write(payload)
		if n, err := p.Link.Read(0, batch); n != 1 || err != nil {
			p.T.Fatal(n, err)
		}
		if err := p.Link.Write(0, batch); err != nil {
			p.T.Fatal(err)
		}
	})
	if allocations >= 1 {
		p.T.Errorf("%v allocations for a packet in and out", allocations)
	}
}

// BenchmarkSizes are the packets' lengths that benchmarks use.
var BenchmarkSizes = []int{60, 1500, 60000}

// BenchmarkWrite measures segments of size bytes on the way to the kernel. What
// the kernel does with them is part of the figure.
func (p *Peer) BenchmarkWrite(b *testing.B, size int) {
	batch, payload := make([]*buf.Packet, 64), make([]byte, size-40)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(batch) {
		b.StopTimer()
		for i := range batch {
			batch[i] = p.SegmentPacket(payload)
		}
		b.StartTimer()
		p.Link.Write(0, batch)
	}
}

// BenchmarkRead measures datagrams of size bytes from the kernel, which has
// filled the link's queue before. The longest of BenchmarkSizes is not for it:
// it takes a TCP to make the kernel send such.
func (p *Peer) BenchmarkRead(b *testing.B, size int) {
	c := p.Dial("udp").(*net.UDPConn)
	batch, payload := make([]*buf.Packet, 64), make([]byte, size-28)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for n := 0; n < b.N; n += 256 {
		b.StopTimer()
		for range 256 {
			c.Write(payload)
		}
		b.StartTimer()
		p.readMany(b, batch, 256)
	}
}

func (p *Peer) readMany(b *testing.B, batch []*buf.Packet, count int) {
	for n := 0; n < count; {
		got, err := p.Link.Read(0, batch)
		if err != nil {
			b.Fatal(err)
		}
		for _, packet := range batch[:got] {
			packet.Release()
		}
		n += got
	}
}
