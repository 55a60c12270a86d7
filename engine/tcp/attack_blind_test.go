package tcp

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/alike"
)

// Segments and ICMP messages of somebody who sees nothing of a connection, and guesses:
// in handshakes, in TIME-WAIT, between ends that disagree, and by the million. What a
// guess in a synchronized state can do is in conn_blind_test.go; what an outsider can
// learn is in engine/host, where all that hosts share is.

// RFC 9293 §3.10.7.3 and RFC 5961 §3: a RST ends a handshake only with the ACK of our SYN,
// or with exactly the number that comes next; the listener is there all the same.
func TestResetInHandshake(t *testing.T) {
	everywhere(t, func(w world) {
		for _, flags := range []string{"R", "R.", "RP.", "RF."} {
			for _, at := range []int64{-1, 0, 1, 2, 65535, 65536, 1 << 31, 1<<31 + 1} {
				for _, ack := range []int64{-1, 0, 1, 2, 1<<31 + 1, 1<<31 + 2} {
					c := w.reach(SynSent)
					c.receive(fmt.Sprintf("%s %d:%d(0) ack %d", flags, at, at, ack))
					want := SynSent
					if flags != "R" && ack == 1 {
						want = Closed
					}
					c.wantState(want)

					c = w.reach(SynReceived)
					c.receive(fmt.Sprintf("%s %d:%d(0) ack %d", flags, at, at, ack))
					if out, ok := c.pull(); ok && (out.Flags != wire.ACK || at <= 1 || at > 65536) {
						c.fail("answered by %v", out.Flags)
					}
					if want = SynReceived; at == 1 {
						want = Listen
					}
					c.wantState(want)
				}
			}
		}
	})
}

// And in compact form: who resets one handshake leaves the listener to others.
func TestListenerOutlivesResets(t *testing.T) {
	for _, mode := range []CookieMode{CookiesAuto, CookiesAlways, CookiesOff} {
		h := serving(t, Config{Cookies: mode}, 5)
		for i := range uint16(200) {
			p := h.from(1000+i, seq.Num(i)*0x1234567)
			p.receive("S 0:0(0) <mss 1460>")
			p.want("SYN-ACK", "S. 0:0(0) ack 1")
			p.receive(fmt.Sprintf("R %d:%[1]d(0)", 1+i%3))
			h.drain()
			p.receive(fmt.Sprintf("R. %d:%[1]d(0) ack %d", 1, i%5))
			h.drain()
		}
		p := h.from(9, 77)
		p.handshake("S 0:0(0) <mss 1460>", ". 1:1(0) ack 1")
	}
}

// With timestamps: neither an older nor a newer one, in whatever segment, ends TIME-WAIT,
// but a SYN that RFC 6191 allows.
func TestTimeWaitAssassinationWithTimestamps(t *testing.T) {
	inBothForms(t, func(t *testing.T, held bool) {
		h := serving(t, Config{}, 5)
		p := h.from(1000, 0xfffffff0)
		en := p.waiting("<TS val 1000 ecr 0>", held)
		for _, stamp := range []uint32{0, 999, 1000, 1001, 1 << 31, 1000 + 1<<31 - 1, 1000 + 1<<31, 0xffffffff} {
			for _, number := range []int{-70000, -1, 0, 1, 2, 3, 30000, 65538, 1 << 30} {
				for _, flags := range []string{"R", "R.", ".", "P.", "F.", "S.", "U.", "SR", "F", "P"} {
					n := 0
					if flags == "P." {
						n = 10
					}
					for _, ack := range []int{-70000, 1, 2, 3} {
						p.receive(fmt.Sprintf("%s %d:%d(%d) ack %d <TS val %d ecr 1>", flags, number, number+n, n, ack, stamp))
						if out, ok := p.pull(); ok && (out.Flags != wire.ACK || out.Ack != p.peer+2 || out.Seq != p.own+2) {
							p.fail("%s %d with %d is answered with %s", flags, number, stamp, describe(&out.TCP, out.Len, p.isns))
						}
						h.wantLen("TIME-WAIT stays", 1)
					}
				}
			}
		}
		h.advance(2 * msl)
		h.wantLen("2MSL are over", 0)
		h.e.Close(h.now, en)
	})
}

// B15: two ends that disagree by anything about the numbers of one of them, in any states,
// do not shout: two ACKs a second from each at most, however long it lasts, and when both
// programs go, both come to an end.
func TestNoAckWarInAnyState(t *testing.T) {
	states := append([]State{SynReceived}, synchronized[:6]...)
	for _, s := range states {
		for _, o := range states {
			for _, off := range []int64{-1, 1, 1000, 65535, -65536, 1 << 31} {
				t.Run(fmt.Sprintf("%v-%v/%d", s, o, off), func(t *testing.T) {
					w := worlds(t)[2]
					w.T = t
					q := quarrel{ends: [2]*testConn{w.reach(s), w.reach(o)}, off: off}
					for _, c := range q.ends {
						c.receive(fmt.Sprintf(". %d:%[1]d(0) ack %d", int64(c.conn.rcv.nxt-c.peer)-1, c.conn.snd.una-c.own))
					}
					if n := q.shout(10 * time.Second); n > 2*20+4 {
						t.Fatalf("%d ACKs in 10 s", n)
					}
					for _, c := range q.ends {
						c.leave()
					}
					q.shout(20 * time.Minute)
					for _, c := range q.ends {
						if c.conn.state > Listen {
							c.fail("%v for ever", c.conn.state)
						}
					}
				})
			}
		}
	}
}

// quarrel is two ends, of which the second counts the first one's numbers wrong.
type quarrel struct {
	ends [2]*testConn
	off  int64
}

// shout carries what both ends say to the other for d, and counts segments without text
// or FIN.
func (q *quarrel) shout(d time.Duration) (n int) {
	const trip = 10 * time.Millisecond
	ends := q.ends
	for limit := ends[0].now.Add(d); ends[0].now < limit; {
		var texts [2]string
		for i, c := range ends {
			out, ok := c.pull()
			if !ok {
				continue
			}
			if out.Flags == wire.ACK && out.Len == 0 {
				n++
			}
			rel := c.rel
			if i == 0 {
				rel.own -= seq.Num(q.off)
			} else {
				rel.peer += seq.Num(q.off)
			}
			texts[1-i] = describe(&out.TCP, out.Len, rel)
		}
		next := ends[0].now.Add(trip)
		if texts == [2]string{} { // nothing but a timer can break the silence
			next = max(next, min(ends[0].conn.Deadline(), ends[1].conn.Deadline(), limit))
		}
		for i, c := range ends {
			if texts[i] != "" && c.conn.state > Listen {
				c.receive(texts[i])
			}
			c.now = next
			if !c.pending() && c.conn.Deadline() <= next {
				c.step("timer", func(m *Conn) { m.Advance(next) })
			}
		}
	}
	return n
}

// B16: a million segments that deserve a challenge, of every kind, cost no memory, and
// one answer in half a second.
func TestChallengesCostNothing(t *testing.T) {
	e, l := server(t, Config{})
	now := clock.Time(time.Hour)
	name := numbered(false, 1)
	en := honest(t, e, l, now, name, 100, true)
	en.Owner = "server"
	nxt, una, sent := en.rcv.nxt, en.snd.una, en.snd.nxt
	kinds := []Segment{
		{TCP: wire.TCP{Flags: wire.RST, Seq: nxt + 7}}, {TCP: wire.TCP{Flags: wire.SYN, Seq: nxt}},
		{TCP: wire.TCP{Flags: wire.SYN | wire.ACK, Seq: nxt + 1<<20, Ack: una}}, {TCP: wire.TCP{Flags: wire.ACK, Seq: nxt, Ack: sent + 1}},
		{TCP: wire.TCP{Flags: wire.ACK, Seq: nxt, Ack: una - 1<<20}}, {TCP: wire.TCP{Flags: wire.ACK, Seq: nxt - 1, Ack: una}},
		{TCP: wire.TCP{Flags: wire.ACK, Seq: nxt - 1<<20, Ack: una}},
	}
	const each = 4 * time.Microsecond
	answers, out := 0, Output{}
	send := func(times int) {
		for i := range times {
			s := kinds[i%len(kinds)]
			s.SrcPort, s.DstPort = name.RemotePort, name.LocalPort
			e.Receive(now, path1500, &name, &s)
			for e.Output(now, &out) {
				answers++
			}
			now = now.Add(each)
		}
	}
	send(1000)
	answers = 0
	total := int(few(1_000_000))
	send(total / 2)
	if allocs := allocations(func() { send(total / 2 / allocationRuns) }); allocs > 0 && !alike.Raced {
		t.Errorf("%v allocations", allocs)
	}
	if most := 2 + int(time.Duration(total)*each/challengeInterval); answers > most || answers == 0 {
		t.Errorf("%d answers to %d segments in %v, want at most %d", answers, total, time.Duration(total)*each, most)
	}
	if en.state != Established || en.snd.una != una || en.rcv.nxt != nxt {
		t.Errorf("%v", en.state)
	}
}

// B10, in every state: of 2^16 messages that quote a number at random none does anything;
// of those that quote what is in flight none ends a connection, none raises the MTU, and
// none makes segments smaller than the least. Only an attempt to connect ends, by a hard one.
func TestForgedICMPInEveryState(t *testing.T) {
	for _, w := range worlds(t)[:2] {
		for s := SynSent; s < State(NumStates); s++ {
			t.Run(fmt.Sprintf("%v/%v", w, s), func(t *testing.T) {
				w.T = t
				c := w.reach(s)
				if s == Established || s == CloseWait {
					c.write(3000)
					c.flush()
				}
				r := rand.New(rand.NewPCG(uint64(s), 1))
				for i := range int(few(1 << 16)) {
					d := c.conn.Clone(nil)
					e := ICMPError{Kind: ICMPKind(i % 3), Failure: Refused, Seq: seq.Num(r.Uint32()), MTU: r.IntN(70000), Size: r.IntN(70000)}
					inFlight := e.Seq.In(d.snd.una, d.snd.nxt.Sub(d.snd.una))
					if got := d.receiveICMP(c.now, e); got != wire.ForgedICMP && !inFlight {
						t.Fatalf("%+v is believed", e)
					}
					d.release()
				}
				c.forge(s)
			})
		}
	}
}

// forge has ICMP quote everything that is in flight, with all sizes.
func (c *testConn) forge(s State) {
	c.Helper()
	for at := c.conn.snd.una; at != c.conn.snd.nxt; at++ {
		for _, mtu := range []int{0, 1, 68, 575, 576, 1280, 1499, 1500, 1501, 65535, 1 << 20, -1} {
			for _, size := range []int{0, 1, 1500, 65535} {
				for k := range ICMPKind(3) {
					d := c.conn.Clone(nil)
					before, mss := d.snapshot(), d.path.mss
					d.receiveICMP(c.now, ICMPError{Kind: k, Failure: Refused, Seq: at, MTU: mtu, Size: size})
					if err := d.check(before); err != nil {
						c.fail("MTU %d of %d bytes: %v", mtu, size, err)
					}
					want := s
					if s == SynSent && k == ICMPHard {
						want = Closed
					}
					if d.state != want || d.path.mss > mss || d.path.mss < minMSS {
						c.fail("kind %d, MTU %d of %d bytes: %v, segments of %d", k, mtu, size, d.state, d.path.mss)
					}
					d.release()
				}
			}
		}
		if at-c.conn.snd.una > 20 {
			break
		}
	}
}
