package tcp

import (
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// RFC 6298 §2.1 and §5.5: the SYN is repeated after 1, 2, 4, ... seconds; after
// SynRetries of them nobody is there.
func TestSynRetries(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.newConn(Config{})
		c.open()
		c.want("our SYN", "S 0:0(0)")
		for i := range 6 {
			c.wantAfter(time.Second<<i, "again", "S 0:0(0)")
		}
		c.advance(64*time.Second - 1)
		c.wantState(SynSent)
		c.advance(1)
		c.wantState(Closed)
		c.wantFailure(TimedOut)
		c.wantIdle("no RST for who never answered")
	})
}

// RFC 6298 §5.7: when the SYN had to be repeated the RTO begins with 3 s.
func TestRTOAfterLostSyn(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(SynSent)
		c.wantAfter(time.Second, "our SYN again", "S 0:0(0)")
		c.receive("S. 0:0(0) ack 1 <mss 1460>")
		c.want("ACK", ". 1:1(0) ack 1")
		c.write(10)
		c.want("data", "P. 1:11(10) ack 1")
		c.wantAfter(3*time.Second, "data again", "P. 1:11(10) ack 1")
	})
}

// The same for the side that sent the SYN-ACK; it does not matter whether its
// own timer or the peer's repeated SYN made it say it twice (Karn).
func TestRTOAfterLostSynAck(t *testing.T) {
	everywhere(t, func(w world) {
		for _, bySyn := range []bool{true, false} {
			c := w.reach(SynReceived)
			if bySyn {
				c.advance(900 * time.Millisecond)
				c.receive("S 0:0(0) <mss 1460>")
				c.want("SYN-ACK again", "S. 0:0(0) ack 1")
			} else {
				c.wantAfter(time.Second, "SYN-ACK again", "S. 0:0(0) ack 1")
			}
			c.advance(10 * time.Millisecond)
			c.receive(". 1:1(0) ack 1")
			c.write(10)
			c.want("data", "P. 1:11(10) ack 1")
			c.wantAfter(3*time.Second, "data again", "P. 1:11(10) ack 1")
		}
	})
}

// RFC 9293 §3.10.7.3: text on a SYN-ACK is taken like any other.
func TestTextOnSynAck(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(SynSent)
		c.receiveBytes("S. 0:10(10) ack 1 <mss 1460>", patternBytes(1, 10))
		c.want("ACK of both", ". 1:1(0) ack 11")
		c.receive("P. 11:21(10) ack 1")
		c.want("ACK", ". 1:1(0) ack 21")
		c.readAll(20)
	})
}

// Text on a SYN is not acknowledged: the peer sends it again.
func TestTextOnSyn(t *testing.T) {
	everywhere(t, func(w world) {
		for _, s := range []State{Listen, SynSent} {
			c := w.reach(s)
			c.receiveBytes("S 0:10(10) <mss 1460>", patternBytes(1, 10))
			c.want("only the SYN is acknowledged", "S. 0:0(0) ack 1")
			c.receive("P. 1:11(10) ack 1")
			c.want("ACK", ". 1:1(0) ack 11")
			c.readAll(10)
		}
	})
}

// What both sides offer, and what comes of it.
func TestNegotiation(t *testing.T) {
	cases := []struct {
		name        string
		cfg         Config
		syn, synAck string
		mss         int
	}{
		{"all", Config{},
			"S 0:0(0) <mss 1400,sackOK,wscale 7>",
			"S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,wscale 9>", 1400},
		{"nothing", Config{}, "S 0:0(0)", "S. 0:0(0) ack 1 win 65535 <mss 1460>", -1},
		{"scale too large", Config{}, "S 0:0(0) <mss 1460,wscale 15>", "S. 0:0(0) ack 1 <mss 1460,wscale 9>", 1460},
		{"we want nothing", Config{NoSACK: true, NoTimestamps: true, NoWindowScale: true},
			"S 0:0(0) <mss 1460,sackOK,TS val 5 ecr 0,wscale 7>", "S. 0:0(0) ack 1 <mss 1460>", 1460},
		{"small buffer", Config{ReceiveBuffer: 5000}, "S 0:0(0) <mss 1460,wscale 2>",
			"S. 0:0(0) ack 1 win 5000 <mss 1460,wscale 0>", 1460},
		{"large buffer", Config{ReceiveBuffer: 1 << 30}, "S 0:0(0) <mss 1460,wscale 2>",
			"S. 0:0(0) ack 1 win 65535 <mss 1460,wscale 14>", 1460},
		{"MSS larger than ours", Config{}, "S 0:0(0) <mss 9000>", "S. 0:0(0) ack 1 <mss 1460>", 1460},
	}
	for _, e := range cases {
		t.Run(e.name, func(t *testing.T) {
			everywhere(t, func(w world) {
				c := w.newConn(e.cfg)
				c.listen()
				c.receive(e.syn)
				c.want("what both want", e.synAck)
				c.receive(". 1:1(0) ack 1")
				mss := e.mss
				if mss < 0 { // RFC 9293 §3.7.1 (MUST-15)
					mss = map[bool]int{true: 536, false: 1220}[w.tuple.Local.Is4()]
				}
				c.write(5000)
				if out := c.wantFlags("a full segment", wire.ACK); out.Len != mss {
					c.fail("segments of %d bytes, want %d", out.Len, mss)
				}
				c.flush()
			})
		})
	}
}

// A window scale above 14 counts as 14 (RFC 7323 §2.3), and the window of a
// SYN is not scaled (§2.2).
func TestWindowScale(t *testing.T) {
	everywhere(t, func(w world) {
		for _, scale := range []int{14, 15, 200, 255} {
			c := w.opened(Config{}, fmt.Sprintf("S. 0:0(0) ack 1 win 1000 <mss 1460,wscale %d>", scale))
			c.wantEqual("window of the SYN-ACK", int(c.conn.snd.wnd), 1000)
			c.receive(". 1:1(0) ack 1 win 3")
			c.wantEqual("scaled window", int(c.conn.snd.wnd), 3<<14)
		}
	})
}

// CVE-2019-11479: a peer cannot make our segments tiny.
func TestTinyMSS(t *testing.T) {
	for mss, want := range map[int]int{0: minMSS, 1: minMSS, 11: minMSS, 12: minMSS, 40: minMSS, 48: minMSS, 64: minMSS, 65: 65, 65535: 1460} {
		t.Run(fmt.Sprint(mss), func(t *testing.T) {
			everywhere(t, func(w world) {
				c := w.opened(Config{}, fmt.Sprintf("S. 0:0(0) ack 1 <mss %d>", mss))
				c.write(3000)
				if out := c.wantFlags("a full segment", wire.ACK); out.Len != want {
					c.fail("segments of %d bytes, want %d", out.Len, want)
				}
				c.flush()
			})
		})
	}
}

// RFC 9293 §3.10.4: CLOSE before the handshake is done.
func TestCloseInHandshake(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(SynSent)
		c.close()
		c.wantState(Closed)
		c.wantIdle("nobody heard of us")

		c = w.reach(SynReceived)
		c.close()
		c.wantState(FinWait1)
		c.receive(". 1:1(0) ack 0")
		c.want("our SYN is not acknowledged by this: §3.10.7.4, fifth", "R 0:0(0)")
		c.wantState(FinWait1)
		c.receive(". 1:1(0) ack 1")
		c.want("our FIN", "F. 1:1(0) ack 1")
		c.receive(". 1:1(0) ack 2")
		c.wantState(FinWait2)

		c = w.reach(SynReceived)
		c.close()
		c.wantAfter(time.Second, "SYN-ACK again", "S. 0:0(0) ack 1")
		c.receive("F. 1:1(0) ack 1")
		c.want("our FIN, and ACK of the peer's", "F. 1:1(0) ack 2")
		c.wantState(Closing)
		c.receive(". 2:2(0) ack 2")
		c.wantState(TimeWait)
	})
}

// What is written before the handshake is done goes out with it.
func TestWriteInSynSent(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(SynSent)
		c.write(10)
		c.wantIdle("not yet")
		c.receive("S. 0:0(0) ack 1 <mss 1460>")
		c.want("data carries the ACK", "P. 1:11(10) ack 1")
		c.wantIdle("no ACK of its own")
	})
}

// RFC 9293 §3.5, simultaneous open: a lost SYN-ACK, and a close meanwhile.
func TestSimultaneousOpenWithLoss(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(SynSent)
		c.receive("S 0:0(0) <mss 1460>")
		c.want("SYN again, with an ACK", "S. 0:0(0) ack 1")
		c.wantState(SynReceived)
		c.wantAfter(time.Second, "it was lost", "S. 0:0(0) ack 1")
		c.receive("S. 0:0(0) ack 1 <mss 1460>")
		c.wantState(Established)

		c = w.reach(SynSent)
		c.receive("S 0:0(0) <mss 1460>")
		c.want("SYN again, with an ACK", "S. 0:0(0) ack 1")
		c.receive("R 1:1(0)")
		c.wantState(Closed)
		c.wantFailure(Refused)
	})
}

// Simultaneous open, and the program closes before it is over: whatever brings
// the ACK of our SYN, the connection is established, and the FIN goes out.
func TestSimultaneousOpenWithClose(t *testing.T) {
	everywhere(t, func(w world) {
		for _, ack := range []string{". 1:1(0) ack 1", "S. 0:0(0) ack 1 <mss 1460>", "P. 1:11(10) ack 1", "F. 1:1(0) ack 1"} {
			for _, before := range []string{"", ". 0:1(1) ack 1", "S 0:0(0) <mss 1460>", ". 0:0(0) ack 1", ". 1:1(0) ack 0"} {
				c := w.reach(SynSent)
				c.receive("S 0:0(0) <mss 1460>")
				c.want("our SYN again, with an ACK", "S. 0:0(0) ack 1")
				c.close()
				c.wantState(FinWait1)
				if before != "" {
					c.receive(before)
					c.flush()
				}
				c.receive(ack)
				out, ok := c.pull()
				if !ok || !out.Flags.Has(wire.FIN) || out.Seq != c.own+1 {
					c.fail("no FIN")
				}
				c.flush()
				c.advance(time.Minute)
				c.want("the FIN is repeated", fmt.Sprintf("F. 1:1(0) ack %d", c.conn.rcv.nxt-c.peer))
				c.receive(fmt.Sprintf(". %d:%[1]d(0) ack 2", c.conn.rcv.nxt-c.peer))
				if s := c.conn.state; s != FinWait2 && s != TimeWait {
					c.fail("after the ACK of our FIN: %v", s)
				}
			}
		}

		c := w.reach(SynSent)
		c.receive("S 0:0(0) <mss 1460>")
		c.want("our SYN again, with an ACK", "S. 0:0(0) ack 1")
		c.writeAndClose(10)
		c.receive("S 0:0(0) <mss 1460>")
		c.want("it was lost", "S. 0:0(0) ack 1")
		c.receive("S. 0:0(0) ack 1 <mss 1460>")
		c.want("all that was written, and the FIN", "FP. 1:11(10) ack 1")
	})
}

// The program of an active open learns by which way it failed.
func TestOpenFails(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(SynSent)
		c.icmp(ICMPError{Kind: ICMPHard, Failure: Refused})
		c.wantState(Closed)
		c.wantFailure(Refused)

		c = w.reach(SynSent) // RFC 9293 §3.9.2.2: soft errors do not end the attempt
		c.icmp(ICMPError{Kind: ICMPSoft, Failure: HostUnreachable})
		c.wantState(SynSent)
		for i := range 6 {
			c.wantAfter(time.Second<<i, "again", "S 0:0(0)")
		}
		c.advance(64 * time.Second)
		c.wantState(Closed)
		c.wantFailure(HostUnreachable)
	})
}

// OPEN of RFC 9293 §3.10.1 on a connection in LISTEN, and its end by CLOSE.
func TestLeaveListen(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.reach(Listen)
		c.open()
		c.want("our SYN", "S 0:0(0)")
		c.wantState(SynSent)

		c = w.reach(Listen)
		c.abort()
		c.wantState(Closed)
		c.wantIdle("nobody is there")
	})
}
