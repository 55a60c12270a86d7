package tcp

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// fastServer returns a host that does Fast Open, with room for so many.
func fastServer(t *testing.T, cfg Config, room int) *testHost {
	t.Helper()
	cfg.FastOpen |= fastopen.Server
	h := serving(t, cfg, 8)
	h.listener.FastOpen = room
	return h
}

// cookieOf asks for the peer's cookie, by a connection that it then resets.
func (h *testHost) cookieOf(port uint16) string {
	h.Helper()
	p := h.from(port, 99)
	p.receive("S 0:0(0) <mss 1460,FO>")
	out, ok := p.pull()
	if !ok || !out.Options.Has(wire.OptFastOpen) || out.Options.FastOpen().Len() != 8 {
		h.fail("no cookie: %v", &out.TCP)
	}
	p.receive("R 1:1(0)")
	h.wantNothing("after a RST")
	return out.Options.FastOpen().String()
}

func (p *testPeer) accepted() *Entry {
	p.Helper()
	en := p.e.Accept(p.listener)
	if en == nil {
		p.fail("nothing to accept")
	}
	en.Owner = p
	return en
}

func (p *testPeer) reads(en *Entry, from, n int) {
	p.Helper()
	var b []byte
	for _, v := range p.e.Take(p.now, en, 1<<20, nil) {
		b = append(b, v.Bytes()...)
		v.Release()
	}
	if !bytes.Equal(b, patternBytes(int64(from), n)) {
		p.fail("read %d bytes, want %d from %d", len(b), n, from)
	}
}

// A SYN with text that the network delivers again when its connection is over has nobody read that
// text again: it waits for a handshake, which never comes. The next one of the client's opens early.
func TestFastOpenComesAgain(t *testing.T) {
	h := fastServer(t, Config{}, 2)
	cookie := h.cookieOf(1000)
	p := h.from(1001, 4000)
	syn := "SP 0:100(100) win 3000 <mss 1000,FO " + cookie + ">"
	p.receive(syn)
	p.want("the SYN-ACK acknowledges the text", "S. 0:0(0) ack 101")
	en := p.accepted()
	p.reads(en, 1, 100)
	p.receive("F. 101:101(0) ack 1")
	p.wantAny("ACK of the FIN", wire.ACK)
	p.e.Close(p.now, en)
	p.want("FIN", "F. 1:1(0) ack 102")
	p.receive(". 102:102(0) ack 2")
	p.wantLen("it is over", 0)

	p.receive(syn)
	p.wantAny("it is answered as any SYN", wire.SYN|wire.ACK)
	if p.e.Accept(p.listener) != nil {
		p.fail("its text is read again")
	}
	p.receive("R 1:1(0)")
	p.wantLen("a client that knows nothing of it resets it", 0)
	p = h.from(1001, 400_000)
	p.receive(syn)
	p.reads(p.accepted(), 1, 100)
}

// The second connection of a client brings its request on the SYN, and the answer leaves
// before the client has acknowledged anything.
// https://www.rfc-editor.org/rfc/rfc7413#section-4.2.2
func TestFastOpenServes(t *testing.T) {
	h := fastServer(t, Config{}, 2)
	cookie := h.cookieOf(1000)
	p := h.from(1001, 4000)
	p.receive("SP 0:100(100) win 3000 <mss 1000,wscale 2,FO " + cookie + ">")
	p.want("the SYN-ACK acknowledges the text", "S. 0:0(0) ack 101 win 65535 <mss 1460,wscale 9>")
	en := p.accepted()
	if i := en.Info(p.now); i.State != SynReceived || !i.FastOpen || i.Unacked != 0 {
		p.fail("%+v", i)
	}
	p.reads(en, 1, 100)
	p.e.SetNoDelay(p.now, en, true)
	p.e.SendCopy(p.now, en, patternBytes(1, 2500))
	p.want("the answer", ". 1:1001(1000) ack 101")
	p.want("the answer", ". 1001:2001(1000) ack 101")
	p.want("the answer", "P. 2001:2501(500) ack 101")
	p.receive(". 101:101(0) ack 1001 win 1000")
	if en.State() != Established || h.listener.early != 0 {
		p.fail("%v, %d wait", en.State(), h.listener.early)
	}
	p.receive(". 101:101(0) ack 2501 win 1000")
	if n := en.Unsent(); n != 0 {
		p.fail("%d bytes are left", n)
	}
	p.e.Close(p.now, en)
	p.want("our FIN", "F. 2501:2501(0) ack 101")
	p.receive("F. 101:101(0) ack 2502")
	p.wantAny("the last ACK", wire.ACK)
	c := h.e.Counters()
	if c.TCPFastOpenPassive != 1 || c.TCPFastOpenCookieReqd != 1 || c.TCPFastOpenPassiveFail != 0 || c.PassiveOpens != 1 {
		p.fail("%+v", c)
	}
}

// While our SYN is not acknowledged the window stays what it offered, also after the program has closed
// its side: a larger buffer is nothing to tell.
func TestFastOpenTellsNoWindow(t *testing.T) {
	for _, closes := range []bool{false, true} {
		h := fastServer(t, Config{ReceiveBuffer: 20000}, 2)
		cookie := h.cookieOf(1000)
		p := h.from(1001, 4000)
		p.receive("SP 0:100(100) win 3000 <mss 1000,FO " + cookie + ">")
		p.want("the SYN-ACK", "S. 0:0(0) ack 101 win 20000 <mss 1460>")
		en := p.accepted()
		if closes {
			p.e.CloseWrite(p.now, en)
			p.want("our FIN", "F. 1:1(0) ack 101 win 20000")
		}
		p.reads(en, 1, 100)
		h.e.SetReceiveBuffer(p.now, en, 60000)
		h.wantNothing("the handshake is not complete")
		h.e.Abort(p.now, en)
		p.wantAny("a RST", wire.RST|wire.ACK)
	}
}

// What a SYN may bring, and what becomes of it: which number the SYN-ACK acknowledges,
// whether it says a cookie, and whether the program gets the connection at once.
func TestFastOpenOfASyn(t *testing.T) {
	const right, wrong, none, asks = "right", "wrong", "none", "asks"
	for _, test := range []struct {
		name   string
		cfg    Config
		room   int
		option string
		text   int
		change func(h *testHost)
		early  bool
		tells  bool
	}{
		{name: "no option", room: 1, option: none, text: 10},
		{name: "asks", room: 1, option: asks, tells: true},
		{name: "asks, with text", room: 1, option: asks, text: 10, tells: true},
		{name: "cookie", room: 1, option: right, text: 10, early: true},
		{name: "cookie without text", room: 1, option: right, early: true},
		{name: "cookie with more text than a segment", room: 1, option: right, text: 20000, early: true},
		{name: "wrong cookie", room: 1, option: wrong, text: 10, tells: true},
		{name: "no room", option: right, text: 10},
		{name: "no room, asks", option: asks},
		{name: "every listener", cfg: Config{FastOpen: fastopen.EveryListener}, option: right, text: 10, early: true},
		{name: "without cookies", cfg: Config{FastOpen: fastopen.ServerNoCookie}, room: 1, option: none, text: 10, early: true},
		{name: "without cookies or text", cfg: Config{FastOpen: fastopen.ServerNoCookie}, room: 1, option: none},
		{name: "without cookies, a wrong one", cfg: Config{FastOpen: fastopen.ServerNoCookie}, room: 1, option: wrong, text: 10, early: true},
		{name: "cookies of SYNs alone", cfg: Config{Cookies: CookiesAlways}, room: 1, option: right, text: 10},
		{name: "under attack", cfg: Config{AttackEnter: 1, AttackLeave: 1}, room: 1, option: right, text: 10, change: func(h *testHost) {
			p := h.from(77, 1)
			p.receive("S 0:0(0) <mss 1460>")
			p.wantAny("SYN-ACK", wire.SYN|wire.ACK)
		}},
		{name: "the last period's cookie", room: 1, option: right, text: 10, early: true, tells: true, change: func(h *testHost) {
			h.now = h.now.Add(cookieEpoch * fastOpenPeriod)
		}},
		{name: "the cookie before that", room: 1, option: right, text: 10, tells: true, change: func(h *testHost) {
			h.now = h.now.Add(2 * cookieEpoch * fastOpenPeriod)
		}},
		{name: "a cookie from before the keys were others", room: 1, option: right, text: 10, tells: true, change: func(h *testHost) {
			h.e.ShareCookieKeys(CookieKeys{Epoch: h.e.cookies.epoch, Base: [16]byte{3}})
		}},
		{name: "AccECN", cfg: Config{ECN: 4}, room: 1, option: right, text: 10, early: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := fastServer(t, test.cfg, test.room)
			h.e.cookies.turn(h.now)
			h.e.cfg.fastOpens.turn(&h.e.cookies, &h.e.cfg.FastOpenKeys)
			p := h.from(1000, 5)
			cookie := h.e.cfg.fastOpens.cookie(&p.tuple)
			option := map[string]string{right: ",FO " + cookie.String(), wrong: ",FO 0011223344556677", asks: ",FO"}[test.option]
			if test.change != nil {
				test.change(h)
			}
			p.receive(fmt.Sprintf("S 0:%d(%d) <mss 1460%s>", test.text, test.text, option))
			out, ok := p.pull()
			if !ok || out.Flags&(wire.SYN|wire.ACK) != wire.SYN|wire.ACK {
				p.fail("no SYN-ACK")
			}
			acked, waiting := int(out.Ack.Diff(p.peer.Add(1))), h.e.Accept(h.listener)
			if (waiting != nil) != test.early || acked != map[bool]int{true: test.text}[test.early] {
				p.fail("%d of %d bytes acknowledged, accepted %v", acked, test.text, waiting != nil)
			}
			if out.Options.Has(wire.OptFastOpen) != test.tells {
				p.fail("want a cookie %v, got %v", test.tells, &out.TCP)
			}
			if test.tells && out.Options.FastOpen() != h.e.cfg.fastOpens.cookie(&p.tuple) {
				p.fail("another cookie")
			}
			// Sent again the SYN-ACK says no cookie.
			p.receive("S 0:0(0) <mss 1460>")
			if again, ok := p.pull(); ok && (again.Options.Has(wire.OptFastOpen) || again.Ack != out.Ack) {
				p.fail("again: %v", &again.TCP)
			}
			// And whatever it was, the text that is not acknowledged comes now.
			s := fmt.Sprintf("P. %d:%d(%d) ack 1", acked+1, test.text+1, test.text-acked)
			if test.text == acked {
				s = fmt.Sprintf(". %d:%d(0) ack 1", acked+1, acked+1)
			}
			p.arrive(s)
			for ok := true; ok; {
				_, ok = p.pull()
			}
			if waiting == nil {
				waiting = h.e.Accept(h.listener)
			}
			if waiting == nil || waiting.State() != Established {
				p.fail("no connection after the handshake")
			}
			p.reads(waiting, 1, test.text)
			if err := h.e.Audit()(); err != nil {
				p.fail("%v", err)
			}
		})
	}
}

// A listener has room for so many connections that no ACK has confirmed. One that a RST
// ends counts for a minute more: the victim of a stolen cookie sends it.
// https://www.rfc-editor.org/rfc/rfc7413#section-5.1
func TestFastOpenRoom(t *testing.T) {
	h := fastServer(t, Config{}, 3)
	cookie := h.cookieOf(1000)
	port := uint16(2000)
	open := func() bool {
		port++
		p := h.from(port, seq.Num(port))
		p.receive("S 0:10(10) <mss 1460,FO " + cookie + ">")
		out, _ := p.pull()
		return out.Ack.Diff(p.peer) == 11
	}
	for i := range 3 {
		if !open() {
			h.fail("connection %d is not opened", i)
		}
	}
	if open() || h.e.Counters().TCPFastOpenListenOverflow != 1 {
		h.fail("there is no bound")
	}
	h.from(2001, 2001).arrive("R 11:11(0)")
	h.wantNothing("after a RST")
	h.from(2002, 2002).arrive(". 11:11(0) ack 4000")
	p := h.from(2002, 2002)
	p.wantAny("RST for a bad ACK", wire.RST)
	if h.listener.early != 2 || h.listener.resets.len() != 1 || open() {
		h.fail("a RST makes room: %d and %d", h.listener.early, h.listener.resets.len())
	}
	for en := h.e.Accept(h.listener); en != nil; en = h.e.Accept(h.listener) {
		for _, v := range h.e.Take(h.now, en, 1<<20, nil) {
			v.Release()
		}
		h.e.Abort(h.now, en)
	}
	for out := (Output{}); h.e.Output(h.now, &out); {
	}
	h.now = h.now.Add(resetCounts)
	if h.listener.early != 0 || !open() || h.listener.resets.len() != 0 {
		h.fail("%d wait, %d resets", h.listener.early, h.listener.resets.len())
	}
	for en := h.e.Accept(h.listener); en != nil; en = h.e.Accept(h.listener) {
		for _, v := range h.e.Take(h.now, en, 1<<20, nil) {
			v.Release()
		}
	}
}

// Until the SYN-ACK is acknowledged it alone is sent again, and nobody waits for ever.
func TestFastOpenNobodyAnswers(t *testing.T) {
	for _, closes := range []bool{false, true} {
		h := fastServer(t, Config{SynAckRetries: 2}, 3)
		cookie := h.cookieOf(1000)
		p := h.from(1001, 5)
		p.receive("S 0:10(10) <mss 1460,FO " + cookie + ">")
		p.want("SYN-ACK", "S. 0:0(0) ack 11")
		en := p.accepted()
		p.reads(en, 1, 10)
		p.e.SendCopy(p.now, en, patternBytes(1, 700))
		p.want("text", "P. 1:701(700) ack 11")
		if closes {
			p.e.Close(p.now, en)
			p.want("FIN", "F. 701:701(0) ack 11")
		}
		p.wantAfter(time.Second, "again", "S. 0:0(0) ack 11")
		p.wantAfter(2*time.Second, "again", "S. 0:0(0) ack 11")
		h.advance(4 * time.Second)
		if en.State() != Closed || en.Failure() != TimedOut || h.listener.early != 0 || h.e.Len() != 0 {
			p.fail("%v, %v, %d wait", en.State(), en.Failure(), h.listener.early)
		}
		if !closes {
			p.e.Close(p.now, en)
		}
	}
}

// A lost SYN-ACK, lost text, and a FIN, in every order that the client's answers may have.
func TestFastOpenClosesBeforeTheAck(t *testing.T) {
	for _, last := range []struct {
		ack   string
		state State
	}{
		{". 11:11(0) ack 1", FinWait1}, {". 11:11(0) ack 301", FinWait1}, {". 11:11(0) ack 302", FinWait2},
		{"P. 11:21(10) ack 302", Closed}, {"F. 11:11(0) ack 302", TimeWait}, {"F. 11:11(0) ack 1", Closing}, {"R. 11:11(0) ack 1", Closed},
	} {
		h := fastServer(t, Config{}, 3)
		p := h.from(1001, 5)
		p.receive("S 0:10(10) <mss 1460,FO " + h.cookieAgain(p) + ">")
		p.want("SYN-ACK", "S. 0:0(0) ack 11")
		en := p.accepted()
		p.reads(en, 1, 10)
		p.e.SendCopy(p.now, en, patternBytes(1, 300))
		p.e.Close(p.now, en)
		p.want("all at once", "FP. 1:301(300) ack 11")
		if en.State() != FinWait1 {
			p.fail("in %v", en.State())
		}
		p.arrive(last.ack)
		if got := en.State(); got != last.state {
			p.fail("%s: in %v, want %v", last.ack, got, last.state)
		}
		for ok := true; ok; {
			_, ok = p.pull()
		}
		if err := h.e.Audit()(); err != nil {
			p.fail("%s: %v", last.ack, err)
		}
		for range 100 {
			h.now = h.e.Deadline()
			if h.now == clock.Never {
				break
			}
			h.e.Advance(h.now)
			for ok := true; ok; {
				_, ok = p.pull()
			}
		}
		if h.e.Len() != 0 || h.listener.early != 0 {
			p.fail("%s: %d connections are left, %d wait", last.ack, h.e.Len(), h.listener.early)
		}
	}
}

// cookie returns the present cookie of a peer, where its listener has no keys of its own.
func (f *fastOpens) cookie(t *wire.Tuple) wire.FastOpenCookie {
	return f.keys[0].Cookie(t.Remote, t.Local)
}

// A listener may have keys of its own, and the host: what a second one has made is taken and
// replaced, and what neither has made is replaced only.
func TestFastOpenKeys(t *testing.T) {
	one, two, three := fastopen.NewKey([16]byte{1}), fastopen.NewKey([16]byte{2}), fastopen.NewKey([16]byte{3})
	for _, test := range []struct {
		name            string
		host, listener  fastopen.Keys
		makes           fastopen.Key
		takes, replaces []fastopen.Key
	}{
		{"of the host", fastopen.Keys{one}, fastopen.Keys{}, one, []fastopen.Key{one}, []fastopen.Key{two}},
		{"of the host, two", fastopen.Keys{one, two}, fastopen.Keys{}, one, []fastopen.Key{one, two}, []fastopen.Key{two, three}},
		{"of the listener", fastopen.Keys{one}, fastopen.Keys{two}, two, []fastopen.Key{two}, []fastopen.Key{one}},
		{"of the listener, two", fastopen.Keys{}, fastopen.Keys{two, three}, two, []fastopen.Key{two, three}, []fastopen.Key{one, three}},
	} {
		h := fastServer(t, Config{FastOpenKeys: test.host}, 100)
		h.listener.SetFastOpenKeys(fastopen.Keys{three}) // and is taken back
		h.listener.SetFastOpenKeys(test.listener)
		port := uint16(1000)
		ask := func(option string) (*testPeer, *Output) {
			port++
			p := h.from(port, 5)
			p.receive("S 0:10(10) <mss 1460,FO" + option + ">")
			out, ok := p.pull()
			if !ok {
				p.fail("%s: no SYN-ACK", test.name)
			}
			return p, out
		}
		p, out := ask("")
		mine := func(k fastopen.Key) wire.FastOpenCookie { return k.Cookie(p.tuple.Remote, p.tuple.Local) }
		if out.Options.FastOpen() != mine(test.makes) {
			p.fail("%s: the cookie is %v", test.name, out.Options.FastOpen())
		}
		for _, k := range test.takes {
			if _, out := ask(" " + mine(k).String()); out.Ack != 5+11 {
				p.fail("%s: text with a cookie of its own is not taken", test.name)
			}
		}
		for _, k := range test.replaces {
			if _, out := ask(" " + mine(k).String()); out.Options.FastOpen() != mine(test.makes) {
				p.fail("%s: a cookie of another key is not replaced", test.name)
			}
		}
	}
}

// cookieAgain returns the peer's cookie without asking for it.
func (h *testHost) cookieAgain(p *testPeer) string {
	h.e.cookies.turn(h.now)
	h.e.cfg.fastOpens.turn(&h.e.cookies, &h.e.cfg.FastOpenKeys)
	return h.e.cfg.fastOpens.cookie(&p.tuple).String()
}

// Hosts that share keys take each other's cookies, and nobody takes those of another pair
// of addresses, of another family, or of other keys.
func TestFastOpenCookies(t *testing.T) {
	make := func(secret byte, shared bool) *fastOpens {
		e := NewEndpoint(&Config{Secret: [16]byte{secret}})
		if shared {
			e.ShareCookieKeys(CookieKeys{Epoch: 1 << 20, Base: [16]byte{9}})
		}
		e.cookies.turn(clock.Time(time.Hour))
		e.cfg.fastOpens.turn(&e.cookies, &e.cfg.FastOpenKeys)
		return &e.cfg.fastOpens
	}
	seen := map[wire.FastOpenCookie]string{}
	for name, f := range map[string]*fastOpens{"own": make(1, false), "other": make(2, false), "shared": make(3, true)} {
		for _, v6 := range []bool{false, true} {
			for n := range 50 {
				a := numbered(v6, 7)
				a.Remote = numbered(v6, 1<<18*n).Remote
				for _, swap := range []bool{false, true} {
					if swap {
						a = a.Reverse()
					}
					c, what := f.cookie(&a), fmt.Sprint(name, a.Local, a.Remote)
					if was, ok := seen[c]; ok && was != what {
						t.Errorf("%s and %s have one cookie", was, what)
					}
					seen[c] = what
				}
			}
		}
	}
	one, two := make(3, true), make(4, true)
	a := numbered(true, 7)
	if one.cookie(&a) != two.cookie(&a) {
		t.Error("hosts that share keys make different cookies")
	}
}

// What a SYN with text makes us hold is counted, and what comes beyond the memory that
// there is waits at the client.
func TestFastOpenMemory(t *testing.T) {
	h := fastServer(t, Config{BufferMemory: 40000}, 100)
	h.listener.Backlog = 100
	for port := range uint16(100) {
		p := h.from(1000+port, 5)
		p.arrive("S 0:1000(1000) <mss 1460,FO " + h.cookieAgain(p) + ">")
		for ok := true; ok; {
			_, ok = p.pull()
		}
		if used, most, _ := h.e.BufferMemory(); used > most+1000 {
			h.fail("%d bytes are held", used)
		}
	}
	for en := h.e.Accept(h.listener); en != nil; en = h.e.Accept(h.listener) {
		for _, v := range h.e.Take(h.now, en, 1<<20, nil) {
			v.Release()
		}
	}
}
