package main

import (
	"math/rand/v2"
	"net/netip"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// sourceKinds are where a flood pretends to come from.
var sourceKinds = []string{"random", "fixed", "few"}

// fewSources is how many there are in "few".
const fewSources = 16

// synMaker makes the SYNs of a flood. Their sources are addresses that nobody
// has: those for documentation (RFC 5737, RFC 3849), or random ones.
type synMaker struct {
	kind   string
	target netip.AddrPort
	random *rand.Rand
}

func newSynMaker(kind string, target netip.AddrPort, seed uint64) *synMaker {
	return &synMaker{kind, target, rand.New(rand.NewPCG(seed, 0x5359_4e46))}
}

// source returns the address that the next SYN pretends to come from.
func (m *synMaker) source() netip.Addr {
	host := byte(7)
	if m.kind == "few" {
		host = byte(1 + m.random.IntN(fewSources))
	}
	if m.target.Addr().Is4() {
		if m.kind == "random" {
			return m.random4()
		}
		return netip.AddrFrom4([4]byte{198, 51, 100, host})
	}
	a := [16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 15: host}
	if m.kind == "random" {
		for i := 4; i < 16; i++ {
			a[i] = byte(m.random.Uint32())
		}
	}
	return netip.AddrFrom16(a)
}

// random4 leaves out what is not a unicast address, and the network that the
// flood takes place in.
func (m *synMaker) random4() netip.Addr {
	for {
		n := m.random.Uint32()
		a := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		first := byte(n >> 24)
		if first != 0 && first != 127 && first < 224 && !stage.KernelAddrs[0].Masked().Contains(a) {
			return a
		}
	}
}

// next appends a SYN, an IP packet, to b. It has the options that today's
// systems send.
func (m *synMaker) next(b []byte) []byte {
	src, dst := wire.AddrFrom(m.source()), wire.AddrFrom(m.target.Addr())
	ip := wire.IP{Version: 4, Proto: wire.ProtoTCP, TTL: 64, Src: src, Dst: dst, DontFragment: true, ID: uint32(m.random.Uint32() & 0xffff)}
	mss := uint16(1460)
	if !dst.Is4() {
		ip.Version, mss = 6, 1440
	}
	h := wire.TCP{SrcPort: uint16(1024 + m.random.IntN(64512)), DstPort: m.target.Port(), Seq: seq.Num(m.random.Uint32()),
		Flags: wire.SYN, Window: 64240, Options: wire.Options{
			Set: wire.OptMSS | wire.OptSACKPermitted | wire.OptTimestamps | wire.OptWindowScale,
			MSS: mss, TSVal: m.random.Uint32(), WindowScale: 7}}
	size := h.HeaderLen()
	b = ip.Append(b, size)
	start := len(b)
	b = h.Append(b)
	sum := wire.Checksum(wire.Sum(b[start:], wire.PseudoSum(src, dst, wire.ProtoTCP, size)))
	b[start+16], b[start+17] = byte(sum>>8), byte(sum)
	return b
}
