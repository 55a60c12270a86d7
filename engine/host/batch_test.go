package host

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// TestBatchIsOneAfterTheOther: packets of all kinds that come in together do what
// they do one after the other.
func TestBatchIsOneAfterTheOther(t *testing.T) {
	for _, c := range []config{{}, {ethernet: true}, {v6: true}, {ethernet: true, v6: true}} {
		for seed := range uint64(20) {
			together, apart := newPair(t, c), newPair(t, c)
			packets := mixedPackets(together, rand.New(rand.NewPCG(seed, 1)))
			for _, p := range []*pair{together, apart} {
				p.open(p.b, 53, wire.Addr{}, 0)
				if _, err := p.b.TCP().Listen(wire.Addr{}, 80, 100, "listener"); err != nil {
					t.Fatal(err)
				}
			}
			var batch []*buf.Packet
			for _, b := range packets {
				batch = append(batch, received(b))
				apart.b.Receive(apart.now, 0, received(b))
			}
			together.b.ReceiveBatch(together.now, 0, batch)
			if *together.b.Counters() != *apart.b.Counters() || together.b.TCP().Counters() != apart.b.TCP().Counters() {
				t.Errorf("%+v: counters differ:\n%+v\n%+v", c, *together.b.Counters(), *apart.b.Counters())
			}
			if n, k := together.b.Counters(), together.b.TCP().Counters(); k.InSegs+n.TcpInErrs != n.TcpInSegs || n.IpReasmOKs == 0 {
				t.Errorf("%+v: TCP got %d of %d segments, %d of them wrong; %d were put together", c, k.InSegs, n.TcpInSegs, n.TcpInErrs, n.IpReasmOKs)
			}
			for {
				p, _ := together.b.Output(together.now)
				q, _ := apart.b.Output(apart.now)
				if p == nil && q == nil {
					break
				}
				if p == nil || q == nil || !bytes.Equal(flat(p), flat(q)) {
					t.Fatalf("%+v: what leaves differs: %v and %v", c, p, q)
				}
			}
		}
	}
}

func received(b []byte) *buf.Packet {
	p := buf.NewPacket()
	p.Data = p.ReceiveInto(len(b))[:copy(p.Block.Bytes(), b)]
	return p
}

func flat(p *buf.Packet) []byte {
	p.Flatten()
	return p.Data
}

// mixedPackets returns SYNs, stray segments, datagrams, echo requests, fragments
// of both, and what is broken, from a to b.
func mixedPackets(p *pair, r *rand.Rand) (all [][]byte) {
	for range 50 {
		var ip wire.IP
		var transport []byte
		switch r.IntN(4) {
		case 0:
			ip = p.fromA(wire.ProtoUDP)
			transport = udp(ip, 1000, uint16(53+r.IntN(2)), pattern(r.IntN(2000)))
		case 1:
			ip = p.fromA(p.protoICMP())
			c := wire.ICMP{Type: wire.ICMPv4EchoRequest}
			if p.v6 {
				c.Type = wire.ICMPv6EchoRequest
			}
			transport = icmp(ip, c, pattern(r.IntN(2000)))
		default:
			ip = p.fromA(wire.ProtoTCP)
			flags := []wire.Flags{wire.SYN, wire.SYN, wire.ACK, wire.RST, wire.SYN | wire.ACK}[r.IntN(5)]
			transport = segment(ip, wire.TCP{SrcPort: uint16(1000 + r.IntN(3)), DstPort: uint16(80 + r.IntN(2)), Flags: flags}, pattern(r.IntN(400)))
		}
		if r.IntN(8) == 0 {
			transport[r.IntN(len(transport))] ^= 1
		}
		pieces := [][]byte{transport}
		if cut := len(transport) / 2 &^ 7; cut > 0 && r.IntN(4) == 0 {
			ip.MoreFragments, ip.ID = true, r.Uint32()
			pieces = [][]byte{transport[:cut], transport[cut:]}
		}
		for i, piece := range pieces {
			if i == 1 {
				ip.MoreFragments, ip.FragOffset = false, len(pieces[0])
			}
			f := p.frame(wire.Ethernet{Dst: hwB, Src: hwA}, ip, piece)
			all = append(all, bytes.Clone(f.Data))
			f.Release()
		}
	}
	return all
}
