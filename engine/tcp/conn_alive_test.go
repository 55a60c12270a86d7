package tcp

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// RFC 9293 §3.8.4: probes after the idle time, then at the interval, then the
// end. An answer puts it all off.
func TestKeepAlive(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		k := &KeepAlive{Idle: time.Minute, Interval: 10 * time.Second, Count: 3}
		c.step("keep-alive", func(n *Conn) { n.setKeepAlive(c.now, k) })
		c.advance(30 * time.Second)
		c.receive("P. 1:11(10) ack 1")
		c.want("ACK", ". 1:1(0) ack 11")
		c.advance(59 * time.Second)
		c.wantAfter(time.Second, "probe", ". 0:0(0) ack 11")
		c.receive(". 11:11(0) ack 1")
		c.wantAfter(time.Minute, "idle again", ". 0:0(0) ack 11")
		c.wantAfter(10*time.Second, "second", ". 0:0(0) ack 11")
		c.wantAfter(10*time.Second, "third", ". 0:0(0) ack 11")
		c.advance(10*time.Second - 1)
		c.wantState(Established)
		c.wantAfter(1, "the end", "R. 1:1(0) ack 11")
		c.wantState(Closed)
		c.wantFailure(TimedOut)
	})
}

// While data is unacknowledged the retransmission timer does the work.
func TestKeepAliveWithData(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		k := &KeepAlive{Idle: time.Second, Interval: time.Second, Count: 1}
		c.step("keep-alive", func(n *Conn) { n.setKeepAlive(c.now, k) })
		c.write(10)
		c.want("data", "P. 1:11(10) ack 1")
		for wait := minRTO; wait < 20*time.Second; wait *= 2 {
			for c.advance(wait); !c.pending(); c.advance(wait) {
			}
			c.want("data, no probe", "P. 1:11(10) ack 1")
		}
		c.step("off", func(n *Conn) { n.setKeepAlive(c.now, &KeepAlive{}) })
		c.receive(". 1:1(0) ack 11")
		c.advance(time.Hour)
		c.wantState(Established)
	})
}

// A keep-alive probe of the peer is answered.
func TestAnswerKeepAlive(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.receive(". 0:0(0) ack 1")
		c.want("we are here", ". 1:1(0) ack 1")
		c.advance(time.Second)
		c.receive(". 0:1(1) ack 1") // with an octet, as old BSDs
		c.want("we are here", ". 1:1(0) ack 1")
	})
}

// RFC 9293 §3.9.1: data that is not acknowledged for the user timeout, from when
// it was sent, and not a retransmission longer.
func TestUserTimeout(t *testing.T) {
	everywhere(t, func(w world) {
		for _, own := range []time.Duration{0, 20 * time.Second} {
			c := w.reach(Established)
			c.step("user timeout", func(n *Conn) { n.setUserTimeout(own) })
			c.write(10)
			c.want("data", "P. 1:11(10) ack 1")
			start, limit := c.now, own
			if own == 0 {
				limit = c.cfg.UserTimeout
			}
			for c.conn.state != Closed {
				c.advance(time.Hour)
				out, ok := c.pull()
				if !ok || c.conn.state != Closed && out.Len != 10 {
					c.fail("neither data again nor the end")
				}
			}
			c.wantFailure(TimedOut)
			if took := c.now.Sub(start); took != limit {
				c.fail("gave up after %v, want %v", took, limit)
			}
		}
	})
}

// wantEnd is the user timeout: a connection that is alive until after, and then
// is not.
func (c *testConn) wantEnd(after time.Duration) {
	c.Helper()
	for end := c.now.Add(after); c.now < end; {
		c.wantState(Established)
		c.advance(end.Sub(c.now))
		c.flush()
	}
	c.wantState(Closed)
	c.wantFailure(TimedOut)
}

// The user timeout is that of the oldest data: it begins when that is first
// sent, and again with the next when it is acknowledged. Idle time is not part of
// it, nor does later data put it off.
func TestUserTimeoutOfOldest(t *testing.T) {
	const limit = 20 * time.Second
	everywhere(t, func(w world) {
		c := w.measured(Config{UserTimeout: limit})
		c.advance(time.Hour)
		c.write(10)
		c.want("data", "P. 1:11(10) ack 1")
		c.advance(200 * time.Millisecond)
		c.receive(". 1:1(0) ack 11")
		c.advance(time.Hour)
		c.step("no delay", func(n *Conn) { n.set(noDelay, true) })
		c.write(10)
		c.want("the oldest", "P. 11:21(10) ack 1")
		c.advance(100 * time.Millisecond)
		c.write(10)
		c.want("later data", "P. 21:31(10) ack 1")
		c.wantEnd(limit - 100*time.Millisecond)

		c = w.measured(Config{UserTimeout: limit})
		c.step("no delay", func(n *Conn) { n.set(noDelay, true) })
		c.write(10)
		c.want("acknowledged", "P. 1:11(10) ack 1")
		c.advance(50 * time.Millisecond)
		c.write(10)
		c.want("not acknowledged", "P. 11:21(10) ack 1")
		c.advance(60 * time.Millisecond)
		c.receive(". 1:1(0) ack 11")
		c.wantEnd(limit - 60*time.Millisecond) // from when the second one was sent
	})
}

// Where the first of what is left is the one that is timed, it is exact.
func TestUserTimeoutOfTimed(t *testing.T) {
	const limit = 20 * time.Second
	everywhere(t, func(w world) {
		c := w.measured(Config{UserTimeout: limit})
		c.write(3000)
		c.flush()
		c.advance(100 * time.Millisecond)
		c.receive(". 1:1(0) ack 1001") // the timed one
		c.write(1000)
		c.want("now this is timed", "P. 3001:4001(1000) ack 1")
		c.advance(50 * time.Millisecond)
		c.receive(". 1:1(0) ack 3001")
		c.wantEnd(limit - 50*time.Millisecond)
	})
}

// A timeout that is set later counts for what waits already.
func TestUserTimeoutSetLater(t *testing.T) {
	const limit = 10 * time.Second
	everywhere(t, func(w world) {
		for _, wait := range []time.Duration{time.Millisecond, limit / 2, limit, time.Minute} {
			c := w.measured(Config{})
			c.write(10)
			c.want("data", "P. 1:11(10) ack 1")
			for end := c.now.Add(wait); c.now < end; c.flush() {
				c.advance(end.Sub(c.now))
			}
			c.step("user timeout", func(n *Conn) { n.setUserTimeout(limit) })
			if wait < limit {
				c.wantEnd(limit - wait)
				continue
			}
			c.advance(0)
			c.wantFlags("it is too late", wire.RST|wire.ACK)
			c.wantFailure(TimedOut)
		}
	})
}

// What ICMP said tells more than a timeout (RFC 9293 §3.9.2.2), but does not
// end a connection.
func TestSoftError(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.write(10)
		c.want("data", "P. 1:11(10) ack 1")
		for _, k := range []ICMPKind{ICMPSoft, ICMPHard} {
			c.icmp(ICMPError{Kind: k, Failure: NetworkUnreachable, Seq: 1})
			c.wantState(Established)
		}
		for c.conn.state != Closed {
			c.advance(time.Hour)
			c.pull()
		}
		c.wantFailure(NetworkUnreachable)
	})
}

// A shut window may stay shut (MUST-37) while the peer answers; a peer that
// does not, or a program that has gone, has only the user timeout.
func TestPersistEnds(t *testing.T) {
	everywhere(t, func(w world) {
		for _, gone := range []bool{false, true} {
			c := w.opened(Config{UserTimeout: time.Minute}, "S. 0:0(0) ack 1 win 0 <mss 1460>")
			c.write(10)
			if gone {
				c.leave()
			}
			for start := c.now; c.now.Sub(start) < time.Hour && c.conn.state != Closed; {
				c.advance(time.Hour)
				c.pull()
				if c.conn.state != Closed {
					c.receive(". 1:1(0) ack 1 win 0")
				}
			}
			if got := c.conn.state == Closed; got != gone {
				c.fail("closed: %v, program gone: %v", got, gone)
			}
		}
		c := w.opened(Config{UserTimeout: time.Minute}, "S. 0:0(0) ack 1 win 0 <mss 1460>")
		c.write(10)
		for range 20 {
			c.advance(time.Hour)
			c.pull()
		}
		c.wantState(Closed)
		c.wantFailure(TimedOut)
	})
}

// FIN-WAIT-2 of a program that has gone is bounded; that of a half-closed one
// is not (RFC 9293 §3.6).
func TestFinWait2Limit(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(FinWait2)
		c.advance(24 * time.Hour)
		c.wantState(FinWait2)
		c.leave()
		c.advance(c.cfg.FinWait2 - 1)
		c.wantState(FinWait2)
		c.advance(1)
		c.wantState(Closed)

		c = w.reach(Established)
		c.leave()
		c.want("our FIN", "F. 1:1(0) ack 1")
		c.receive(". 1:1(0) ack 2")
		c.advance(c.cfg.FinWait2)
		c.wantState(Closed)
	})
}

// A side that closes gets to CLOSED in bounded time, whatever the peer does (M5, A13).
func TestOrphansEnd(t *testing.T) {
	for _, s := range []State{SynSent, SynReceived, Established, CloseWait, FinWait1, FinWait2, Closing, LastAck, TimeWait} {
		t.Run(s.String(), func(t *testing.T) {
			everywhere(t, func(w world) {
				c := w.reach(s)
				c.leave()
				c.flush()
				start := c.now
				for c.conn.state != Closed && c.conn.state != Listen {
					if c.conn.Deadline() == clock.Never {
						c.fail("nothing will ever happen")
					}
					c.advance(c.conn.Deadline().Sub(c.now))
					c.flush()
				}
				if took := c.now.Sub(start); took > 20*time.Minute {
					c.fail("it took %v", took)
				}
			})
		})
	}
}

// Nothing leaves a connection that has ended, though a probe was due in the same moment.
func TestNoProbeOfWhatHasEnded(t *testing.T) {
	h := serving(t, Config{}, 5)
	p := h.from(1000, 7)
	en := p.handshake("S 0:0(0) <mss 1460>", ". 1:1(0) ack 1")
	h.e.SetKeepAlive(h.now, en, KeepAlive{Idle: time.Minute, Interval: time.Second, Count: 3})
	p.advance(59 * time.Second)
	h.now = h.now.Add(time.Second)
	h.e.Advance(h.now)
	p.arrive("R 1:1(0)")
	p.wantNothing("it was reset")
	if en.State() != Closed {
		t.Errorf("the state is %v", en.State())
	}
}

// A segment from anywhere else is no sign of life: a dead peer is given up although somebody
// guesses at its numbers.
func TestGuessesAreNoSignOfLife(t *testing.T) {
	for _, guess := range []string{". 1000000000:1000000000(0) ack 1", "P. -1000:-990(10) ack 1", ". 0:0(0) ack 5000", ". 0:0(0) ack -5000"} {
		h := serving(t, Config{}, 5)
		p := h.from(1000, 7)
		en := p.handshake("S 0:0(0) <mss 1460>", ". 1:1(0) ack 1")
		begin := h.now
		h.e.SetKeepAlive(h.now, en, KeepAlive{Idle: time.Minute, Interval: time.Second, Count: 3})
		for en.State() == Established && h.now.Sub(begin) < 2*time.Minute {
			h.now = h.now.Add(500 * time.Millisecond)
			h.e.Advance(h.now)
			p.arrive(guess)
			drain(h.e, h.now)
		}
		if d := h.now.Sub(begin); d != 63*time.Second || en.Failure() != TimedOut {
			t.Errorf("%s: %v after %v, failure %d", guess, en.State(), d, en.Failure())
		}
	}
}
