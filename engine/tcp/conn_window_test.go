package tcp

import (
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// minRTO is the RTO of a connection whose round trips take no time: a nanosecond,
// because 0 would mean that none was measured.
const minRTO = 200*time.Millisecond + 1

// RFC 9293 §3.8.6.1: a closed window is probed with one octet, first after the
// RTO and then ever less often, for as long as the peer answers.
func TestZeroWindowProbes(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 win 0 <mss 1460>")
		c.write(3000)
		c.wantIdle("the window is shut")
		wait := minRTO
		for range 40 {
			c.wantAfter(wait, "probe", ". 1:2(1) ack 1")
			c.receive(". 1:1(0) ack 1 win 0")
			wait = min(2*wait, 120*time.Second)
		}
		c.receive(". 1:1(0) ack 1 win 65535")
		c.want("all of it", ". 1:1461(1460) ack 1")
		c.want("all of it", ". 1461:2921(1460) ack 1")
		c.want("and the rest", "P. 2921:3001(80) ack 1")
	})
}

// What an ACK offers before our SYN is acknowledged is what the SYN did: the buffer is not
// there yet, and an offer cannot be taken back.
func TestHalfOpenOffersNoMore(t *testing.T) {
	everywhere(t, func(w world) {
		for _, challenge := range []string{"R 100:100(0)", "S 90000:90000(0)"} {
			c := w.reach(Listen)
			c.receive("S 0:0(0) <mss 1460,wscale 7>")
			c.want("the SYN-ACK's window is not scaled", "S. 0:0(0) ack 1 win 65535 <mss 1460,wscale 9>")
			c.receive(challenge)
			c.want("here it is", ". 1:1(0) ack 1 win 127")
			c.wantAfter(time.Second, "the SYN-ACK again", "S. 0:0(0) ack 1 win 65535 <mss 1460,wscale 9>")
			c.receive(". 1:1(0) ack 1")
			c.wantState(Established)
			c.receive("P. 1:11(10) ack 1")
			c.want("and here is the buffer that it begins with", ". 1:1(0) ack 11 win 511")
		}
	})
}

// The ACK in a segment of an old number counts, and its window does not: the right edge
// that the peer told last stays where it is, and nothing goes beyond it.
func TestOldSegmentMovesNoEdge(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 win 2000 <mss 1460>")
		c.write(9000)
		c.want("fills a segment", ". 1:1461(1460) ack 1")
		c.receive("F. 1:1(0) ack 1 win 2000")
		c.want("the end", ". 1461:1461(0) ack 2")
		c.receive("F. 1:1(0) ack 1461 win 540") // sent again: what came meanwhile waits to be read
		c.want("we have that, and its ACK opens nothing", ". 1461:1461(0) ack 2")
		c.wantIdle("540 octets are no segment")
		c.wantAfter(minRTO, "a probe of what the window takes", ". 1461:2001(540) ack 2")
		c.receive(". 2:2(0) ack 2001 win 2000")
		c.want("the window opens", ". 2001:3461(1460) ack 2")
	})
}

// What an old segment acknowledges may lie beyond the edge of a window that has shrunk:
// then there is none.
func TestOldSegmentAcknowledgesPastShrunkWindow(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 win 5000 <mss 1460>")
		c.write(9000)
		for _, s := range []string{". 1:1461(1460) ack 1", ". 1461:2921(1460) ack 1", ". 2921:4381(1460) ack 1"} {
			c.want("fills the window", s)
		}
		c.receive("P. 1:11(10) ack 1 win 1000") // it shrinks over what is out
		c.want("ACK", ". 1001:1001(0) ack 11")
		c.receive("P. 1:11(10) ack 2921 win 5000") // and an old one, whose window is none now
		c.want("we have that", ". 2921:2921(0) ack 11")
		c.wantIdle("nothing is open")
		c.wantEqual("SND.UNA", int(c.conn.snd.una-c.own), 2921)
		c.wantEqual("SND.WND", int(c.conn.snd.wnd), 0)
		c.receive(". 11:11(0) ack 4381 win 1460")
		c.want("it opens", ". 4381:5841(1460) ack 11")
	})
}

// The window of a segment that was overtaken is not taken, though its text is.
func TestOvertakenWindow(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 win 5000 <mss 1460>")
		c.receive("P. 11:21(10) ack 1 win 3000")
		c.flush()
		c.receive("P. 1:11(10) ack 1 win 0")
		c.want("ACK of both", ". 1:1(0) ack 21")
		c.write(2920)
		c.want("into the newer window", ". 1:1461(1460) ack 21")
		c.want("all of it", "P. 1461:2921(1460) ack 21")
		c.receive("P. 21:31(10) ack 1 win 0")
		c.flush()
		c.receive(". 31:31(0) ack 1 win 2920") // of the same number as the last that counted
		c.wantEqual("SND.WND", int(c.conn.snd.wnd), 2920)
	})
}

// What comes out of order lies in the window: it takes no more room than it was promised.
func TestTextOutOfOrderTakesNoRoom(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{ReceiveBuffer: 20000}, "S. 0:0(0) ack 1 win 5000 <mss 1460>")
		c.receive("P. 1:5001(5000) ack 1")
		c.flush()
		c.receive("P. 6001:16001(10000) ack 1")
		c.flush()
		c.readAll(5000)
		c.want("all that was read is offered", ". 1:1(0) ack 5001 win 20000")
	})
}

// Text that is out when the window shuts counts as not taken: it goes again as soon as that
// opens.
func TestTextOverShutWindowGoesAgain(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 win 4380 <mss 1460>")
		c.write(4380)
		for range 3 {
			c.pull()
		}
		c.receive(". 1:1(0) ack 1461 win 0")
		c.wantIdle("it is shut")
		c.receive(". 1:1(0) ack 1461 win 4380")
		c.want("at once", ". 1461:2921(1460) ack 1")
		c.want("all of it", "P. 2921:4381(1460) ack 1")
	})
}

// A FIN takes a number of the peer's window, as a byte does.
func TestFinTakesRoom(t *testing.T) {
	everywhere(t, func(w world) {
		for _, room := range []int{99, 100, 101} {
			c := w.opened(Config{}, "S. 0:0(0) ack 1 win 5000 <mss 1460>")
			c.receive(fmt.Sprintf("P. 1:2(1) ack 1 win %d", room))
			c.want("ACK", ". 1:1(0) ack 2")
			c.writeAndClose(100)
			switch room {
			case 99:
				c.wantIdle("one byte too many, and too little for a segment")
				c.receive("P. 2:3(1) ack 1 win 1000")
				c.want("all of it", "FP. 1:101(100) ack 3")
			case 100:
				c.want("no room for the FIN", "P. 1:101(100) ack 2")
				c.wantIdle("no room for the FIN")
				c.receive(". 2:2(0) ack 101 win 1")
				c.want("now there is", "F. 101:101(0) ack 2")
			case 101:
				c.want("room for all", "FP. 1:101(100) ack 2")
			}
		}
	})
}

// The window update is lost: the answer to the next probe brings it.
func TestLostWindowUpdate(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 win 1460 <mss 1460>")
		c.write(2920)
		c.want("fills the window", ". 1:1461(1460) ack 1")
		c.receive(". 1:1(0) ack 1461 win 0")
		c.wantAfter(minRTO, "probe", ". 1461:1462(1) ack 1")
		c.receive(". 1:1(0) ack 1461 win 1460") // the octet found no room, now there is some
		c.want("goes on", "P. 1461:2921(1460) ack 1")
		c.receive(". 1:1(0) ack 2921 win 1460")
		c.advance(time.Hour)
		c.wantIdle("all is acknowledged")
	})
}

// An abort after a probe: the RST has a number that the peer takes, although
// the probe's octet went past its window.
func TestResetAfterProbe(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 win 0 <mss 1460>")
		c.write(10)
		c.wantAfter(minRTO, "probe", ". 1:2(1) ack 1")
		c.abort()
		c.want("inside the window", "R. 1:1(0) ack 1")
	})
}

// A peer that takes the probe's octet.
func TestProbeIsTaken(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 win 0 <mss 1460>")
		c.write(10)
		c.wantAfter(minRTO, "probe", ". 1:2(1) ack 1")
		c.receive(". 1:1(0) ack 2 win 0")
		c.wantAfter(2*minRTO, "next octet", ". 2:3(1) ack 1")
		c.receive(". 1:1(0) ack 3 win 65535")
		c.want("the rest", "P. 3:11(8) ack 1")
	})
}

// A FIN finds a shut window too: it is what the probe carries.
func TestFinIntoShutWindow(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 win 0 <mss 1460>")
		c.close()
		c.wantIdle("no room")
		c.wantAfter(minRTO, "probe", "F. 1:1(0) ack 1")
		c.receive(". 1:1(0) ack 1 win 0")
		c.wantAfter(2*minRTO, "probe", "F. 1:1(0) ack 1")
		c.receive(". 1:1(0) ack 2 win 0")
		c.wantState(FinWait2)
	})
}

// A peer that closes its window over what is in flight (RFC 9293 §3.8.6: a
// sender must be robust against it).
func TestShrinkingWindow(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 win 5000 <mss 1460>")
		c.write(10000)
		for i := range 3 {
			c.wantFlags(fmt.Sprint("segment ", i), wire.ACK)
		}
		c.receive(". 1:1(0) ack 1461 win 100") // 2920 are in flight
		c.wantIdle("nothing fits")
		c.receive(". 1:1(0) ack 1461 win 0")
		c.wantIdle("nothing fits")
		c.wantAfter(minRTO+2*minRTO, "the timer that ran, and then the one of probes", ". 1461:1462(1) ack 1")
		c.receive(". 1:1(0) ack 1461 win 3000")
		c.want("again", ". 1461:2921(1460) ack 1")
		c.receive(". 1:1(0) ack 4381 win 65535")
		c.want("slow start, after the timeout", ". 4381:5841(1460) ack 1")
		c.want("slow start, after the timeout", ". 5841:7301(1460) ack 1")
		c.receive(". 1:1(0) ack 7301 win 65535")
		c.want("the rest", ". 7301:8761(1460) ack 1")
		c.want("and the last", "P. 8761:10001(1240) ack 1")
	})
}

// A window that opens by a little is no window (RFC 9293 §3.8.6.2.1), until
// half of the largest one is open, or the timer overrides.
func TestSillyWindowSender(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 win 4000 <mss 1460>")
		c.write(20000)
		c.want("full", ". 1:1461(1460) ack 1")
		c.want("full", ". 1461:2921(1460) ack 1")
		c.wantIdle("1080 more would be silly")
		c.receive(". 1:1(0) ack 2921 win 1000")
		c.wantIdle("1000 would be silly")
		c.wantAfter(minRTO, "the override timeout", ". 2921:3921(1000) ack 1")
		c.receive(". 1:1(0) ack 3921 win 2000")
		c.want("a full one again", ". 3921:5381(1460) ack 1")
		c.receive(". 1:1(0) ack 5381 win 1459")
		c.wantIdle("less than a segment, and than half of 4000")
	})
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 win 1000 <mss 1460>") // never a full segment
		c.write(20000)
		c.want("all there is", ". 1:1001(1000) ack 1")
		c.receive(". 1:1(0) ack 1001 win 499")
		c.wantIdle("less than half")
		c.receive(". 1:1(0) ack 1001 win 500")
		c.want("half", ". 1001:1501(500) ack 1")
	})
}

// RFC 9293 §3.8.6.2.2: the receiver offers more only by a segment or half the
// buffer, and does it without being asked.
func TestSillyWindowReceiver(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{ReceiveBuffer: 4000}, "S. 0:0(0) ack 1 <mss 1460>")
		c.receive(". 1:1461(1460) ack 1")
		c.want("ACK", ". 1:1(0) ack 1461 win 2540")
		c.receive(". 1461:2921(1460) ack 1")
		c.want("ACK", ". 1:1(0) ack 2921 win 1080")
		c.receive(". 2921:4001(1080) ack 1")
		c.want("full", ". 1:1(0) ack 4001 win 0")
		c.readSome(100, 100)
		c.wantIdle("100 are not worth it")
		c.receive("P. 4001:4011(10) ack 1")
		c.wantDrop(wire.WindowFull)
		c.want("still shut", ". 1:1(0) ack 4001 win 0")
		c.readSome(1359, 1359)
		c.wantIdle("1459 are not worth it")
		c.readSome(1, 1)
		c.want("a segment", ". 1:1(0) ack 4001 win 1460")
		c.readAll(4000 - 1460)
		c.want("all", ". 1:1(0) ack 4001 win 4000")
	})
}

// A zero-window probe is answered, and its octet is not taken; the ACK, URG and
// RST in such a segment count (RFC 9293 §3.10.7.4, first check).
func TestProbeIsAnswered(t *testing.T) {
	everywhere(t, func(w world) {
		shut := func() *testConn {
			c := w.opened(Config{ReceiveBuffer: 2048}, "S. 0:0(0) ack 1 <mss 1460>")
			c.write(100)
			c.want("data", "P. 1:101(100) ack 1")
			c.receive("P. 1:2049(2048) ack 1")
			c.want("shut", ". 101:101(0) ack 2049 win 0")
			return c
		}
		c := shut()
		for range 3 {
			c.receive(". 2049:2050(1) ack 101")
			c.want("still shut", ". 101:101(0) ack 2049 win 0")
		}
		c.wantEqual("unacknowledged", c.conn.Unsent(), 0)
		c.receive("F. 2049:2049(0) ack 101")
		c.want("a FIN finds no room either", ". 101:101(0) ack 2049 win 0")
		c.wantState(Established)
		c.receive("R 2049:2049(0)")
		c.wantState(Closed)

		c = shut()
		c.receive("P. 2050:2060(10) ack 101")
		c.wantDrop(wire.BadSequence)
		c.want("where we are", ". 101:101(0) ack 2049 win 0")
	})
}

// Text that reaches past the window is cut, and a FIN behind it is too.
func TestTextPastWindow(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{ReceiveBuffer: 2048}, "S. 0:0(0) ack 1 <mss 1460>")
		c.receive("FP. 1:3001(3000) ack 1")
		c.want("as far as there was room", ". 1:1(0) ack 2049 win 0")
		c.wantState(Established)
		c.readAll(2048)
		c.want("open again", ". 1:1(0) ack 2049 win 2048")
		c.receive("FP. 2049:3001(952) ack 1")
		c.want("ACK", ". 1:1(0) ack 3002")
		c.wantState(CloseWait)
		c.readAll(952)
	})
}

// An old segment cannot change the window (SND.WL1, SND.WL2).
func TestOldWindowUpdate(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.receive("P. 1:101(100) ack 1 win 5000")
		c.want("ACK", ". 1:1(0) ack 101")
		c.write(100)
		c.want("data", "P. 1:101(100) ack 101")
		c.receive(". 101:101(0) ack 101 win 6000")
		c.wantEqual("window", int(c.conn.snd.wnd), 6000)
		c.receive(". 101:101(0) ack 1 win 100") // older by its ACK
		c.wantEqual("window", int(c.conn.snd.wnd), 6000)
		c.receive("P. 1:151(150) ack 101 win 200") // older by its number; its text is new in part
		c.want("ACK", ". 101:101(0) ack 151")
		c.readAll(150)
	})
}

// What the program asks of the buffers never takes back what was offered.
func TestSetReceiveBuffer(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 <mss 1460,wscale 7>")
		c.step("smaller buffer", func(n *Conn) { n.setReceiveBuffer(1000) })
		c.receive("P. 1:60001(60000) ack 1")
		c.want("what was offered counts", ". 1:1(0) ack 60001 win 394") // 2^18 - 60000, in units of 512
		c.readAll(60000)
		c.step("larger buffer", func(n *Conn) { n.setReceiveBuffer(1 << 30) })
		c.want("offered at once", ". 1:1(0) ack 60001 win 65535")
	})
}

// A peer that has used all of our window acknowledges with the number behind it.
// Were that outside, what it acknowledges would count only when it sends again.
func TestAckFromBehindTheWindow(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.write(1000)
		c.want("text", "P. 1:1001(1000) ack 1")
		edge := int64(c.conn.rcv.edge - c.peer)
		c.receive(fmt.Sprintf(". %d:%[1]d(0) ack 1001", edge))
		c.wantIdle("it is acknowledged")
		c.wantEqual("SND.UNA", int(c.conn.snd.una-c.own), 1001)
		c.receive(fmt.Sprintf(". %d:%[1]d(0) ack 1001", edge+1))
		c.wantDrop(wire.BadSequence)
		c.challenged(Established)
		c.receive(fmt.Sprintf("R %d:%[1]d(0)", edge))
		c.wantDrop(wire.BadSequence)
		c.wantIdle("a RST there is outside: RFC 5961 §3.2")
	})
}

// The answer to a probe may take as long as the window stays shut: it is no round trip.
func TestAnswerToProbeIsNoRoundTrip(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 win 0 <mss 1460>")
		before := c.conn.rtt
		c.write(10)
		c.wantAfter(minRTO, "probe", ". 1:2(1) ack 1")
		c.advance(300 * time.Millisecond)
		c.receive(". 1:1(0) ack 2 win 65535")
		c.want("the rest", "P. 2:11(9) ack 1")
		if c.conn.rtt.smoothed != before.smoothed || c.conn.loss.least > 100*time.Millisecond {
			c.fail("the round trip is taken for %v, the shortest for %v", c.conn.rtt.smoothed, c.conn.loss.least)
		}
	})
}

// ACKs that open the window tell nothing of a loss, however many come.
func TestUpdatesAreNoDuplicates(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 win 6000 <mss 1000>")
		c.write(6000)
		c.flush()
		for win := 6001; win < 6010; win++ {
			c.receive(fmt.Sprintf(". 1:1(0) ack 1 win %d", win))
			c.wantIdle("nothing is lost")
		}
		for range dupThresh - 1 {
			c.receive(". 1:1(0) ack 1 win 6009")
			c.wantIdle("not yet")
		}
		c.receive(". 1:1(0) ack 1 win 6009")
		c.want("now it is", ". 1:1001(1000) ack 1")
	})
}

// Without a scale 64 KiB are all that a peer can be offered, whatever the program asks for: a
// larger buffer would only make the updates rare that let the peer go on.
func TestReceiveBufferWithoutScale(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{ReceiveBuffer: 1 << 20}, "S. 0:0(0) ack 1 <mss 1460>")
		c.step("set buffer", func(n *Conn) { n.setReceiveBuffer(1 << 20) })
		c.wantEqual("the buffer", int(c.conn.rcv.limit), 0xffff)
	})
}
