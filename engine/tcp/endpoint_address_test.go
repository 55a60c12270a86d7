package tcp

import (
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Connections in all forms end silently when their address is lost; those
// from another address live on.
func TestLoseAddress(t *testing.T) {
	h := serving(t, Config{}, 10)
	other := wire.AddrFrom4(10<<24 | 3)
	for i, name := range []string{"half-open", "accepted", "in TIME-WAIT", "not accepted", "other half-open", "other not accepted"} {
		p := h.from(uint16(1000+i), seq.Num(i))
		if i >= 4 {
			p.tuple.Local = other
		}
		p.receive("S 0:0(0) <mss 1460>")
		p.want("SYN-ACK", "S. 0:0(0) ack 1")
		if strings.HasSuffix(name, "half-open") {
			continue
		}
		p.receive(". 1:1(0) ack 1")
		if strings.HasSuffix(name, "not accepted") {
			continue
		}
		en := h.e.Accept(h.listener)
		if name == "in TIME-WAIT" {
			h.e.Close(h.now, en)
			p.want("FIN", "F. 1:1(0) ack 1")
			p.receive("F. 1:1(0) ack 2")
			p.want("ACK", ". 2:2(0) ack 2")
		}
	}
	h.wantLen("all forms", 6)
	h.e.LoseAddress(h.now, addrA)
	h.wantNothing("nobody is told")
	h.wantLen("those of the other address", 2)
	h.e.LoseAddress(h.now, other)
	h.wantNothing("nobody is told")
	h.wantLen("none", 0)
	if d := h.e.Deadline(); d != clock.Never && d < h.now.Add(time.Hour) && h.e.due.next() != clock.Never {
		t.Errorf("a deadline is left: %v", d)
	}
}

// What nobody asks for is bounded: news of narrow paths.
func TestNarrowedIsBounded(t *testing.T) {
	h := serving(t, Config{}, 1000)
	for i := range 2 * maxNarrowed {
		p := h.from(uint16(1000+i), 0)
		p.receive("S 0:0(0) <mss 1460>")
		p.want("SYN-ACK", "S. 0:0(0) ack 1")
		p.receive(". 1:1(0) ack 1")
		en := h.e.Accept(h.listener)
		h.e.SendCopy(h.now, en, make([]byte, 1460))
		p.pull()
		h.e.ReceiveICMP(h.now, p.tuple, ICMPError{Kind: ICMPTooBig, Seq: p.own + 1, MTU: 1000})
		for _, ok := p.pull(); ok; _, ok = p.pull() {
		}
		if en.path.mss != 960 {
			t.Fatalf("segments of %d bytes", en.path.mss)
		}
	}
	n := 0
	for _, _, ok := h.e.NextNarrowed(); ok; _, _, ok = h.e.NextNarrowed() {
		n++
	}
	if n != maxNarrowed {
		t.Errorf("%d wait, want %d", n, maxNarrowed)
	}
}
