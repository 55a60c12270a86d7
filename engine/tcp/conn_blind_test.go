package tcp

import (
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// synchronized are the states in which RFC 5961 guards a connection.
var synchronized = []State{Established, CloseWait, FinWait1, FinWait2, Closing, LastAck, TimeWait}

// place is where a blind guess falls, seen from RCV.NXT and the right edge.
type place struct {
	name   string
	number func(nxt, edge int64) int64
	in     bool // inside the window
}

var places = []place{
	{"RCV.NXT", func(nxt, edge int64) int64 { return nxt }, true},
	{"one before", func(nxt, edge int64) int64 { return nxt - 1 }, false},
	{"one after", func(nxt, edge int64) int64 { return nxt + 1 }, true},
	{"in the middle", func(nxt, edge int64) int64 { return (nxt + edge) / 2 }, true},
	{"last of the window", func(nxt, edge int64) int64 { return edge - 1 }, true},
	{"right edge", func(nxt, edge int64) int64 { return edge }, false},
	{"past the right edge", func(nxt, edge int64) int64 { return edge + 1 }, false},
	{"half the space on, less one", func(nxt, edge int64) int64 { return nxt + 1<<31 - 1 }, false},
	{"half the space on", func(nxt, edge int64) int64 { return nxt + 1<<31 }, false},
	{"half the space on, and one", func(nxt, edge int64) int64 { return nxt + 1<<31 + 1 }, false},
}

func (p place) at(c *testConn) int64 {
	return p.number(int64(c.conn.rcv.nxt-c.peer), int64(c.conn.rcv.edge-c.peer))
}

func eachPlace(t *testing.T, play func(w world, s State, p place)) {
	for _, s := range synchronized {
		for _, p := range places {
			t.Run(fmt.Sprintf("%v/%s", s, p.name), func(t *testing.T) {
				everywhere(t, func(w world) { play(w, s, p) })
			})
		}
	}
}

// challenged wants a challenge ACK, and the state as it was.
func (c *testConn) challenged(s State) {
	c.Helper()
	c.want("challenge ACK", fmt.Sprintf(". %d:%[1]d(0) ack %d", c.conn.snd.nxt-c.own, c.conn.rcv.nxt-c.peer))
	c.wantState(s)
}

// RFC 5961 §3.2: only the exact number resets, one in the window is
// challenged, all else is silence. In TIME-WAIT none resets (RFC 1337).
func TestBlindReset(t *testing.T) {
	eachPlace(t, func(w world, s State, p place) {
		c := w.reach(s)
		exact := p.name == "RCV.NXT"
		c.receive(fmt.Sprintf("R %d:%[1]d(0)", p.at(c)))
		switch {
		case s == TimeWait || !p.in:
			c.wantIdle("silence")
			c.wantState(s)
		case exact:
			c.wantState(Closed)
		default:
			c.wantDrop(wire.BlindReset)
			c.challenged(s)
		}
	})
}

// RFC 5961 §4.2: a SYN is challenged wherever it falls, and so is a SYN-ACK.
func TestBlindSyn(t *testing.T) {
	for _, flags := range []string{"S", "S."} {
		t.Run(flags, func(t *testing.T) {
			eachPlace(t, func(w world, s State, p place) {
				c := w.reach(s)
				c.receive(fmt.Sprintf("%s %d:%[2]d(0) ack 1", flags, p.at(c)))
				c.wantDrop(wire.BlindSyn)
				c.challenged(s)
			})
		})
	}
}

// RFC 5961 §4.2: "irrespective of the sequence number": also with text or a FIN,
// by which it reaches across an edge of the window, and nothing of it is taken.
func TestBlindSynWithMore(t *testing.T) {
	for _, more := range []string{"S 3", "S. 3", "SF 0", "SF. 0", "S 10", "SF 10", "S 70000"} {
		t.Run(more, func(t *testing.T) {
			var flags string
			var n int64
			fmt.Sscan(more, &flags, &n)
			eachPlace(t, func(w world, s State, p place) {
				if w.tuple.Local != addrA || w.own != 0x7fffffff {
					return // one world is enough for so many places
				}
				for _, back := range []int64{0, 1, 2, n, n + 1} {
					c := w.reach(s)
					at := p.at(c) - back
					c.receive(fmt.Sprintf("%s %d:%d(%d) ack 1", flags, at, at+n, n))
					c.wantDrop(wire.BlindSyn)
					c.challenged(s)
					c.wantEqual("bytes that came", c.conn.Buffered(), 0)
				}
			})
		})
	}
}

// A SYN with an old timestamp is challenged too, at the limited rate.
func TestBlindSynWithOldTimestamp(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 <mss 1460,TS val 10 ecr 3600000>")
		for i := range 20 {
			c.receive("S 1:11(10) <mss 1460,TS val 9 ecr 0>")
			if i == 0 {
				c.challenged(Established)
			}
			c.wantIdle("one in half a second")
		}
	})
}

// RFC 5961 §3.2: the number of a RST is its own, not that of what is left of its
// text or FIN inside the window.
func TestBlindResetWithText(t *testing.T) {
	for _, s := range synchronized {
		t.Run(s.String(), func(t *testing.T) {
			everywhere(t, func(w world) {
				for _, back := range []int64{1, 2, 10} {
					for _, flags := range []string{"R", "RF", "R."} {
						c := w.reach(s)
						at := int64(c.conn.rcv.nxt-c.peer) - back
						c.receive(fmt.Sprintf("%s %d:%d(20) ack 1", flags, at, at+20))
						c.wantIdle("silence")
						c.wantState(s)
					}
				}
			})
		})
	}
}

// Nor does what we have not acknowledged yet make an older number right.
func TestBlindResetBeforeTheAck(t *testing.T) {
	everywhere(t, func(w world) {
		for at := 1; at < 101; at += 33 {
			c := w.reach(Established)
			c.receiveBatch("P. 1:101(100) ack 1", fmt.Sprintf("R %d:%d(150)", at, at+150), fmt.Sprintf("R %d:%[1]d(0)", at))
			c.want("the ACK of the text", ". 1:1(0) ack 101")
			c.wantState(Established)
		}
	})
}

// A FIN outside the window is answered with an ACK and changes nothing.
func TestBlindFin(t *testing.T) {
	eachPlace(t, func(w world, s State, p place) {
		if p.in || p.name == "one before" && s != Established && s != FinWait1 && s != FinWait2 {
			w.Skip("this one may be the peer's own")
		}
		c := w.reach(s)
		c.receive(fmt.Sprintf("F. %d:%[1]d(0) ack 1", p.at(c)))
		c.challenged(s)
		c.wantEqual("bytes that came", c.conn.Buffered(), 0)
	})
}

// RFC 5961 §5.2: data counts only when SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT.
// An ACK of what was never sent is no old one, however little it lies below.
func TestBlindData(t *testing.T) {
	const window = 65535
	for _, a := range []struct {
		acked int64 // bytes acknowledged before
		ack   int64 // beyond that
		good  bool
	}{
		{0, 1, true}, {0, 500, true}, {0, 1001, true}, {0, 1002, false},
		{0, 0, false}, {0, 1 - window, false}, {0, -window, false},
		{0, 1001 + 1<<31 - 1, false}, {0, 1 + 1<<31, false}, {0, 1 - 1<<31 + 1, false},
		{1000, 1 - 1000, true}, {1000, -1000, false},
		{window, 1 - window, true}, {window, -window, false},
		{2 * window, 1 - window, true}, {2 * window, -window, false},
	} {
		t.Run(fmt.Sprintf("%d of %d", a.ack, a.acked), func(t *testing.T) {
			everywhere(t, func(w world) {
				c := w.reach(Established)
				for at := int64(0); at < a.acked; at += 1000 {
					n := min(1000, a.acked-at)
					c.write(int(n))
					c.want("text", fmt.Sprintf("P. %d:%d(%d) ack 1", 1+at, 1+at+n, n))
					c.receive(fmt.Sprintf(". 1:1(0) ack %d", 1+at+n))
				}
				c.write(1000)
				end := a.acked + 1001
				c.want("in flight", fmt.Sprintf("P. %d:%d(1000) ack 1", a.acked+1, end))
				c.receive(fmt.Sprintf("P. 1:11(10) ack %d", a.acked+a.ack))
				if a.good {
					c.want("ACK of it", fmt.Sprintf(". %d:%[1]d(0) ack 11", end))
					c.readAll(10)
					return
				}
				c.wantDrop(wire.BadAck)
				c.challenged(Established)
				c.readAll(0)
			})
		})
	}
}

// An old segment's ACK may count, but only one of something in flight: not one
// that is half the sequence space away, which is both before and behind.
func TestAckOfOldSegment(t *testing.T) {
	everywhere(t, func(w world) {
		for _, ack := range []int64{1<<31 + 1, 1<<31 - 1, 1 << 31, 1<<31 + 2, 2, 0, -1} {
			c := w.reach(Established)
			c.receive(fmt.Sprintf("P. -9:1(10) ack %d", ack))
			c.want("where we are", ". 1:1(0) ack 1")
			c.wantEqual("SND.UNA", int(c.conn.snd.una-c.own), 1)
		}
	})
}

// RFC 5961 §7: challenges are limited, and for each connection alone.
func TestChallengeLimit(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		for i := range 100 {
			c.receive("R 100:100(0)")
			if i == 0 {
				c.challenged(Established)
			}
			c.wantIdle("one in half a second")
		}
		c.advance(challengeInterval)
		c.receive("S 100:100(0)")
		c.challenged(Established)
	})
}

// What an attacker sees on its own connection says nothing about another one
// (CVE-2016-5696): the answers are the same whether its guess there is right.
func TestChallengeTellsNothing(t *testing.T) {
	seen := map[string]bool{}
	for _, guess := range []string{"R 100:100(0)", "R 70000:70000(0)", "S 5:5(0)", ". 1:1(0) ack 5000", "R 1:1(0)"} {
		h := serving(t, Config{}, 5)
		victim, attacker := h.from(1000, 77), h.from(1001, 99)
		victim.handshake("S 0:0(0)", ". 1:1(0) ack 1")
		attacker.handshake("S 0:0(0)", ". 1:1(0) ack 1")
		answers := ""
		for range 30 {
			victim.arrive(guess)
			h.drain()
			attacker.receive("R 100:100(0)")
			out, ok := attacker.pull()
			answers += fmt.Sprint(ok, describe(&out.TCP, out.Len, attacker.isns), ";")
			h.now = h.now.Add(50 * time.Millisecond)
		}
		seen[answers] = true
	}
	if len(seen) != 1 {
		t.Errorf("the attacker can tell its guesses apart: %d kinds of answers", len(seen))
	}
}

// drain takes all output, whoever it is for.
func (h *testHost) drain() (segments int) {
	var out Output
	for h.e.Output(h.now, &out) {
		for _, v := range out.Views {
			v.Release()
		}
		segments++
	}
	return segments
}

// Two ends that disagree about the numbers do not shout at each other forever
// (the "ACK war").
func TestNoAckWar(t *testing.T) {
	for _, off := range []int64{-70000, -1, 1, 1000, 70000, 1 << 31} {
		for _, s := range []State{Established, FinWait2, CloseWait} {
			t.Run(fmt.Sprintf("%v/%d", s, off), func(t *testing.T) {
				w := worlds(t)[0]
				ends := [2]*testConn{w.reach(s), w.reach(Established)}
				ends[0].receive(fmt.Sprintf(". %d:%[1]d(0) ack 1", off))
				if n := shout(ends, 10*time.Second); n > 2*20+4 {
					t.Errorf("%d segments in 10 s", n)
				}
			})
		}
	}
}

// shout carries what both ends say to the other for d, and counts.
func shout(ends [2]*testConn, d time.Duration) (n int) {
	for limit := ends[0].now.Add(d); ends[0].now < limit; {
		var texts [2]string
		for i, c := range ends {
			if out, ok := c.pull(); ok {
				texts[1-i] = describe(&out.TCP, out.Len, c.rel)
				n++
			}
		}
		for i, c := range ends {
			c.now = c.now.Add(10 * time.Millisecond)
			if texts[i] != "" {
				c.receive(texts[i])
			}
		}
	}
	return n
}
