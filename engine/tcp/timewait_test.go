package tcp

import (
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// A connection in TIME-WAIT must act the same whether its program holds it
// still or it is kept in compact form.
func inBothForms(t *testing.T, play func(t *testing.T, held bool)) {
	for _, held := range []bool{false, true} {
		t.Run(fmt.Sprintf("held=%v", held), func(t *testing.T) { play(t, held) })
	}
}

// The cells of SYN-RECEIVED and TIME-WAIT hold for the compact forms too.
func TestTableOfCompactForms(t *testing.T) {
	for _, irs := range []uint32{0, 0xffffffff, 0x7fffffff} {
		for _, cell := range arrivals[SynReceived] {
			t.Run(fmt.Sprintf("SYN-RECEIVED/%s/%#x", cell.kind, irs), func(t *testing.T) {
				p := serving(t, Config{}, 5).from(1000, seq.Num(irs))
				p.receive("S 0:0(0) <mss 1460>")
				p.want("SYN-ACK", "S. 0:0(0) ack 1")
				cell.playCompact(p, SynReceived)
			})
		}
		for _, cell := range arrivals[TimeWait] {
			t.Run(fmt.Sprintf("TIME-WAIT/%s/%#x", cell.kind, irs), func(t *testing.T) {
				if cell.kind == "SYN" {
					t.Skip("a new SYN may take TIME-WAIT's place: TestTimeWaitReuse")
				}
				p := serving(t, Config{}, 5).from(1000, seq.Num(irs))
				p.waiting("<mss 1460>", false)
				cell.playCompact(p, TimeWait)
			})
		}
	}
}

func (e *cell) playCompact(p *testPeer, s State) {
	p.Helper()
	p.receive(e.segment)
	if e.answer != "" {
		p.want(e.rule, e.answer)
	}
	p.wantDrop(e.drop)
	switch e.next {
	case SynReceived, TimeWait:
		p.wantCompact(e.next)
	case Listen:
		p.wantLen("it is forgotten", 0)
	default:
		en := p.e.Accept(p.listener)
		if en == nil || en.State() != e.next {
			p.fail("want %v", e.next)
		}
		p.e.Abort(p.now, en)
		p.wantAny("abort", wire.RST|wire.ACK)
	}
}

// "When a connection is [...] in TIME-WAIT [...] the only thing that can arrive
// in this state is a retransmission of the remote FIN. Acknowledge it, and
// restart the 2 MSL timeout." RFC 9293 §3.10.7.4, fifth check.
func TestTimeWaitRestarts(t *testing.T) {
	inBothForms(t, func(t *testing.T, held bool) {
		h := serving(t, Config{}, 5)
		p := h.from(1000, 0xffffffff)
		en := p.waiting("<mss 1460>", held)
		h.advance(2*msl - time.Second)
		p.receive("F. 1:1(0) ack 2")
		p.want("ACK of the repeated FIN", ". 2:2(0) ack 2")
		h.advance(2*msl - 1)
		h.wantLen("2MSL begin anew with the repeated FIN", 1)
		h.advance(1)
		h.wantLen("2MSL are over", 0)
		if held && en.State() != Closed {
			t.Errorf("the program sees %v", en.State())
		}
		h.e.Close(h.now, en)
	})
}

// RFC 1337: neither a RST nor old data nor an old ACK ends TIME-WAIT early.
func TestTimeWaitAssassination(t *testing.T) {
	var segments []string
	for _, number := range []int{-70000, -1, 0, 1, 2, 3, 30000, 65536, 65537, 65538, 1 << 30, -1 << 30} {
		for _, flags := range []string{"R", "R.", ".", "P.", "F.", "S.", "U."} {
			n := 0
			if flags == "P." {
				n = 10
			}
			for _, ack := range []int{-70000, 0, 1, 2, 3, 1 << 30} {
				segments = append(segments, fmt.Sprintf("%s %d:%d(%d) ack %d", flags, number, number+n, n, ack))
			}
		}
	}
	inBothForms(t, func(t *testing.T, held bool) {
		h := serving(t, Config{}, 5)
		p := h.from(1000, 0xfffffff0)
		en := p.waiting("<mss 1460>", held)
		for _, s := range segments {
			p.receive(s)
			if out, ok := p.pull(); ok && (out.Flags != wire.ACK || out.Ack != p.peer+2 || out.Seq != p.own+2) {
				p.fail("%s is answered with %s", s, describe(&out.TCP, out.Len, p.isns))
			}
			h.wantLen("TIME-WAIT stays", 1)
		}
		h.advance(2 * msl)
		h.wantLen("2MSL are over", 0)
		h.e.Close(h.now, en)
	})
}

// RFC 6191 §2: which SYN may take the place of a connection in TIME-WAIT.
func TestTimeWaitReuse(t *testing.T) {
	cases := []struct {
		name    string
		options string // of the connection that waits
		syn     string
		reopens bool
	}{
		{"no timestamps, number beyond", "<mss 1460>", "S 3:3(0) <mss 1460>", true},
		{"no timestamps, number far beyond", "<mss 1460>", "S 1000000:1000000(0)", true},
		{"no timestamps, last number", "<mss 1460>", "S 2:2(0)", false},
		{"no timestamps, number before", "<mss 1460>", "S 0:0(0)", false},
		{"no timestamps, number half a space back", "<mss 1460>", "S -2000000000:-2000000000(0)", false},
		{"newer timestamp, number before", "<TS val 1000 ecr 0>", "S -5:-5(0) <TS val 1001 ecr 0>", true},
		{"newer timestamp, number beyond", "<TS val 1000 ecr 0>", "S 5:5(0) <TS val 1001 ecr 0>", true},
		{"same timestamp, number beyond", "<TS val 1000 ecr 0>", "S 5:5(0) <TS val 1000 ecr 0>", true},
		{"same timestamp, number before", "<TS val 1000 ecr 0>", "S -5:-5(0) <TS val 1000 ecr 0>", false},
		{"older timestamp, number beyond", "<TS val 1000 ecr 0>", "S 5:5(0) <TS val 999 ecr 0>", false},
		{"timestamp that came round, number before", "<TS val 4294967290 ecr 0>", "S -5:-5(0) <TS val 5 ecr 0>", true},
		{"timestamp from before it came round", "<TS val 5 ecr 0>", "S 5:5(0) <TS val 4294967290 ecr 0>", false},
		{"timestamp gone, number beyond", "<TS val 1000 ecr 0>", "S 5:5(0)", true},
		{"timestamp gone, number before", "<TS val 1000 ecr 0>", "S -5:-5(0)", false},
		{"timestamp new, number beyond", "<mss 1460>", "S 5:5(0) <TS val 7 ecr 0>", true},
		{"timestamp new, number before", "<mss 1460>", "S -1000:-1000(0) <mss 1460,TS val 77 ecr 0>", true},
		{"timestamp new and large, number before", "<mss 1460>", "S -5:-5(0) <TS val 4000000000 ecr 0>", true},
		{"no timestamps, number before", "<mss 1460>", "S -5:-5(0) <mss 1460>", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inBothForms(t, func(t *testing.T, held bool) {
				h := serving(t, Config{}, 5)
				p := h.from(1000, 0xfffffffe)
				en := p.waiting(c.options, held)
				last := p.own
				p.receive(c.syn)
				out, ok := p.pull()
				if !ok || out.Flags.Has(wire.SYN) != c.reopens {
					p.fail("reopens: want %v, got %v", c.reopens, out.Flags)
				}
				if c.reopens && !last.Add(2).Less(out.Seq) {
					p.fail("the new ISN %d is not beyond what was used, %d", out.Seq, last)
				}
				h.wantLen("one takes the other's place", 1)
				h.e.Close(h.now, en)
			})
		})
	}
}

// An endpoint that takes no timestamps does not count them in a SYN.
func TestTimeWaitReuseWithoutTimestamps(t *testing.T) {
	inBothForms(t, func(t *testing.T, held bool) {
		p := serving(t, Config{NoTimestamps: true}, 5).from(1000, 7)
		en := p.waiting("<mss 1460>", held)
		p.receive("S -5:-5(0) <TS val 7 ecr 0>")
		p.want("challenge ACK", ". 2:2(0) ack 2")
		p.e.Close(p.now, en)
	})
}

// A SYN that may not take TIME-WAIT's place is challenged. The RST by which a
// client answers that ends TIME-WAIT, so that its next SYN is heard; no other RST
// does (RFC 1337).
func TestTimeWaitEndsByAnswerToChallenge(t *testing.T) {
	inBothForms(t, func(t *testing.T, held bool) {
		p := serving(t, Config{}, 5).from(1000, 0xffffff00)
		en := p.waiting("<mss 1460>", held)
		p.receive("R 2:2(0)")
		p.receive("S. -5:-5(0) ack 1")
		p.want("challenge ACK", ". 2:2(0) ack 2")
		p.receive("R 2:2(0)")
		p.wantDrop(wire.TimeWaitReset)
		p.advance(time.Second)
		p.receive("S -5:-5(0) <mss 1460>")
		p.want("challenge ACK", ". 2:2(0) ack 2")
		for _, other := range []string{"R 1:1(0)", "R 3:3(0)", "R 0:3(3)"} {
			p.receive(other)
			p.wantLen("a RST that does not answer", 1)
		}
		p.receive("R 2:2(0)")
		p.wantLen("TIME-WAIT is over", 0)
		if held && (en.State() != Closed || en.Failure() != NoFailure) {
			t.Errorf("the program sees %v, failure %d", en.State(), en.Failure())
		}
		p.e.Close(p.now, en)
		p.receive("S -5:-5(0) <mss 1460>")
		p.wantAny("and the next SYN is answered", wire.SYN|wire.ACK)
	})
}

// A SYN that takes TIME-WAIT's place opens a connection that works, and the
// new one is what a second SYN in the same batch meets.
func TestTimeWaitReuseInOneBatch(t *testing.T) {
	inBothForms(t, func(t *testing.T, held bool) {
		h := serving(t, Config{}, 5)
		p := h.from(1000, 7)
		en := p.waiting("<mss 1460>", held)
		p.peer = 100000
		p.arrive("S 0:0(0) <mss 1460>")
		p.arrive("S 0:0(0) <mss 1460>")
		p.want("SYN-ACK", "S. 0:0(0) ack 1")
		p.receive(". 1:1(0) ack 1")
		if n := h.e.Accept(h.listener); n == nil || n.State() != Established || n == en {
			p.fail("no new connection")
		}
		h.e.Close(h.now, en)
	})
}

// Without a listener nothing can take TIME-WAIT's place.
func TestTimeWaitWithoutListener(t *testing.T) {
	h := serving(t, Config{}, 5)
	p := h.from(1000, 7)
	p.waiting("<mss 1460>", false)
	h.e.CloseListener(h.now, h.listener)
	p.receive("S 100000:100000(0)")
	p.want("challenge ACK", ". 2:2(0) ack 2")
	p.wantCompact(TimeWait)
}

// A full TIME-WAIT table gives up the entry that is nearest its end.
func TestTimeWaitOverflow(t *testing.T) {
	h := serving(t, Config{MaxTimeWait: 3}, 5)
	for port := range uint16(5) {
		h.from(1000+port, 7).waiting("<mss 1460>", false)
		h.advance(time.Second)
	}
	h.wantLen("no more than the limit", 3)
	for port, want := range []State{Closed, Closed, TimeWait, TimeWait, TimeWait} {
		h.from(1000+uint16(port), 7).wantCompact(want)
	}
	if n := h.e.Counters().TimeWaitOverflow; n != 2 {
		t.Errorf("TimeWaitOverflow is %d", n)
	}
	h.advance(2 * msl)
	h.wantLen("all are over", 0)
}

// The limit of challenges holds for a wait in compact form, too.
func TestChallengesInTimeWait(t *testing.T) {
	inBothForms(t, func(t *testing.T, held bool) {
		p := serving(t, Config{}, 5).from(1000, 7)
		en := p.waiting("<mss 1460>", held)
		for i, answered := range []bool{true, false, false, true, false} {
			p.receive("S -5:-5(0) <mss 1460>")
			if answered {
				p.want("challenge ACK", ". 2:2(0) ack 2")
			}
			p.wantNothing(fmt.Sprint("SYN ", i))
			p.advance(200 * time.Millisecond)
		}
		p.e.Close(p.now, en)
	})
}
