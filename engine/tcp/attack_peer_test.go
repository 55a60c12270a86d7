package tcp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Peers that complete the handshake and then lie: about what has arrived, how long it
// took, what was marked, how much they take; or that never come to an end. What they gain
// is counted in bytes and segments against an honest peer, or against what an RFC allows.

const (
	liarMSS  = 1000
	liarTrip = 50 * time.Millisecond // of the handshake, and until the first lie
)

// controlled is opened for a controller that may ask for ECN, and does not get it.
func (w world) controlled(cfg Config, synAck string) *testConn {
	w.Helper()
	c := w.newConn(cfg)
	c.open()
	c.pull()
	c.advanceOver(liarTrip)
	c.receive(synAck)
	c.wantFlags("ACK of the peer's SYN", wire.ACK)
	return c
}

// lied returns a connection with a full first window of ten segments out, and much more
// to send.
func (w world) lied(name string) *testConn {
	w.Helper()
	c := w.controlled(Config{CongestionControl: name, NoTimestamps: true, SendBuffer: 1 << 20}, fmt.Sprintf("S. 0:0(0) ack 1 <mss %d,sackOK,wscale 7>", liarMSS))
	c.window = 65535
	c.setNoDelay()
	c.write(900 * liarMSS)
	c.flush()
	c.advanceOver(liarTrip)
	return c
}

// advanceOver lets time pass, whatever is sent meanwhile.
func (c *testConn) advanceOver(d time.Duration) { c.Helper(); c.sail(d, func(*Output) {}) }

// sail lets time pass, and shows what is sent meanwhile. What is paced may leave as soon
// as it is time, before any timer has fired.
func (c *testConn) sail(d time.Duration, see func(*Output)) {
	c.Helper()
	for end := c.now.Add(d); ; {
		for out, ok := c.pull(); ok; out, ok = c.pull() {
			see(out)
		}
		due := c.conn.Deadline()
		if due > end {
			c.now = end
			return
		}
		if due > c.now {
			c.now = due
			continue
		}
		c.step(fmt.Sprintf("to %v", due), func(n *Conn) { n.Advance(c.now) })
	}
}

// sent is how many bytes have left, counted once.
func (c *testConn) sent() int { return int(c.conn.snd.nxt.Sub(c.own)) - 1 }

// C5, ACK division and stretched ACKs (Savage 1999; RFC 5681 §3.1, RFC 3465): an ACK of
// each byte, of pieces of any size, or of all at once, lets the window grow by what was
// acknowledged at most, with every controller.
func TestAcksInPieces(t *testing.T) {
	for _, name := range cc.Names() {
		w := worlds(t)[2]
		for _, piece := range []int{1, 7, 999, 1000, 1001, 3333, 10000} {
			c := w.lied(name)
			before, acked := c.conn.cc.Limits().Window, 0
			for acked < 10*liarMSS {
				acked = min(acked+piece, 10*liarMSS)
				c.receive(fmt.Sprintf(". 1:1(0) ack %d", 1+acked))
				c.flush()
				if got, most := c.conn.cc.Limits().Window, before+acked+2*liarMSS; got > most {
					c.fail("%s: %d bytes acknowledged in pieces of %d, the window is %d, and was %d", name, acked, piece, got, before)
				}
			}
		}
	}
}

// C5, optimistic ACKs: of what was never sent nothing counts, however it is asked for, and
// nothing leaves for it.
func TestOptimisticAcks(t *testing.T) {
	for _, name := range cc.Names() {
		everywhere(t, func(w world) {
			c := w.lied(name)
			una, window, sent, answers := c.conn.snd.una, c.conn.cc.Limits().Window, c.sent(), 0
			for i := range 500 {
				for _, blocks := range []string{"", fmt.Sprintf(" <sack %d:%d>", 1+sent+liarMSS, 1+sent+9*liarMSS)} {
					c.receive(fmt.Sprintf(". 1:1(0) ack %d", 2+sent+i*i) + blocks)
					n, size := c.flush()
					if answers += n; size > 0 {
						c.fail("%s: %d bytes leave", name, size)
					}
				}
			}
			if c.conn.snd.una != una || c.conn.cc.Limits().Window != window || answers > 1 {
				c.fail("%s: SND.UNA moves by %d, the window from %d to %d, %d answers", name, c.conn.snd.una-una, window, c.conn.cc.Limits().Window, answers)
			}
		})
	}
}

// C5, duplicate ACKs and SACK lies: a peer that says again and again that something is
// missing lets no more go than what it could have received, with or without SACK.
func TestSpoofedDuplicates(t *testing.T) {
	for _, name := range cc.Names() {
		for _, sack := range []bool{false, true} {
			w := worlds(t)[2]
			c := w.lied(name)
			before, window := c.sent(), c.conn.cc.Limits().Window
			again := uint64(0)
			for i := range 5000 {
				text := ". 1:1(0) ack 1"
				if sack {
					text += fmt.Sprintf(" <sack %d:%d>", 1+liarMSS+i%9*liarMSS, 1+liarMSS*(2+i%9))
				}
				c.receive(text)
				c.flush()
				again = c.conn.tally.bytesRetrans
			}
			// Limited transmit, and a segment for each that may have arrived, at most.
			if got := c.sent() - before; got > window+2*liarMSS || again > uint64(window) || c.conn.cc.Limits().Window > 2*window+2*liarMSS {
				c.fail("%s, SACK %v: %d bytes more and %d again, of a window of %d that is %d", name, sack, got, again, window, c.conn.cc.Limits().Window)
			}
		}
	}
}

// C3: blocks of any kind by the thousand, while losses are repaired and new text leaves:
// the ledger keeps its bound, what the peer gives up is sent again, and all arrives.
func TestSackLies(t *testing.T) {
	for seed := range few(5) {
		r := rand.New(rand.NewPCG(seed, 5))
		w := worlds(t)[2+seed%2]
		c := w.lied(cc.Names()[seed%uint64(len(cc.Names()))])
		acks := int(few(6000))
		for range acks {
			var blocks string
			for range 1 + r.IntN(4) {
				left, right := c.lie(r), int64(0)
				switch right = left + int64(r.IntN(3)); r.IntN(4) {
				case 0:
					right = c.lie(r)
				case 1:
					right = left + liarMSS
				}
				blocks += fmt.Sprintf(" %d:%d", left, right)
			}
			c.receive(fmt.Sprintf(". 1:1(0) ack %d <sack%s>", c.conn.snd.una-c.own, blocks))
			c.flush()
			if f := c.conn.flight; f != nil && len(f.Runs()) > 4096+1000 {
				c.fail("seed %d: %d runs", seed, len(f.Runs()))
			}
			if r.IntN(50) == 0 {
				c.advanceOver(time.Duration(r.IntN(20)) * time.Millisecond)
			}
			if r.IntN(100) == 0 && c.sent() > c.acked() {
				c.receive(fmt.Sprintf(". 1:1(0) ack %d", 1+c.acked()+r.IntN(c.sent()-c.acked())))
				c.flush()
			}
			c.log = c.log[max(0, len(c.log)-100):]
		}
		// It has received nothing of what it said that it holds: all of it comes again.
		for i := 0; c.conn.Unsent() > 0; i++ {
			if i > 10000 {
				c.fail("seed %d: %d bytes are never sent", seed, c.conn.Unsent())
			}
			c.advanceOver(max(c.conn.Deadline().Sub(c.now), 0))
			c.receive(fmt.Sprintf(". 1:1(0) ack %d", 1+min(c.acked()+liarMSS, c.sent())))
			c.flush()
		}
	}
}

func (c *testConn) acked() int { return int(c.conn.snd.una.Sub(c.own)) - 1 }

// lie is a number for a block: around what is out, or far from it.
func (c *testConn) lie(r *rand.Rand) int64 {
	una, nxt := int64(c.conn.snd.una-c.own), int64(c.conn.snd.nxt-c.own)
	return []int64{una + r.Int64N(max(nxt-una, 1)), una + r.Int64N(max(nxt-una, 1)), una, nxt, una - 1, nxt + 1, una + 1<<31, nxt - 1<<31, 0, int64(int32(r.Uint32()))}[r.IntN(10)]
}

// C6: whatever a peer echoes, the retransmission timeout stays in its range, and the round
// trip is no shorter than the path, nor longer than since the connection began.
func TestEchoLies(t *testing.T) {
	everywhere(t, func(w world) {
		for _, lie := range []uint32{0, 1, 1 << 31, 1<<31 - 1, 0xffffffff, 3600000, 3600001, 3600000 + 1<<31, 3599999, 3700000, 7200000} {
			for _, lost := range []bool{false, true} {
				c := w.opened(Config{}, "S. 0:0(0) ack 1 <mss 1000,TS val 1000 ecr 3600000>")
				began := c.now
				for i := range 50 {
					c.write(500)
					c.flush()
					c.advanceOver(20 * time.Millisecond)
					if lost {
						c.advanceOver(max(c.conn.Deadline().Sub(c.now), 0))
					}
					c.receive(fmt.Sprintf(". 1:1(0) ack %d <TS val %d ecr %d>", 1+c.written, 1001+i, lie))
					c.flush()
					if q := &c.conn.rtt; q.rto < c.cfg.MinRTO || q.rto > c.cfg.MaxRTO || q.smoothed <= 0 || q.smoothed > c.now.Sub(began)+time.Second {
						c.fail("echo %d: RTO %v, round trip %v", lie, q.rto, q.smoothed)
					}
				}
			}
		}
	})
}

// C7: a window that goes anywhere, over what is out and to zero, under every scale: no
// byte leaves beyond the rightmost edge there ever was, but one of a probe.
func TestWindowWalk(t *testing.T) {
	for seed := range few(60) {
		r := rand.New(rand.NewPCG(seed, 6))
		w := worlds(t)[seed%8]
		shift := r.IntN(16)
		c := w.controlled(Config{NoTimestamps: true, SendBuffer: 1 << 20, CongestionControl: cc.Names()[seed%uint64(len(cc.Names()))]}, fmt.Sprintf("S. 0:0(0) ack 1 win %d <mss 1460,wscale %d>", r.IntN(3000), shift))
		c.write(300000)
		shift, edge := min(shift, 14), int64(c.conn.snd.una-c.own)+int64(c.conn.snd.wnd)
		see := func(out *Output) {
			if end := int64(out.Seq-c.own) + int64(out.Len); end > edge && out.Len > 1 {
				c.fail("seed %d: up to %d, and the edge is %d", seed, end, edge)
			}
		}
		for range 400 {
			c.sail(time.Duration(max(r.IntN(4000)-2000, 0))*time.Millisecond, see)
			win := []int{0, 0, 1, 2, r.IntN(100), r.IntN(5000), r.IntN(65536)}[r.IntN(7)]
			ack := int64(c.conn.snd.una - c.own)
			if out := int64(c.conn.snd.nxt - c.conn.snd.una); out > 0 {
				ack += r.Int64N(out + 1)
			}
			c.receive(fmt.Sprintf(". 1:1(0) ack %d win %d", ack, win))
			edge = max(edge, ack+int64(win)<<shift)
		}
		c.receive(fmt.Sprintf(". 1:1(0) ack %d win 65535", c.conn.snd.nxt-c.own))
		c.flush()
		if seq.Num(c.acked()) != c.conn.snd.una-c.own-1 || c.conn.state != Established {
			c.fail("seed %d: %v", seed, c.conn.state)
		}
	}
}

// C11: keep-alive and window probes by the hundred thousand are answered, one each, or at
// the limited rate; and are never met with silence for longer than that.
func TestProbeFlood(t *testing.T) {
	for _, shut := range []bool{false, true} {
		w := worlds(t)[2]
		cfg := Config{ReceiveBuffer: 4096}
		c := w.opened(cfg, "S. 0:0(0) ack 1 <mss 1460>")
		nxt := 1
		if shut {
			c.receive("P. 1:4097(4096) ack 1")
			c.flush()
			nxt = 4097
		}
		for name, probe := range map[string]string{"dataless": fmt.Sprintf(". %d:%[1]d(0) ack 1", nxt-1), "old octet": fmt.Sprintf(". %d:%d(1) ack 1", nxt-1, nxt), "next octet": fmt.Sprintf(". %d:%d(1) ack 1", nxt, nxt+1)} {
			if name == "next octet" && !shut {
				continue
			}
			c.advanceOver(time.Second)
			answers, silent := 0, c.now
			start := c.now
			for range few(30000) {
				c.receive(probe)
				n, size := c.flush()
				if answers += n; n > 0 {
					silent = c.now
				}
				if n > 1 || size > 0 || c.now.Sub(silent) > challengeInterval {
					c.fail("%s: %d segments, silent for %v", name, n, c.now.Sub(silent))
				}
				c.now = c.now.Add(100 * time.Microsecond)
				c.log = c.log[max(0, len(c.log)-50):]
			}
			if most := 2 + int(c.now.Sub(start)/challengeInterval); name == "dataless" && answers > most {
				c.fail("%d answers, want at most %d", answers, most)
			}
		}
	}
}

// C12: the path's MTU goes up and down, by ICMP and by the host's word, while segments
// get lost: all arrives as it was sent, and no segment is larger than the path then was.
func TestPathChangesUnderLoss(t *testing.T) {
	for seed := range few(12) {
		r := rand.New(rand.NewPCG(seed, 7))
		p := newPair(t, Config{SendBuffer: 1 << 18, CongestionControl: cc.Names()[seed%uint64(len(cc.Names()))]})
		narrow := 1500
		p.fate = func(from int, o *Output) (bool, time.Duration) {
			if size := headerSize(addrA) + timestampSize + o.largest(); from == 0 && size > narrow {
				p.ends[0].ReceiveICMP(p.now, o.Tuple, ICMPError{Kind: ICMPTooBig, Seq: o.Seq, MTU: narrow, Size: size})
				return true, 0
			}
			return r.IntN(20) == 0, 0
		}
		client, server := p.connect()
		data := patternBytes(1, 300000)
		var got []byte
		sent := 0
		for step := 0; len(got) < len(data); step++ {
			if n := min(client.SendSpace(), len(data)-sent, 50000); n > 0 {
				p.write(0, client, data[sent:sent+n])
				sent += n
			}
			if step%40 == 0 {
				narrow = []int{1500, 576, 1280, 600, 1499}[r.IntN(5)]
				p.path.MTU = []int{1500, 576, 1500}[r.IntN(3)]
			}
			if !p.step(p.now.Add(time.Minute)) && step > 100000 {
				t.Fatalf("seed %d: %d of %d bytes", seed, len(got), len(data))
			}
			got = append(got, p.read(1, server)...)
		}
		if !bytes.Equal(got, data) {
			t.Errorf("seed %d: what arrives is not what was sent", seed)
		}
	}
}

// C10: the clock jumps by anything, or stands still: each timer fires, no deadline is left
// in the past, and nothing is sent more than once for it.
func TestClockJumps(t *testing.T) {
	jumps := []time.Duration{0, time.Nanosecond, time.Second, time.Hour, 25 * 24 * time.Hour, 1 << 31 * time.Millisecond, 1 << 32 * time.Millisecond, 200 * 365 * 24 * time.Hour}
	everywhere(t, func(w world) {
		for s := range State(NumStates) {
			for _, d := range jumps {
				c := w.reach(s)
				c.step("keep-alive", func(n *Conn) { n.setKeepAlive(c.now, &KeepAlive{Idle: time.Second, Interval: time.Second, Count: 2}) })
				if s == Established || s == CloseWait {
					c.write(3000)
				}
				c.flush()
				for range 30 {
					c.now = c.now.Add(d)
					c.step(fmt.Sprintf("+%v", d), func(n *Conn) { n.Advance(c.now) })
					if n, _ := c.flush(); n > 4 {
						c.fail("%d segments for a jump of %v", n, d)
					}
					if due := c.conn.Deadline(); due <= c.now && d > 0 {
						c.fail("due at %v, and it is %v", due, c.now)
					}
					if d > 100*365*24*time.Hour {
						break
					}
				}
				if c.conn.state == Closed && c.conn.Deadline() != clock.Never {
					c.fail("a timer runs")
				}
			}
		}
	})
}

// C13: a SYN with whatever flags beside, text, and whatever this host knows of ECN: it is
// answered once at most, opens nothing by itself, and no text of it is read before the
// handshake is complete.
func TestSynWithAnything(t *testing.T) {
	for _, mode := range []cc.ECNMode{cc.ECNOff, cc.ECNPassive, cc.ECNAccurate} {
		for _, cookies := range []CookieMode{CookiesAuto, CookiesAlways} {
			for f := range wire.AE << 1 {
				for _, n := range []int{0, 100} {
					e, l := server(t, Config{ECN: mode, Cookies: cookies})
					name := numbered(false, int(f))
					s := synSegment(name, 100, true)
					s.Flags, s.Len, s.Views = f|wire.SYN, n, twoViews(patternBytes(1, n))
					borrowed := s.Views
					e.Receive(clock.Time(time.Hour), path1500, &name, &s)
					for _, v := range borrowed {
						v.Release()
					}
					out, answers := drain(e, clock.Time(time.Hour))
					en := e.Accept(l)
					opens := f&(wire.ACK|wire.RST|wire.FIN) == 0
					if en != nil || answers > 1 || opens != (out.Flags.Has(wire.SYN)) || out.Flags.Has(wire.SYN) && (out.Ack != 101 || out.Len > 0) {
						t.Fatalf("%v with %d bytes: %d answers, %v ack %d, connection %v", f|wire.SYN, n, answers, out.Flags, out.Ack, en != nil)
					}
				}
			}
		}
	}
}
