package tcp

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
)

// Lies in what a peer tells besides its ACKs: how many segments were marked, what came
// twice, how much room there is; and what a peer costs that says nothing, or never anything
// that brings us on.

// Counts of AccECN that are made up, in flags and options: the window is never larger than
// with a peer that tells of no mark, nor smaller than two segments, and nothing is stuck.
func TestAccECNLies(t *testing.T) {
	for _, name := range []string{"reno", "cubic", "dctcp", "bbr"} {
		for seed := range few(12) {
			w := worlds(t)[2+seed%2]
			r := rand.New(rand.NewPCG(seed, 8))
			honest, liar := w.withAccECN(Config{CongestionControl: name, SendBuffer: 1 << 20}), w.withAccECN(Config{CongestionControl: name, SendBuffer: 1 << 20})
			for _, c := range []*testConn{honest, liar} {
				c.setNoDelay()
				c.write(600000)
				c.flush()
			}
			highest := 0
			for range 150 {
				for _, c := range []*testConn{honest, liar} {
					c.advanceOver(10 * time.Millisecond)
				}
				// Both acknowledge as much: the liar's may be further behind, never ahead.
				ack := min(liar.sent(), honest.sent(), liar.acked()+1+r.IntN(4*liarMSS))
				if ack <= liar.acked() {
					continue
				}
				honest.receive(fmt.Sprintf(".eE 1:1(0) ack %d <ECN e0b %d ceb 0>", 1+ack, 1+ack))
				honest.flush()
				liar.receive(madeUp(r, int64(1+ack)))
				liar.flush()
				h, l := honest.conn.cc.Limits().Window, liar.conn.cc.Limits().Window
				if name == "bbr" { // whose window follows what arrives, and comes and goes
					highest = max(highest, h)
					h = 2 * highest
				}
				if l > h || l < 2*988 {
					liar.fail("%s: the liar's window is %d, the other's %d", name, l, h)
				}
			}
			for i := 0; liar.conn.Unsent() > 0; i++ {
				liar.advanceOver(max(liar.conn.Deadline().Sub(liar.now), time.Millisecond))
				liar.receive(madeUp(r, int64(1+liar.sent())))
				liar.flush()
				if i > 10000 {
					liar.fail("%s: %d bytes are never sent", name, liar.conn.Unsent())
				}
			}
		}
	}
}

// madeUp is an ACK with counts that nobody counted.
func madeUp(r *rand.Rand, ack int64) string {
	flags := []string{"", "e", "E", "W", "eE", "eW", "WE", "eWE"}[r.IntN(8)]
	text := fmt.Sprintf(".%s 1:1(0) ack %d", flags, ack)
	n := func() uint32 {
		return []uint32{0, 1, uint32(ack), 1<<24 - 1, r.Uint32() & (1<<24 - 1), uint32(r.IntN(5000))}[r.IntN(6)]
	}
	switch r.IntN(4) {
	case 0:
		return text
	case 1:
		return text + fmt.Sprintf(" <ECN e0b %d ceb %d e1b %d>", n(), n(), n())
	case 2:
		return text + fmt.Sprintf(" <ECN e1b %d ceb %d>", n(), n())
	}
	return text + fmt.Sprintf(" <ECN e0b %d>", n())
}

// RFC 8985 §6.2: however often a peer says that something came twice, a loss is found
// within a smoothed round trip, and no window is larger for it than before the repair.
func TestDuplicateSACKLies(t *testing.T) {
	const trip = liarTrip
	for _, name := range cc.Names() {
		w := worlds(t)[2]
		c := w.lied(name)
		c.receive(fmt.Sprintf(". 1:1(0) ack 1 <sack %d:%d>", 1+liarMSS, 1+2*liarMSS)) // and the first comes late
		c.flush()
		for c.acked() < 10*liarMSS { // the round trip is known
			c.receive(fmt.Sprintf(". 1:1(0) ack %d", 1+c.acked()+liarMSS))
			c.flush()
		}
		for i := range 300 {
			c.advanceOver(trip)
			una, out := 1+c.acked(), 1+c.sent()
			next := min(una+liarMSS, out)
			c.receive(fmt.Sprintf(". 1:1(0) ack %d <sack %d:%d>", next, max(una-liarMSS, 1), una))
			c.flush()
			if i%10 == 0 && next < out {
				c.receive(fmt.Sprintf(". 1:1(0) ack %d", out))
				c.flush()
			}
			c.log = c.log[max(0, len(c.log)-50):]
		}
		c.advanceOver(trip)
		c.write(400 * liarMSS)
		c.advanceOver(trip)
		if out := c.sent() - c.acked(); out < 5*liarMSS {
			c.fail("%s: only %d bytes are out", name, out)
		}
		window, again, una := c.conn.cc.Limits().Window, c.conn.tally.bytesRetrans, 1+c.acked()
		c.receive(fmt.Sprintf(". 1:1(0) ack %d <sack %d:%d>", una, una+liarMSS, una+5*liarMSS))
		c.advanceOver(c.conn.rtt.smoothed)
		if c.conn.loss.least < trip/10 || !c.conn.loss.reorder.Seen || c.conn.tally.bytesRetrans == again {
			c.fail("%s: the loss is not found in a smoothed round trip of %v, minimum %v", name, c.conn.rtt.smoothed, c.conn.loss.least)
		}
		for range 20 { // what was sent again came twice, it says
			c.receive(fmt.Sprintf(". 1:1(0) ack %d <sack %d:%d>", una+5*liarMSS, una, una+liarMSS))
			c.flush()
		}
		if got, most := c.conn.cc.Limits().Window, window+5*liarMSS+2*liarMSS; got > most {
			c.fail("%s: the window was %d, and is %d", name, window, got)
		}
	}
}

// A peer that falls silent, or that answers everything with D-SACK for the tail loss probe,
// gets one probe for a flight, and then one segment for each timeout that doubles.
func TestTailProbesAreFew(t *testing.T) {
	for _, name := range cc.Names() {
		w := worlds(t)[2]
		c := w.lied(name)
		c.receive(fmt.Sprintf(". 1:1(0) ack %d", 1+c.sent()))
		c.flush()
		before, start := c.conn.tally.segsOut, c.now
		sent := map[int]uint32{}
		for c.now.Sub(start) < 5*time.Minute {
			c.advanceOver(time.Second)
			sent[int(c.now.Sub(start)/time.Second)] = c.conn.tally.segsOut - before
		}
		// What is paced has left after a second. Then the timeout doubles up to two minutes.
		if n := sent[300] - sent[1]; n > 12 {
			c.fail("%s: %d segments to who is silent for five minutes: %v", name, n, sent)
		}
	}
}

// A peer that answers every probe of its shut window for a day costs a probe in two
// minutes, of one byte, and no more memory than the send buffer; RFC 9293 §3.8.6.1 lets it
// live, until our program goes.
func TestWindowShutForEver(t *testing.T) {
	w := worlds(t)[2]
	c := w.opened(Config{SendBuffer: 1 << 16}, "S. 0:0(0) ack 1 win 0 <mss 1460>")
	c.write(1 << 16)
	probes, start := 0, c.now
	for c.now.Sub(start) < 24*time.Hour {
		c.advance(time.Hour)
		out, ok := c.pull()
		if probes++; !ok || out.Len > 1 {
			c.fail("a probe of %d bytes, %v", out.Len, ok)
		}
		c.receive(". 1:1(0) ack 1 win 0")
		c.log = c.log[max(0, len(c.log)-50):]
	}
	if most := 24*30 + 12; probes > most || probes < 24*30-12 {
		c.fail("%d probes in a day, want %d or so", probes, most)
	}
	if n := c.conn.holds(); n > 2<<16 {
		c.fail("%d bytes are held", n)
	}
	c.wantState(Established)
	c.leave()
	for left := c.now; c.conn.state != Closed; c.flush() {
		c.advance(time.Hour)
		c.flush()
		if c.conn.state != Closed {
			c.receive(". 1:1(0) ack 1 win 0")
		}
		if c.now.Sub(left) > c.cfg.UserTimeout+c.cfg.MaxRTO {
			c.fail("still there after %v", c.now.Sub(left))
		}
	}
}

// A15: a peer that opens its window byte by byte gets a segment for each time that it does
// at most, and none for less than half of the largest window before the timer overrides.
func TestWindowDribble(t *testing.T) {
	for _, every := range []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, 5 * time.Second} {
		w := worlds(t)[2]
		c := w.opened(Config{NoTimestamps: true}, "S. 0:0(0) ack 1 win 2920 <mss 1460>")
		c.write(60000)
		c.flush()
		c.receive(fmt.Sprintf(". 1:1(0) ack %d win 0", 1+c.sent()))
		before := c.conn.tally.segsOut
		for i := 1; i <= 400; i++ {
			c.advanceOver(every)
			c.receive(fmt.Sprintf(". 1:1(0) ack %d win 1", 1+c.sent()))
			n, size := c.flush()
			if n > 1 || size > 1 {
				c.fail("%d segments, %d bytes", n, size)
			}
		}
		if n := int(c.conn.tally.segsOut - before); n > 400 || every < 100*time.Millisecond && n > 400/10 {
			c.fail("%d segments for 400 bytes of window, one in %v", n, every)
		}
	}
}

// A peer that is never done closing, in every way: its connection is gone in the bounded
// time of all orphans, with each pattern of losses of the last four segments. A13.
func TestLossesOfTheClose(t *testing.T) {
	for pattern := range 1 << 8 {
		for _, first := range []int{0, 1} {
			p := newPair(t, Config{})
			client, server := p.connect()
			ends, n := [2]*Entry{client, server}, 0
			p.fate = func(int, *Output) (bool, time.Duration) {
				n++
				return n <= 8 && pattern&(1<<(n-1)) != 0, 0
			}
			start := p.now
			p.ends[first].Close(p.now, ends[first])
			p.run(time.Millisecond * time.Duration(20*(pattern%3)))
			p.ends[1-first].Close(p.now, ends[1-first])
			p.until("both are gone", func() bool { return p.ends[0].Len() == 0 && p.ends[1].Len() == 0 })
			if took := p.now.Sub(start); took > 2*p.ends[0].cfg.MSL+p.ends[0].cfg.UserTimeout {
				t.Errorf("pattern %08b, %d first: it took %v", pattern, first, took)
			}
			for i, e := range p.ends {
				if e.Deadline() != clock.Never {
					t.Errorf("pattern %08b: end %d waits for something", pattern, i)
				}
			}
		}
	}
}
