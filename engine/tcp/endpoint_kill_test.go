package tcp

import (
	"testing"
)

// A connection is ended from outside whatever form it is kept in.
func TestKill(t *testing.T) {
	h := serving(t, Config{}, 8)
	p := h.from(4001, 100)
	p.receive("S 0:0(0) win 65535 <mss 1460>")
	p.want("SYN-ACK", "S. 0:0(0) ack 1")
	if h.e.Len() != 1 || !h.e.Kill(h.now, p.tuple) || h.e.Len() != 0 {
		t.Fatalf("half-open: %d left", h.e.Len())
	}
	p.want("RST of a half-open one", "R. 1:1(0) ack 1")

	p = h.from(4002, 100)
	en := p.handshake("S 0:0(0) win 65535 <mss 1460>", ". 1:1(0) ack 1")
	if !h.e.Kill(h.now, p.tuple) {
		t.Fatal("there is no connection")
	}
	p.want("RST", "R. 1:1(0) ack 1")
	if en.State() != Closed || en.Failure() != Aborted {
		t.Errorf("%v, failure %d", en.State(), en.Failure())
	}

	p = h.from(4003, 100)
	p.waiting("", false)
	if !h.e.Kill(h.now, p.tuple) || h.e.Len() != 0 {
		t.Errorf("TIME-WAIT: %d left", h.e.Len())
	}
	p.wantNothing("after TIME-WAIT")
	if h.e.Kill(h.now, p.tuple) {
		t.Error("killed twice")
	}
}
