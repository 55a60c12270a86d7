package tcp

import (
	"fmt"
	"testing"
	"time"
)

// talkative returns a connection with ten segments of 1000 bytes in flight, and
// many more that wait.
func (w world) talkative() *testConn {
	w.Helper()
	c := w.opened(Config{NoTimestamps: true, CongestionControl: "reno"}, "S. 0:0(0) ack 1 <mss 1000>")
	c.setNoDelay()
	c.write(400000)
	segments, _ := c.flush()
	c.wantEqual("segments", segments, 10)
	return c
}

// repeat has the peer acknowledge the same number again and again, and returns
// how many segments that lets go.
func (c *testConn) repeat(times int, ack uint32) (segments int) {
	c.Helper()
	for range times {
		c.receive(fmt.Sprintf(". 1:1(0) ack %d", ack))
		n, _ := c.flush()
		segments += n
	}
	return segments
}

// Duplicate ACKs let go what limited transmit (RFC 3042) and fast recovery
// (RFC 6582) say, and nothing more however many come: of what was under way each
// segment can have caused one.
func TestDuplicateAcksAreBounded(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.talkative()
		c.wantEqual("limited transmit", c.repeat(2, 1), 2)
		c.wantEqual("fast retransmit", c.repeat(1, 1), 1)
		// ssthresh is half of 10, and of the 12 in flight 2 had arrived; 8 more can be
		// reported, for which PRR lets half as many go.
		c.wantEqual("each further one that can be", c.repeat(9, 1), 4)
		c.wantEqual("those that cannot", c.repeat(500, 1), 0)

		c.receive(". 1:1(0) ack 3001")
		c.want("partial ACK: the next hole", ". 3001:4001(1000) ack 1")
		c.wantEqual("the partial ACK lets none go", c.repeat(0, 3001), 0)
		c.flush()
		under := int(c.conn.snd.nxt.Sub(c.conn.snd.una)) / 1000
		c.repeat(500, 3001)
		if n := int(c.conn.snd.nxt.Sub(c.conn.snd.una)) / 1000; n > 5+under {
			c.fail("%d segments under way, ssthresh 5 and %d that can be reported", n, under)
		}
	})
}

// One octet acknowledged at a time does not help either: a partial ACK counts as
// a segment that has left only when it is one.
func TestDuplicateAcksAmongPartialOnes(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.talkative()
		c.repeat(3, 1)
		last := 0
		for round := range 8 {
			ack := uint32(2 + round)
			under := int(c.conn.snd.nxt.Sub(c.conn.snd.una))
			c.receive(fmt.Sprintf(". 1:1(0) ack %d", ack))
			c.flush()
			c.repeat(300, ack)
			if last = int(c.conn.snd.nxt.Sub(c.conn.snd.una)); last > under+6000+1000 {
				c.fail("round %d: from %d to %d bytes under way", round, under, last)
			}
		}
	})
}

// After a timeout duplicate ACKs answer what was sent again without need: they
// let nothing go, and begin no recovery, until all that was lost is acknowledged.
func TestDuplicateAcksAfterTimeout(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.talkative()
		for !c.pending() {
			c.advance(time.Second)
		}
		c.flush()
		c.wantEqual("cwnd", c.conn.cc.Limits().Window, 1000)
		c.wantEqual("let go by duplicate ACKs", c.repeat(50, 1), 0)
		c.receive(". 1:1(0) ack 5001") // slow start
		c.flush()
		c.wantEqual("let go by duplicate ACKs", c.repeat(50, 5001), 0)

		c.receive(". 1:1(0) ack 10001")
		c.flush()
		before := c.conn.cc.Limits().Window
		c.repeat(2, 10001)
		c.receive(". 1:1(0) ack 10001")
		c.want("fast retransmit works again", ". 10001:11001(1000) ack 1")
		if c.conn.loss.phase != fastRecovery || c.conn.cc.Limits().Window >= before {
			c.fail("no recovery: phase %d, cwnd %d, was %d", c.conn.loss.phase, c.conn.cc.Limits().Window, before)
		}
	})
}

// When every second segment of a large flight is lost, fast recovery, which brings
// one back in a round trip, gives way to a timeout, which needs some round trips
// for all (RFC 6582 §4).
func TestManyLost(t *testing.T) {
	p := newPair(t, Config{SendBuffer: 1 << 20})
	p.delay = 50 * time.Millisecond
	client, server := p.connect()
	const total = 600 * 1448
	lost, n := map[uint32]bool{}, 0
	p.fate = func(from int, o *Output) (bool, time.Duration) {
		if n++; from == 0 && o.Len > 0 && n%2 == 0 && client.Info(p.now).SndCwnd >= 160 && !lost[uint32(o.Seq)] && len(lost) < 80 {
			lost[uint32(o.Seq)] = true
			return true, 0
		}
		return false, 0
	}
	start, got := p.now, 0
	p.write(0, client, make([]byte, total))
	p.until("all has arrived", func() bool {
		got += len(p.read(1, server))
		return got == total
	})
	if took := p.now.Sub(start); took > 4*time.Second || len(lost) < 50 {
		t.Errorf("%d of 600 segments were lost, and it took %v", len(lost), took)
	}
}
