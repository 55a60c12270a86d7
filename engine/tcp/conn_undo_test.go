package tcp

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
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
	for seed := range uint64(24) {
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
