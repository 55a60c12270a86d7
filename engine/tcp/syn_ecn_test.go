package tcp

import (
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/alike"
)

// ecnKind is what an end uses.
type ecnKind uint8

const (
	usesNone ecnKind = iota
	usesECN
	usesAccECN
)

// ecnOutcome is what both ends use, and whether they let their text be marked.
type ecnOutcome struct {
	client, server ecnKind
	marks          [2]bool
}

func bothUse(k ecnKind) ecnOutcome { return ecnOutcome{k, k, [2]bool{k != usesNone, k != usesNone}} }

// ecnPaths are what may happen to the flags on the way, and whether both ends can agree
// all the same: to ECN, when a client asks for that, and when it asks for AccECN and gets
// that.
var ecnPaths = []struct {
	name     string
	agree    bool
	accurate ecnOutcome
	change   func(from int, o *Output, synAcks int) (lost bool)
}{
	{"clean", true, bothUse(usesAccECN), func(int, *Output, int) bool { return false }},
	{"drops ECN-setup SYNs", false, bothUse(usesNone), func(_ int, o *Output, _ int) bool { return o.Flags&(wire.SYN|wire.ACK|wire.ECE) == wire.SYN|wire.ECE }},
	{"loses the first SYN-ACK", true, bothUse(usesAccECN), func(_ int, o *Output, synAcks int) bool { return o.Flags.Has(wire.SYN|wire.ACK) && synAcks == 1 }},
	{"clears the flags", false, bothUse(usesNone), func(_ int, o *Output, _ int) bool { o.Flags &^= wire.ECE | wire.CWR | wire.AE; return false }},
	{"clears those of SYN-ACKs", false, ecnOutcome{usesNone, usesAccECN, [2]bool{}}, func(from int, o *Output, _ int) bool {
		if from == 1 && o.Flags.Has(wire.SYN) {
			o.Flags &^= wire.ACEMask
		}
		return false
	}},
	{"sends a SYN's flags back", false, ecnOutcome{usesNone, usesAccECN, [2]bool{}}, func(from int, o *Output, _ int) bool {
		if from == 1 && o.Flags.Has(wire.SYN) {
			o.Flags |= wire.ACEMask
		}
		return false
	}},
	{"marks SYNs", false, ecnOutcome{usesAccECN, usesAccECN, [2]bool{false, true}}, func(from int, o *Output, _ int) bool {
		if from == 0 && o.Flags.Has(wire.SYN) {
			o.ECN = wire.CE
		}
		return false
	}},
	{"marks SYN-ACKs", true, ecnOutcome{usesAccECN, usesAccECN, [2]bool{true, false}}, func(from int, o *Output, _ int) bool {
		if from == 1 && o.Flags.Has(wire.SYN) {
			o.ECN = wire.CE
		}
		return false
	}},
	{"makes SYN-ACKs markable", true, ecnOutcome{usesAccECN, usesAccECN, [2]bool{true, false}}, func(from int, o *Output, _ int) bool {
		if from == 1 && o.Flags.Has(wire.SYN) {
			o.ECN = wire.ECT1
		}
		return false
	}},
	{"clears AE", true, bothUse(usesECN), func(_ int, o *Output, _ int) bool { o.Flags &^= wire.AE; return false }},
	{"clears ECE and CWR of ACKs", true, ecnOutcome{usesAccECN, usesAccECN, [2]bool{true, false}}, func(from int, o *Output, _ int) bool {
		if from == 0 && !o.Flags.Has(wire.SYN) {
			o.Flags &^= wire.ACEMask
		}
		return false
	}},
	{"strips the option", true, bothUse(usesAccECN), func(_ int, o *Output, _ int) bool { o.Options.Set &^= wire.OptAccECN; return false }},
	{"zeroes the option", true, bothUse(usesAccECN), func(_ int, o *Output, _ int) bool { o.Options.Echo = [3]uint32{}; return false }},
	{"drops what has the option", true, bothUse(usesAccECN), func(_ int, o *Output, _ int) bool { return o.Options.Has(wire.OptAccECN) }},
}

// ecnWanted is what both ends should use.
func ecnWanted(client, server cc.ECNMode, sack, cookies bool, path int) ecnOutcome {
	p := &ecnPaths[path]
	// The SYN that is sent again is not as the first; of AccECN the third.
	again := cookies && p.name == "loses the first SYN-ACK" || cookies && client.AsksAccurate() && server.TakesAccurate() && p.name == "drops what has the option"
	switch {
	case !client.Asks() || !server.Takes() || !sack:
		return bothUse(usesNone)
	case client.AsksAccurate() && server.TakesAccurate():
		if again && p.name != "loses the first SYN-ACK" {
			return bothUse(usesNone)
		}
		return p.accurate
	case again && !client.AsksAccurate() || !p.agree:
		return bothUse(usesNone)
	}
	return bothUse(usesECN)
}

// ecnWays are the ways into an endpoint.
var ecnWays = []struct {
	name   string
	cfg    Config
	ask    bool
	evict  bool
	reopen bool
}{
	{name: "cache"},
	{name: "cookie", cfg: Config{Cookies: CookiesAlways}},
	{name: "evicted", cfg: Config{MaxHalfOpen: 1}, evict: true},
	{name: "forwarder", ask: true},
	{name: "TIME-WAIT", reopen: true},
}

// TestECNIsAgreedOn goes through every mode of both ends, every way in, and what a path
// may do: both ends use ECN or neither does; they do when the client asks, the server is
// willing and the path lets it through; and they connect in any case.
func TestECNIsAgreedOn(t *testing.T) {
	count := 0
	for i := range 8 {
		v6, timestamps, sack := i&1 != 0, i&2 != 0, i&4 != 0
		for client := cc.ECNOff; client <= cc.ECNAccurate; client++ {
			for server := cc.ECNOff; server <= cc.ECNAccurate; server++ {
				for n, path := range ecnPaths {
					for _, way := range ecnWays {
						name := fmt.Sprintf("v6 %v, timestamps %v, SACK %v, %v to %v, path %s, %s", v6, timestamps, sack, client, server, path.name, way.name)
						cfg := way.cfg
						cfg.NoTimestamps, cfg.NoSACK = !timestamps, !sack
						p := newPair(t, cfg)
						p.ends[0].cfg.ECN, p.ends[1].cfg.ECN = client, server
						b := ecnBench{pair: p, v6: v6, change: path.change}
						if count++; (testing.Short() || alike.Raced) && count%11 != 0 {
							continue
						}
						if way.evict && path.name == "loses the first SYN-ACK" {
							continue // nobody repeats it
						}
						if way.reopen {
							b.connect(way.ask, false)
							b.closeBoth()
						}
						b.connect(way.ask, way.evict)
						b.wantECN(name, ecnWanted(client, server, sack, way.cfg.Cookies == CookiesAlways, n))
					}
				}
			}
		}
	}
}

// ecnBench opens connections, one after the other of the same name.
type ecnBench struct {
	*pair
	v6             bool
	change         func(from int, o *Output, synAcks int) bool
	listener       *Listener
	client, server *Entry
	markable       [2]int // segments that left so
}

func (b *ecnBench) connect(ask, evict bool) {
	b.t.Helper()
	tuple := wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 4000, RemotePort: 80}
	if b.v6 {
		tuple.Local, tuple.Remote = addr6A, addr6B
	}
	answered, synAcks := false, 0
	b.fate = func(from int, o *Output) (bool, time.Duration) {
		if o.ECN != wire.NotECT {
			b.markable[from]++
		}
		if o.Flags.Has(wire.SYN | wire.ACK) {
			synAcks++
		}
		lost := b.change(from, o, synAcks)
		answered = answered || from == 1 && !lost && o.Flags.Has(wire.SYN)
		return lost, 0
	}
	if b.listener == nil {
		b.listener, _ = b.ends[1].Listen(wire.Addr{}, 80, 10, "listener")
		b.listener.Ask = ask
	}
	b.client, _ = b.ends[0].Connect(b.now, b.path, tuple, "client")
	b.server = nil
	b.until("accepted", func() bool {
		if y, ok := b.ends[1].NextSyn(); ok {
			b.ends[1].AcceptSyn(b.now, y)
		}
		if evict && answered {
			evict = false
			other := numbered(b.v6, 1<<17)
			syn := synSegment(other, 3, true)
			b.ends[1].Receive(b.now, b.path, &other, &syn)
		}
		b.server = b.ends[1].Accept(b.listener)
		return b.server != nil
	})
	b.server.Owner = "server"
	b.until("connected", func() bool { return b.client.state == Established })
}

// closeBoth leaves the server in TIME-WAIT.
func (b *ecnBench) closeBoth() {
	b.ends[1].Close(b.now, b.server)
	b.until("the FIN", b.client.EOF)
	b.ends[0].Close(b.now, b.client)
	b.until("closed", func() bool { return b.ends[0].Len() == 0 })
	b.now = b.now.Add(time.Second)
}

func (b *ecnBench) wantECN(name string, want ecnOutcome) {
	b.t.Helper()
	b.markable = [2]int{}
	b.write(0, b.client, make([]byte, 3000))
	b.write(1, b.server, make([]byte, 3000))
	var got [2]int
	b.until("all is there", func() bool {
		got[0] += len(b.read(0, b.client))
		got[1] += len(b.read(1, b.server))
		return got == [2]int{3000, 3000}
	})
	uses := ecnOutcome{kindOf(b.client.Info(b.now)), kindOf(b.server.Info(b.now)), [2]bool{b.markable[0] > 0, b.markable[1] > 0}}
	// Who agrees to ECN and is not heard has no way to know. With AccECN it has.
	if want == bothUse(usesNone) && uses == (ecnOutcome{usesNone, usesECN, [2]bool{false, true}}) {
		return
	}
	if uses != want {
		b.t.Fatalf("%s: %+v, want %+v", name, uses, want)
	}
}

func kindOf(i Info) ecnKind {
	switch {
	case i.AccECN:
		return usesAccECN
	case i.ECN:
		return usesECN
	}
	return usesNone
}

// Neither an ACK that makes a connection out of a cookie nor one out of an entry has
// more ECN than its listener allows; DCTCP wants it by default.
func TestECNOfAListener(t *testing.T) {
	for _, c := range []struct {
		cfg, listener cc.ECNMode
		congestion    string
		want          bool
	}{
		{cc.ECNDefault, cc.ECNDefault, "", true}, {cc.ECNOff, cc.ECNDefault, "", false}, {cc.ECNOff, cc.ECNPassive, "", true}, {cc.ECNPassive, cc.ECNOff, "", false},
		{cc.ECNOff, cc.ECNDefault, "dctcp", true}, {cc.ECNOff, cc.ECNOff, "dctcp", false},
	} {
		for _, cookies := range []CookieMode{CookiesAuto, CookiesAlways} {
			p := newPair(t, Config{ECN: c.cfg, Cookies: cookies})
			p.ends[0].cfg.ECN = cc.ECNOn
			l, _ := p.ends[1].Listen(wire.Addr{}, 80, 10, "listener")
			l.ECN, l.CongestionControl = c.listener, c.congestion
			b := ecnBench{pair: p, change: ecnPaths[0].change, listener: l}
			b.connect(false, false)
			b.wantECN(fmt.Sprintf("%+v, cookies %v", c, cookies), bothUse(map[bool]ecnKind{true: usesECN}[c.want]))
		}
	}
	if got := (Config{CongestionControl: "dctcp"}).withDefaults().ECN; got != cc.ECNOn {
		t.Errorf("with DCTCP it is %v", got)
	}
}

// A cookie that says ECN is not believed where ECN is never agreed to.
func TestCookieOfNoECN(t *testing.T) {
	e := NewEndpoint(&Config{Cookies: CookiesAlways, NoTimestamps: true})
	now := clock.Time(time.Hour)
	l, _ := e.Listen(wire.Addr{}, 80, 10, "listener")
	for i, m := range []cc.ECNMode{cc.ECNPassive, cc.ECNOff} {
		tuple := numbered(false, 5+i) // one that was used a moment ago is not answered by a cookie
		syn := synSegment(tuple, 1000, false)
		syn.Flags |= wire.ECE | wire.CWR
		syn.Options.Set |= wire.OptSACKPermitted
		l.ECN = cc.ECNPassive
		e.Receive(now, path1500, &tuple, &syn)
		out, _ := drain(e, now)
		if out.Flags != wire.SYN|wire.ACK|wire.ECE {
			t.Fatalf("answered by %v", out.Flags)
		}
		l.ECN = m
		ack := ackOf(tuple, syn.Seq, out.TCP)
		e.Receive(now, path1500, &tuple, &ack)
		en := e.Accept(l)
		if (en != nil) != (m == cc.ECNPassive) {
			t.Errorf("%v: the cookie is believed: %v", m, en != nil)
		}
		if en != nil {
			e.Abort(now, en)
		}
		drain(e, now)
	}
}

// Both ends ask at the same time.
func TestECNOfASimultaneousOpen(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.newConn(Config{ECN: cc.ECNOn})
		c.open()
		c.want("asks", "SEW 0:0(0)")
		c.receive("SEW 0:0(0) <mss 1000,sackOK>")
		c.want("agrees", "S.E 0:0(0) ack 1")
		c.receive("S.E 0:0(0) ack 1 <mss 1000,sackOK>")
		c.wantState(Established)
		c.flush()
		c.write(100)
		c.want("text", "[ect0] P. 1:101(100) ack 1")
	})
}

// Who asks for AccECN (RFC 9768) asks for ECN too, and gets that of who takes no AccECN: a
// server that does not know AE ignores it, and a client takes such an answer for an agreement to ECN.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.1.2
func TestAccECNFallsBack(t *testing.T) {
	h := serving(t, Config{}, 8)
	p := h.from(1234, 7000)
	p.receive("SeEW 0:0(0) win 65535 <mss 1460,sackOK>")
	p.want("agrees to ECN", "S.E 0:0(0) ack 1")
	p.receive(". 1:1(0) ack 1")
	en := p.e.Accept(h.listener)
	if en == nil || !en.Info(h.now).ECN {
		t.Fatal("no ECN")
	}
	p.e.Abort(h.now, en)
	p.want("reset", "R. 1:1(0) ack 1")
}

// Each SYN-ACK that is sent again has less that a path may dislike: first the option goes,
// then the flags. A plain SYN in between is answered as agreed, and leaves our text
// unmarkable; one that asks for another kind of ECN ends the handshake.
// https://www.rfc-editor.org/rfc/rfc9768#section-3.1.5
// https://www.rfc-editor.org/rfc/rfc9768#section-3.2.3.2.2
func TestAccECNHandshakesThatRepeat(t *testing.T) {
	for _, c := range []struct {
		name, again, answer string
		markable            bool
	}{
		{"nothing", "", "", true},
		{"the same SYN, marked", "[ce] SeWE 0:0(0) win 65535 <mss 1460,sackOK>", "S.eW 0:0(0) ack 1 <mss 1460,sackOK>", true},
		{"a plain SYN", "S 0:0(0) win 65535 <mss 1460,sackOK>", "S.W 0:0(0) ack 1 <mss 1460,sackOK>", false},
		{"a SYN for ECN", "SWE 0:0(0) win 65535 <mss 1460,sackOK>", "R. 0:0(0) ack 1", false},
	} {
		h := serving(t, Config{ECN: cc.ECNAccuratePassive, NoWindowScale: true}, 8)
		p := h.from(1234, 7000)
		p.receive("SeWE 0:0(0) win 65535 <mss 1460,sackOK>")
		p.want("agrees to AccECN", "S.W 0:0(0) ack 1 <mss 1460,sackOK,ECN e0b 1 ceb 0 e1b 1>")
		if c.again != "" {
			p.arrive(c.again)
			out, ok := p.pull()
			want := spell(t, c.answer)
			if !ok || out.Flags != want.flags || want.hasOption && out.Options != want.options {
				t.Fatalf("%s: answered by %v", c.name, out)
			}
			if out.Flags.Has(wire.RST) {
				h.wantLen("ended", 0)
				continue
			}
		}
		p.receive(".W 1:1(0) ack 1")
		en := p.e.Accept(h.listener)
		if en == nil || kindOf(en.Info(h.now)) != usesAccECN || en.is(unmarkable) == c.markable {
			t.Fatalf("%s: %v", c.name, en)
		}
		p.e.Abort(h.now, en)
		p.wantAny("reset", wire.RST|wire.ACK)
	}
	h := serving(t, Config{ECN: cc.ECNAccuratePassive, NoWindowScale: true}, 8)
	p := h.from(1234, 7000)
	p.receive("SeWE 0:0(0) win 65535 <mss 1460,sackOK>")
	p.want("with the option", "S.W 0:0(0) ack 1 <mss 1460,sackOK,ECN e0b 1 ceb 0 e1b 1>")
	p.wantAfter(time.Second, "without", "S.W 0:0(0) ack 1 <mss 1460,sackOK>")
	p.wantAfter(2*time.Second, "without flags", "S. 0:0(0) ack 1 <mss 1460,sackOK>")
	p.receive(". 1:1(0) ack 1")
	en := p.e.Accept(h.listener)
	if en == nil || !en.is(unmarkable) {
		t.Fatal("the text is markable")
	}
	p.e.Abort(h.now, en)
	p.wantAny("reset", wire.RST|wire.ACK)
}
