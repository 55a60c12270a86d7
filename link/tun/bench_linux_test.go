package tun_test

import (
	"fmt"
	"testing"

	"github.com/handfast-tcp/handfast/internal/testnet"
	"github.com/handfast-tcp/handfast/link/tun"
)

// The packets are not for any address of the kernel's own, so that they go no
// further than the routing table.
func BenchmarkWrite(b *testing.B) {
	for _, size := range testnet.BenchmarkSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			_, peer := connected(b, tun.Options{Name: "hf0"}, false)
			peer.Remote = peer.Local.Next().Next()
			peer.BenchmarkWrite(b, size)
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, size := range testnet.BenchmarkSizes[:2] {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			_, peer := connected(b, tun.Options{Name: "hf0"}, false)
			peer.BenchmarkRead(b, size)
		})
	}
}
