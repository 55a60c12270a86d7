package host

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// BenchmarkSYN is a spoofed SYN as a packet, to the packet with the SYN-ACK
// that answers it: parse, verify, cookie, build; in batches, as links bring them.
func BenchmarkSYN(b *testing.B) {
	for _, mode := range []tcp.CookieMode{tcp.CookiesAlways, tcp.CookiesAuto} {
		for _, v6 := range []bool{false, true} {
			for _, forward := range []bool{false, true} {
				b.Run(fmt.Sprintf("cookies=%v/v6=%v/forward=%v", mode, v6, forward), func(b *testing.B) {
					benchmarkSYN(b, mode, v6, forward)
				})
			}
		}
	}
}

func benchmarkSYN(b *testing.B, mode tcp.CookieMode, v6, forward bool) {
	h := New(Config{TCP: tcp.Config{Cookies: mode}})
	iface := h.AddLink(LinkConfig{Name: "tun", MTU: 1500})
	for _, a := range []string{"10.0.0.2/24", "fd00::2/64"} {
		if err := h.AddAddress(iface, netip.MustParsePrefix(a)); err != nil {
			b.Fatal(err)
		}
	}
	for _, all := range []string{"0.0.0.0/0", "::/0"} {
		if err := h.AddRoute(netip.MustParsePrefix(all), netip.Addr{}, iface); err != nil {
			b.Fatal(err)
		}
	}
	port := uint16(80)
	if forward {
		h.SetForwarded(everybody)
		port = 0
	}
	if _, err := h.TCP().Listen(wire.Addr{}, port, 4096, "listener"); err != nil {
		b.Fatal(err)
	}
	packets := spoofedSYNs(v6)
	now := clock.Time(time.Hour)
	var batch [64]*buf.Packet // as a link does it that reads into what it has written
	for i := range batch {
		batch[i] = buf.NewPacket()
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now += 1000
		k := i % len(batch)
		batch[k].Data = append(batch[k].Data[:0], packets[i&(len(packets)-1)]...)
		if k < len(batch)-1 {
			continue
		}
		h.ReceiveBatch(now, iface, batch[:])
		for k := range batch {
			if batch[k], _ = h.Output(now); batch[k] == nil {
				b.Fatal("no answer")
			}
			batch[k].Clear()
		}
	}
}

// spoofedSYNs returns SYNs from all over the world, with all options.
func spoofedSYNs(v6 bool) [][]byte {
	r := rand.New(rand.NewPCG(1, 1))
	packets := make([][]byte, 1<<14)
	var room []byte // one after the other, as a link's buffers are at hand
	for i := range packets {
		ip := wire.IP{Version: 4, TTL: 64, Proto: wire.ProtoTCP, Dst: addr("10.0.0.2"), Src: wire.AddrFrom4(11<<24 | r.Uint32()>>16)}
		if v6 {
			ip.Version, ip.Dst, ip.Src = 6, addr("fd00::2"), wire.AddrFromWords(0x2001_0db8<<32, r.Uint64())
		}
		syn := wire.TCP{SrcPort: uint16(1024 + r.IntN(60000)), DstPort: 80, Flags: wire.SYN, Window: 64240}
		syn.Options = wire.Options{Set: wire.OptMSS | wire.OptSACKPermitted | wire.OptTimestamps | wire.OptWindowScale,
			MSS: 1460, WindowScale: 7, TSVal: r.Uint32()}
		n := syn.HeaderLen()
		head := syn.Append(nil)
		syn.Checksum = wire.Checksum(wire.Sum(head, wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, n)))
		from := len(room)
		room = syn.Append(ip.Append(room, n))
		packets[i] = room[from:]
	}
	return packets
}
