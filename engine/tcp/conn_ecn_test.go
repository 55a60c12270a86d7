package tcp

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// withECN returns a connection that has asked for ECN, with a peer that has SACK and
// agrees; its first ACKs are delayed as all others.
func (w world) withECN(cfg Config) *testConn {
	w.Helper()
	cfg.ECN, cfg.QuickAcks = cc.ECNOn, -1
	c := w.newConn(cfg)
	c.open()
	c.want("asks for ECN", "[-] SEW 0:0(0)")
	c.receive("[-] S.E 0:0(0) ack 1 win 65535 <mss 1000,sackOK>")
	c.want("a pure ACK is never markable", "[-] . 1:1(0) ack 1")
	c.wantState(Established)
	return c
}

// A mark is told from the next ACK on, which leaves at once, until CWR comes.
func TestMarksAreEchoedUntilCWR(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.withECN(Config{})
		c.receive("[ect0] . 1:1001(1000) ack 1")
		c.wantIdle("a delayed ACK")
		c.receive("[ect0] . 1001:2001(1000) ack 1")
		c.want("nothing was marked", "[-] . 1:1(0) ack 2001")
		c.receive("[ce] . 2001:3001(1000) ack 1")
		c.want("a mark is not kept waiting", "[-] .E 1:1(0) ack 3001")
		c.receive("[ect0] . 3001:4001(1000) ack 1")
		c.wantAfter(40*time.Millisecond, "until the peer knows", "[-] .E 1:1(0) ack 4001")
		c.write(10)
		c.want("text tells it too", "[ect0] P.E 1:11(10) ack 4001")
		c.receive("[ect0] .W 4001:5001(1000) ack 11")
		c.want("it knows, and may wait for this", "[-] . 11:11(0) ack 5001")
		c.receive("[ce] .W 5001:6001(1000) ack 11")
		c.want("it knew, and was marked again", "[-] .E 11:11(0) ack 6001")
		c.receive("[ce] .W 5001:6001(1000) ack 11")
		c.want("what came before says nothing new", "[-] .E 11:11(0) ack 6001 <sack 5001:6001>")
		c.receive("[ect0] .W 9001:9011(10) ack 11")
		c.want("out of order counts too", "[-] . 11:11(0) ack 6001 <sack 9001:9011>")
		if i := c.conn.Info(c.now); !i.ECN || !i.ECNSeen {
			c.fail("ECN %v, seen %v", i.ECN, i.ECNSeen)
		}
	})
}

// The window falls once for all that is out, and the next new text says so. It does not
// grow before that is acknowledged.
func TestMarksReduceTheWindowOnce(t *testing.T) {
	for _, name := range []string{"reno", "cubic", "dctcp"} {
		everywhere(t, func(w world) {
			c := w.withECN(Config{CongestionControl: name})
			c.write(30000)
			c.flush()
			before := c.conn.cc.Limits().Window
			c.advance(5 * time.Millisecond)
			c.receive(".E 1:1(0) ack 1001")
			after := c.conn.cc.Limits().Window
			if after >= before || after < before/2 {
				c.fail("%s: the window was %d and is %d", name, before, after)
			}
			c.wantCAState("the window is reduced", "cwr")
			for n := 2001; n <= 10001; n += 1000 {
				c.receive(".E 1:1(0) ack " + strconv.Itoa(n))
				if got := c.conn.cc.Limits().Window; got != after {
					c.fail("%s: at %d the window is %d, was %d", name, n, got, after)
				}
				cwr := 0
				for out, ok := c.pull(); ok; out, ok = c.pull() {
					if out.Flags.Has(wire.CWR) {
						cwr++
					}
					if first := out.Seq == c.rel.own+10001; first != out.Flags.Has(wire.CWR) || out.ECN != wire.ECT0 {
						c.fail("%s: CWR %v, ECN %d on %d", name, out.Flags.Has(wire.CWR), out.ECN, out.Seq-c.rel.own)
					}
				}
			}
			c.receive(". 1:1(0) ack 10002") // of the next flight
			c.wantCAState("all that was out then has arrived", "open")
			c.flush()
			c.receive(".E 1:1(0) ack 11001")
			if got := c.conn.cc.Limits().Window; got >= after {
				c.fail("%s: the window is %d, was %d", name, got, after)
			}
			if i := c.conn.Info(c.now); i.DeliveredCE == 0 || uint64(i.DeliveredCE) != c.cfg.stats.TCPDeliveredCE/2 { // the clone counts too
				c.fail("%d segments were marked, in all %d", i.DeliveredCE, c.cfg.stats.TCPDeliveredCE/2)
			}
			c.flush()
		})
	}
}

func (c *testConn) wantCAState(why, want string) {
	c.Helper()
	if got := c.conn.Info(c.now).CAState; got != want {
		c.fail("%s: ca_state is %s, want %s", why, got, want)
	}
}

// A loss of the flight that was marked does not reduce the window a second time, and
// that it was none does not give back what the mark has taken.
func TestMarkAndLossAreOneReduction(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.withECN(Config{CongestionControl: "reno"})
		c.write(30000)
		c.flush()
		c.advance(5 * time.Millisecond)
		c.receive(".E 1:1(0) ack 1001")
		after := c.conn.cc.Limits().Window
		c.flush()
		c.receive(".E 1:1(0) ack 1001 <sack 2001:10001>")
		c.want("what is lost goes again, not markable, without CWR", "[-] . 1001:2001(1000) ack 1")
		c.flush()
		c.wantEqual("window", c.conn.cc.Limits().Window, after)
		c.receive(".E 1:1(0) ack 10001")
		c.flush()
		c.receive(". 1:1(0) ack 10001 <sack 1001:2001>") // it was not lost
		c.flush()
		if got := c.conn.cc.Limits().Window; got > after {
			c.fail("the window is %d, the mark left %d", got, after)
		}
	})
}

// Whatever tells of congestion of one flight, and in whatever order, ssthresh falls once:
// by a mark, a loss that what arrives shows, or a timeout. That the timeout was for
// nothing gives back nothing that a mark has taken.
// https://www.rfc-editor.org/rfc/rfc3168#section-6.1.2
func TestOneReductionForOneFlight(t *testing.T) {
	mark, loss, timeout := ".E 1:1(0) ack 1001", ". 1:1(0) ack 1001 <sack 2001:10001>", ""
	for _, name := range []string{"reno", "cubic", "dctcp"} {
		for _, told := range [][]string{{mark, timeout}, {mark, loss, timeout}, {loss, timeout}, {loss, mark, timeout}, {timeout, mark}, {timeout, timeout}, {timeout, loss}} {
			everywhere(t, func(w world) {
				c := w.withECN(Config{CongestionControl: name})
				c.write(30000)
				c.flush()
				c.advance(5 * time.Millisecond)
				c.receive(". 1:1(0) ack 1001")
				c.flush()
				before, once := c.conn.cc.Limits(), 0
				for i, text := range told {
					if text == timeout {
						for from := c.conn.rtt.timeouts; c.conn.rtt.timeouts == from; {
							c.advance(c.conn.Deadline().Sub(c.now))
							c.flush()
						}
					} else {
						c.receive(text)
						c.flush()
					}
					if got := c.conn.cc.Limits().Threshold; i == 0 {
						once = got
					} else if got != once {
						c.fail("%s, %q: ssthresh fell to %d and then to %d", name, told, once, got)
					}
				}
				if once >= before.Window {
					c.fail("%s, %q: ssthresh did not fall: %d", name, told, once)
				}
				c.receive(". 1:1(0) ack 10001")
				c.flush()
				if got := c.conn.cc.Limits().Threshold; told[0] == mark && got != once {
					c.fail("%s, %q: ssthresh rose to %d", name, told, got)
				}
			})
		}
	}
}

// The other way round: a mark of the flight of which something was lost. The peer
// learns of the reduction, whatever its reason, with the next new text.
func TestLossIsToldToo(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.withECN(Config{CongestionControl: "reno"})
		c.write(30000)
		c.flush()
		c.advance(5 * time.Millisecond)
		c.receive(". 1:1(0) ack 1 <sack 1001:10001>")
		after := c.conn.cc.Limits().Window
		c.want("again", "[-] . 1:1001(1000) ack 1")
		c.want("the first new text says so", "[ect0] .W 10001:11001(1000) ack 1")
		c.flush()
		c.receive(".E 1:1(0) ack 10001")
		c.flush()
		if got := c.conn.cc.Limits().Window; got != after {
			c.fail("the window is %d, was %d", got, after)
		}
	})
}

// After a timeout too; neither what is sent again nor a probe of a shut window may be
// marked, nor may a FIN without text.
func TestWhatMayNotBeMarked(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.withECN(Config{})
		c.write(1000)
		c.want("text", "[ect0] P. 1:1001(1000) ack 1")
		c.advance(1)
		c.receive(". 1:1(0) ack 1001 win 0")
		c.write(1500)
		for !c.pending() {
			c.now = c.conn.Deadline()
			c.step("timer", func(n *Conn) { n.Advance(c.now) })
		}
		c.want("a probe of a shut window", "[-] . 1001:1002(1) ack 1")
		c.receive(". 1:1(0) ack 1001 win 65535")
		c.want("again", "[-] . 1001:2001(1000) ack 1")
		c.want("and new", "[ect0] P. 2001:2501(500) ack 1")
		c.receive(". 1:1(0) ack 2501")
		c.close()
		c.want("a FIN", "[-] F. 2501:2501(0) ack 1")
	})
}

// A peer that says ECE for ever has little, but the connection lives on.
func TestEchoForEver(t *testing.T) {
	for _, name := range cc.Names() {
		p := newPair(t, Config{ECN: cc.ECNOn, CongestionControl: name})
		p.fate = func(from int, o *Output) (bool, time.Duration) {
			if from == 1 && !o.Flags.Has(wire.SYN) {
				o.Flags |= wire.ECE
			}
			return false, 0
		}
		client, server := p.connect()
		p.write(0, client, make([]byte, 300000))
		got := 0
		p.until("all is there", func() bool { got += len(p.read(1, server)); return got == 300000 })
	}
}

// Of a peer that has not agreed to ECN neither marks nor flags mean anything, and we
// send none.
func TestMarksOfWhoHasNotAgreed(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reachWith(Config{ECN: cc.ECNPassive}, Established)
		c.write(20000)
		c.flush()
		before := c.conn.cc.Limits().Window
		c.receive("[ce] .EW 1:1001(1000) ack 1461")
		for out, ok := c.pull(); ok; out, ok = c.pull() {
			if out.ECN != wire.NotECT || out.Flags&(wire.ECE|wire.CWR|wire.AE) != 0 {
				c.fail("it sends %v, ECN %d", out.Flags, out.ECN)
			}
		}
		if i := c.conn.Info(c.now); i.ECN || i.ECNSeen || i.DeliveredCE != 0 || c.conn.cc.Limits().Window < before {
			c.fail("%+v", i)
		}
	})
}

// DCTCP is told of each mark by itself: what waits for its ACK when that changes is
// acknowledged before.
func TestExactEcho(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.withECN(Config{CongestionControl: "dctcp"})
		c.receive("[ect0] . 1:1001(1000) ack 1")
		c.wantIdle("delayed")
		c.receive("[ce] . 1001:2001(1000) ack 1")
		c.want("what was not marked", ". 1:1(0) ack 1001")
		c.want("what was", ".E 1:1(0) ack 2001")
		c.receiveBatch("[ce] . 2001:3001(1000) ack 1", "[ect0] . 3001:3501(500) ack 1", "[ce] . 3501:4001(500) ack 1", "[ect0] . 4001:4501(500) ack 1")
		c.want("1500 were marked, in what order does not matter", ".E 1:1(0) ack 3501")
		c.want("1000 were not", ". 1:1(0) ack 4501")
		c.receive("[ect0] .W 4501:5001(500) ack 1")
		c.wantAfter(40*time.Millisecond, "the rest was not", ". 1:1(0) ack 5001")
		c.receive("[ce] .W 5001:6001(1000) ack 1")
		c.wantIdle("nothing waits")
		c.receive("[ce] .W 6001:7001(1000) ack 1")
		c.want("and CWR says nothing", ".E 1:1(0) ack 7001")
	})
}

// TestEveryMarkIsHeardOf: over wires that mark at random, in batches and delayed, the
// sender of DCTCP is told of exactly the bytes that were marked. With the others CE is
// always followed by ECE, ECE by less, and less by CWR.
func TestEveryMarkIsHeardOf(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 77))
		name := cc.Names()[seed%uint64(len(cc.Names()))]
		p := newPair(t, Config{ECN: cc.ECNOn, CongestionControl: name})
		if seed%3 == 0 {
			p.path.MaxGSO = 65535
		}
		marked, told, cwr, rate := 0, 0, 0, r.Float64()/2
		p.fate = func(from int, o *Output) (bool, time.Duration) {
			switch {
			case o.ECN != wire.NotECT && (o.Len == 0 || o.again || o.Flags.Has(wire.SYN)):
				t.Fatalf("seed %d: %v of %d bytes is markable", seed, o.Flags, o.Len)
			case from == 0 && o.Len > 0 && o.ECN == wire.ECT0 && r.Float64() < rate:
				o.ECN = wire.CE
				marked += o.Len
			}
			if o.Flags.Has(wire.CWR) && !o.Flags.Has(wire.SYN) {
				cwr++
			}
			return false, 0
		}
		client, server := p.connect()
		spy := &spyController{Controller: client.cc, heard: func(a cc.Ack) { told += a.Marked }}
		client.cc = spy
		want, got := 100000+r.IntN(400000), 0
		p.write(0, client, make([]byte, want))
		p.until("all is there", func() bool { got += len(p.read(1, server)); return got == want && client.Unsent() == 0 })
		p.write(0, client, make([]byte, 100)) // a reduction at the end is told with what follows
		p.until("the rest is there", func() bool { got += len(p.read(1, server)); return got == want+100 && client.Unsent() == 0 })
		if name == "dctcp" && told != marked {
			t.Errorf("seed %d: %d bytes were marked, %d are told", seed, marked, told)
		}
		if marked > 0 && (told == 0 || spy.reduced == 0) || marked > want/10 && cwr == 0 || cwr > spy.reduced || server.Info(p.now).DeliveredCE != 0 {
			t.Errorf("seed %d, %s: %d bytes marked, %d told, %d reductions, %d CWR", seed, name, marked, told, spy.reduced, cwr)
		}
	}
}

// spyController listens to what a controller is told.
type spyController struct {
	cc.Controller
	heard   func(cc.Ack)
	reduced int
}

func (s *spyController) OnAck(now clock.Time, a cc.Ack) { s.heard(a); s.Controller.OnAck(now, a) }

func (s *spyController) OnEvent(now clock.Time, e cc.Event) {
	if e.Kind == cc.Congestion || e.Kind == cc.Loss || e.Kind == cc.Timeout {
		s.reduced++
	}
	s.Controller.OnEvent(now, e)
}
