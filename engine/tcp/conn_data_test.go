package tcp

import (
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// settled returns a connection that has had its quick ACKs; n bytes came.
func (w world) settled() (c *testConn, next int) {
	w.Helper()
	c = w.reach(Established)
	next = 1
	for range quickAcks {
		c.receive(fmt.Sprintf("P. %d:%d(1460) ack 1", next, next+1460))
		next += 1460
		c.want("quick ACK", fmt.Sprintf(". 1:1(0) ack %d", next))
	}
	c.readAll(next - 1)
	c.flush()
	return c, next
}

// RFC 9293 §3.8.6.3: an ACK at least for every second full segment, and within
// the delay otherwise.
func TestDelayedAck(t *testing.T) {
	everywhere(t, func(w world) {
		c, next := w.settled()
		full := func(i int) string {
			return fmt.Sprintf(". %d:%d(1460) ack 1", next+1460*i, next+1460*(i+1))
		}
		c.receive(full(0))
		c.wantIdle("delayed")
		c.receive(full(1))
		c.want("the second", fmt.Sprintf(". 1:1(0) ack %d", next+2*1460))
		c.receive(full(2))
		c.wantAfter(40*time.Millisecond, "the delay is over", fmt.Sprintf(". 1:1(0) ack %d", next+3*1460))
		c.receive(full(3))
		c.write(5)
		c.want("data carries it", fmt.Sprintf("P. 1:6(5) ack %d", next+4*1460))
		c.advance(40 * time.Millisecond)
		c.wantIdle("no ACK of its own")
	})
}

// A small segment waits while another is out. The rest of a large write does not: nothing that
// is out is small.
func TestNagle(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.write(10)
		c.want("nothing is in flight", "P. 1:11(10) ack 1")
		c.write(10)
		c.write(10)
		c.wantIdle("they wait")
		c.receive(". 1:1(0) ack 11")
		c.want("together", "P. 11:31(20) ack 1")
		c.write(1500)
		c.want("a full one goes", ". 31:1491(1460) ack 1")
		c.wantIdle("its rest waits: 20 bytes are out")
		c.receive(". 1:1(0) ack 31")
		c.want("they no longer are", "P. 1491:1531(40) ack 1")
		c.write(10)
		c.wantIdle("the rest is out")
		c.receive(". 1:1(0) ack 1491")
		c.wantIdle("it still is")
		c.setNoDelay()
		c.want("no delay", "P. 1531:1541(10) ack 1")
		c.write(1)
		c.want("no delay", "P. 1541:1542(1) ack 1")
		c.receive(". 1:1(0) ack 1542")
	})
}

// A close lets go of what Nagle holds, with the FIN.
func TestNagleAndClose(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.write(10)
		c.want("in flight", "P. 1:11(10) ack 1")
		c.write(10)
		c.close()
		c.want("the rest, and the FIN", "FP. 11:21(10) ack 1")
	})
}

// RFC 9293 §3.9.1.2: PSH stands on the last segment of what is queued, and the
// reader sees how far it reaches, also when it came out of order.
func TestPush(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.write(2920)
		c.want("more follows", ". 1:1461(1460) ack 1")
		c.want("the last", "P. 1461:2921(1460) ack 1")
		c.receive(". 1:11(10) ack 2921")
		c.flush()
		c.wantEqual("pushed", c.conn.Pushed(), 0)
		c.receive("P. 11:21(10) ack 2921")
		c.flush()
		c.wantEqual("pushed", c.conn.Pushed(), 20)
		c.receive("P. 31:41(10) ack 2921")
		c.flush()
		c.wantEqual("pushed, in order", c.conn.Pushed(), 20)
		c.readAll(20)
		c.wantEqual("pushed", c.conn.Pushed(), 0)
		c.receive(". 21:31(10) ack 2921")
		c.flush()
		c.wantEqual("pushed", c.conn.Pushed(), 20)
		c.readSome(5, 5)
		c.wantEqual("pushed", c.conn.Pushed(), 15)
	})
}

// RFC 6093: the pointer is sent and reported, the data stays in line.
func TestUrgent(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		b := patternBytes(1, 2000)
		c.step("write urgent", func(n *Conn) { n.sendCopy(b); n.markUrgent() })
		c.want("it ends behind this one", "U. 1:1461(1460) ack 1 urg 2000")
		c.want("it ends here", "PU. 1461:2001(540) ack 1 urg 540")
		c.receive(". 1:1(0) ack 2001")
		c.written = 2000
		c.write(10)
		c.want("no more", "P. 2001:2011(10) ack 1")

		c.receive("U. 1:11(10) ack 2011 urg 15")
		c.flush()
		c.wantEqual("to the end of urgent data", c.conn.Urgent(), 15)
		c.receive("U. 11:21(10) ack 2011 urg 2") // an older end does not count
		c.flush()
		c.wantEqual("to the end of urgent data", c.conn.Urgent(), 15)
		c.readAll(20)
		c.wantEqual("passed", c.conn.Urgent(), 0)
	})
}

// C8: whatever the pointer says, the stream is the same.
func TestUrgentPointerIsHarmless(t *testing.T) {
	for _, pointer := range []int{0, 1, 9, 10, 11, 65535} {
		for _, size := range []int{0, 1, 10} {
			t.Run(fmt.Sprintf("%d of %d", pointer, size), func(t *testing.T) {
				everywhere(t, func(w world) {
					c := w.reach(Established)
					c.receive(fmt.Sprintf("U. 1:%d(%d) ack 1 urg %d", 1+size, size, pointer))
					c.flush()
					c.receive(fmt.Sprintf("PU. %d:21(%d) ack 1 urg %d", 1+size, 20-size, pointer))
					c.flush()
					c.receive(fmt.Sprintf("PU. 1:31(30) ack 1 urg %d", pointer)) // overlaps
					c.flush()
					c.readAll(30)
				})
			})
		}
	}
}

// Marks that lie more than half the sequence space back are no marks ahead.
func TestOldMarks(t *testing.T) {
	w := worlds(t)[0]
	c := w.reach(Established)
	c.receive("PU. 1:11(10) ack 1 urg 10")
	c.flush()
	c.readAll(10)
	block := buf.Get(1 << 16)
	defer block.Release()
	for range 1<<15 + 10 { // 2 GiB, and a little
		s := Segment{TCP: wire.TCP{Flags: wire.ACK, Seq: c.conn.rcv.nxt, Ack: c.conn.snd.nxt, Window: 65535},
			Len: 1 << 16, Views: []buf.View{buf.MakeView(block, 0, 1<<16)}}
		s.Len = min(s.Len, int(c.conn.rcv.edge.Sub(c.conn.rcv.nxt)))
		c.conn.receive(c.now, &c.path, &s)
		if n := c.conn.Pushed(); n != 0 {
			c.fail("%d of %d bytes without PSH are pushed, after %d bytes", n, c.conn.Buffered(), c.conn.rcv.nxt-c.peer)
		}
		for _, v := range c.conn.take(c.now, 1<<20, nil) {
			v.Release()
		}
		var out Output
		for c.conn.NextSegment(c.now, &out) {
		}
		if c.conn.Urgent() != 0 || c.conn.Pushed() != 0 {
			c.fail("urgent %d, pushed %d, after %d bytes", c.conn.Urgent(), c.conn.Pushed(), c.conn.rcv.nxt-c.peer)
		}
	}
	if c.conn.rcv.nxt-c.peer < 1<<31 {
		t.Errorf("only %d bytes", c.conn.rcv.nxt-c.peer)
	}
}

// An ACK that is delayed leaves at its time, however much comes meanwhile that is less than a segment.
func TestDelayIsNotProlonged(t *testing.T) {
	everywhere(t, func(w world) {
		c, next := w.settled()
		for i := range 4 {
			c.receive(fmt.Sprintf(". %d:%d(10) ack 1", next+10*i, next+10*i+10))
			c.wantIdle("delayed")
			if i < 3 {
				c.advance(12 * time.Millisecond)
			}
		}
		c.wantAfter(4*time.Millisecond, "40 ms after the first", fmt.Sprintf(". 1:1(0) ack %d", next+40))
	})
}

// However small what fills a gap is, its ACK does not wait: the peer is in recovery.
func TestFilledGapIsAcknowledgedAtOnce(t *testing.T) {
	everywhere(t, func(w world) {
		c, next := w.settled()
		c.receive(fmt.Sprintf(". %d:%d(10) ack 1", next+10, next+20))
		c.wantFlags("a duplicate ACK", wire.ACK)
		c.receive(fmt.Sprintf(". %d:%d(10) ack 1", next, next+10))
		c.want("the gap is filled", fmt.Sprintf(". 1:1(0) ack %d", next+20))
	})
}
