package tcp

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// RFC 2883 §4: what came twice is the first block, then what RFC 2018 has.
func TestDuplicateSACK(t *testing.T) {
	cases := []struct {
		name string
		came []string // before
		last string
		want string
	}{
		{"a whole segment again", []string{"P. 1:101(100)"}, "P. 1:101(100)", "ack 101 <sack 1:101>"},
		{"a part of one", []string{"P. 1:101(100)"}, "P. 31:61(30)", "ack 101 <sack 31:61>"},
		{"the front of a new one", []string{"P. 1:101(100)"}, "P. 51:151(100)", "ack 151 <sack 51:101>"},
		{"a FIN again", []string{"FP. 1:101(100)"}, "F. 101:101(0)", "ack 102 <sack 101:102>"},
		{"text again with a new FIN", []string{"P. 1:101(100)"}, "FP. 51:101(50)", "ack 102 <sack 51:101>"},
		{"text again while some waits", []string{"P. 1:101(100)", "P. 201:301(100)"}, "P. 1:101(100)", "ack 101 <sack 1:101 201:301>"},
		{"what waits", []string{"P. 101:201(100)"}, "P. 101:201(100)", "ack 1 <sack 101:201 101:201>"},
		{"a part of what waits", []string{"P. 101:201(100)", "P. 301:401(100)"}, "P. 121:141(20)", "ack 1 <sack 121:141 101:201 301:401>"},
		{"over the front of what waits", []string{"P. 101:201(100)"}, "P. 51:151(100)", "ack 1 <sack 101:151 51:201>"},
		{"over the back of what waits", []string{"P. 101:201(100)"}, "P. 151:251(100)", "ack 1 <sack 151:201 101:251>"},
		{"all over what waits", []string{"P. 101:201(100)"}, "P. 51:251(200)", "ack 1 <sack 101:201 51:251>"},
		{"over two that wait: the first", []string{"P. 101:201(100)", "P. 301:401(100)"}, "P. 151:351(200)", "ack 1 <sack 151:201 101:401>"},
		{"over two that touch", []string{"P. 101:201(100)", "P. 201:301(100)"}, "P. 151:251(100)", "ack 1 <sack 151:251 101:301>"},
		{"into the gap and over what waits", []string{"P. 101:201(100)"}, "P. 1:151(150)", "ack 201 <sack 101:151>"},
		{"over all of it", []string{"P. 101:201(100)", "P. 301:401(100)"}, "P. 1:251(250)", "ack 251 <sack 101:201 301:401>"},
		{"nothing of it", []string{"P. 101:201(100)"}, "P. 1:101(100)", "ack 201 <>"},
		{"text before the first", nil, "P. -9:1(10)", "ack 1 <>"},
		{"some before the first", []string{"P. 1:11(10)"}, "P. -9:6(15)", "ack 11 <sack 1:6>"},
		{"half the space away", []string{"P. 1:11(10)"}, "P. -2147483630:-2147483620(10)", "ack 11 <>"},
		{"no text", []string{"P. 1:101(100)"}, ". 100:100(0)", "ack 101 <>"},
	}
	for _, e := range cases {
		t.Run(e.name, func(t *testing.T) {
			everywhere(t, func(w world) {
				c := w.sacking(Config{})
				for _, s := range e.came {
					c.receive(s + " ack 1")
					c.flush()
				}
				c.receive(e.last + " ack 1")
				c.want(e.name, ". 1:1(0) "+e.want)
				c.wantIdle("once")

				c = w.reach(Established) // whose peer takes no SACK
				for _, s := range append(e.came, e.last) {
					c.receive(s + " ack 1")
					if out, ok := c.pull(); ok && out.Options.Set&wire.OptSACK != 0 {
						c.fail("SACK for who did not ask for it")
					}
				}
				c.flush()
			})
		})
	}
}

// Beside a timestamp three blocks fit, D-SACK among them; PAWS does not keep the
// peer from learning what came twice; and data does not take the ACK along.
func TestDuplicateSACKBesides(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 10 ecr 3600000>")
		for i := range 4 {
			c.receive(fmt.Sprintf("P. %d:%d(10) ack 1 <TS val 11 ecr 3600000>", 101+100*i, 111+100*i))
			c.flush()
		}
		c.receive("P. 101:111(10) ack 1 <TS val 11 ecr 3600000>")
		c.want("three", ". 1:1(0) ack 1 <TS val 3600000 ecr 10,sack 101:111 101:111 401:411>")

		c.receive("P. 1:11(10) ack 1 <TS val 20 ecr 3600000>")
		c.want("the others", ". 1:1(0) ack 11 <TS val 3600000 ecr 20,sack 101:111 401:411 301:311>")
		c.receive("P. 1:11(10) ack 1 <TS val 19 ecr 3600000>")
		c.wantDrop(wire.PAWS)
		c.want("once more", ". 1:1(0) ack 11 <TS val 3600000 ecr 20,sack 1:11 101:111 401:411>")

		c = w.sacking(Config{})
		c.receive("P. 1:101(100) ack 1")
		c.want("ACK", ". 1:1(0) ack 101")
		c.step("repeated, and data to send", func(n *Conn) {
			c.arrive(n, "P. 1:101(100) ack 1", patternBytes(1, 100))
			n.sendCopy(patternBytes(1, 10))
		})
		c.want("the data", "P. 1:11(10) ack 101 <>")
		c.want("D-SACK", ". 11:11(0) ack 101 <sack 1:101>")
		c.wantIdle("no more")
	})
}

// A part whose block has fallen off the list is reported again, when the peer
// repeats it or when there is room, and the peer goes on with the rest.
func TestManyParts(t *testing.T) {
	everywhere(t, func(w world) {
		part := func(i int) string { return fmt.Sprintf("P. %d:%d(10) ack 1", 101+100*i, 111+100*i) }
		c := w.sacking(Config{})
		for i := range 6 {
			c.receive(part(i))
			c.flush()
		}
		c.receive(part(0))
		c.want("it is there", ". 1:1(0) ack 1 <sack 101:111 101:111 601:611 501:511>")
		c.receive("P. 1:101(100) ack 1")
		c.want("there is room for another", ". 1:1(0) ack 111 <sack 601:611 501:511 401:411 201:211>")
		c.receive("P. 111:411(300) ack 1")
		c.want("all of them", ". 1:1(0) ack 411 <sack 201:211 601:611 501:511>")
	})
}

// Whatever comes in whatever order, the first block tells of the segment that
// caused the ACK: D-SACK if it brought something again, or else the run that
// holds it, which in any case is told too.
func TestFirstBlockIsTheSegments(t *testing.T) {
	w := worlds(t)[2]
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 11))
		c := w.sacking(Config{})
		held := map[int]bool{} // by relative number
		for range 60 {
			from := 2 + r.IntN(300)
			n := 1 + r.IntN(40)
			twice := [2]int{}
			for i := from; i < from+n; i++ {
				if held[i] && (twice[0] == 0 || twice[1] == i) {
					if twice[0] == 0 {
						twice[0] = i
					}
					twice[1] = i + 1
				}
			}
			for i := from; i < from+n; i++ {
				held[i] = true
			}
			left, right := from, from+n
			for ; held[left-1]; left-- {
			}
			for ; held[right]; right++ {
			}
			want := fmt.Sprintf("%d:%d", left, right)
			if twice[0] != 0 {
				want = fmt.Sprintf("%d:%d %s", twice[0], twice[1], want)
			}
			c.receive(fmt.Sprintf("P. %d:%d(%d) ack 1", from, from+n, n))
			out := c.wantFlags("an ACK at once", wire.ACK)
			got := ""
			for _, b := range out.Options.SACK[:out.Options.SACKBlocks] {
				got += fmt.Sprintf("%d:%d ", b.Left-c.peer, b.Right-c.peer)
			}
			if len(got) < len(want) || got[:len(want)] != want {
				c.fail("seed %d: want %s first, got %s", seed, want, got)
			}
		}
	}
}

// A SACK block of an ACK that was overtaken by one of more lies before what is
// acknowledged by now, and tells of nothing that came twice all the same.
func TestOvertakenSACKIsNoDSACK(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.lossyWithSACK()
		c.receive(". 1:1(0) ack 3001")
		c.flush()
		c.receive(". 1:1(0) ack 1 <sack 1001:2001>")
		c.flush()
		c.wantEqual("what came twice", int(c.conn.loss.dsacks), 0)
		c.receive(". 1:1(0) ack 3001 <sack 1001:2001>")
		c.flush()
		c.wantEqual("what came twice", int(c.conn.loss.dsacks), 1)
	})
}

// What a first block tells came twice when it can be true: of what was sent, and not longer
// ago than the peer's window is large. Else it counts for nothing.
func TestDuplicateBlockOfLongAgo(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.opened(Config{}, "S. 0:0(0) ack 1 win 5000 <mss 1000,sackOK>")
		for at := 1; at < 20000; at += 1000 {
			c.write(1000)
			c.flush()
			c.receive(fmt.Sprintf(". 1:1(0) ack %d win 5000", at+1000))
		}
		c.write(2000)
		c.flush()
		counted := func() int { return int(c.cfg.stats.TCPDSACKRecv) }
		for i, e := range []struct {
			block string
			true  bool
		}{{"19001:20001", true}, {"15001:16001", true}, {"14001:15001", false}, {"1001:2001", false}, {"-2001:-1001", false},
			{"20001:21001", false}, {"20001:2000020001", false}} {
			before := counted()
			c.receive(fmt.Sprintf(". 1:1(0) ack 20001 win 5000 <sack %s>", e.block))
			c.flush()
			if counted() > before != e.true {
				c.fail("block %d, %s: counted %v", i, e.block, !e.true)
			}
		}
	})
}
