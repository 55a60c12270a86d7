package wire_test

import (
	"fmt"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// Results that the compiler must not optimise away.
var (
	sinkSum   uint64
	sinkBytes []byte
	sinkDrop  wire.Drop
)

func BenchmarkSum(b *testing.B) {
	for _, n := range []int{20, 40, 1460, 65536} {
		data := fill(n, 0)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				sinkSum = wire.Sum(data, sinkSum)
			}
		})
	}
}

func BenchmarkPseudoSum(b *testing.B) {
	src, dst := addr("192.0.2.1"), addr("198.51.100.7")
	for b.Loop() {
		sinkSum = wire.PseudoSum(src, dst, wire.ProtoTCP, 1480)
	}
}

func BenchmarkParseTCP(b *testing.B) {
	for _, c := range tcpHeaders {
		data := c.h.Append(nil)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var h wire.TCP
			for b.Loop() {
				_, sinkDrop = wire.ParseTCP(data, &h)
			}
		})
	}
}

func BenchmarkAppendTCP(b *testing.B) {
	for _, c := range tcpHeaders {
		room := make([]byte, 0, 60)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sinkBytes = c.h.Append(room)
			}
		})
	}
}

func BenchmarkParseIP(b *testing.B) {
	for _, c := range ipPackets {
		if c.name != "IPv4" && c.name != "IPv6" && c.name != "IPv6 all extensions" {
			continue
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var ip wire.IP
			for b.Loop() {
				sinkDrop = wire.ParseIP(c.packet, &ip)
			}
		})
	}
}

func BenchmarkAppendIP(b *testing.B) {
	for _, ip := range []wire.IP{
		{Version: 4, TTL: 64, Proto: 6, Src: addr("192.0.2.1"), Dst: addr("198.51.100.7")},
		{Version: 6, TTL: 64, Proto: 6, Src: addr("2001:db8::1"), Dst: addr("2001:db8::2")},
	} {
		room := make([]byte, 0, 64)
		b.Run(fmt.Sprint(ip.Version), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sinkBytes = ip.Append(room, 1480)
			}
		})
	}
}
