package tcp

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Our SYN and the first segment after it say how long we wait, and what the peer says is
// heard in its SYN-ACK and in every later segment.
func TestUserTimeoutIsTold(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.newConn(Config{UserTimeoutOption: true, NoTimestamps: true, NoWindowScale: true, UserTimeout: 300 * time.Second})
		c.open()
		c.want("our SYN", "S 0:0(0) <mss 1460,sackOK,uto 300>")
		c.wantAfter(time.Second, "again, without what may have been the reason", "S 0:0(0) <mss 1460,sackOK>")
		c.receive("S. 0:0(0) ack 1 win 65535 <mss 1000,uto 600>")
		c.wantUserTimeout("the longer one", 600*time.Second)
		c.want("once more: the SYN may not have been kept", ". 1:1(0) ack 1 <uto 300>")
		c.write(10)
		c.want("and then no more", "P. 1:11(10) ack 1 <>")
		c.receive(". 1:1(0) ack 11 <uto 200>")
		c.wantUserTimeout("of 200 and ours ours is longer", 300*time.Second)
		c.receive(". 1:1(0) ack 11 <uto 0>")
		c.wantUserTimeout("zero says nothing", 300*time.Second)
		c.step("the program asks", func(n *Conn) { n.setUserTimeout(1500 * time.Millisecond) })
		c.want("the peer is told, in whole seconds", ". 11:11(0) ack 1 <uto 2>")
		c.receive(". 1:1(0) ack 11 <uto 600>")
		c.wantUserTimeout("the program is not overruled", 1500*time.Millisecond)
		c.step("the program does not care", func(n *Conn) { n.setUserTimeout(0) })
		c.want("ours again", ". 11:11(0) ack 1 <uto 300>")
		c.receive(". 1:1(0) ack 11 <uto 86400>")
		c.wantUserTimeout("no more than the limit", time.Hour)
	})
}

func (c *testConn) wantUserTimeout(why string, want time.Duration) {
	c.Helper()
	if got := c.conn.Info(c.now).UserTimeout; got != want {
		c.fail("%s: it waits for %v, want %v", why, got, want)
	}
}

// Off, which is the default, nothing is told and nothing heard.
func TestUserTimeoutOptionIsOff(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.newConn(Config{NoTimestamps: true, NoWindowScale: true})
		c.open()
		c.want("our SYN", "S 0:0(0) <mss 1460,sackOK>")
		c.receive("S. 0:0(0) ack 1 win 65535 <mss 1000,uto 3000>")
		c.want("ACK", ". 1:1(0) ack 1 <>")
		c.receive(". 1:1(0) ack 1 <uto 3000>")
		c.step("the program asks", func(n *Conn) { n.setUserTimeout(time.Second) })
		c.wantIdle("nobody is told")
		c.step("the program does not care", func(n *Conn) { n.setUserTimeout(0) })
		c.wantUserTimeout("the default", 15*time.Minute)
	})
}

// A segment with the option is no longer than the path allows, and what has no room leaves
// it to the next.
func TestUserTimeoutFitsIn(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.newConn(Config{UserTimeoutOption: true, NoTimestamps: true})
		c.listen()
		c.receive("S 0:0(0) win 65535 <mss 1000,uto 3000>")
		c.flush()
		c.receive(". 1:1(0) ack 1 win 65535")
		c.wantUserTimeout("that of a SYN is not kept", 15*time.Minute)
		c.write(2990)
		c.want("full", ". 1:1001(1000) ack 1 <>")
		c.want("full", ". 1001:2001(1000) ack 1 <>")
		c.want("there is room", "P. 2001:2991(990) ack 1 <uto 900>")
		c.receive(". 1:1(0) ack 2991 <uto 3000>")
		c.wantUserTimeout("the longer one", 3000*time.Second)
	})
}

// By whatever way a connection was opened, both ends end up with the time that RFC 5482
// says, and fail when it is over, not before.
// https://www.rfc-editor.org/rfc/rfc5482#section-3.1
func TestUserTimeoutsAgree(t *testing.T) {
	seconds := func(r *rand.Rand, most int) time.Duration { return time.Duration(1+r.IntN(most)) * time.Second }
	for seed := range few(200) {
		r := rand.New(rand.NewPCG(seed, 5482))
		cfg := Config{UserTimeoutOption: true, UserTimeout: seconds(r, 400), MaxUserTimeout: seconds(r, 2000), Cookies: []CookieMode{CookiesAuto, CookiesAlways, CookiesOff}[r.IntN(3)],
			ECN: []cc.ECNMode{cc.ECNOff, cc.ECNAccurate}[r.IntN(2)], NoTimestamps: r.IntN(2) == 0}
		cfg.MinUserTimeout = min(seconds(r, 200), cfg.MaxUserTimeout)
		p := newPair(t, cfg)
		other := *p.ends[1].cfg
		other.UserTimeout = seconds(r, 80000)
		p.ends[1].cfg.UserTimeout, p.ends[1].cfg.UserTimeoutOption = other.UserTimeout, seed%5 != 0
		if r.IntN(2) == 0 {
			p.path.MaxGSO = 65535
		}
		dead := false
		p.fate = func(_ int, o *Output) (bool, time.Duration) {
			if room := headerSize(o.Tuple.Local) + o.TCP.HeaderLen() - 20 + o.Len; o.Options.Has(wire.OptUserTimeout) && room > p.path.MTU {
				t.Errorf("seed %d: a segment of %d bytes", seed, room)
			}
			return dead, 0
		}
		client, server := p.connect()
		for range 3 {
			p.write(0, client, make([]byte, 100+r.IntN(5000)))
			p.write(1, server, make([]byte, 100+r.IntN(5000)))
			p.run(time.Second)
			p.read(0, client)
			p.read(1, server)
		}
		rounded := func(d time.Duration) time.Duration { return wire.UserTimeoutOf(d).Duration() }
		want := [2]time.Duration{cfg.UserTimeout, other.UserTimeout}
		if p.ends[1].cfg.UserTimeoutOption {
			want[0] = min(cfg.MaxUserTimeout, max(cfg.UserTimeout, rounded(other.UserTimeout), cfg.MinUserTimeout))
			want[1] = min(cfg.MaxUserTimeout, max(other.UserTimeout, cfg.UserTimeout, cfg.MinUserTimeout))
		}
		for i, en := range []*Entry{client, server} {
			if got := en.Info(p.now).UserTimeout; got != want[i] {
				t.Fatalf("seed %d, end %d: it waits for %v, want %v of %v and %v", seed, i, got, want[i], cfg.UserTimeout, other.UserTimeout)
			}
		}
		dead = true
		begun := p.now
		p.write(0, client, make([]byte, 10))
		p.until("it gives up", func() bool { return client.state == Closed })
		if took := p.now.Sub(begun); took < want[0] || took > want[0]+time.Second || client.failure != TimedOut {
			t.Errorf("seed %d: it gave up after %v, want %v: %v", seed, took, want[0], client.failure)
		}
	}
}

// A user timeout that the program has set ends an attempt to connect, too, and has no SYN
// repeated sooner.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.8
func TestUserTimeoutOfSyn(t *testing.T) {
	everywhere(t, func(w world) {
		c := w.newConn(Config{UserTimeout: time.Millisecond})
		c.open()
		c.want("our SYN", "S 0:0(0)")
		c.advance(400 * time.Millisecond)
		c.step("the program asks", func(n *Conn) { n.setUserTimeout(500 * time.Millisecond) })
		c.step("for more", func(n *Conn) { n.setUserTimeout(2500 * time.Millisecond) })
		c.wantAfter(600*time.Millisecond, "again, when its time has come", "S 0:0(0)")
		c.advance(1500*time.Millisecond - 1)
		c.wantState(SynSent)
		c.advance(1)
		c.wantState(Closed)
		c.wantFailure(TimedOut)
		c.wantIdle("no RST for who never answered")
	})
}
