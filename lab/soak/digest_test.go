package soak

import (
	"testing"

	"github.com/handfast-tcp/handfast/engine/clock"
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

// What the echo of a SYN-ACK tells of the round trip depends on where the numbers begin, unless a timer has repeated it,
// and not a SYN.
func TestSynAckOutOfTurn(t *testing.T) {
	for sent, vague := range map[string]bool{"SA": false, "SAAA": false, "SSA": false, "SASA": true, "SSAA": true, "SAsa": false} {
		g, ip := newDigest(true), &wire.IP{}
		for i, c := range sent {
			h := &wire.TCP{SrcPort: 1, DstPort: 2, Flags: wire.SYN, Options: wire.Options{Set: wire.OptTimestamps}}
			if c == 's' || c == 'a' { // of the next connection
				h.Seq = 1000
			}
			side := 0
			if c == 'A' || c == 'a' {
				h.SrcPort, h.DstPort, h.Flags, side = 2, 1, wire.SYN|wire.ACK, 1
			}
			g.add(clock.Time(i+1), side, ip, h, 0)
		}
		if g.vague != vague {
			t.Errorf("%s: %v", sent, g.vague)
		}
	}
}

// A Fast Open cookie that is replaced is of the last period, and periods are of clocks: lives of other clocks are not
// compared then.
func TestReplacedCookieIsVague(t *testing.T) {
	for _, asks := range []bool{false, true} {
		g, ip := newDigest(true), &wire.IP{}
		syn, synAck := &wire.TCP{SrcPort: 1, DstPort: 2, Flags: wire.SYN}, &wire.TCP{SrcPort: 2, DstPort: 1, Flags: wire.SYN | wire.ACK, Ack: 1}
		cookie := wire.FastOpenCookieOf(12345678)
		syn.Options.Set, synAck.Options.Set = wire.OptFastOpen, wire.OptFastOpen
		if synAck.Options.SetFastOpen(cookie); asks {
			syn.Options.SetFastOpen(wire.FastOpenCookie{})
		} else {
			syn.Options.SetFastOpen(cookie)
		}
		g.add(1, 0, ip, syn, 0)
		g.add(2, 1, ip, synAck, 0)
		if g.vague == asks {
			t.Errorf("asks %v: %v", asks, g.lines)
		}
	}
}
