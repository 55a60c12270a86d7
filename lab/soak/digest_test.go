package soak

import (
	"testing"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// A host that knows of no connection answers a SYN by a RST of number 0, wherever its streams began: it tells nothing,
// or, close before zero, the two lives are not compared.
func TestResetOfNobody(t *testing.T) {
	digestOf := func(isn seq.Num) *digest {
		g, ip := newDigest(true), &wire.IP{}
		g.add(0, 0, ip, &wire.TCP{SrcPort: 1, DstPort: 2, Seq: isn, Flags: wire.SYN}, 0)
		g.add(1, 0, ip, &wire.TCP{SrcPort: 1, DstPort: 2, Flags: wire.RST | wire.ACK, Ack: 1}, 0)
		return g
	}
	usual, other := digestOf(1<<30), digestOf(3<<30)
	if usual.sum != other.sum || usual.vague || other.vague {
		t.Errorf("%v, %v", usual.lines, other.lines)
	}
	for _, isn := range []seq.Num{0, 1<<32 - 1, 1<<32 - 13} {
		if g := digestOf(isn); !g.vague {
			t.Errorf("%d: %v", isn, g.lines)
		}
	}
	if g := digestOf(7); g.vague || g.sum != usual.sum {
		t.Errorf("behind zero: %v, %v", g.vague, g.lines)
	}
}
