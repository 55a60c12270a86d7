package tun_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/handfast-tcp/handfast/buf"
	"github.com/handfast-tcp/handfast/link/tun"
)

var benchmarkSizes = []int{60, 1500, 60000}

// What the kernel does with the packet is part of the figure; it is not for
// any address of its own, so that it goes no further than the routing table.
func BenchmarkWrite(b *testing.B) {
	for _, size := range benchmarkSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			d, peer := connected(b, tun.Options{Name: "hf0"}, false)
			peer.Remote = peer.Local.Next().Next()
			batch := make([]*buf.Packet, 64)
			payload := make([]byte, size-40)
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
		})
	}
}

// The kernel has filled the device's queue before; 60000 is left out because
// it takes a TCP to make the kernel send such.
func BenchmarkRead(b *testing.B) {
	for _, size := range benchmarkSizes[:2] {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			d, peer := connected(b, tun.Options{Name: "hf0"}, false)
			c := peer.Dial("udp").(*net.UDPConn)
			batch, payload := make([]*buf.Packet, 64), make([]byte, size-28)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for n := 0; n < b.N; {
				b.StopTimer()
				for range 256 {
					c.Write(payload)
				}
				b.StartTimer()
				n += readAll(b, d, batch, 256)
			}
		})
	}
}

func readAll(b *testing.B, d *tun.Device, batch []*buf.Packet, count int) int {
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
	return count
}
