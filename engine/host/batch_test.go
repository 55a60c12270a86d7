package host

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/seq"
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

// TestTextInABatch: segments with text that come in together, which may go through TCP as one,
// leave a connection as they do one after the other: whatever they differ in.
func TestTextInABatch(t *testing.T) {
	for _, mode := range []cc.ECNMode{cc.ECNOff, cc.ECNOn} {
		for seed := range uint64(60) {
			r := rand.New(rand.NewPCG(seed, 2))
			together, apart := newTextTaker(t, mode), newTextTaker(t, mode)
			var batch []*buf.Packet
			for _, s := range together.segments(r) {
				batch = append(batch, received(s))
				apart.b.Receive(apart.now, 0, received(s))
			}
			together.b.ReceiveBatch(together.now, 0, batch)
			if x, y := together.told(), apart.told(); x != y {
				t.Fatalf("seed %d: together\n%s\none by one\n%s", seed, x, y)
			}
		}
	}
}

// textTaker is a connection whose server b has text out, and gets segments of the test's.
type textTaker struct {
	*pair
	server *stream
}

func newTextTaker(t *testing.T, mode cc.ECNMode) *textTaker {
	c := config{}
	c.host.TCP.NoTimestamps, c.host.TCP.ECN = true, mode
	k := &textTaker{pair: newPair(t, c)}
	_, k.server = k.connect()
	k.tap = func(_ *Host, packet *buf.Packet) bool { packet.Release(); return false }
	k.b.TCP().SendCopy(k.now, k.server.Entry, pattern(8000))
	k.run()
	return k
}

// segments are some in a row, of which most continue the one before.
func (k *textTaker) segments(r *rand.Rand) (all [][]byte) {
	i := k.server.Info(k.now)
	ip := k.fromA(wire.ProtoTCP)
	tuple := k.server.Tuple()
	h := wire.TCP{SrcPort: tuple.RemotePort, DstPort: tuple.LocalPort, Seq: seq.Num(i.RcvNxt), Ack: seq.Num(i.SndUna), Flags: wire.ACK, Window: 500}
	for range 8 {
		n := 100
		h.Flags = wire.ACK
		switch r.IntN(12) {
		case 0:
			n = 1 + r.IntN(99)
		case 1:
			n = 101 + r.IntN(99)
		case 2:
			h.Flags |= wire.PSH
		case 3:
			h.Ack = seq.Num(i.SndUna) + seq.Num(r.IntN(int(i.SndNxt-i.SndUna)))
		case 4:
			h.Window = uint16(400 + r.IntN(200))
		case 5:
			ip.TOS = uint8(r.IntN(4))
		case 6:
			h.Seq += seq.Num(r.IntN(200))
		}
		f := k.frame(wire.Ethernet{}, ip, segment(ip, h, pattern(n)))
		all = append(all, bytes.Clone(f.Data))
		f.Release()
		h.Seq += seq.Num(n)
	}
	return all
}

// told is what can be seen of the connection before anything is sent.
func (k *textTaker) told() string {
	return fmt.Sprintf("%+v\npushed %d, buffered %d\n%+v", k.server.Info(k.now), k.server.Pushed(), k.server.Buffered(), k.b.TCP().Counters())
}
