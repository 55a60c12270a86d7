package host

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// A host that ends the traffic of all addresses, as a gateway has it, gets packets of all
// kinds with bytes changed, checksums right and wrong: one causes no more than a few, what
// waits keeps its bounds, and when nobody speaks any more nothing is left.
func TestMalformedForAForwarder(t *testing.T) {
	for _, ethernet := range []bool{false, true} {
		for _, v6 := range []bool{false, true} {
			p := newPair(t, config{ethernet: ethernet, v6: v6})
			all := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
			p.b.SetForwarded(Forwarded{TCP: all, UDP: all, Echo: all})
			if _, err := p.b.TCP().Listen(wire.Addr{}, 0, 100, "forwarder"); err != nil {
				t.Fatal(err)
			}
			packets := seeds(p)
			r := rand.New(rand.NewPCG(7, 7))
			for i := range 20000 {
				b := append([]byte(nil), packets[i%len(packets)]...)
				for range r.IntN(4) {
					b[r.IntN(len(b))] = byte(r.Uint32())
				}
				if r.IntN(8) == 0 {
					b = b[:r.IntN(len(b)+1)]
				}
				packet := buf.NewPacket()
				packet.Data = packet.ReceiveInto(max(len(b), 1))[:copy(packet.Block.Bytes(), b)]
				if r.IntN(2) == 0 {
					packet.Checksum = buf.ChecksumVerified
				}
				p.b.Receive(p.now, 0, packet)
				p.drain()
				p.now = p.now.Add(time.Duration(r.IntN(3)) * time.Millisecond)
				p.b.Advance(p.now)
			}
			for range 5000 {
				if p.now = max(p.now, min(p.b.Deadline(), p.now.Add(time.Hour))); p.b.TCP().Len() == 0 {
					break
				}
				p.b.Advance(p.now)
				p.drain()
			}
			if n := p.b.TCP().Len(); n > 0 {
				t.Errorf("Ethernet %v, IPv6 %v: %d connections are left", ethernet, v6, n)
			}
		}
	}
}
