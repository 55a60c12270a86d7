package xdp

import (
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/internal/testnet"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/packet"
)

// beside runs bench with packet sockets, with native and with generic XDP, at the same cable.
func beside(b *testing.B, bench func(b *testing.B, p *testnet.Peer, size int)) {
	kinds := map[string]func(b *testing.B) link.Link{
		"packet": func(b *testing.B) link.Link {
			d, err := packet.Open(packet.Options{Name: "hf0"})
			if err != nil {
				b.Skip(err)
			}
			b.Cleanup(func() { d.Close() })
			return d
		},
		"native":  func(b *testing.B) link.Link { return open(b, false) },
		"generic": func(b *testing.B) link.Link { return open(b, true) },
	}
	for _, size := range testnet.BenchmarkSizes[:2] {
		for kind, open := range kinds {
			b.Run(fmt.Sprint(kind, "/", size), func(b *testing.B) {
				cable(b)
				l := open(b)
				hk0, err := net.InterfaceByName("hk0")
				if err != nil {
					b.Fatal(err)
				}
				testnet.Neighbour(b, "hk0", ours4.Addr(), l.Attributes().HardwareAddr)
				before := cpu()
				bench(b, &testnet.Peer{T: b, Link: l, Local: ours4.Addr(), Remote: kernel4.Addr(), Gateway: [6]byte(hk0.HardwareAddr)}, size)
				b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// cpu is what the process has used, the kernel's part of it and what the far end's takes among it.
func cpu() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkRead(b *testing.B) {
	beside(b, func(b *testing.B, p *testnet.Peer, size int) { p.BenchmarkRead(b, size) })
}

// The frames are for another hardware address, so that they go no further than the other end of the cable.
func BenchmarkWrite(b *testing.B) {
	beside(b, func(b *testing.B, p *testnet.Peer, size int) {
		p.Gateway = [6]byte{2, 0, 0, 0x77, 0, 9}
		p.BenchmarkWrite(b, size)
	})
}
