package tcp

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// hasCounts reports whether all that leaves now has the option, with all counts.
func (c *testConn) hasCounts(what string, want bool) {
	c.Helper()
	n := 0
	for out, ok := c.pull(); ok; out, ok = c.pull() {
		n++
		if has := out.Options.Has(wire.OptAccECN); has != want || has && out.Options.AccECN.Count() != 3 {
			c.fail("%s: %s", what, describe(&out.TCP, out.Len, c.rel))
		}
	}
	if n == 0 {
		c.fail("%s: nothing left", what)
	}
}

// The option is on every segment, on few, or on none, as Config.ECNOption has it; where it is on
// every one, not before the peer's own has come, and no longer when what has it seems to be
// dropped, but for the persistent. https://www.rfc-editor.org/rfc/rfc9768#section-3.2.3.2.2
func TestWhereTheOptionIs(t *testing.T) {
	for _, mode := range []cc.ECNOption{cc.ECNOptionChanges, cc.ECNOptionAlways, cc.ECNOptionPersistent, cc.ECNOptionOff} {
		everywhere(t, func(w world) {
			c := w.newConn(Config{ECN: cc.ECNAccurate, ECNOption: mode, QuickAcks: -1})
			c.open()
			c.flush()
			c.receive("[-] S.W 0:0(0) ack 1 win 65535 <mss 1000,sackOK>")
			c.hasCounts(mode.String()+", of a peer without", mode == cc.ECNOptionChanges)
			c.write(988)
			c.hasCounts(mode.String()+", text of a peer without", mode == cc.ECNOptionChanges)
			c.receive(".eE 1:1(0) ack 989 <ECN e0b 989 ceb 0 e1b 1>")
			c.write(3000)
			c.hasCounts(mode.String()+", much text", mode.Always())
			c.receive(".eE 1:1(0) ack 3989 <ECN e0b 3989 ceb 0 e1b 1>")
			c.receive("[ect0] .eE 1:1001(1000) ack 3989")
			c.advance(time.Second)
			if mode != cc.ECNOptionChanges { // that tells the one that has changed
				c.hasCounts(mode.String()+", an ACK", mode.Always())
			}
			c.flush()
			for i := range 3 {
				c.receive("[ect0] .eE 1:1001(1000) ack 3989")
				if mode.Always() {
					c.hasCounts(mode.String()+", the same text again", mode == cc.ECNOptionPersistent || i < 2)
				}
				c.flush()
			}
		})
	}
}

// A SYN-ACK has the option unless it is off.
func TestSynAckWithoutTheOption(t *testing.T) {
	for _, mode := range []cc.ECNOption{cc.ECNOptionChanges, cc.ECNOptionAlways, cc.ECNOptionOff} {
		h := serving(t, Config{ECN: cc.ECNAccuratePassive, ECNOption: mode}, 8)
		p := h.from(1000, 5)
		p.receive("SeWE 0:0(0) <mss 1460,sackOK>")
		if out, ok := p.pull(); !ok || out.Options.Has(wire.OptAccECN) != (mode != cc.ECNOptionOff) {
			p.fail("%v: %v", mode, out)
		}
	}
}

// With Config.ECNControl also ACKs, what is sent again, and FINs may be marked, where the peer has
// SACK; otherwise new text alone. https://www.rfc-editor.org/rfc/rfc3168#section-6.1.4
func TestMarkableControl(t *testing.T) {
	for _, control := range []bool{false, true} {
		for _, sack := range []bool{false, true} {
			everywhere(t, func(w world) {
				c := w.newConn(Config{ECN: cc.ECNAccurate, ECNControl: control, NoTimestamps: true, QuickAcks: -1})
				c.open()
				c.flush()
				option := ""
				if sack {
					option = ",sackOK"
				}
				c.receive("[-] S.W 0:0(0) ack 1 win 65535 <mss 1000" + option + ">")
				marked := func(what string, want bool) {
					c.Helper()
					if out, ok := c.pull(); !ok || (out.ECN == wire.ECT0) != want || out.ECN == wire.CE || out.ECN == wire.ECT1 {
						c.fail("%s, with control %v, SACK %v: %v", what, control, sack, out)
					}
				}
				all := control && sack
				marked("the ACK of a SYN-ACK", all)
				c.write(100)
				marked("text", true)
				c.advance(5 * time.Second)
				marked("text again", all)
				c.receive(".eE 1:1(0) ack 101")
				c.receive("[ect0] P.eE 1:101(100) ack 101")
				c.advance(time.Second)
				marked("an ACK", all)
				c.close()
				marked("a FIN", all)
				c.flush()
			})
		}
	}
}

// What a handshake shows of a path that changes marks counts, unless it is not to.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.2.3
func TestNoECNFallback(t *testing.T) {
	for _, keep := range []bool{false, true} {
		everywhere(t, func(w world) {
			c := w.newConn(Config{ECN: cc.ECNAccurate, NoECNFallback: keep})
			c.open()
			c.flush()
			for i, d := range []time.Duration{time.Second, 2 * time.Second} {
				c.advance(d)
				if out, ok := c.pull(); !ok || out.Flags.ACE() != map[bool]uint8{true: 0, false: 7}[i == 1 && !keep] {
					c.fail("keep %v: repeated %d times with %v", keep, i+1, out.Flags)
				}
			}
			c.receive("[-] S.e 0:0(0) ack 1 win 65535 <mss 1000,sackOK>") // the SYN came as ECT(0)
			c.flush()
			c.write(100)
			if out, ok := c.pull(); !ok || (out.ECN == wire.ECT0) != keep {
				c.fail("keep %v: %v", keep, out.ECN)
			}
			c.flush()
		})
	}
}

// A mark on a SYN or SYN-ACK, which the answer tells, makes the first window smaller.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.2.2
func TestMarkedHandshakeReducesTheWindow(t *testing.T) {
	for _, name := range []string{"reno", "cubic", "dctcp", "bbr"} {
		everywhere(t, func(w world) {
			var windows [2]int
			for i, flags := range []string{"W", "eW"} {
				c := w.newConn(Config{ECN: cc.ECNAccurate, CongestionControl: name})
				c.open()
				c.flush()
				c.receive("[-] S." + flags + " 0:0(0) ack 1 win 65535 <mss 1000,sackOK>")
				windows[i] = c.conn.cc.Limits().Window
				c.flush()
			}
			if windows[1] >= windows[0] && name != "bbr" {
				w.Errorf("%s: the first window is %d, and %d when the SYN was marked", name, windows[0], windows[1])
			}
		})
		var windows [2]int
		for i, flags := range []string{"W", "eW"} {
			h := serving(t, Config{ECN: cc.ECNAccuratePassive, CongestionControl: name}, 8)
			p := h.from(1000, 5)
			p.receive("SeWE 0:0(0) <mss 1460,sackOK>")
			p.wantAny("SYN-ACK", wire.SYN|wire.ACK|wire.CWR)
			p.receive("." + flags + " 1:1(0) ack 1")
			windows[i] = h.e.Accept(h.listener).cc.Limits().Window
		}
		if windows[1] >= windows[0] && name != "bbr" {
			t.Errorf("%s: the first window is %d, and %d when the SYN-ACK was marked", name, windows[0], windows[1])
		}
	}
}
