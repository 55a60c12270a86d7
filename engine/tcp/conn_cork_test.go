package tcp

import (
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/wire"
)

func (c *testConn) cork(on bool) {
	c.Helper()
	c.step(fmt.Sprint("cork ", on), func(n *Conn) {
		if on {
			n.hold(corked)
		} else {
			n.unhold(corked)
		}
	})
}

// writeMore writes n bytes and says that more follows.
func (c *testConn) writeMore(n int) {
	c.Helper()
	c.step(fmt.Sprintf("write %d, more follows", n), func(n2 *Conn) {
		n2.sendCopy(patternBytes(int64(1+c.written), n))
		n2.hold(moreToCome)
	})
	c.written += n
}

// With a cork full segments go, and the rest when the cork is out: with PSH, which the
// write asked for. It makes no difference whether there is delay, nor what the peer sends
// meanwhile.
func TestCork(t *testing.T) {
	for _, delay := range []bool{false, true} {
		everywhere(t, func(w world) {
			c := w.reach(Established)
			if !delay {
				c.setNoDelay()
			}
			c.cork(true)
			c.write(1000)
			c.wantIdle("less than a segment")
			c.write(1000)
			c.want("a full one", ". 1:1461(1460) ack 1")
			c.receive(". 1:1(0) ack 1461")
			c.wantIdle("the rest, although nothing is out")
			c.cork(false)
			c.want("the rest", "P. 1461:2001(540) ack 1")
			c.receive(". 1:1(0) ack 2001")
			c.write(10)
			c.want("no cork any more", "P. 2001:2011(10) ack 1")
			c.write(10)
			if delay {
				c.wantIdle("as before")
				c.receive(". 1:1(0) ack 2011")
			}
			c.want("as before", "P. 2011:2021(10) ack 1")
		})
	}
}

// A piece that was held, and has left because more was written, has the timer of text, and
// the next one that is held waits for as long as the first.
func TestHeldPieceLeavesItsTimerBehind(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.setNoDelay()
		rto := c.conn.rtt.timeout(c.cfg)
		c.writeMore(1000)
		c.wantIdle("more follows")
		c.advance(rto / 2)
		c.write(100)
		c.want("both", "P. 1:1101(1100) ack 1")
		c.advance(rto - time.Millisecond)
		c.wantIdle("neither a probe nor a repeat before the RTO")
		c.receive(". 1:1(0) ack 1101")
		rto = c.conn.rtt.timeout(c.cfg)
		c.writeMore(1000)
		c.advance(rto * 3 / 4)
		c.write(100)
		c.want("both again", "P. 1101:2201(1100) ack 1")
		c.receive(". 1:1(0) ack 2201")
		rto = c.conn.rtt.timeout(c.cfg)
		c.writeMore(1000)
		c.advance(rto / 2)
		c.wantIdle("not held for so long yet")
		c.wantAfter(rto/2, "for an RTO", "P. 2201:3201(1000) ack 1")
		c.wantEqual("probes", int(c.cfg.stats.TCPWinProbe), 0)
	})
}

// A cork that is forgotten holds nothing for longer than the timer of window probes: what
// leaves then is text, with the timer of text, and the next piece is held again.
func TestCorkIsForgotten(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.cork(true)
		c.write(1000)
		c.wantAfter(c.conn.rtt.timeout(c.cfg), "the timer", "P. 1:1001(1000) ack 1")
		c.wantEqual("probes", int(c.cfg.stats.TCPWinProbe), 0)
		c.write(10)
		c.receive(". 1:1(0) ack 1001")
		c.wantIdle("the next piece")
		c.wantAfter(c.conn.rtt.timeout(c.cfg), "and again", "P. 1001:1011(10) ack 1")
		c.wantAfter(c.conn.rtt.timeout(c.cfg), "lost, as any text", "P. 1001:1011(10) ack 1")
		c.receive(". 1:1(0) ack 1011")
		c.advance(time.Minute)
		c.wantIdle("nothing is left to send")
	})
}

// To set no delay pushes once, and counts when the cork is out.
func TestCorkAndNoDelay(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.cork(true)
		c.write(10)
		c.setNoDelay()
		c.want("pushed", "P. 1:11(10) ack 1")
		c.write(10)
		c.wantIdle("the cork is in")
		c.cork(false)
		c.want("no delay", "P. 11:21(10) ack 1")
		c.write(10)
		c.want("no delay", "P. 21:31(10) ack 1")
	})
}

// A close lets go of what is held, with the FIN.
func TestCorkAndClose(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.cork(true)
		c.write(10)
		c.close()
		c.want("all, and the FIN", "FP. 1:11(10) ack 1")
	})
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.writeMore(10)
		c.close()
		c.want("all, and the FIN; nobody pushed", "F. 1:11(10) ack 1")
	})
}

// What more follows waits for the next write. A segment that it completes goes without PSH,
// unless the write that completes it says that it is the last.
func TestMoreFollows(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.setNoDelay()
		c.writeMore(1000)
		c.wantIdle("more follows")
		c.writeMore(460)
		c.want("full", ". 1:1461(1460) ack 1")
		c.writeMore(10)
		c.wantIdle("more follows")
		c.write(10)
		c.want("all of it", "P. 1461:1481(20) ack 1")
		c.write(10)
		c.want("no delay, as before", "P. 1481:1491(10) ack 1")
	})
}

// Whatever comes from the peer ends the wait: then it is Nagle's algorithm that decides, or
// no delay. PSH is for who said that it is the end.
func TestMoreFollowsUntilTheAck(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.setNoDelay()
		c.write(10)
		c.want("something is out", "P. 1:11(10) ack 1")
		c.writeMore(10)
		c.wantIdle("more follows")
		c.receive(". 1:1(0) ack 11")
		c.want("the ACK ends it", ". 11:21(10) ack 1")
		c.writeMore(10)
		c.wantIdle("more follows, again")
		c.receive("P. 1:11(10) ack 11")
		c.want("text ends it", ". 21:31(10) ack 11")
	})
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.write(10)
		c.want("something is out", "P. 1:11(10) ack 1")
		c.writeMore(10)
		c.receive("P. 1:11(10) ack 1")
		c.want("Nagle", ". 11:11(0) ack 11")
		c.receive(". 11:11(0) ack 11")
		c.want("nothing is out any more", ". 11:21(10) ack 11")
	})
}

// With nothing out nothing comes that could end it: the timer does.
func TestMoreFollowsIsForgotten(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.writeMore(10)
		c.wantAfter(c.conn.rtt.timeout(c.cfg), "the timer", "P. 1:11(10) ack 1")
		c.receive(". 1:1(0) ack 11")
		c.advance(time.Minute)
		c.wantIdle("nothing is left")
	})
}

// A shut window is a matter of probes, with a cork or without.
func TestCorkAndWindow(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.receive(". 1:1(0) ack 1 win 0")
		c.cork(true)
		c.write(10)
		c.wantAfter(c.conn.rtt.timeout(c.cfg), "a probe", ". 1:2(1) ack 1")
		c.receive(". 1:1(0) ack 1 win 65535")
		c.want("what was sent already", ". 1:2(1) ack 1")
		c.receive(". 1:1(0) ack 2")
		c.wantIdle("the rest is held")
		c.cork(false)
		c.want("the rest", "P. 2:11(9) ack 1")
	})
}

// The calls do what the steps above do.
func TestCorkCalls(t *testing.T) {
	p, en := connecting(t, Config{NoTimestamps: true}, func(h *testHost, en *Entry) {
		h.e.SetNoDelay(h.now, en, true)
		h.e.SetCork(h.now, en, true)
	})
	p.wantAny("SYN", wire.SYN)
	p.receive("S. 0:0(0) ack 1 <mss 1460>")
	p.wantAny("ACK", wire.ACK)
	p.e.SendCopy(p.now, en, make([]byte, 10))
	p.wantNothing("corked")
	p.e.SetCork(p.now, en, false)
	p.want("all", "P. 1:11(10) ack 1")
	p.e.SendCopy(p.now, en, make([]byte, 10))
	p.e.MoreFollows(p.now, en)
	p.wantNothing("more follows")
	p.e.SendCopy(p.now, en, make([]byte, 10))
	p.want("all", "P. 11:31(20) ack 1")
	p.e.CloseWrite(p.now, en)
	p.e.MoreFollows(p.now, en)
	p.want("nothing can follow a FIN", "F. 31:31(0) ack 1")
}
