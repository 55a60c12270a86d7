package tcp

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// sacking returns a connection whose peer takes SACK.
func (w world) sacking(cfg Config) *testConn {
	w.Helper()
	return w.opened(cfg, "S. 0:0(0) ack 1 <mss 1460,sackOK>")
}

// Segments out of order are kept and reported, the most recent first
// (RFC 2018 §4), and delivered when the gap is filled.
func TestOutOfOrder(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.sacking(Config{})
		c.receive("P. 101:201(100) ack 1")
		c.want("duplicate ACK", ". 1:1(0) ack 1 <sack 101:201>")
		c.receive("P. 301:401(100) ack 1")
		c.want("duplicate ACK", ". 1:1(0) ack 1 <sack 301:401 101:201>")
		c.receive("P. 201:301(100) ack 1")
		c.want("they join", ". 1:1(0) ack 1 <sack 101:401>")
		c.receive("P. 201:301(100) ack 1")
		c.wantDrop(wire.Duplicate)
		c.want("duplicate ACK, with D-SACK", ". 1:1(0) ack 1 <sack 201:301 101:401>")
		c.receive("P. 501:601(100) ack 1")
		c.want("duplicate ACK", ". 1:1(0) ack 1 <sack 501:601 101:401>")
		c.readAll(0)
		c.receive("P. 1:101(100) ack 1")
		c.want("the gap is filled: an ACK at once", ". 1:1(0) ack 401 <sack 501:601>")
		c.readAll(400)
		c.receive("P. 401:501(100) ack 1")
		c.want("all", ". 1:1(0) ack 601 <>")
		c.readAll(200)
	})
}

// Four blocks fit, beside a timestamp three.
func TestSACKBlocks(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.sacking(Config{})
		s := w.opened(Config{}, "S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 1 ecr 3600000>")
		for i := range 6 {
			text := fmt.Sprintf("P. %d:%d(10) ack 1", 101+100*i, 111+100*i)
			c.receive(text)
			s.receive(text + " <TS val 1 ecr 3600000>")
			if i < 5 {
				c.flush()
				s.flush()
			}
		}
		c.want("four", ". 1:1(0) ack 1 <sack 601:611 501:511 401:411 301:311>")
		s.want("three", ". 1:1(0) ack 1 <TS val 3600000 ecr 1,sack 601:611 501:511 401:411>")
		n := w.reach(Established)
		n.receive("P. 101:201(100) ack 1")
		n.want("no SACK for who did not ask for it", ". 1:1(0) ack 1 <>")
	})
}

// One duplicate ACK for each segment, also when they come in one batch
// (RFC 5681 §4.2).
func TestDuplicateAcksOfBatch(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.receiveBatch("P. 101:201(100) ack 1", "P. 201:301(100) ack 1", "P. 301:401(100) ack 1")
		for range 3 {
			c.want("duplicate ACK", ". 1:1(0) ack 1")
		}
		c.wantIdle("no more than three")
	})
}

// Whatever comes in one batch, with up to maxBlocks new holes, the ACKs tell of all that
// is held: a sender that is not told repeats it. The first blocks are those of RFC 2018 §4.
func TestBatchesAreTold(t *testing.T) {
	w := worlds(t)[0]
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		c := w.sacking(Config{})
		arrived, told := map[int]bool{}, map[int]bool{}
		for next := 0; next < 400; {
			var batch []string
			for holes := 0; holes < maxBlocks-1 && len(batch) < 60; next++ {
				if r.IntN(5) == 0 {
					holes++
					continue
				}
				batch = append(batch, fmt.Sprintf(". %d:%d(100) ack 1", 1+100*next, 101+100*next))
				arrived[next] = true
			}
			c.receiveBatch(batch...)
			for out, ok := c.pull(); ok; out, ok = c.pull() {
				for i := range int(out.Ack.Sub(c.rel.peer)-1) / 100 {
					told[i] = true
				}
				for _, b := range out.Options.SACK[:out.Options.SACKBlocks] {
					for i := int(b.Left.Sub(c.rel.peer)-1) / 100; i < int(b.Right.Sub(c.rel.peer)-1)/100; i++ {
						told[i] = true
					}
				}
			}
			if !maps.Equal(arrived, told) {
				c.fail("seed %d: %d segments arrived, the ACKs tell of %d", seed, len(arrived), len(told))
			}
		}
	}
}

// A FIN out of order waits for what is before it.
func TestFinOutOfOrder(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Established)
		c.receive("FP. 101:201(100) ack 1")
		c.want("duplicate ACK", ". 1:1(0) ack 1")
		c.flush()
		c.wantState(Established)
		c.receive("P. 1:101(100) ack 1")
		c.want("all, and the FIN", ". 1:1(0) ack 202")
		c.wantState(CloseWait)
		c.readAll(200)

		c = w.reach(FinWait2)
		c.receive("F. 101:101(0) ack 2")
		c.want("ACK", ". 2:2(0) ack 1")
		c.receive("P. 1:101(100) ack 2")
		c.want("all, and the FIN", ". 2:2(0) ack 102")
		c.wantState(TimeWait)
	})
}

// Nothing that lies behind a FIN is part of the stream, whatever comes first.
func TestTextBehindFin(t *testing.T) {
	orders := [][]string{
		{"F. 101:101(0) ack 1", "P. 101:201(100) ack 1", "P. 1:101(100) ack 1"},
		{"P. 101:201(100) ack 1", "F. 101:101(0) ack 1", "P. 1:101(100) ack 1"},
		{"P. 151:201(50) ack 1", "F. 101:101(0) ack 1", "P. 1:101(100) ack 1"},
		{"F. 101:101(0) ack 1", "P. 1:151(150) ack 1"},
		{"F. 101:101(0) ack 1", "F. 151:151(0) ack 1", "P. 1:101(100) ack 1"},
		{"P. 1:101(100) ack 1", "F. 101:101(0) ack 1", "P. 101:201(100) ack 1"},
	}
	for i, order := range orders {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			everywhere(t, func(w world) {
				c := w.reach(Established)
				for _, s := range order {
					c.receive(s)
					c.flush()
				}
				c.wantState(CloseWait)
				c.readAll(100)
			})
		})
	}
}

// A FIN below what has come already ends the stream there: when it is in order,
// whatever waits; of several out of order the lowest.
func TestFinBelowText(t *testing.T) {
	orders := []struct {
		segments []string
		text     int
	}{
		{[]string{"P. 2:1402(1400)", "F. 1:1(0)"}, 0},
		{[]string{"P. 11:21(10)", "FP. 1:11(10)"}, 10},
		{[]string{"P. 11:21(10)", "FP. 1:6(5)"}, 5},
		{[]string{"P. 11:21(10)", "F. 6:6(0)", "P. 1:6(5)"}, 5},
		{[]string{"P. 11:21(10)", "F. 15:15(0)", "P. 1:11(10)"}, 14},
		{[]string{"P. 11:21(10)", "F. 21:21(0)", "F. 15:15(0)", "P. 1:11(10)"}, 14},
		{[]string{"F. 15:15(0)", "F. 21:21(0)", "P. 1:11(10)", "P. 11:21(10)"}, 14},
		{[]string{"F. 21:21(0)", "F. 15:15(0)", "P. 1:21(20)"}, 14},
		{[]string{"F. 21:21(0)", "FP. 1:11(10)"}, 10},
	}
	for _, o := range orders {
		t.Run(fmt.Sprint(o.segments), func(t *testing.T) {
			everywhere(t, func(w world) {
				c := w.sacking(Config{})
				for _, s := range o.segments {
					c.receive(s + " ack 1")
					c.flush()
				}
				c.wantState(CloseWait)
				c.wantEqual("the end", int(c.conn.rcv.nxt-c.peer), o.text+2)
				c.readAll(o.text)
				if !c.conn.EOF() {
					c.fail("no end of stream")
				}
			})
		})
	}
}

// Text and a FIN beyond the peer's FIN are answered and not kept.
func TestBeyondFin(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.sacking(Config{})
		c.receive("F. 11:11(0) ack 1")
		c.want("ACK", ". 1:1(0) ack 1 <>")
		for _, s := range []string{"P. 12:22(10) ack 1", "F. 12:12(0) ack 1", "P. 11:12(1) ack 1"} {
			c.receive(s)
			c.wantDrop(wire.WindowFull)
			c.want("where we are", ". 1:1(0) ack 1 <>")
		}
		c.receive("P. 6:16(10) ack 1")
		c.want("as far as the FIN", ". 1:1(0) ack 1 <sack 6:11>")
		c.write(10)
		c.want("data", "P. 1:11(10) ack 1")
		c.receive(". 12:12(0) ack 11")
		c.wantDrop(wire.None)
		c.wantIdle("an ACK alone, whose number is beyond the FIN as it must be, is not answered")
		c.wantEqual("unacknowledged", c.conn.Unsent(), 0)
	})
}

// A peer whose FIN lies below text that it has sent before, and that acknowledges
// ours: the connection ends all the same.
func TestFinBelowTextWhileClosing(t *testing.T) {
	everywhere(t, func(w world) {
		for _, leave := range []bool{false, true} {
			c := w.reach(FinWait1)
			c.receive(". 11:21(10) ack 1")
			c.flush()
			c.receive("F. 1:11(10) ack 2")
			c.flush()
			c.wantState(TimeWait)
			c.readAll(10)
			if leave {
				c.leave()
			}
			c.advance(2 * msl)
			c.wantState(Closed)
		}
	})
}

// Overlapping segments in every order: of bytes that come twice the first
// ones stay, none comes twice and none is lost.
func TestOverlaps(t *testing.T) {
	w := worlds(t)[6]
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w.T = t
			overlaps(w, rand.New(rand.NewPCG(seed, 2)))
		})
	}
}

func overlaps(w world, r *rand.Rand) {
	const size = 80
	c := w.reach(Established)
	var first [size]int // which copy of each byte came first, plus one
	var want []byte
	for copyNumber := 1; len(want) < size; copyNumber++ {
		from := r.IntN(size)
		n := 1 + r.IntN(size-from)
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(copyNumber)
			if first[from+i] == 0 {
				first[from+i] = copyNumber
			}
		}
		c.receiveBytes(fmt.Sprintf("P. %d:%d(%d) ack 1", 1+from, 1+from+n, n), b)
		c.flush()
		for len(want) < size && first[len(want)] != 0 {
			want = append(want, byte(first[len(want)]))
		}
	}
	var got []byte
	c.step("read", func(n *Conn) {
		got = got[:0]
		for _, v := range n.take(c.now, size+1, nil) {
			got = append(got, v.Bytes()...)
			v.Release()
		}
	})
	if !slices.Equal(got, want) {
		c.fail("got  %v\nwant %v", head(got), head(want))
	}
}

// The reassembly queue is bounded; when it is full the segment in order still
// gets through, and SACK reports nothing that is not held.
func TestReassemblyLimit(t *testing.T) {
	w := worlds(t)[4]
	c := w.sacking(Config{})
	most := maxParts(0)
	for i := range most - 1 {
		c.conn.receive(c.now, &c.path, segmentAt(c, 3+2*i))
	}
	for out := (&Output{}); c.conn.NextSegment(c.now, out); { // its ACKs
	}
	c.twin.release()
	c.twin = c.conn.Clone(nil)
	last := 3 + 2*(most-2)
	c.receive(fmt.Sprintf("P. %d:%d(3) ack 1", last-1, last+2)) // two new parts, and room for one
	c.wantDrop(wire.ReassemblyFull)
	c.flush()
	c.receive(fmt.Sprintf("P. %d:%d(3) ack 1", last+10, last+13))
	c.wantDrop(wire.ReassemblyFull)
	c.flush()
	c.receive("P. 1:3(2) ack 1")
	c.want("the first of them", ". 1:1(0) ack 4")
	c.flush()
	c.readAll(3)
}

// segmentAt is a segment of one byte at a relative number.
func segmentAt(c *testConn, rel int) *Segment {
	w := spell(c, fmt.Sprintf(". %d:%d(1) ack 1 win 65535", rel, rel+1))
	return &Segment{TCP: w.header(isns{c.rel.peer, c.rel.own}), Len: 1, Views: twoViews(patternBytes(int64(rel), 1))}
}
