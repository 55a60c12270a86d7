package tcp

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// narrowPath is a way of which a router has said that it carries less than the link.
var narrowPath = Path{MTU: 1300, Link: 9000}

// ourSyns are all ways by which a SYN of ours leaves, with or without an ACK, until p's
// connection may send text. Each wants 8960 bytes.
var ourSyns = map[string]func(p *testPeer) *Entry{
	"SYN, and its repetition": func(p *testPeer) *Entry {
		en, _ := p.e.Connect(p.now, p.path, p.tuple, p)
		p.want("SYN", "S 0:0(0) <mss 8960>")
		p.wantAfter(time.Second, "again", "S 0:0(0) <mss 8960>")
		p.receive("S. 0:0(0) ack 1 <mss 1460>")
		p.want("ACK", ". 1:1(0) ack 1")
		return en
	},
	"simultaneous open": func(p *testPeer) *Entry {
		en, _ := p.e.Connect(p.now, p.path, p.tuple, p)
		p.want("SYN", "S 0:0(0) <mss 8960>")
		p.receive("S 0:0(0) <mss 1460>")
		p.want("SYN-ACK", "S. 0:0(0) ack 1 <mss 8960>")
		p.receive(". 1:1(0) ack 1")
		return en
	},
	"SYN-ACK, and its repetition": func(p *testPeer) *Entry {
		p.listen(10)
		p.receive("S 0:0(0) <mss 1460>")
		p.want("SYN-ACK", "S. 0:0(0) ack 1 <mss 8960>")
		p.wantAfter(time.Second, "again", "S. 0:0(0) ack 1 <mss 8960>")
		p.receive(". 1:1(0) ack 1")
		return p.accepted()
	},
	"narrowed in between": func(p *testPeer) *Entry {
		p.path.MTU = 9000
		p.listen(10)
		p.receive("S 0:0(0) <mss 1460>")
		p.want("SYN-ACK", "S. 0:0(0) ack 1 <mss 8960>")
		p.path = narrowPath
		p.wantAfter(time.Second, "again", "S. 0:0(0) ack 1 <mss 8960>")
		p.receive(". 1:1(0) ack 1")
		return p.accepted()
	},
	"TIME-WAIT reopened": func(p *testPeer) *Entry {
		p.listen(10)
		p.receive("S 0:0(0) <mss 1460>")
		p.want("SYN-ACK", "S. 0:0(0) ack 1 <mss 8960>")
		p.receive(". 1:1(0) ack 1")
		en := p.accepted()
		p.e.Close(p.now, en)
		p.want("FIN", "F. 1:1(0) ack 1")
		p.receive("F. 1:1(0) ack 2")
		p.want("ACK", ". 2:2(0) ack 2")
		p.receive("S 90000:90000(0) <mss 1460>")
		out, _ := p.pull()
		if out.Flags != wire.SYN|wire.ACK || out.Options.MSS != 8960 {
			p.fail("%v says %d", out.Flags, out.Options.MSS)
		}
		p.peer += 90000
		p.receive(". 1:1(0) ack 1")
		return p.accepted()
	},
	"Fast Open, server": func(p *testPeer) *Entry {
		p.listen(10)
		p.listener.FastOpen = 2
		cookie := p.cookieOf(999)
		p.receive("S 0:10(10) <mss 1460,FO " + cookie + ">")
		p.want("SYN-ACK", "S. 0:0(0) ack 11 <mss 8960>")
		en := p.accepted()
		p.reads(en, 1, 10)
		return en
	},
}

// Our MSS option says what the link takes, in every form of a SYN: a learned path MTU is of
// what leaves, and what arrives may have come by another way. What we send afterwards fits
// the way. https://www.rfc-editor.org/rfc/rfc9293#section-3.7.1-10
func TestOurMSSIsOfTheLink(t *testing.T) {
	for name, play := range ourSyns {
		t.Run(name, func(t *testing.T) {
			h := newTestHost(t, Config{NoTimestamps: true, NoWindowScale: true, NoSACK: true, FastOpen: fastopen.Server})
			h.path = narrowPath
			p := h.from(1000, 0)
			en := play(p)
			if i := en.Info(p.now); i.AdvMSS != 8960 || i.SndMSS != 1260 || i.PMTU != 1300 {
				t.Errorf("told %d, sends %d, path MTU %d", i.AdvMSS, i.SndMSS, i.PMTU)
			}
			p.e.SendCopy(p.now, en, make([]byte, 2000))
			if out, ok := p.pull(); !ok || out.Len != 1260 {
				t.Errorf("%d bytes in a segment", out.Len)
			}
			p.e.Abort(p.now, en)
			p.drain()
		})
	}
}

// The forms in which a half-open connection is kept are another dimension of it.
func TestOurMSSIsOfTheLinkInEveryForm(t *testing.T) {
	for _, w := range ways {
		for _, v6 := range []bool{false, true} {
			w.cfg.Secret = [16]byte{5}
			e, c := NewEndpoint(&w.cfg), client{v6: v6, mss: 8000}
			if l, err := e.Listen(wire.Addr{}, map[bool]uint16{false: 80, true: 0}[w.forward], 10, "listener"); err == nil {
				l.Ask = w.forward
			}
			tuple, syn := c.tuple(), c.syn()
			out := w.synAck(t, e, clock.Time(time.Hour), narrowPath, &tuple, &syn)
			if want := uint16(9000 - headerSize(tuple.Local)); out.Options.MSS != want {
				t.Errorf("%s, IPv6 %v: %d, want %d", w.name, v6, out.Options.MSS, want)
			}
		}
	}
}

// Text on a SYN must fit the way, too.
func TestFastOpenFitsThePath(t *testing.T) {
	for _, mtu := range []int{600, 1300, 1500} {
		p, early := newFastPair(t, Config{}), 0
		p.path = Path{MTU: mtu, Link: 9000}
		p.fate = func(_ int, out *Output) (bool, time.Duration) {
			if out.Flags.Has(wire.SYN) {
				early = max(early, out.Len)
			}
			if n := out.Len + headerSize(out.Tuple.Local) - wire.TCPSize + out.TCP.HeaderLen(); n > mtu {
				t.Errorf("%d: a packet of %d bytes, %v", mtu, n, out.Flags)
			}
			return false, 0
		}
		p.dial(10)
		if p.dial(9000); early == 0 {
			t.Errorf("%d: no text came on a SYN", mtu)
		}
	}
}
