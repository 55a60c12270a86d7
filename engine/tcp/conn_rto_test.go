package tcp

import (
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// RFC 6298 §2.2 and §2.3, in its own numbers.
func TestRTOFormula(t *testing.T) {
	cfg := (Config{}).withDefaults()
	var r rtt
	steps := []struct{ sample, smoothed, variation, rto time.Duration }{
		{1000, 1000, 500, 3000},
		{1000, 1000, 375, 2500},
		{2000, 1125, 531, 3250},
		{100, 997, 655, 3616},
		{0, 872, 740, 3833},
	}
	for i, s := range steps {
		r.sample(s.sample*time.Millisecond, cfg)
		got := []time.Duration{r.smoothed, r.variation, r.rto}
		for k, want := range []time.Duration{s.smoothed, s.variation, s.rto} {
			if d := (got[k] - want*time.Millisecond).Abs(); d > 2*time.Millisecond {
				t.Errorf("sample %d: got %v, want %dms", i, got, want)
			}
		}
	}
	r.sample(time.Hour, cfg)
	if r.rto != cfg.MaxRTO {
		t.Errorf("RTO %v, want the largest", r.rto)
	}
	for backoff := range 256 {
		r.rto, r.backoff = time.Second, uint8(backoff)
		if got, want := r.timeout(cfg), min(time.Second<<min(backoff, 20), cfg.MaxRTO); got != want {
			t.Errorf("back-off %d: %v, want %v", backoff, got, want)
		}
	}
}

// measured returns a connection whose round trip is 100 ms: the RTO is
// 100 + 4*50 ms.
func (w world) measured(cfg Config) *testConn {
	w.Helper()
	c := w.newConn(cfg)
	c.open()
	c.want("our SYN", "S 0:0(0)")
	c.advance(100 * time.Millisecond)
	c.receive("S. 0:0(0) ack 1 <mss 1000>")
	c.want("ACK", ". 1:1(0) ack 1")
	return c
}

// RFC 6298 §5: each expiry doubles the RTO; by Karn's rule only an ACK of
// something sent once brings it back.
func TestBackOff(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.measured(Config{})
		c.write(500)
		c.want("data", "P. 1:501(500) ack 1")
		for i := range 4 {
			c.wantAfter(300*time.Millisecond<<i, "again", "P. 1:501(500) ack 1")
		}
		c.receive(". 1:1(0) ack 501")
		c.write(500)
		c.want("new data", "P. 501:1001(500) ack 1")
		c.wantAfter(4800*time.Millisecond, "no sample yet: still backed off", "P. 501:1001(500) ack 1")
		c.receive(". 1:1(0) ack 1001")
		c.write(500)
		c.want("new data", "P. 1001:1501(500) ack 1")
		c.advance(100 * time.Millisecond)
		c.receive(". 1:1(0) ack 1501")
		c.write(500)
		c.want("new data", "P. 1501:2001(500) ack 1")
		c.wantAfter(300*time.Millisecond, "a sample: 100 + 200, more than 4*37.5", "P. 1501:2001(500) ack 1")
	})
}

// RFC 6298 §5.3: an ACK of new data restarts the timer.
func TestTimerRestarts(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.measured(Config{})
		c.write(3000)
		segments, _ := c.flush()
		c.wantEqual("segments", segments, 3)
		c.advance(200 * time.Millisecond)
		c.receive(". 1:1(0) ack 1001") // 200 ms: srtt 112.5, var 62.5
		rto := c.conn.rtt.rto
		c.wantAfter(rto, "the oldest again", ". 1001:2001(1000) ack 1")
		c.wantIdle("the congestion window is one segment")
		c.receive(". 1:1(0) ack 3001")
		c.advance(time.Hour)
		c.wantIdle("nothing is outstanding")
	})
}

// A timeout sends one segment; ssthresh falls once, however often it fires.
func TestTimeoutShrinksWindow(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.measured(Config{CongestionControl: "reno"})
		c.write(100000)
		segments, _ := c.flush()
		c.wantEqual("initial window of RFC 6928", segments, 10)
		c.advance(300 * time.Millisecond)
		c.want("one segment", ". 1:1001(1000) ack 1")
		c.wantEqual("ssthresh", c.conn.cc.Limits().Threshold, 5000)
		c.wantEqual("cwnd", c.conn.cc.Limits().Window, 1000)
		c.wantAfter(600*time.Millisecond, "one segment", ". 1:1001(1000) ack 1")
		c.wantEqual("ssthresh", c.conn.cc.Limits().Threshold, 5000)
		c.receive(". 1:1(0) ack 1001")
		c.want("new text first: F-RTO", ". 10001:11001(1000) ack 1")
		c.want("new text first: F-RTO", ". 11001:12001(1000) ack 1")
		c.receive(". 1:1(0) ack 1001")
		c.want("the timeout was none for nothing, and new text has arrived", ". 1001:2001(1000) ack 1")
		c.wantIdle("two segments are under way")
		for i := 2; i < 4; i++ { // go back and slow start
			c.receive(fmt.Sprintf(". 1:1(0) ack %d", i*1000+1))
			c.flush()
		}
		c.wantEqual("cwnd", c.conn.cc.Limits().Window, 4000)
	})
}

// RFC 5681 §4.1: after an idle time the window is the initial one again.
func TestRestartAfterIdle(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.measured(Config{})
		for range 3 {
			c.write(40000)
			for c.conn.Unsent() > 0 {
				c.flush()
				c.receive(fmt.Sprintf(". 1:1(0) ack %d", c.conn.snd.nxt-c.own))
			}
		}
		if c.conn.cc.Limits().Window <= 14600 {
			c.fail("the window did not grow: %d", c.conn.cc.Limits().Window)
		}
		c.advance(time.Minute)
		c.write(40000)
		_, size := c.flush()
		c.wantEqual("bytes sent at once", size, 10000)
	})
}

// lossy returns a connection with ten segments of 1000 bytes in flight.
func (w world) lossy() *testConn {
	w.Helper()
	c := w.measured(Config{CongestionControl: "reno"})
	c.write(30000)
	segments, _ := c.flush()
	c.wantEqual("segments", segments, 10)
	return c
}

// RFC 5681 §3.2 and RFC 6582: limited transmit, fast retransmit, a partial ACK
// and the end of recovery.
func TestFastRecovery(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.lossy() // the first and the fourth are lost
		c.receive(". 1:1(0) ack 1")
		c.want("limited transmit, RFC 3042", ". 10001:11001(1000) ack 1")
		c.receive(". 1:1(0) ack 1")
		c.want("limited transmit", ". 11001:12001(1000) ack 1")
		c.receive(". 1:1(0) ack 1")
		c.want("fast retransmit", ". 1:1001(1000) ack 1")
		c.wantEqual("ssthresh: half of what was in flight without limited transmit", c.conn.cc.Limits().Threshold, 5000)
		for range 2 {
			c.receive(". 1:1(0) ack 1")
			c.wantIdle("PRR: five for ten that arrive")
		}
		c.receive(". 1:1(0) ack 1")
		c.want("for two of them one goes", ". 12001:13001(1000) ack 1")
		c.receive(". 1:1(0) ack 3001")
		c.want("partial ACK: the next hole", ". 3001:4001(1000) ack 1")
		c.flush()
		c.receive(fmt.Sprintf(". 1:1(0) ack %d", c.conn.snd.nxt-c.own))
		if c.conn.loss.phase >= fastRecovery {
			c.fail("still in recovery")
		}
		c.wantEqual("cwnd is ssthresh", c.conn.cc.Limits().Window, 5000)
		_, size := c.flush()
		c.wantEqual("bytes", size, 5000)
	})
}

// A timeout in fast recovery is of a flight for which the threshold fell already, with
// SACK and without.
// https://www.rfc-editor.org/rfc/rfc5681#section-3.1
func TestTimeoutInRecovery(t *testing.T) {
	for name, lossy := range map[string]func(w world) *testConn{"SACK": world.lossyWithSACK, "no SACK": world.lossy} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(w world) {
				c := lossy(w)
				for _, sack := range []string{" <sack 1001:2001>", " <sack 1001:3001>", " <sack 1001:4001>"} {
					if name != "SACK" {
						sack = ""
					}
					c.receive(". 1:1(0) ack 1" + sack)
					c.flush()
				}
				c.wantEqual("fast recovery", int(c.conn.loss.phase), int(fastRecovery))
				c.wantEqual("ssthresh: half of ten segments", c.conn.cc.Limits().Threshold, 5000)
				for range 20 {
					if c.conn.loss.phase == fastRecovery {
						c.advance(100 * time.Millisecond)
						c.flush()
					}
				}
				c.wantEqual("cwnd after the timeout", c.conn.cc.Limits().Window, 1000)
				c.wantEqual("ssthresh has fallen once", c.conn.cc.Limits().Threshold, 5000)
			})
		})
	}
}

// Duplicate ACKs of what a timeout sends again begin no fast recovery
// (RFC 6582 §3.2: "recover").
func TestNoRecoveryAfterTimeout(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.lossy()
		c.advance(300 * time.Millisecond)
		c.want("timeout", ". 1:1001(1000) ack 1")
		for range 5 {
			c.receive(". 1:1(0) ack 1")
			c.flush()
		}
		if c.conn.loss.phase >= fastRecovery {
			c.fail("in recovery")
		}
	})
}

// RFC 5681 §2: what is no duplicate ACK.
func TestNoDuplicateAck(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.lossy()
		for i := range 10 {
			c.receive(fmt.Sprintf(". 1:1(0) ack 1 win %d", 60000-i))
			c.wantIdle("the window changes")
		}
		for i := range 10 {
			c.receive(fmt.Sprintf("P. %d:%d(1) ack 1 win 59991", 1+i, 2+i))
			c.wantFlags("it carries text", wire.ACK)
		}
		if c.conn.loss.phase >= fastRecovery {
			c.fail("in recovery")
		}
	})
}

// Splitting ACKs gains nothing (C5, RFC 3465), and ACKs of what was not sent
// less than that.
func TestAckDivision(t *testing.T) {
	everywhere(t, func(w world) {
		whole, split := w.lossy(), w.lossy()
		whole.receive(". 1:1(0) ack 1001")
		whole.flush()
		for i := 2; i <= 1001; i++ {
			split.receive(fmt.Sprintf(". 1:1(0) ack %d", i))
			split.flush()
		}
		split.wantEqual("cwnd", split.conn.cc.Limits().Window, whole.conn.cc.Limits().Window)
		whole.advance(time.Millisecond)
		whole.receive(". 1:1(0) ack 1000000")
		whole.wantDrop(wire.BadAck)
		whole.wantFlags("challenge", wire.ACK)
		whole.wantEqual("cwnd", whole.conn.cc.Limits().Window, split.conn.cc.Limits().Window)
	})
}

// Duplicate ACKs by the thousand inflate the window by no more than what can
// be in flight.
func TestDuplicateAckFlood(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.lossy()
		sent := 0
		for range 300 {
			c.receive(". 1:1(0) ack 1")
			_, n := c.flush()
			sent += n
		}
		if sent > 21000 { // all that was written, and one again
			c.fail("%d bytes sent", sent)
		}
	})
}

// On a path without jitter the variation vanishes. Its share of the RTO has a
// floor all the same, or the first ACK that is delayed would come too late.
func TestSteadyPath(t *testing.T) {
	for _, oneWay := range []time.Duration{0, time.Millisecond, 50 * time.Millisecond, 125 * time.Millisecond, time.Second, 10 * time.Second} {
		t.Run(oneWay.String(), func(t *testing.T) {
			p := newPair(t, Config{DelayedAck: 190 * time.Millisecond})
			p.delay = oneWay
			client, server := p.connect()
			for range 40 {
				p.write(0, client, make([]byte, 2*1448))
				p.run(2*oneWay + 300*time.Millisecond)
				p.read(1, server)
			}
			before := client.Info(p.now)
			if floor := before.RTT + 200*time.Millisecond; before.RTO != floor {
				t.Errorf("RTT %v, variation %v: RTO %v, want %v", before.RTT, before.RTTVar, before.RTO, floor)
			}
			p.write(0, client, make([]byte, 100)) // one small segment: its ACK waits
			p.run(2*oneWay + 300*time.Millisecond)
			after := client.Info(p.now)
			if after.TotalRetrans != before.TotalRetrans || after.SndCwnd != before.SndCwnd || after.Unacked != 0 {
				t.Errorf("RTT %v: %d sent again, cwnd %d, was %d", before.RTT, after.TotalRetrans-before.TotalRetrans, after.SndCwnd, before.SndCwnd)
			}
		})
	}
}
