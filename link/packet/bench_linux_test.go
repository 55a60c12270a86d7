package packet_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/handfast-tcp/handfast/buf"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/packet"
)

var benchmarkSizes = []int{60, 1500, 60000}

// What the kernel does with the frame is part of the figure; it is for another
// hardware address, so that it goes no further than the other end of the cable.
func BenchmarkWrite(b *testing.B) {
	for _, size := range benchmarkSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			d, peer := connected(b, packet.Options{}, false)
			peer.Gateway = link.HardwareAddr{2, 0, 0, 0x77, 0, 9}
			batch, payload := make([]*buf.Packet, 64), make([]byte, size-40)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for n := 0; n < b.N; n += len(batch) {
				b.StopTimer()
				for i := range batch {
					batch[i] = peer.SegmentPacket(payload)
				}
				b.StartTimer()
				d.Write(0, batch)
			}
			b.ReportMetric(float64(d.Drops().Write.Load())/float64(b.N), "drops/op")
		})
	}
}

// The kernel has filled the socket's queue before; 60000 is left out because
// it takes a TCP to make the kernel send such.
func BenchmarkRead(b *testing.B) {
	for _, size := range benchmarkSizes[:2] {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			d, peer := connected(b, packet.Options{}, false)
			c := peer.Dial("udp").(*net.UDPConn)
			batch, payload := make([]*buf.Packet, 64), make([]byte, size-28)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for n := 0; n < b.N; n += 256 {
				b.StopTimer()
				for range 256 {
					c.Write(payload)
				}
				b.StartTimer()
				readAll(b, d, batch, 256)
			}
		})
	}
}

func readAll(b *testing.B, d *packet.Device, batch []*buf.Packet, count int) {
	for n := 0; n < count; {
		got, err := d.Read(0, batch)
		if err != nil {
			b.Fatal(err)
		}
		for _, p := range batch[:got] {
			p.Release()
		}
		n += got
	}
}
