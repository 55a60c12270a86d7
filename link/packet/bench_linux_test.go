package packet_test

import (
	"fmt"
	"testing"

	"github.com/handfast-tcp/handfast/internal/testnet"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/packet"
)

// The frames are for another hardware address, so that they go no further than
// the other end of the cable.
func BenchmarkWrite(b *testing.B) {
	for _, size := range testnet.BenchmarkSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			d, peer := connected(b, packet.Options{}, false)
			peer.Gateway = link.HardwareAddr{2, 0, 0, 0x77, 0, 9}
			peer.BenchmarkWrite(b, size)
			b.ReportMetric(float64(d.Drops().Write.Load())/float64(b.N), "drops/op")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, size := range testnet.BenchmarkSizes[:2] {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			_, peer := connected(b, packet.Options{}, false)
			peer.BenchmarkRead(b, size)
		})
	}
}
