package wgnet

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// superSegment is one as a host hands it to a link with offload, with a random payload in
// random pieces.
func superSegment(r *rand.Rand, v6, fragile bool, size, payload int) (p *buf.Packet, text []byte) {
	ip := wire.IP{Version: 4, Proto: wire.ProtoTCP, TTL: 64, Src: addr("10.0.0.1"), Dst: addr("10.0.0.2"), DontFragment: true}
	if v6 {
		ip.Version, ip.Src, ip.Dst, ip.DontFragment = 6, addr("fd00::1"), addr("fd00::2"), false
	}
	h := wire.TCP{SrcPort: 80, DstPort: 9, Seq: seq.Num(r.Uint32()), Ack: 7, Flags: wire.ACK | wire.PSH | wire.FIN | wire.CWR, Window: 99}
	p = buf.NewPacket()
	p.Data = wire.AppendSegment(p.Data, &ip, &h, payload, 0, true)
	if fragile {
		put16(p.Data[ip4Fragment:], 0)
		put16(p.Data[ip4ID:], 0xfffe)
	}
	p.GSOSize, p.Checksum, p.CsumStart, p.CsumOffset = uint16(size), buf.ChecksumPartial, uint16(ip.HeaderSize()), 16
	text = make([]byte, payload)
	for i := range text {
		text[i] = byte(r.Uint32())
	}
	for rest := text; len(rest) > 0; {
		n := len(rest)
		if p.N < buf.MaxViews-1 {
			n = 1 + r.IntN(n)
		}
		b := buf.Get(n)
		copy(b.Bytes(), rest[:n])
		p.AddView(buf.MakeView(b, 0, n))
		rest = rest[n:]
	}
	return p, text
}

func addr(s string) wire.Addr { return wire.AddrFrom(netip.MustParseAddr(s)) }

// A super-segment comes out as the segments that it stands for, however many buffers there
// are at a time: the payload once and in order, checksums right, and what belongs to the
// first or the last one there alone.
func TestCut(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 500 {
		v6 := r.IntN(2) == 0
		size := 1 + r.IntN(1400)
		payload := size + 1 + r.IntN(60*size)
		payload = min(payload, 60000)
		fragile := !v6 && r.IntN(2) == 0
		p, text := superSegment(r, v6, fragile, size, payload)
		first := seq.Num(binary.BigEndian.Uint32(p.Data[int(p.CsumStart)+tcpSeq:]))
		var c cutter
		var got []byte
		for part, all := 0, false; !all; {
			bufs, sizes := make([][]byte, 1+r.IntN(128)), make([]int, 128)
			offset := r.IntN(20)
			for i := range bufs {
				bufs[i] = make([]byte, offset+1500)
			}
			var n int
			n, all = c.segments(p, bufs, sizes, offset)
			for i := range n {
				last := len(got)+size >= payload
				text := checkSegment(t, bufs[i][offset:offset+sizes[i]], expected{first.Add(seq.Size(len(got))), part, last, fragile})
				got = append(got, text...)
				part++
			}
		}
		if !bytes.Equal(got, text) {
			t.Fatalf("%d bytes came out of %d", len(got), len(text))
		}
		if c != (cutter{}) {
			t.Fatalf("%+v is left", c)
		}
		p.Release()
	}
}

// expected is what a segment must be.
type expected struct {
	seq           seq.Num
	part          int
	last, fragile bool
}

// checkSegment returns the payload of a packet.
func checkSegment(t *testing.T, b []byte, want expected) []byte {
	t.Helper()
	var ip wire.IP
	if d := wire.ParseIP(b, &ip); d != wire.None || ip.TotalLen != len(b) {
		t.Fatalf("%v: %+v of %d bytes", d, ip, len(b))
	}
	segment := b[ip.HeaderLen:]
	var h wire.TCP
	n, d := wire.ParseTCP(segment, &h)
	if d != wire.None || wire.Fold(wire.Sum(segment, wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, len(segment)))) != 0xffff {
		t.Fatalf("%v, or a wrong checksum", d)
	}
	flags := wire.ACK
	if want.part == 0 {
		flags |= wire.CWR
	}
	if want.last {
		flags |= wire.PSH | wire.FIN
	}
	if h.Seq != want.seq || h.Flags != flags || h.Ack != 7 || h.Window != 99 {
		t.Fatalf("%+v, want number %v, flags %v", h, want.seq, flags)
	}
	if want.fragile && ip.ID != uint32(uint16(0xfffe+want.part)) {
		t.Fatalf("ID %#x of segment %d", ip.ID, want.part)
	}
	return segment[n:]
}
