package tcp

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// lossyWithSACK returns a connection with a peer that has SACK, a round trip of 100 ms, and
// ten segments of 1000 bytes in flight, of 30 that were written.
func (w world) lossyWithSACK() *testConn {
	w.Helper()
	c := w.newConn(Config{CongestionControl: "reno"})
	c.open()
	c.want("our SYN", "S 0:0(0)")
	c.advance(100 * time.Millisecond)
	c.receive("S. 0:0(0) ack 1 <mss 1000,sackOK>")
	c.want("ACK", ". 1:1(0) ack 1")
	c.write(30000)
	segments, _ := c.flush()
	c.wantEqual("segments", segments, 10)
	c.advance(100 * time.Millisecond)
	return c
}

// Two holes are known by SACK: both are repaired in one round trip, nothing that the
// peer holds is sent again, and three segments behind a hole are enough.
func TestSACKRecovery(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.lossyWithSACK() // the first and the third are lost
		c.receive(". 1:1(0) ack 1 <sack 1001:2001>")
		c.want("limited transmit", ". 10001:11001(1000) ack 1")
		c.receive(". 1:1(0) ack 1 <sack 3001:4001 1001:2001>")
		c.want("limited transmit", ". 11001:12001(1000) ack 1")
		c.receive(". 1:1(0) ack 1 <sack 3001:5001 1001:2001>")
		c.want("the first hole", ". 1:1001(1000) ack 1")
		c.wantEqual("ssthresh: half of what was out without limited transmit", c.conn.cc.Limits().Threshold, 5000)
		c.receive(". 1:1(0) ack 1 <sack 3001:6001 1001:2001>")
		c.receive(". 1:1(0) ack 1 <sack 3001:7001 1001:2001>")
		c.receive(". 1:1(0) ack 1 <sack 3001:8001 1001:2001>")
		c.wantIdle("PRR: five for ten that arrive")
		c.receive(". 1:1(0) ack 1 <sack 3001:9001 1001:2001>")
		c.want("the second hole", ". 2001:3001(1000) ack 1")
		c.receive(". 1:1(0) ack 12001")
		if c.conn.loss.phase != noLoss || c.conn.inFlight() != 0 {
			c.fail("still in recovery, %d bytes in flight", c.conn.inFlight())
		}
		c.wantEqual("cwnd is ssthresh", c.conn.cc.Limits().Window, 5000)
		c.flush()
	})
}

// What was sent since a repair began, and is found lost before that ends, is another loss:
// it begins the next repair, which reduces the window again and counts what it sends.
// https://www.rfc-editor.org/rfc/rfc6675#section-5
func TestLossDuringRecoveryIsTheNext(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.lossyWithSACK() // the first is lost, and of what is sent in its repair the first two
		c.receive(". 1:1(0) ack 1 <sack 1001:4001>")
		c.want("the hole", ". 1:1001(1000) ack 1")
		c.receive(". 1:1(0) ack 1 <sack 1001:10001>")
		first := c.conn.cc.Limits().Threshold
		_, sent := c.flush()
		if sent < 4000 {
			c.fail("%d bytes of new text", sent)
		}
		c.advance(100 * time.Millisecond)
		c.receive(". 1:1(0) ack 1 win 11000 <sack 1001:10001 12001:13001>")
		c.want("the first once more", ". 1:1001(1000) ack 1")
		c.want("of the new ones that for which there is room", ". 10001:11001(1000) ack 1")
		if c.conn.flight.LostBytes() == 0 {
			c.fail("nothing else is lost")
		}
		counted := c.conn.cfg.stats.TCPFastRetrans
		c.receive(". 1:1(0) ack 10001 win 65535 <sack 12001:13001>")
		c.want("the other", ". 11001:12001(1000) ack 1")
		if c.conn.cfg.stats.TCPFastRetrans == counted {
			c.fail("not counted")
		}
		if got := c.conn.cc.Limits().Threshold; c.conn.loss.phase != fastRecovery || got >= first {
			c.fail("ssthresh was %d, and is %d", first, got)
		}
		c.flush()
	})
}

// A segment that is only late makes the window of reordering wait, when one has been
// late before; then nothing is repeated.
func TestReorderingIsLearned(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.lossyWithSACK()
		c.receive(". 1:1(0) ack 1 <sack 1001:2001>")
		c.flush()
		c.receive(". 1:1(0) ack 2001") // it was late, and less than a quarter of a round trip
		c.flush()
		c.advance(10 * time.Millisecond)
		c.receive(". 1:1(0) ack 2001 <sack 3001:7001>")
		if segments, _ := c.flush(); c.conn.loss.phase != noLoss || c.conn.tally.retrans != 0 {
			c.fail("%d segments, phase %d: what may be late is taken for lost", segments, c.conn.loss.phase)
		}
		c.advance(30 * time.Millisecond)
		c.want("a quarter of a round trip later it is lost", ". 2001:3001(1000) ack 1")
		c.flush()
	})
}

// A recovery for nothing is undone when D-SACK says that what was sent again came
// twice: the window is what it was.
func TestUndoByDSACK(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.lossyWithSACK()
		before := c.conn.cc.Limits().Window
		c.receive(". 1:1(0) ack 1 <sack 1001:4001>")
		c.flush()
		if c.conn.loss.phase != fastRecovery {
			c.fail("no recovery")
		}
		c.receive(". 1:1(0) ack 4001")
		c.flush()
		c.receive(". 1:1(0) ack 4001 <sack 1:1001>")
		c.flush()
		if got := c.conn.cc.Limits().Window; c.conn.loss.phase != noLoss || got < before {
			c.fail("phase %d, the window is %d, was %d", c.conn.loss.phase, got, before)
		}
	})
}

// The last segment is lost: a probe brings it back before the timeout, with the window
// as it was until it is known that there was a loss.
func TestTailLossProbe(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.lossyWithSACK()
		c.receive(". 1:1(0) ack 10001")
		c.flush() // all 30000 are out
		c.receive(". 1:1(0) ack 28001")
		c.wantIdle("two are out")
		before := c.conn.cc.Limits().Window
		c.wantAfter(2*c.conn.rtt.smoothed, "the last one again", "P. 29001:30001(1000) ack 1")
		c.wantEqual("cwnd", c.conn.cc.Limits().Window, before)
		c.advance(100 * time.Millisecond)
		c.receive(". 1:1(0) ack 28001 <sack 29001:30001>")
		c.want("what lies before it was sent long ago", ". 28001:29001(1000) ack 1")
		c.advance(100 * time.Millisecond)
		c.receive(". 1:1(0) ack 30001")
		c.wantIdle("all is there")
		c.wantEqual("sent again", int(c.conn.tally.retrans), 2)
	})
}

// The peer forgets what it said that it holds: everything is sent again.
func TestReneging(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.lossyWithSACK()
		c.receive(". 1:1(0) ack 1 <sack 1001:10001>")
		c.want("the hole", ". 1:1001(1000) ack 1")
		c.flush()
		c.receive(". 1:1(0) ack 1001") // and not 10001
		c.flush()
		sent := 0
		for range 100 {
			c.advance(50 * time.Millisecond)
			_, n := c.flush()
			if sent += n; c.conn.tally.bytesRetrans >= 10000 {
				break
			}
		}
		if c.conn.cfg.stats.TCPSACKReneging == 0 || c.conn.tally.bytesRetrans < 2000 {
			c.fail("reneged %d times, %d bytes sent again", c.conn.cfg.stats.TCPSACKReneging, c.conn.tally.bytesRetrans)
		}
	})
}

// On a wire that keeps the order, doubles nothing and loses no ACK, what counts as lost
// is lost: nothing is undone.
func TestRealLossIsNotUndone(t *testing.T) {
	for _, control := range []string{"reno", "cubic", "bbr"} {
		for seed := range uint64(12) {
			realLoss(t, control, seed, []float64{0.003, 0.01, 0.03, 0.1}[seed%4])
		}
	}
}

func realLoss(t *testing.T, control string, seed uint64, loss float64) {
	r := rand.New(rand.NewPCG(seed, 3))
	p := newPair(t, Config{CongestionControl: control, SendBuffer: 1 << 20, ReceiveBuffer: 1 << 20})
	p.delay = 25 * time.Millisecond
	var free clock.Time // when the wire has sent what it has
	p.fate = func(from int, o *Output) (bool, time.Duration) {
		if from == 1 {
			return false, 0
		}
		free = max(free, p.now).Add(timeFor(o.Len, 20e6))
		return r.Float64() < loss, free.Sub(p.now)
	}
	client, server := p.connect()
	p.write(0, client, make([]byte, 1<<20))
	for got := 0; got < 1<<20; p.step(p.now.Add(time.Hour)) {
		got += len(p.read(1, server))
	}
	if client.cfg.stats.undone() > 0 {
		t.Errorf("%s, seed %d: %d repairs of %d segments were undone", control, seed, client.cfg.stats.undone(), client.tally.retrans)
	}
}

// The peer's echo is that of before the hole when the probe's SACK comes: it holds back
// nothing. All that was lost with the tail goes again then, without a timeout.
func TestTailLossProbeWithTimestamps(t *testing.T) {
	p := newPair(t, Config{})
	client, server := p.connect()
	n := 0
	p.fate = func(from int, o *Output) (bool, time.Duration) {
		if from == 0 && o.Len > 0 {
			n++
		}
		return from == 0 && o.Len > 0 && 8 <= n && n <= 10, 0
	}
	p.write(0, client, make([]byte, 10*1448))
	p.until("all is there", func() bool { return server.Buffered() == 10*1448 })
	if c := p.ends[0].Counters(); c.TCPTimeouts != 0 || c.TCPLossProbes != 1 || c.RetransSegs != 3 {
		t.Errorf("%d timeouts, %d probes, %d segments sent again", c.TCPTimeouts, c.TCPLossProbes, c.RetransSegs)
	}
}

// What only the tail loss probe has repaired was a loss: the window falls as for any other.
// https://www.rfc-editor.org/rfc/rfc8985#section-7.4.2
func TestRepairedTailIsALoss(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.lossyWithSACK()
		c.receive(". 1:1(0) ack 10001")
		c.flush()
		c.receive(". 1:1(0) ack 28001")
		before := c.conn.cc.Limits().Window
		c.wantAfter(2*c.conn.rtt.smoothed, "the last one again", "P. 29001:30001(1000) ack 1")
		c.advance(100 * time.Millisecond)
		c.write(1000)
		c.flush()
		c.receive(". 1:1(0) ack 30001")
		c.receive(". 1:1(0) ack 31001") // and no D-SACK, although the probe must have arrived
		if got := c.conn.cc.Limits().Window; got > before*3/4 {
			c.fail("the window was %d and is %d", before, got)
		}
	})
}
