package tcp

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// recovered returns lossyWithSACK after a fast recovery of its first segment, which may
// have been late only, and the window before that.
func (w world) recovered() (c *testConn, before int) {
	w.Helper()
	c = w.lossyWithSACK()
	before = c.conn.cc.Limits().Window
	c.receive(". 1:1(0) ack 1 <sack 1001:4001>")
	c.want("the hole", ". 1:1001(1000) ack 1")
	c.flush()
	c.advance(100 * time.Millisecond)
	c.receive(fmt.Sprintf(". 1:1(0) ack %d", c.conn.snd.nxt-c.own))
	c.flush()
	if c.conn.loss.phase != noLoss || c.conn.cc.Limits().Window >= before {
		c.fail("phase %d, the window is %d, was %d", c.conn.loss.phase, c.conn.cc.Limits().Window, before)
	}
	return c, before
}

// What overtook a segment by several round trips shows late that it was not lost.
func TestUndoLongAfterRecovery(t *testing.T) {
	everywhere(t, func(w world) {
		c, before := w.recovered()
		for range 3 {
			c.advance(100 * time.Millisecond)
			c.receive(fmt.Sprintf(". 1:1(0) ack %d", c.conn.snd.nxt-c.own))
			c.flush()
		}
		c.receive(fmt.Sprintf(". 1:1(0) ack %d <sack 1:1001>", c.conn.snd.nxt-c.own))
		c.flush()
		if got := c.conn.cc.Limits().Window; got < before {
			c.fail("the window is %d, was %d", got, before)
		}
		if !c.conn.loss.reorder.Seen {
			c.fail("nothing is learned of reordering")
		}
	})
}

// That something else came twice tells nothing of a recovery: neither what the network
// doubled nor what an earlier recovery sent again.
func TestNoUndoForWhatElseCameTwice(t *testing.T) {
	everywhere(t, func(w world) {
		c, before := w.recovered()
		c.receive(fmt.Sprintf(". 1:1(0) ack %d <sack 1001:2001>", c.conn.snd.nxt-c.own))
		c.flush()
		if c.conn.cc.Limits().Window >= before {
			c.fail("what was sent once came twice, and all is undone")
		}

		c = w.lossyWithSACK() // the first is late, later the second is lost
		before = c.conn.cc.Limits().Window
		c.receive(". 1:1(0) ack 1 <sack 2001:5001>")
		c.want("the first", ". 1:1001(1000) ack 1")
		c.flush()
		c.receive(". 1:1(0) ack 1 <sack 2001:10001>")
		c.flush()
		c.advance(100 * time.Millisecond)
		c.receive(". 1:1(0) ack 1 <sack 2001:12001>")
		c.flush()
		c.receive(". 1:1(0) ack 1001 <sack 1:1001 2001:12001>")
		c.flush()
		if c.conn.cc.Limits().Window >= before {
			c.fail("one of two that were sent again came twice, and all is undone")
		}
	})
}

// TestNoLossRaisesTheWindow: over wires that lose, delay and double segments no
// recovery begins with a larger window than there was, whatever was undone before.
func TestNoLossRaisesTheWindow(t *testing.T) {
	for seed := range few(24) {
		name := []string{"reno", "cubic", "dctcp"}[seed%3]
		t.Run(fmt.Sprint(name, seed), func(t *testing.T) { noLossRaisesTheWindow(t, name, seed) })
	}
}

func noLossRaisesTheWindow(t *testing.T, name string, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	p := newPair(t, Config{CongestionControl: name, SendBuffer: 1 << 20})
	loss, late := r.Float64()*0.02, r.Float64()*0.05
	p.fate = func(from int, _ *Output) (bool, time.Duration) {
		if from == 0 && r.Float64() < late {
			return false, time.Duration(r.IntN(40)) * time.Millisecond
		}
		return from == 0 && r.Float64() < loss, 0
	}
	client, server := p.connect()
	recoveries := 0
	for end := p.now.Add(4 * time.Second); p.now < end; {
		for client.SendSpace() > 0 {
			p.write(0, client, make([]byte, 10000))
		}
		phase, window, undone := client.loss.phase, client.cc.Limits().Window, client.cfg.stats.undone()
		p.step(end)
		if phase == noLoss && client.loss.phase == fastRecovery {
			recoveries++
			if got := client.cc.Limits().Window; got > window && client.cfg.stats.undone() == undone {
				t.Fatalf("after %d recoveries a loss raises the window from %d to %d", recoveries, window, got)
			}
		}
		p.read(1, server)
	}
	if recoveries == 0 {
		t.Error("no recovery")
	}
}

// tenOut returns a connection whose peer has the given options, with ten segments of
// 1000 bytes in flight and a round trip of 100 ms.
func (w world) tenOut(options string) *testConn {
	w.Helper()
	c := w.newConn(Config{CongestionControl: "reno"})
	c.open()
	c.want("our SYN", "S 0:0(0)")
	c.advance(100 * time.Millisecond)
	c.receive("S. 0:0(0) ack 1 <" + options + ">")
	c.wantFlags("ACK", wire.ACK)
	c.write(60000)
	segments, size := c.flush()
	c.wantEqual("segments", segments, 10)
	c.wantEqual("bytes", size, 10000)
	return c
}

// delayed returns tenOut after a timeout for nothing: the network has held all ten
// segments back. The first was sent again.
func (w world) delayed(options string) (c *testConn, before int) {
	w.Helper()
	c = w.tenOut(options)
	before = c.conn.cc.Limits().Window
	for c.conn.rtt.backoff == 0 {
		c.advance(c.conn.Deadline().Sub(c.now))
		if c.conn.rtt.backoff == 0 {
			c.flush() // a tail loss probe
		}
	}
	c.want("a timeout", ". 1:1001(1000) ack 1")
	c.wantIdle("one segment after a timeout")
	c.wantEqual("the window", c.conn.cc.Limits().Window, 1000)
	return c, before
}

func (c *testConn) wantUndone(why string, before int) {
	c.Helper()
	if got := c.conn.cc.Limits().Window; c.conn.loss.phase != noLoss || c.cfg.stats.undone() == 0 || got < before {
		c.fail("%s: phase %d, the window is %d, was %d", why, c.conn.loss.phase, got, before)
	}
	if f := c.conn.flight; f != nil && f.LostBytes() > 0 {
		c.fail("%s: %d bytes still count as lost", why, f.LostBytes())
	}
}

// F-RTO (RFC 5682): without timestamps two ACKs show that a timeout was for nothing. The
// first lets new text go instead of old, the second acknowledges what was sent once.
func TestFRTO(t *testing.T) {
	everywhere(t, func(w world) {
		c, before := w.delayed("mss 1000")
		c.receive(". 1:1(0) ack 1001")
		c.want("new text", ". 10001:11001(1000) ack 1")
		c.want("new text", ". 11001:12001(1000) ack 1")
		c.wantIdle("and nothing old")
		c.receive(". 1:1(0) ack 2001")
		c.wantUndone("an ACK of what was sent once", before)
		c.flush()
		c.receive(". 1:1(0) ack 12001")
		c.flush()
		c.wantEqual("sent again", int(c.conn.tally.retrans), 1)
	})
}

// With SACK the first ACK is enough when it acknowledges more than was sent again.
func TestFRTOWithSACK(t *testing.T) {
	everywhere(t, func(w world) {
		c, before := w.delayed("mss 1000,sackOK")
		c.receive(". 1:1(0) ack 3001")
		c.wantUndone("an ACK of what was sent once", before)
	})
}

// A loss that was one ends the trial: a duplicate ACK shows it, another timeout, or SACK.
func TestFRTOOfRealLoss(t *testing.T) {
	everywhere(t, func(w world) {
		c, _ := w.delayed("mss 1000")
		c.receive(". 1:1(0) ack 1001")
		c.flush() // new text
		c.receive(". 1:1(0) ack 1001")
		c.want("duplicate ACK: the second is lost too", ". 1001:2001(1000) ack 1")
		c.flush()
		c.receive(". 1:1(0) ack 12001")
		c.flush()
		c.wantEqual("undone", int(c.cfg.stats.undone()), 0)

		c, _ = w.delayed("mss 1000")
		c.receive(". 1:1(0) ack 1001")
		c.flush() // new text, and all of it is lost
		c.advance(c.conn.Deadline().Sub(c.now))
		c.want("the second after another timeout", ". 1001:2001(1000) ack 1")
		c.wantIdle("one segment after a timeout")

		c, _ = w.delayed("mss 1000,sackOK")
		c.receive(". 1:1(0) ack 1001 <sack 11001:12001>")
		c.flush()
		c.receive(". 1:1(0) ack 1001 <sack 10001:12001>")
		c.flush()
		c.wantEqual("undone", int(c.cfg.stats.undone()), 0)
	})
}

// Eifel (RFC 3522): the echo of a timestamp that is older than what was sent again shows
// at once that the original arrived, after a timeout and in fast recovery.
func TestEifel(t *testing.T) {
	everywhere(t, func(w world) {
		c, before := w.delayed("mss 1012,TS val 5000 ecr 3600000")
		c.receive(". 1:1(0) ack 1001 <TS val 5400 ecr 3600100>")
		c.wantUndone("the echo of the original", before)

		c, _ = w.delayed("mss 1012,TS val 5000 ecr 3600000")
		c.receive(fmt.Sprintf(". 1:1(0) ack 1001 <TS val 5400 ecr %d>", c.conn.ts.value(c.now)))
		c.wantEqual("the echo of what was sent again", int(c.cfg.stats.undone()), 0)
	})
	everywhere(t, func(w world) {
		c := w.tenOut("mss 1012,sackOK,TS val 5000 ecr 3600000")
		before := c.conn.cc.Limits().Window
		c.advance(100 * time.Millisecond)
		c.receive(". 1:1(0) ack 1 <TS val 5100 ecr 3600100,sack 1001:4001>")
		c.want("fast retransmit", ". 1:1001(1000) ack 1")
		c.flush()
		c.advance(20 * time.Millisecond)
		c.receive(". 1:1(0) ack 10001 <TS val 5120 ecr 3600100>")
		c.wantUndone("the echo of the original", before)
		if !c.conn.loss.reorder.Seen {
			c.fail("nothing is learned of reordering")
		}
	})
}
