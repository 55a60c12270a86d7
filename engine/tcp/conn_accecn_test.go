package tcp

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// withAccECN returns a connection that has asked for AccECN, with a peer that has SACK
// and agrees; its first ACKs are delayed as all others.
func (w world) withAccECN(cfg Config) *testConn {
	w.Helper()
	cfg.ECN, cfg.QuickAcks = cc.ECNAccurate, -1
	c := w.newConn(cfg)
	c.open()
	c.want("asks for AccECN", "[-] SeWE 0:0(0)")
	c.receive("[-] S.W 0:0(0) ack 1 win 65535 <mss 1000,sackOK,ECN e0b 1 ceb 0 e1b 1>")
	c.want("says how the SYN-ACK came", "[-] .W 1:1(0) ack 1 <ECN e0b 1 ceb 0 e1b 1>")
	c.wantState(Established)
	return c
}

// Marks are counted in the flags of each segment; a first one is told at once, and so is
// every second. The option has what changed since it was there last.
func TestMarksAreCounted(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.withAccECN(Config{})
		c.receive("[ect0] .eE 1:1001(1000) ack 1")
		c.wantIdle("a delayed ACK")
		c.receive("[ect0] .eE 1001:2001(1000) ack 1")
		c.want("nothing was marked", "[-] .eE 1:1(0) ack 2001 <ECN e0b 2001>")
		c.receive("[ce] .eE 2001:3001(1000) ack 1")
		c.want("a mark is not kept waiting", "[-] .eW 1:1(0) ack 3001 <ECN e0b 2001 ceb 1000>")
		c.receive("[ce] .eE 3001:4001(1000) ack 1")
		c.wantIdle("nor is one after it the first")
		c.receive("[ce] .eE 4001:4101(100) ack 1")
		c.want("the second is told", "[-] . 1:1(0) ack 4101 <ECN e0b 2001 ceb 2100>")
		c.receive("[ect1] .eE 4101:5101(1000) ack 1")
		c.receive("[ect1] .eE 5101:6101(1000) ack 1")
		c.want("another mark", "[-] . 1:1(0) ack 6101 <ECN e0b 2001 ceb 2100 e1b 2001>")
		c.receive("[ect1] .eE 6101:7101(1000) ack 1")
		c.receive("[ect1] .eE 7101:8101(1000) ack 1")
		c.want("again, should that be lost", "[-] . 1:1(0) ack 8101 <ECN e0b 2001 ceb 2100 e1b 4001>")
		c.receive("[ect1] .eE 8101:9101(1000) ack 1")
		c.receive("[ect1] .eE 9101:10101(1000) ack 1")
		c.want("and then no more", "[-] . 1:1(0) ack 10101 <>")
		c.receive("[ce] .eE 12101:13101(1000) ack 1")
		c.want("what comes early counts", "[-] .E 1:1(0) ack 10101 <ECN e0b 2001 ceb 3100 e1b 6001,sack 12101:13101>")
		c.receive("[ce] .eE 9101:10101(1000) ack 1")
		c.want("what came before does not", "[-] .E 1:1(0) ack 10101")
		i := c.conn.Info(c.now)
		if !i.ECN || !i.AccECN || !i.ECNSeen || i.ReceivedCE != 4 || i.ReceivedE0Bytes != 2000 || i.ReceivedCEBytes != 3100 || i.ReceivedE1Bytes != 6000 {
			c.fail("%+v", i)
		}
	})
}

// ACKs that the network marked are counted too, and told after three, but not as what
// could be taken for a duplicate: without SACK blocks.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.2.5.1
func TestMarkedAcksAreCounted(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.withAccECN(Config{})
		c.receive("[ect0] .eE 2001:3001(1000) ack 1")
		c.want("out of order", "[-] .eE 1:1(0) ack 1 <ECN e0b 1001,sack 2001:3001>")
		c.receive("[ce] .eE 1:1(0) ack 1")
		c.receive("[ce] .eE 1:1(0) ack 1")
		c.wantIdle("two marked ACKs")
		c.receive("[ce] .eE 1:1(0) ack 1")
		c.want("a third", "[-] . 1:1(0) ack 1 <>")
	})
}

// What we send is markable, and the peer's count is heard: each mark once, and CWR is no
// answer to it.
func TestMarksAreHeard(t *testing.T) {
	for _, name := range []string{"reno", "cubic", "dctcp"} {
		everywhere(t, func(w world) {
			c := w.withAccECN(Config{CongestionControl: name})
			c.write(30000)
			c.want("with the option once more", "[ect0] .eE 1:989(988) ack 1 <ECN e0b 1 ceb 0 e1b 1>")
			c.flush()
			before := c.conn.cc.Limits().Window
			c.advance(5 * time.Millisecond)
			c.receive(".eE 1:1(0) ack 989 <ECN e0b 989 ceb 0>")
			c.flush()
			c.receive(".eW 1:1(0) ack 1989 <ECN e0b 989 ceb 1000>")
			after := c.conn.cc.Limits().Window
			if after >= before {
				c.fail("%s: the window was %d and is %d", name, before, after)
			}
			c.receive(".E 1:1(0) ack 4989 <ECN e0b 989 ceb 4000>") // 6 to 9
			for out, ok := c.pull(); ok; out, ok = c.pull() {
				if out.Flags&wire.ACEMask != wire.AE|wire.ECE || out.ECN != wire.ECT0 {
					c.fail("%s: %v, ECN %d", name, out.Flags, out.ECN)
				}
			}
			if i := c.conn.Info(c.now); i.DeliveredCE != 4 || i.DeliveredCEBytes != 4000 || i.DeliveredE0Bytes != 988 || c.conn.cc.Limits().Window != after {
				c.fail("%s: %d were marked, %d bytes; the window is %d", name, i.DeliveredCE, i.DeliveredCEBytes, c.conn.cc.Limits().Window)
			}
			c.flush()
		})
	}
}

// An ACK that was overtaken counts less than what is known, and says nothing.
func TestOvertakenCountsAreNoMarks(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.withAccECN(Config{})
		c.write(5000)
		c.flush()
		c.advance(5 * time.Millisecond)
		c.receive(".e 1:1(0) ack 1988") // 4 is 12: seven marks, of two segments
		c.receive(".eE 1:1(0) ack 988")
		c.receive(".eE 1:1(0) ack 1988")
		if i := c.conn.Info(c.now); i.DeliveredCE != 7 {
			c.fail("%d marks", i.DeliveredCE)
		}
		c.flush()
	})
}

// Where the flags may have gone round, and no option says what is true, there were as
// many marks as there can have been; with the option as many as it says; and where all
// ACKs are for many segments, as many as the flags say.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.2.5.2
func TestFlagsThatMayHaveGoneRound(t *testing.T) {
	for _, v := range []struct {
		name string
		acks []string
		want uint32
	}{
		{"seven segments", []string{".eE 1:1(0) ack 6989"}, 0},
		{"nine after one, one marked", []string{".eE 1:1(0) ack 989", ".eW 1:1(0) ack 9989"}, 9},
		{"eight after one, one marked", []string{".eE 1:1(0) ack 989", ".eW 1:1(0) ack 8989"}, 1},
		{"nine after one, none or eight", []string{".eE 1:1(0) ack 989", ".eE 1:1(0) ack 9989"}, 8},
		{"nine at first, one marked", []string{".eW 1:1(0) ack 8989"}, 1},
		{"ten at first, none", []string{".eE 1:1(0) ack 9989"}, 0},
		{"ten, option says none", []string{".eE 1:1(0) ack 989 <ECN e0b 989>", ".eE 1:1(0) ack 9989 <ECN e0b 9989>"}, 0},
		{"nine, option says so", []string{".eE 1:1(0) ack 989 <ECN e0b 989>", ".eW 1:1(0) ack 9989 <ECN e0b 989 ceb 9000>"}, 9},
		{"nine, option says one", []string{".eE 1:1(0) ack 989 <ECN e0b 989>", ".eW 1:1(0) ack 9989 <ECN e0b 8989 ceb 1000>"}, 1},
		{"the option comes later", []string{".eE 1:1(0) ack 989 <ECN e0b 989>", ".eW 1:1(0) ack 9979", ".eW 1:1(0) ack 9989 <ECN e0b 989 ceb 9000>"}, 9},
	} {
		everywhere(t, func(w world) {
			c := w.newConn(Config{ECN: cc.ECNAccurate, NoTimestamps: true})
			c.open()
			c.flush()
			option := ""
			if strings.Contains(v.acks[0], "ECN") {
				option = ",ECN e0b 1 ceb 0 e1b 1"
			}
			c.receive("S.W 0:0(0) ack 1 win 65535 <mss 1000,sackOK" + option + ">")
			c.flush()
			c.write(9988)
			c.flush()
			c.advance(5 * time.Millisecond)
			for _, a := range v.acks {
				c.receive(a)
			}
			if i := c.conn.Info(c.now); i.DeliveredCE != v.want {
				c.fail("%s: %d marks, want %d", v.name, i.DeliveredCE, v.want)
			}
			c.flush()
		})
	}
}

// What cannot be true: a count that is zero at first, bytes without segments. Then
// nothing is markable any more; what the peer marks is counted all the same.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.2.4
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.3.2.5
func TestFeedbackThatWasChanged(t *testing.T) {
	for name, acks := range map[string][]string{
		"flags are zero":         {". 1:1(0) ack 989"},
		"bytes without segments": {".eE 1:1(0) ack 989 <ECN e0b 989 ceb 0>", ".eE 1:1(0) ack 1989 <ECN e0b 989 ceb 1000>"},
	} {
		everywhere(t, func(w world) {
			c := w.withAccECN(Config{})
			c.write(3000)
			c.flush()
			c.advance(5 * time.Millisecond)
			for _, a := range acks {
				c.receive(a)
			}
			c.write(1000)
			for out, ok := c.pull(); ok; out, ok = c.pull() {
				if out.ECN != wire.NotECT {
					c.fail("%s: still markable", name)
				}
			}
			c.receive("[ce] .eE 1:1001(1000) ack 1989")
			if i := c.conn.Info(c.now); i.ReceivedCE != 1 {
				c.fail("%s: %d", name, i.ReceivedCE)
			}
			c.flush()
		})
	}
}

// A SYN-ACK that comes again is answered as the first was, by how it came this time; a
// mark on it counts once.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.2.1
func TestReflectionOfTheSynAck(t *testing.T) {
	for mark, flags := range map[string]string{"-": "W", "ect1": "WE", "ect0": "e", "ce": "eW"} {
		everywhere(t, func(w world) {
			c := w.newConn(Config{ECN: cc.ECNAccurate})
			c.open()
			c.flush()
			answer := "[" + mark + "] S.W 0:0(0) ack 1 win 65535 <mss 1000,sackOK>"
			c.write(10)
			c.receive(answer)
			c.want("before any text", "[-] ."+flags+" 1:1(0) ack 1 <ECN e0b 1 ceb 0 e1b 1>")
			c.flush()
			c.receive(answer)
			c.want("again", "[-] ."+flags+" 11:11(0) ack 1 <>")
			c.receive(".eE 1:1(0) ack 11")
			c.write(10)
			if out := c.wantFlags("what follows counts", wire.ACK|wire.PSH|wire.ACEFlags(map[bool]uint8{true: 6, false: 5}[mark == "ce"])); out.ECN != wire.ECT0 {
				c.fail("not markable")
			}
		})
	}
}

// The option gives way to two SACK blocks, and a third block to the option; where there
// is not enough room for all counts, those that changed are enough.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.3.3
func TestRoomForCountsAndSACK(t *testing.T) {
	c := worlds(t)[0].newConn(Config{ECN: cc.ECNAccurate})
	c.open()
	c.flush()
	c.receive("[-] S.W 0:0(0) ack 1 win 65535 <mss 1000,sackOK,TS val 1 ecr 0,ECN e0b 1 ceb 0 e1b 1>")
	c.flush()
	blocks := func(text string, want string) {
		c.Helper()
		c.receive(text)
		out, ok := c.pull()
		out.Options.Set &^= wire.OptTimestamps
		out.Options.TSVal, out.Options.TSEcr = 0, 0
		if got := describe(&out.TCP, 0, c.rel); !ok || got[len(got)-len(want):] != want {
			c.fail("%s, want %s", got, want)
		}
	}
	blocks("[ect0] .eE 2001:3001(1000) ack 1 <TS val 1 ecr 0>", "<ECN e0b 1001,sack 2001:3001>")
	blocks("[ect1] .eE 4001:5001(1000) ack 1 <TS val 1 ecr 0>", "<ECN e1b 1001,sack 4001:5001 2001:3001>")
	blocks("[ce] .eE 6001:7001(1000) ack 1 <TS val 1 ecr 0>", "<ECN e0b 1001 ceb 1000,sack 6001:7001 4001:5001>")
	blocks("[ce] .eE 8001:9001(1000) ack 1 <TS val 1 ecr 0>", "<ECN e0b 1001 ceb 2000,sack 8001:9001 6001:7001>")
	blocks("[-] .eE 10001:11001(1000) ack 1 <TS val 1 ecr 0>", "<sack 10001:11001 8001:9001 6001:7001>")
}

// A path that drops what has the option does not stop a stream: what comes again is
// answered without, and after three times nothing has it.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.3.2.2
func TestPathThatDropsTheOption(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 7))
		p := newPair(t, Config{ECN: cc.ECNAccurate})
		dropped := 0
		p.fate = func(from int, o *Output) (bool, time.Duration) {
			if from == 0 && o.Len > 0 && o.ECN == wire.ECT0 && r.IntN(2) == 0 {
				o.ECN = wire.CE
			}
			if o.Options.Has(wire.OptAccECN) {
				dropped++
				return true, 0
			}
			return false, 0
		}
		client, server := p.connect()
		before := p.now
		p.write(0, client, make([]byte, 300000))
		got := 0
		p.until("all is there", func() bool { got += len(p.read(1, server)); return got == 300000 })
		if took := p.now.Sub(before); dropped > 40 || took > 20*time.Second {
			t.Errorf("seed %d: %d segments were dropped, it took %v", seed, dropped, took)
		}
	}
}

// TestEveryMarkIsCounted: over wires that mark, lose, reorder and repeat at random, with
// super-segments and without, both ends agree in the end, when a last piece has passed
// unharmed, on how much was marked, to the byte where options arrive. Where they do not, or
// the receiver has given them up, the sender never believes in less than there was as long
// as the ACKs that are lost are few. But super-segments are acknowledged as a whole (RFC 9768
// §3.2.2.5.1 allows that): of more than seven marks at once the flags alone say how many
// modulo 8, and the sender takes the least, or until the first option has come the most. So it
// is of ACKs that were marked, for which no option counts.
func TestEveryMarkIsCounted(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() {
		seeds = 24
	}
	for seed := range seeds + 1 {
		if seed == seeds {
			seed = 12833 // so many timeouts that segments become smaller
		}
		r := rand.New(rand.NewPCG(seed, 9768))
		names := cc.Names()
		strip, super, control, burst, calm := seed%4 == 3, seed%3 == 0, seed%5 == 1, 0, false
		p := newPair(t, Config{ECN: cc.ECNAccurate, CongestionControl: names[seed%uint64(len(names))], NoTimestamps: r.IntN(4) == 0,
			ECNOption: cc.ECNOption(seed / 2 % 3), ECNControl: control})
		if super {
			p.path.MaxGSO = 65535
		}
		loss, rate, length := r.Float64()*0.04, r.Float64()/4, 1+r.IntN(30)
		p.fate = func(from int, o *Output) (bool, time.Duration) {
			if strip {
				o.Options.Set &^= wire.OptAccECN
			}
			if calm {
				return false, 0
			}
			if o.ECN == wire.ECT0 {
				if burst == 0 && r.Float64() < rate/float64(length) {
					burst = 1 + r.IntN(2*length)
				}
				if burst > 0 {
					burst--
					o.ECN = wire.CE
				}
			}
			late := time.Duration(0)
			if r.IntN(20) == 0 {
				late = time.Duration(r.IntN(8)) * time.Millisecond
			}
			return !o.Flags.Has(wire.SYN) && r.Float64() < loss, late
		}
		client, server := p.connect()
		want, got := [2]int{50000 + r.IntN(600000), r.IntN(2) * r.IntN(300000)}, [2]int{}
		p.write(0, client, make([]byte, want[0]))
		p.write(1, server, make([]byte, want[1]))
		p.until("all is there", func() bool {
			got[0] += len(p.read(1, server))
			got[1] += len(p.read(0, client))
			return got == want && client.Unsent() == 0 && server.Unsent() == 0
		})
		p.run(time.Second)
		calm = true // what was told to an ACK that was lost is told again with the next
		const last = 64 << 10
		p.write(0, client, make([]byte, last))
		p.write(1, server, make([]byte, last))
		p.until("the last piece is there", func() bool {
			got[0] += len(p.read(1, server))
			got[1] += len(p.read(0, client))
			return got == [2]int{want[0] + last, want[1] + last} && client.Unsent() == 0 && server.Unsent() == 0
		})
		p.run(time.Second)
		for i, ends := range [][2]*Entry{{client, server}, {server, client}} {
			sent, seen := ends[0].Info(p.now), ends[1].Info(p.now)
			what := fmt.Sprintf("seed %d, from end %d, %d of %d bytes marked in %d segments; heard of %d in %d", seed, i, seen.ReceivedCEBytes, want[i], seen.ReceivedCE, sent.DeliveredCEBytes, sent.DeliveredCE)
			switch {
			case (sent.DeliveredCE-seen.ReceivedCE)%8 != 0:
				t.Error(what, "the flags are misread")
			case !strip && (sent.DeliveredCEBytes > seen.ReceivedCEBytes || sent.DeliveredE0Bytes > seen.ReceivedE0Bytes || sent.DeliveredE1Bytes != 0):
				t.Error(what)
			case !strip && sent.DeliveredCEBytes != seen.ReceivedCEBytes && !ends[1].ecn.marks.accurate.is(optionOff): // it has not given the option up
				t.Error(what)
			case !strip && !control && sent.DeliveredCE != seen.ReceivedCE && !(super && (sent.DeliveredCE > seen.ReceivedCE || ends[1].ecn.marks.accurate.is(optionOff))):
				t.Error(what)
			case strip && !control && sent.DeliveredCE < seen.ReceivedCE && !super:
				t.Error(what)
			}
			// Whose SYN-ACK was not answered twice sends one without flags, and marks nothing.
			if ends[0].is(unmarkable) && p.ends[i].Counters().TCPSynRetrans < 2 {
				t.Error(what, "nothing is markable any more")
			}
		}
	}
}

// DCTCP is told of exactly the bytes that were marked, also of a peer that does not use
// it: with AccECN the receiver's controller does not matter.
func TestDCTCPHearsOfEveryMark(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 78))
		p := newPair(t, Config{ECN: cc.ECNAccurate, CongestionControl: "dctcp"})
		p.ends[1].cfg.CongestionControl = "cubic"
		if seed%3 == 0 {
			p.path.MaxGSO = 65535
		}
		marked, told, rate := 0, 0, 0.02+r.Float64()/2
		p.fate = func(from int, o *Output) (bool, time.Duration) {
			if from == 0 && o.ECN == wire.ECT0 && r.Float64() < rate {
				o.ECN = wire.CE
				marked += o.Len
			}
			return false, 0
		}
		client, server := p.connect()
		client.cc = &spyController{Controller: client.cc, heard: func(a cc.Ack) { told += a.Marked }}
		want, got := 100000+r.IntN(400000), 0
		p.write(0, client, make([]byte, want))
		p.until("all is there", func() bool { got += len(p.read(1, server)); return got == want && client.Unsent() == 0 })
		p.write(0, client, make([]byte, 100)) // what an ACK without the option left open is told with the next
		p.until("the rest is there", func() bool { got += len(p.read(1, server)); return got == want+100 && client.Unsent() == 0 })
		if told != marked || marked == 0 && p.path.MaxGSO == 0 {
			t.Errorf("seed %d: %d bytes were marked, %d are told", seed, marked, told)
		}
	}
}
