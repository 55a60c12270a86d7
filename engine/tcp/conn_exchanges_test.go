package tcp

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// The exchanges of this file are those that Linux's own tests of slow start, fast
// retransmit, recovery and HyStart play, with what they want of segments and windows.

// linux returns a connection with CUBIC and a peer as Linux's tests have it: segments
// of 1000 bytes, a round trip as given, and the given options beside the MSS.
func (w world) linux(trip time.Duration, options string) *testConn {
	w.Helper()
	c := w.newConn(Config{CongestionControl: "cubic", NoTimestamps: true})
	c.open()
	c.want("our SYN", "S 0:0(0)")
	c.advance(trip)
	c.receive("S. 0:0(0) ack 1 <mss 1000" + options + ">")
	c.wantFlags("ACK", wire.ACK)
	return c
}

func (c *testConn) wantWindow(why string, segments int) {
	c.Helper()
	c.wantEqual("cwnd "+why, c.conn.cc.Limits().Window, 1000*segments)
}

// wantSends wants so many segments at once.
func (c *testConn) wantSends(why string, want int) {
	c.Helper()
	segments, _ := c.flush()
	c.wantEqual(why, segments, want)
}

// Slow start: however many segments an ACK is for, twice as many leave.
func TestSlowStartByAcks(t *testing.T) {
	for _, each := range []int{1, 2, 5} {
		everywhere(t, func(w world) {
			c := w.linux(100*time.Millisecond, ",sackOK")
			c.write(30000)
			c.wantSends("the initial window", 10)
			c.advance(100 * time.Millisecond)
			for n := each; n <= 10; n += each {
				c.receive(fmt.Sprintf(". 1:1(0) ack %d", 1000*n+1))
				c.wantSends("for an ACK", 2*each)
			}
			c.wantWindow("after a round", 20)
		})
	}
}

// A flight that does not fill the window lets it grow to twice the flight.
func TestSlowStartOfFew(t *testing.T) {
	for _, k := range []struct{ sent, window int }{{4, 10}, {5, 10}, {6, 12}, {9, 18}, {10, 20}} {
		for _, apart := range []time.Duration{0, 5 * time.Millisecond} {
			everywhere(t, func(w world) {
				c := w.linux(100*time.Millisecond, ",sackOK")
				c.write(1000 * k.sent)
				c.wantSends("all", k.sent)
				c.advance(100 * time.Millisecond)
				for n := 2; n < k.sent+2; n += 2 {
					c.receive(fmt.Sprintf(". 1:1(0) ack %d", 1000*min(n, k.sent)+1))
					c.advance(apart)
				}
				c.wantWindow(fmt.Sprintf("after %d segments", k.sent), k.window)
			})
		}
	}
}

// After two seconds in which nothing was sent the window is the initial one, also when
// it was the peer's window that let nothing leave, and probes did.
func TestSlowStartAfterSilence(t *testing.T) {
	everywhere(t, func(w world) {
		for _, shut := range []bool{false, true} {
			c := w.linux(100*time.Millisecond, ",sackOK")
			c.write(26000)
			c.wantSends("the initial window", 10)
			c.advance(100 * time.Millisecond)
			c.receive(". 1:1(0) ack 10001")
			c.wantSends("the rest", 16)
			c.wantWindow("after a round", 20)
			c.advance(100 * time.Millisecond)
			if !shut {
				c.receive(". 1:1(0) ack 26001")
				c.wantWindow("after two", 36)
				c.advance(2 * time.Second)
				c.write(20000)
				c.wantSends("the initial window", 10)
				continue
			}
			c.receive(". 1:1(0) ack 26001 win 0")
			c.write(20000)
			for range 3 {
				c.advance(c.conn.Deadline().Sub(c.now))
				if segments, size := c.flush(); segments != 1 || size > 1 {
					c.fail("a probe of %d bytes, %d segments", size, segments)
				}
				c.receive(". 1:1(0) ack 26001 win 0")
			}
			c.advance(900 * time.Millisecond)
			c.receive(". 1:1(0) ack 26001 win 65535")
			if segments, _ := c.flush(); segments > 36 {
				c.fail("%d segments at once", segments)
			}
		}
	})
}

// Four segments and a hole: three SACKed behind it, or three duplicate ACKs, bring the
// first back at once. One alone does after a quarter of the round trip, if it is a whole
// segment.
func TestFourSegments(t *testing.T) {
	everywhere(t, func(w world) {
		four := func(options string) *testConn {
			c := w.linux(100*time.Millisecond, options)
			c.write(4000)
			c.wantSends("all", 4)
			c.advance(100 * time.Millisecond)
			return c
		}
		c := four(",sackOK")
		c.receive(". 1:1(0) ack 1 <sack 1001:2001>")
		c.receive(". 1:1(0) ack 1 <sack 1001:3001>")
		c.receive(". 1:1(0) ack 1 <sack 1001:4001>")
		c.want("fast retransmit", ". 1:1001(1000) ack 1")
		c.receive(". 1:1(0) ack 4001")
		c.wantIdle("all is there")

		c = four("")
		for range 3 {
			c.receive(". 1:1(0) ack 1")
		}
		c.want("fast retransmit", ". 1:1001(1000) ack 1")
		c.receive(". 1:1(0) ack 4001")
		c.wantIdle("all is there")

		c = four(",sackOK")
		c.receive(". 1:1(0) ack 1 <sack 3001:4001>")
		c.wantAfter(25*time.Millisecond, "it is late by a quarter of the round trip", ". 1:1001(1000) ack 1")
	})
}

// Limited transmit: the first two SACKs let new segments go; then it was reordering.
func TestLimitedTransmitWithSACK(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.linux(100*time.Millisecond, ",sackOK")
		c.write(15000)
		c.wantSends("the initial window", 10)
		c.advance(110 * time.Millisecond)
		c.receive(". 1:1(0) ack 1 <sack 1001:2001>")
		c.want("one", ". 10001:11001(1000) ack 1")
		c.advance(10 * time.Millisecond)
		c.receive(". 1:1(0) ack 1 <sack 1001:3001>")
		c.want("another one", ". 11001:12001(1000) ack 1")
		c.advance(5 * time.Millisecond)
		c.receive(". 1:1(0) ack 3001")
		c.flush()
		if c.conn.loss.phase != noLoss || c.conn.tally.retrans != 0 {
			c.fail("phase %d, %d sent again", c.conn.loss.phase, c.conn.tally.retrans)
		}
		for n := 5; n <= 15; n += 2 {
			c.advance(20 * time.Millisecond)
			c.receive(fmt.Sprintf(". 1:1(0) ack %d", 1000*n+1))
			c.flush()
		}
		c.wantEqual("in flight", c.conn.inFlight(), 0)
		c.wantEqual("sent again", int(c.conn.tally.retrans), 0)
	})
}

// PRR with one loss of ten: what is in flight is at the threshold all the time, so one
// leaves for each that arrives.
func TestPRROneOfTen(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.linux(100*time.Millisecond, ",sackOK")
		c.write(10000)
		c.wantSends("the initial window", 10)
		c.advance(110 * time.Millisecond)
		for n := 2; n <= 4; n++ {
			c.receive(fmt.Sprintf(". 1:1(0) ack 1 <sack 1001:%d>", 1000*n+1))
		}
		c.want("fast retransmit", ". 1:1001(1000) ack 1")
		c.wantWindow("in recovery: 0.7 of ten", 7)
		c.write(7000)
		for n := 5; n <= 10; n++ {
			c.advance(10 * time.Millisecond)
			c.receive(fmt.Sprintf(". 1:1(0) ack 1 <sack 1001:%d>", 1000*n+1))
			c.wantSends("for one that arrived", 1)
		}
		c.advance(20 * time.Millisecond)
		c.receive(". 1:1(0) ack 10001")
		c.wantSends("for the last", 1)
		if c.conn.loss.phase != noLoss {
			c.fail("still in recovery")
		}
		c.wantWindow("after recovery", 7)
	})
}

// Four of ten are lost: each of those that arrive brings one back, and after recovery
// the threshold is worth seven segments at once.
func TestPRRFourOfTen(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.linux(10*time.Millisecond, ",sackOK")
		c.write(10000)
		c.wantSends("the initial window", 10)
		c.advance(10 * time.Millisecond)
		c.receive(". 1:1(0) ack 1 <sack 4001:5001>")
		c.advance(2 * time.Millisecond)
		c.receive(". 1:1(0) ack 1 <sack 4001:6001>")
		sent := 0
		for n := 7; n <= 10; n++ {
			c.receive(fmt.Sprintf(". 1:1(0) ack 1 <sack 4001:%d>", 1000*n+1))
			segments, _ := c.flush()
			sent += segments
		}
		c.wantEqual("the four that are lost", sent, 4)
		c.wantEqual("sent again", int(c.conn.tally.retrans), 4)
		c.advance(10 * time.Millisecond)
		for _, n := range []int{1, 2, 3, 10} {
			c.receive(fmt.Sprintf(". 1:1(0) ack %d <sack 4001:10001>", 1000*n+1))
		}
		c.advance(10 * time.Millisecond)
		c.write(10000)
		c.wantSends("the threshold", 7)
	})
}

// SACK counts also on an ACK that was overtaken.
func TestSACKBelowUna(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.linux(10*time.Millisecond, ",sackOK")
		c.write(10000)
		c.wantSends("the initial window", 10)
		c.advance(10 * time.Millisecond)
		c.receive(". 1:1(0) ack 1 <sack 1001:2001>")
		c.receive(". 1:1(0) ack 1 <sack 1001:3001>")
		c.receive(". 1:1(0) ack 1 <sack 1001:3001 8001:9001>")
		c.want("the first", ". 1:1001(1000) ack 1")
		c.flush()
		c.advance(12 * time.Millisecond)
		c.receive(". 1:1(0) ack 4001 <sack 8001:9001>")
		c.flush()
		before := c.conn.inFlight()
		c.advance(2 * time.Millisecond)
		c.receive(". 1:1(0) ack 3001 <sack 5001:7001>")
		c.wantEqual("no longer in flight", before-c.conn.inFlight(), 2000)
	})
}

// HyStart: eight round trips that are longer by an eighth end exponential growth, here
// in favour of conservative slow start (RFC 9406), where Linux ends slow start at once.
// A shortest round trip that falls does not.
func TestHyStartByDelay(t *testing.T) {
	everywhere(t, func(w world) {
		for _, k := range []struct {
			trip   time.Duration
			window int // after ten ACKs of two segments
			slow   bool
		}{{200 * time.Millisecond, 40, false}, {180 * time.Millisecond, 40, false}, {240 * time.Millisecond, 35, true}} {
			c := w.linux(200*time.Millisecond, ",sackOK")
			c.write(30000)
			c.wantSends("the initial window", 10)
			c.advance(200 * time.Millisecond)
			c.receive(". 1:1(0) ack 10001")
			c.wantSends("the next window", 20)
			c.advance(k.trip)
			for n := 12; n <= 30; n += 2 {
				c.receive(fmt.Sprintf(". 1:1(0) ack %d", 1000*n+1))
				c.advance(time.Millisecond)
			}
			l := c.conn.cc.Limits()
			if l.Threshold != math.MaxInt32 || k.slow != (l.Window < 40000) || l.Window < 1000*k.window {
				c.fail("a round trip of %v: window %d, threshold %d", k.trip, l.Window, l.Threshold)
			}
		}
	})
}
