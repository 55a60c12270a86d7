package tcp

import (
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// setKeepAlive is what Endpoint.SetKeepAlive does, for a connection without an endpoint.
func (c *Conn) setKeepAlive(now clock.Time, k *KeepAlive) {
	s := *c.options
	s.alive = k.bounded()
	c.use(&s)
	c.resetKeepAlive(now)
}

// wantField takes the next segment, which must have the flags and the octets of the IP
// header that are given.
func (p *testPeer) wantField(why string, f wire.Flags, tos, ttl uint8) {
	p.Helper()
	out, ok := p.pull()
	if !ok || out.Flags != f || out.Service != (wire.Service{tos, ttl}) {
		p.fail("%s: %v with TOS %#x and TTL %d, want %v with %#x and %d", why, out.Flags, out.Service.TOS(), out.Service.TTL(), f, tos, ttl)
	}
}

// All that a connection of a listener sends has the listener's fields: from the SYN-ACK,
// kept or not, to the last ACK in TIME-WAIT. The field ECN is none of the program's.
func TestListenerSetsTheFields(t *testing.T) {
	for _, mode := range []CookieMode{CookiesOff, CookiesAlways} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			h := serving(t, Config{Cookies: mode, NoTimestamps: true, SynAckRetries: 2}, 10)
			h.listener.SetTOS(0xb9)
			h.listener.SetTTL(3)
			p := h.from(1000, 0)
			p.receive("S 0:0(0) <mss 1460>")
			p.wantField("SYN-ACK", wire.SYN|wire.ACK, 0xb8, 3)
			if mode == CookiesOff {
				h.now = h.now.Add(time.Second)
				h.e.Advance(h.now)
				p.wantField("again", wire.SYN|wire.ACK, 0xb8, 3)
			}
			p.receive(". 1:1(0) ack 1")
			en := h.e.Accept(h.listener)
			p.receive("P. 1:11(10) ack 1")
			p.wantField("ACK", wire.ACK, 0xb8, 3)
			h.e.SendCopy(h.now, en, make([]byte, 10))
			p.wantField("text", wire.ACK|wire.PSH, 0xb8, 3)
			h.e.SetNoDelay(h.now, en, true)
			h.e.SetTOS(h.now, en, 0x20)
			h.e.SetTTL(h.now, en, 255)
			h.e.SendCopy(h.now, en, make([]byte, 10))
			p.wantField("as this one wants it", wire.ACK|wire.PSH, 0x20, 255)
			h.e.SetTTL(h.now, en, 0)
			h.e.Abort(h.now, en)
			p.wantField("its own RST", wire.ACK|wire.RST, 0x20, wire.DefaultTTL)
			p.receive("P. 11:21(10) ack 21")
			p.wantField("the RST of no connection", wire.RST, 0, wire.DefaultTTL)

			q := h.from(1001, 0)
			q.waiting("", false)
			q.receive("F. 1:1(0) ack 2")
			q.wantField("ACK in TIME-WAIT", wire.ACK, 0xb8, 3)
		})
	}
}

// A RST that no connection sends has the DiffServ field of what it answers, as in Linux,
// and none of its ECN.
func TestResetRepeatsTheField(t *testing.T) {
	h := newTestHost(t, Config{})
	tuple := wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 80, RemotePort: 1000}
	h.e.Receive(h.now, h.path, &tuple, &Segment{TCP: wire.TCP{Flags: wire.SYN}, TOS: 0xb8 | uint8(wire.CE)})
	p := h.from(1000, 0)
	p.wantField("RST", wire.RST|wire.ACK, 0xb8, wire.DefaultTTL)
}

// connecting is a peer to which a host connects with what the test sets before the SYN.
func connecting(t *testing.T, cfg Config, set func(*testHost, *Entry)) (*testPeer, *Entry) {
	t.Helper()
	h := newTestHost(t, cfg)
	p := h.from(1000, 0)
	en, err := h.e.Connect(h.now, h.path, p.tuple, p)
	if err != nil {
		t.Fatal(err)
	}
	set(h, en)
	return p, en
}

// The SYN has them too.
func TestDialSetsTheFields(t *testing.T) {
	p, en := connecting(t, Config{}, func(h *testHost, en *Entry) {
		h.e.SetTOS(h.now, en, 0xb8)
		h.e.SetTTL(h.now, en, 1)
	})
	p.wantField("SYN", wire.SYN, 0xb8, 1)
	if i := en.Info(p.now); i.TOS != 0xb8 || i.TTL != 1 {
		t.Errorf("Info has TOS %#x and TTL %d", i.TOS, i.TTL)
	}
}

// As in Linux the largest segment that a program sets is what our option says, and what
// bounds those that we send, whatever more the peer takes. Once the SYNs are exchanged it
// changes nothing.
func TestMaxSegment(t *testing.T) {
	set := func(n int) func(*testHost, *Entry) {
		return func(h *testHost, en *Entry) { h.e.SetMaxSegment(h.now, en, n) }
	}
	for _, test := range []struct {
		set       int
		says      uint16
		peer      string
		mss       int
		unchanged int
	}{
		{1000, 1000, "1460", 1000, 500},
		{1000, 1000, "600", 600, 1400},
		{10, MinMaxSegment, "1460", MinMaxSegment, 1400},
		{1 << 20, 1460, "1460", 1460, 1400},
		{0, 1460, "1400", 1400, 1000},
	} {
		p, en := connecting(t, Config{NoTimestamps: true, NoWindowScale: true, NoSACK: true}, set(test.set))
		p.want("our SYN", fmt.Sprintf("S 0:0(0) <mss %d>", test.says))
		p.receive(fmt.Sprintf("S. 0:0(0) ack 1 <mss %s>", test.peer))
		p.want("ACK", ". 1:1(0) ack 1")
		p.e.SetMaxSegment(p.now, en, test.unchanged)
		p.e.SendCopy(p.now, en, make([]byte, 3*test.mss))
		p.want("no larger", fmt.Sprintf(". 1:%d(%d) ack 1", 1+test.mss, test.mss))
		if got := en.Info(p.now).SndMSS; got != test.mss {
			t.Errorf("%d: SndMSS is %d, want %d", test.set, got, test.mss)
		}
		p.e.Abort(p.now, en)
		for p.pull(); ; {
			if _, ok := p.pull(); !ok {
				break
			}
		}
	}
}

// So it is for those of a listener, in every form that a half-open connection has.
func TestMaxSegmentOfListener(t *testing.T) {
	for _, mode := range []CookieMode{CookiesOff, CookiesAlways} {
		h := serving(t, Config{Cookies: mode, NoTimestamps: true}, 10)
		h.listener.SetMaxSegment(600)
		p := h.from(1000, 0)
		p.receive("S 0:0(0) <mss 1460>")
		p.want("SYN-ACK", "S. 0:0(0) ack 1 <mss 600>")
		p.receive(". 1:1(0) ack 1")
		en := h.e.Accept(h.listener)
		h.e.SendCopy(h.now, en, make([]byte, 700))
		p.want("no larger", ". 1:601(600) ack 1")
		if got := en.Info(p.now).AdvMSS; got != 600 {
			t.Errorf("AdvMSS is %d", got)
		}
	}
}

// Each connection, and each listener, repeats its SYN as often as it was told.
func TestSynRetriesOfOne(t *testing.T) {
	p, en := connecting(t, Config{}, func(h *testHost, en *Entry) { h.e.SetSynRetries(h.now, en, 2) })
	p.wantAny("SYN", wire.SYN)
	p.wantAfter(time.Second, "first", "S 0:0(0)")
	p.wantAfter(2*time.Second, "second", "S 0:0(0)")
	p.advance(4 * time.Second)
	if en.Failure() != TimedOut {
		t.Errorf("after two it is %v, %d", en.State(), en.Failure())
	}

	h := serving(t, Config{NoTimestamps: true, Cookies: CookiesOff}, 10)
	h.listener.SetSynRetries(1)
	q := h.from(1001, 0)
	q.receive("S 0:0(0) <mss 1460>")
	q.wantAny("SYN-ACK", wire.SYN|wire.ACK)
	q.wantAfter(time.Second, "again", "S. 0:0(0) ack 1")
	q.advance(2 * time.Second)
	q.wantLen("given up", 0)
}

// What may wait to be sent is bounded for one connection, those of a listener, or all. A
// program that waits goes on when less than half of it waits.
func TestNotSentLowat(t *testing.T) {
	const lowat = 4000
	for name, set := range map[string]func(*testHost, *Entry){
		"connection": func(h *testHost, en *Entry) { h.e.SetNotSentLowat(h.now, en, lowat) },
		"all": func(h *testHost, en *Entry) {
			h.e.SetNotSentLowat(h.now, en, 1)
			h.e.SetNotSentLowat(h.now, en, 0)
		},
	} {
		cfg := Config{NoTimestamps: true}
		if name == "all" {
			cfg.NotSentLowat = lowat
		}
		p, en := connecting(t, cfg, set)
		p.wantAny("SYN", wire.SYN)
		p.receive("S. 0:0(0) ack 1 win 1000 <mss 1000>")
		p.wantAny("ACK", wire.ACK)
		readinessOf(p.e)
		if got := en.SendSpace(); got != lowat {
			t.Fatalf("%s: room for %d", name, got)
		}
		p.e.SendCopy(p.now, en, make([]byte, 1000))
		p.wantAny("as much as the window takes", wire.ACK|wire.PSH)
		p.e.SendCopy(p.now, en, make([]byte, lowat))
		if got := en.SendSpace(); got != 0 || en.Writable() {
			t.Fatalf("%s: room for %d, writable %v", name, got, en.Writable())
		}
		at, nxt := 1001, 0
		for nxt = at; !en.Writable(); nxt += 1000 {
			p.receive(fmt.Sprintf(". 1:1(0) ack %d win 1000", nxt))
			p.wantAny("the next", wire.ACK|map[bool]wire.Flags{true: wire.PSH}[nxt == at+lowat-1000])
			if waiting := lowat - (nxt + 1000 - at); en.Writable() != (2*waiting < lowat) {
				t.Fatalf("%s: with %d waiting it is writable: %v", name, waiting, en.Writable())
			}
		}
		p.wantNothing("the window is full")
		if got := readinessOf(p.e)[p]; got&Writable == 0 {
			t.Errorf("%s: the program was told %b", name, got)
		}
	}
}

// Connections for which the same is set share it, however many there are, and those with
// keep-alive and without.
func TestSettingsAreShared(t *testing.T) {
	h := newTestHost(t, Config{})
	var known [2]*settings
	for i := range 50 {
		en, err := h.e.Connect(h.now, h.path, wire.Tuple{Local: addrA, Remote: addrB, LocalPort: uint16(1000 + i), RemotePort: 80}, nil)
		if err != nil {
			t.Fatal(err)
		}
		h.e.SetTOS(h.now, en, 0x10)
		if i%2 == 1 {
			h.e.SetKeepAlive(h.now, en, KeepAlive{time.Minute, time.Minute, 3})
		}
		if known[i%2] == nil {
			known[i%2] = en.options
		}
		if en.options != known[i%2] {
			t.Fatalf("connection %d has settings of its own", i)
		}
		h.e.Abort(h.now, en)
	}
	for out := (Output{}); h.e.Output(h.now, &out); {
	}
}

// After an idle time the congestion window is the initial one again, unless that is switched
// off.
func TestSlowStartAfterIdle(t *testing.T) {
	for _, off := range []bool{false, true} {
		everywhere(t, func(w world) {
			c := w.reachWith(Config{NoTimestamps: true, NoSlowStartAfterIdle: off}, Established)
			c.write(20 * 1460)
			for sent, _ := c.flush(); sent > 0; sent, _ = c.flush() {
				c.advance(10 * time.Millisecond)
				c.receive(fmt.Sprintf(". 1:1(0) ack %d", c.conn.snd.nxt-c.own))
			}
			grown := c.conn.cc.Limits().Window
			c.advance(time.Minute)
			c.write(1)
			c.flush()
			if got := c.conn.cc.Limits().Window; (got == grown) != off || grown <= 10*1460 {
				c.fail("the window was %d and is %d", grown, got)
			}
		})
	}
}
