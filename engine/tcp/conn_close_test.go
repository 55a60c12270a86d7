package tcp

import (
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// ABORT of RFC 9293 §3.10.5 in every state: a RST where the peer expects
// something, and silence where it does not.
func TestAbort(t *testing.T) {
	answers := map[State]string{
		Closed: "", Listen: "", SynSent: "", SynReceived: "R. 1:1(0) ack 1", Established: "R. 1:1(0) ack 1",
		CloseWait: "R. 1:1(0) ack 2", FinWait1: "R. 2:2(0) ack 1", FinWait2: "R. 2:2(0) ack 1",
		Closing: "", LastAck: "", TimeWait: "",
	}
	for s := range State(NumStates) {
		t.Run(s.String(), func(t *testing.T) {
			everywhere(t, func(w world) {
				c := w.reach(s)
				c.abort()
				if answers[s] != "" {
					c.want("RST", answers[s])
				}
				c.wantState(Closed)
				c.wantIdle("nothing more")
				c.advance(time.Hour)
				c.wantIdle("nothing more")
			})
		})
	}
}

// What is queued dies with an ABORT, even when a timer has just called for it.
func TestAbortWithData(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.writeAndClose(10)
		c.want("data and FIN", "FP. 1:11(10) ack 1")
		c.receive(". 1:1(0) ack 11")
		c.step("timeout and abort", func(n *Conn) {
			n.Advance(n.Deadline())
			n.abort(c.now)
		})
		c.want("only a RST", "R. 12:12(0) ack 1")
		c.wantState(Closed)
		c.wantIdle("no FIN after it")
	})
}

// RFC 2525 §2.17: closing with data unread tells the peer that it is lost.
func TestCloseWithUnreadData(t *testing.T) {
	everywhere(t, func(w world) {
		for _, s := range []State{Established, FinWait1, FinWait2} {
			c := w.reach(s)
			c.receive("P. 1:11(10) ack 1")
			c.wantFlags("ACK", wire.ACK)
			c.leave()
			out := c.wantFlags("RST", wire.RST|wire.ACK)
			if out.Seq != c.conn.snd.nxt {
				c.fail("not the next number")
			}
			c.wantState(Closed)
			c.wantFailure(Aborted)
		}
		c := w.reach(Established)
		c.receive("FP. 1:11(10) ack 1")
		c.want("ACK", ". 1:1(0) ack 12")
		c.leave()
		c.want("RST in CLOSE-WAIT", "R. 1:1(0) ack 12")
		c.wantState(Closed)
	})
}

// RFC 9293 §3.6.1 (SHLD-3): data for a program that has gone is answered with
// a RST, a FIN or an old segment is not.
func TestDataAfterClose(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.leave()
		c.want("our FIN", "F. 1:1(0) ack 1")
		c.receive("P. 1:11(10) ack 2")
		c.wantDrop(wire.Closed)
		c.want("RST", "R. 2:2(0) ack 1")
		c.wantState(Closed)
		c.wantFailure(Reset)

		c = w.reach(Established)
		c.leave()
		c.want("our FIN", "F. 1:1(0) ack 1")
		c.receive("P. -10:0(10) ack 1")
		c.want("an old one", ". 2:2(0) ack 1")
		c.receive("F. 1:1(0) ack 2")
		c.want("the normal end", ". 2:2(0) ack 2")
		c.wantState(TimeWait)
	})
}

// Half-close: the side that closed first still reads.
func TestHalfCloseWeCloseFirst(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(FinWait2)
		c.receive("P. 1:1001(1000) ack 2")
		c.want("ACK", ". 2:2(0) ack 1001")
		c.readAll(1000)
		if c.conn.EOF() || !c.conn.WriteClosed() || !c.conn.Delivered() {
			c.fail("EOF %v, write closed %v, delivered %v", c.conn.EOF(), c.conn.WriteClosed(), c.conn.Delivered())
		}
		c.receive("FP. 1001:1011(10) ack 2")
		c.want("ACK", ". 2:2(0) ack 1012")
		c.wantState(TimeWait)
		c.readAll(10)
		if !c.conn.EOF() {
			c.fail("no end of stream")
		}
	})
}

// Half-close: the side that closed last still writes.
func TestHalfClosePeerClosesFirst(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(CloseWait)
		if !c.conn.EOF() || c.conn.Readable() != true {
			c.fail("no end of stream")
		}
		c.write(1000)
		c.want("data", "P. 1:1001(1000) ack 2")
		c.receive(". 2:2(0) ack 1001")
		c.writeAndClose(10)
		c.want("data and FIN in one", "FP. 1001:1011(10) ack 2")
		c.wantState(LastAck)
		c.receive(". 2:2(0) ack 1011")
		c.wantState(LastAck)
		c.wantAfter(minRTO, "the FIN again", "F. 1011:1011(0) ack 2")
		c.receive(". 2:2(0) ack 1012")
		c.wantState(Closed)
		c.wantFailure(NoFailure)
	})
}

// The FIN is repeated like data in FIN-WAIT-1, CLOSING and LAST-ACK.
func TestFinAgain(t *testing.T) {
	everywhere(t, func(w world) {
		for s, fin := range map[State]string{FinWait1: "F. 1:1(0) ack 1", Closing: "F. 1:1(0) ack 2", LastAck: "F. 1:1(0) ack 2"} {
			c := w.reach(s)
			for i := range 4 {
				c.wantAfter(minRTO<<i, "the FIN again", fin)
			}
			c.wantState(s)
		}
	})
}

// Nothing is written after the FIN.
func TestWriteAfterClose(t *testing.T) {
	everywhere(t, func(w world) {
		for s := range State(NumStates) {
			c := w.reach(s)
			may := s == SynSent || s == SynReceived || s == Established || s == CloseWait
			c.step("write", func(n *Conn) {
				if n.sendCopy([]byte{pattern(1)}) != may {
					c.fail("takes data: %v", !may)
				}
				if vs := twoViews([]byte{pattern(2)}); n.send(vs[0]) != may {
					c.fail("takes data: %v", !may)
				}
			})
			c.flush()
		}
	})
}

// A reader that has closed its side is at the end when it has read what came, as in Linux: that
// fills the window, and the end of the stream still counts. A close with it unread is a reset.
func TestCloseRead(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{ReceiveBuffer: 4000}, "S. 0:0(0) ack 1 <mss 1460>")
		c.receive("P. 1:3001(3000) ack 1")
		c.want("ACK", ". 1:1(0) ack 3001 win 1000")
		c.closeRead()
		c.wantIdle("nothing has changed for the peer")
		c.wantEqual("what came before", c.conn.Buffered(), 3000)
		c.receive("P. 3001:4001(1000) ack 1")
		c.want("ACK", ". 1:1(0) ack 4001 win 0")
		c.readAll(4000)
		c.want("the window opens", ". 1:1(0) ack 4001 win 4000")
		if !c.conn.EOF() || !c.conn.Readable() {
			c.fail("no end of stream for the reader")
		}
		c.receive("P. 4001:4501(500) ack 1")
		c.want("ACK", ". 1:1(0) ack 4501")
		c.wantEqual("what comes after", c.conn.Buffered(), 500)
		c.readAll(500)
		c.receive("F. 4501:4501(0) ack 1")
		c.want("ACK", ". 1:1(0) ack 4502")
		c.wantState(CloseWait)
		c.leave()
		c.want("our FIN", "F. 1:1(0) ack 4502")
		c.wantState(LastAck)
	})
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.closeRead()
		c.receive("P. 1:11(10) ack 1")
		c.flush()
		c.leave()
		c.want("a reset", "R. 1:1(0) ack 11")
		c.wantState(Closed)
	})
}

// A reset ends reading after what has come, and is no end of stream.
func TestResetKeepsData(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.receive("P. 1:11(10) ack 1")
		c.want("ACK", ". 1:1(0) ack 11")
		c.receive("R. 11:11(0) ack 1")
		c.wantState(Closed)
		c.wantFailure(Reset)
		c.readAll(10)
		if c.conn.EOF() {
			c.fail("end of stream after a reset")
		}
	})
}

// A RST that comes when only our FIN waits for its ACK tells nothing that anybody
// wants to know. With text unacknowledged the program learns that it may be lost,
// as from every kernel.
func TestResetWhileClosing(t *testing.T) {
	roads := map[State][2]string{LastAck: {"F. 1:1(0) ack 1", ""}, Closing: {"", "F. 1:1(0) ack 1"}}
	for s, fins := range roads {
		for _, acked := range []int64{0, 1, 9, 10} {
			t.Run(fmt.Sprintf("%v/%d of 10", s, acked), func(t *testing.T) {
				everywhere(t, func(w world) {
					c := w.reach(Established)
					for i, fin := range fins {
						if fin != "" {
							c.receive(fin)
							c.flush()
						}
						if i == 0 {
							c.writeAndClose(10)
							c.wantFlags("text and FIN", wire.PSH|wire.FIN|wire.ACK)
						}
					}
					c.wantState(s)
					c.receive(fmt.Sprintf(". 2:2(0) ack %d", 1+acked))
					c.receive("R 2:2(0)")
					c.wantState(Closed)
					want := Reset
					if acked == 10 {
						want = NoFailure
					}
					c.wantFailure(want)
					if !c.conn.EOF() {
						c.fail("the peer has said all that it had to say")
					}
				})
			})
		}
	}
}

// RFC 7323 §3.2: where both sides sent timestamps, a RST carries one, whatever it
// is that makes us send it.
func TestResetCarriesTimestamp(t *testing.T) {
	const options = " <TS val 20 ecr 3600000>"
	ways := map[string]func(c *testConn){
		"abort": func(c *testConn) { c.abort() },
		"close with unread data": func(c *testConn) {
			c.receive("P. 1:11(10) ack 1" + options)
			c.flush()
			c.leave()
		},
		"data after close": func(c *testConn) {
			c.leave()
			c.flush()
			c.receive("P. 1:11(10) ack 1" + options)
		},
		"user timeout": func(c *testConn) {
			c.write(10)
			c.flush()
			for c.conn.state != Closed {
				c.flush()
				c.advance(time.Minute)
			}
		},
		"keep-alive": func(c *testConn) {
			c.step("keep-alive", func(n *Conn) {
				n.setKeepAlive(c.now, &KeepAlive{Idle: time.Minute, Interval: time.Second, Count: 1})
			})
			for c.conn.state != Closed {
				c.flush()
				c.advance(time.Minute)
			}
		},
	}
	for name, play := range ways {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(w world) {
				c := w.opened(Config{}, "S. 0:0(0) ack 1 <mss 1460,TS val 10 ecr 3600000>")
				play(c)
				out := c.wantFlags("RST", wire.RST|wire.ACK)
				o := out.Options
				if o.Set != wire.OptTimestamps || o.TSVal != c.conn.ts.value(c.now) || o.TSEcr != c.conn.ts.recent {
					c.fail("its options are %s", o.String())
				}
				c.wantState(Closed)

				c = w.opened(Config{NoTimestamps: true}, "S. 0:0(0) ack 1 <mss 1460>")
				c.abort()
				if out := c.wantFlags("RST", wire.RST|wire.ACK); out.Options.Set != 0 {
					c.fail("nobody has agreed on %s", out.Options.String())
				}
			})
		})
	}
}

// Nor does it matter in which form the connection is kept.
func TestResetOfHalfOpenCarriesTimestamp(t *testing.T) {
	for _, kill := range []bool{false, true} {
		p := serving(t, Config{}, 5).from(1000, 7)
		p.receive("S 0:0(0) <mss 1460,TS val 20 ecr 0>")
		p.wantAny("SYN-ACK", wire.SYN|wire.ACK)
		if kill {
			p.e.Kill(p.now, p.tuple)
		} else {
			p.receive(". 1:1(0) ack 9 <TS val 21 ecr 0>")
		}
		out, ok := p.pull()
		if !ok || !out.Flags.Has(wire.RST) || out.Options.Set != wire.OptTimestamps || out.Options.TSEcr != 20 {
			p.fail("kill %v: no RST with a timestamp", kill)
		}
	}
}

// Whatever is said to a connection that has ended, until its program lets go of
// it: it stays as it is, and no timer runs.
func TestNothingAfterTheEnd(t *testing.T) {
	calls := map[string]func(c *testConn, n *Conn){
		"too big": func(c *testConn, n *Conn) {
			n.receiveICMP(c.now, ICMPError{Kind: ICMPTooBig, Seq: c.own + 1, MTU: 576})
		},
		"unreachable": func(c *testConn, n *Conn) {
			n.receiveICMP(c.now, ICMPError{Kind: ICMPHard, Failure: Refused, Seq: c.own + 1})
		},
		"keep-alive":     func(c *testConn, n *Conn) { n.setKeepAlive(c.now, &KeepAlive{time.Second, time.Second, 3}) },
		"user timeout":   func(c *testConn, n *Conn) { n.setUserTimeout(time.Second) },
		"receive buffer": func(c *testConn, n *Conn) { n.setReceiveBuffer(1 << 20) },
		"urgent":         func(c *testConn, n *Conn) { n.markUrgent() },
		"write":          func(c *testConn, n *Conn) { n.sendCopy([]byte{1}) },
		"close":          func(c *testConn, n *Conn) { n.closeWrite(c.now); n.close(c.now) },
		"close reading":  func(c *testConn, n *Conn) { n.closeRead() },
		"abort":          func(c *testConn, n *Conn) { n.abort(c.now) },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(w world) {
				c := w.sacking(Config{})
				c.write(10)
				c.want("in flight", "P. 1:11(10) ack 1")
				c.receive("P. 11:21(10) ack 1")
				c.flush()
				c.receive("R 1:1(0)")
				c.step(name, func(n *Conn) { call(c, n) })
				c.wantState(Closed)
				c.wantFailure(Reset)
				c.advance(time.Hour)
				c.wantIdle("nothing")
			})
		})
	}
}

// Nor that both have opened at the same time, and the peer acknowledges another SYN.
func TestRefusalCarriesTimestamp(t *testing.T) {
	p := newPair(t, Config{})
	tuple := wire.Tuple{Local: wire.AddrFrom4(0x0a000001), Remote: wire.AddrFrom4(0x0a000002), LocalPort: 1000, RemotePort: 80}
	en, err := p.ends[0].Connect(p.now, p.path, tuple, "client")
	if err != nil {
		t.Fatal(err)
	}
	exchange := func(flags wire.Flags, ack seq.Num) (out Output) {
		s := Segment{TCP: wire.TCP{SrcPort: 80, DstPort: 1000, Seq: 5, Ack: ack, Flags: flags, Window: 1000,
			Options: wire.Options{Set: wire.OptTimestamps, TSVal: 20}}}
		if flags == wire.ACK {
			s.Seq++
		}
		p.ends[0].Receive(p.now, p.path, &tuple, &s)
		p.ends[0].Output(p.now, &out)
		return out
	}
	var syn Output
	p.ends[0].Output(p.now, &syn)
	if out := exchange(wire.SYN, 0); out.Flags != wire.SYN|wire.ACK || en.State() != SynReceived {
		t.Fatalf("%v, %v", &out.TCP, en.State())
	}
	out := exchange(wire.ACK, syn.Seq+1000)
	if o := out.Options; out.Flags != wire.RST || o.Set != wire.OptTimestamps || o.TSVal != en.ts.value(p.now) || o.TSEcr != 20 {
		t.Errorf("the RST is %v", &out.TCP)
	}
	p.ends[0].Abort(p.now, en)
}
