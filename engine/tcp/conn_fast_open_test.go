package tcp

import (
	"bytes"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// fastPair is a pair that does Fast Open both ways, and what its client knows.
type fastPair struct {
	*pair
	cache fastopen.Cache
	port  uint16
}

func newFastPair(t *testing.T, cfg Config) *fastPair {
	cfg.FastOpen |= fastopen.Client | fastopen.Server
	p := &fastPair{pair: newPair(t, cfg), port: 5000}
	l, err := p.ends[1].Listen(wire.Addr{}, 80, 10, "listener")
	if err != nil {
		t.Fatal(err)
	}
	l.FastOpen = 5
	return p
}

// dial connects, writes n bytes before that, and returns both ends once all has come.
func (p *fastPair) dial(n int) (c, s *Entry) {
	p.t.Helper()
	e, r := p.ends[0], p.ends[1]
	p.port++
	t := wire.Tuple{Local: addrA, Remote: addrB, LocalPort: p.port, RemotePort: 80}
	c, err := e.Connect(p.now, p.path, t, "client")
	if err != nil {
		p.t.Fatal(err)
	}
	e.FastOpen(p.now, c, p.cache.Hint(p.now, t.Local, t.Remote))
	e.SendCopy(p.now, c, patternBytes(1, n))
	l := r.listener(&wire.Tuple{Local: addrB, Remote: addrA, LocalPort: 80, RemotePort: p.port})
	var got []byte
	p.until("the request has come", func() bool {
		if s == nil {
			s = r.Accept(l)
		}
		if s != nil {
			got = append(got, p.drain(r, s)...)
		}
		p.learn()
		return len(got) == n && c.State() == Established || c.State() == Closed
	})
	if c.State() == Established && !bytes.Equal(got, patternBytes(1, n)) {
		p.t.Fatal("the request is another one")
	}
	return c, s
}

func (p *fastPair) drain(e *Endpoint, en *Entry) (got []byte) {
	for _, v := range e.Take(p.now, en, 1<<20, nil) {
		got = append(got, v.Bytes()...)
		v.Release()
	}
	return got
}

func (p *fastPair) learn() {
	for n, ok := p.ends[0].NextFastOpen(); ok; n, ok = p.ends[0].NextFastOpen() {
		p.cache.Learn(p.now, n)
	}
}

// The first connection asks for a cookie, the second brings its request on the SYN: one
// round trip less.
func TestFastOpenSavesARoundTrip(t *testing.T) {
	for _, v := range []Config{{}, {NoTimestamps: true, NoSACK: true, NoWindowScale: true}, {ECN: 4}, {UserTimeoutOption: true}, {CongestionControl: "bbr"}} {
		p := newFastPair(t, v)
		for i, n := range []int{100, 100, 1420, 5000} {
			begun := p.now
			c, s := p.dial(n)
			took := p.now.Sub(begun)
			info, other := c.Info(p.now), s.Info(p.now)
			if info.FastOpen != (i > 0) || other.FastOpen != (i > 0) || i > 0 && n <= 1420 && took > 10*time.Millisecond {
				t.Errorf("%+v, connection %d: client %v, server %v, took %v", v, i, info.FastOpen, other.FastOpen, took)
			}
			if info.TotalRetrans != 0 || info.BytesAcked+uint64(info.SendQ) != uint64(n) || info.BytesRetrans != 0 {
				t.Errorf("%+v, connection %d: %+v", v, i, info)
			}
		}
		got, want := p.ends[0].Counters(), p.ends[1].Counters()
		if got.TCPFastOpenActive != 3 || got.TCPFastOpenActiveFail != 0 || want.TCPFastOpenPassive != 3 || want.TCPFastOpenCookieReqd != 1 {
			t.Errorf("%+v: %+v %+v", v, got, want)
		}
	}
}

// What a server says of the SYN with text, and what the client does with the text.
func TestFastOpenAnswers(t *testing.T) {
	cookie := "FO 0011223344556677"
	c, _ := wire.MakeFastOpenCookie([]byte{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77})
	for _, test := range []struct {
		name   string
		answer string
		want   []string
		acked  bool
		news   fastopen.News
	}{
		{"all of it", "S. 0:0(0) ack 101 <mss 1000>", []string{". 101:101(0) ack 1"}, true, fastopen.News{MSS: 1000, Passed: true}},
		{"none of it", "S. 0:0(0) ack 1 <mss 1000>", []string{"P. 1:101(100) ack 1"}, false, fastopen.News{MSS: 1000, Lost: true}},
		{"a part", "S. 0:0(0) ack 41 <mss 1000>", []string{"P. 41:101(60) ack 1"}, false, fastopen.News{MSS: 1000, Passed: true}},
		{"none, and another cookie", "S. 0:0(0) ack 1 <mss 1000,FO 4455>", nil, false, fastopen.News{}},
		{"more than there was", "S. 0:0(0) ack 102 <mss 1000>", []string{"R 102:102(0)"}, false, fastopen.News{}},
		{"text with it", "SP. 0:10(10) ack 101 <mss 1000>", []string{". 101:101(0) ack 11"}, true, fastopen.News{MSS: 1000, Passed: true}},
		{"a smaller segment size", "S. 0:0(0) ack 1 <mss 70>", []string{". 1:71(70) ack 1", "P. 71:101(30) ack 1"}, false, fastopen.News{MSS: 70, Lost: true}},
	} {
		if test.want == nil {
			continue // no cookie has so few bytes: see the options
		}
		h := newTestHost(t, Config{FastOpen: fastopen.Client, NoTimestamps: true, NoSACK: true, NoWindowScale: true})
		p := h.from(80, 7000)
		p.tuple.LocalPort = 5000
		en, _ := h.e.Connect(h.now, h.path, p.tuple, p)
		h.e.FastOpen(h.now, en, fastopen.Hint{Cookie: c, MSS: 1000})
		p.wantNothing("it waits for text")
		if en.readiness() != Connected|Writable {
			p.fail("ready for %v", en.readiness())
		}
		h.e.SendCopy(h.now, en, patternBytes(1, 100))
		p.want("the request", "S 0:100(100) <mss 1460,"+cookie+">")
		if i := en.Info(h.now); i.BytesSent != 100 || i.Unacked != 1 {
			p.fail("%+v", i)
		}
		p.receive(test.answer)
		for _, w := range test.want {
			p.want(test.name, w)
		}
		p.wantNothing(test.name)
		if test.news.MSS == 0 {
			h.e.Abort(h.now, en)
			continue
		}
		n, _ := h.e.NextFastOpen()
		test.news.Local, test.news.Remote = p.tuple.Local, p.tuple.Remote
		if i := en.Info(h.now); i.FastOpen != test.acked || n != test.news {
			p.fail("%s: %v, told %+v", test.name, i.FastOpen, n)
		}
		p.receive(". 1:1(0) ack 101")
		p.pull() // it may be an old one
		if err := h.e.Audit()(); err != nil || en.Unsent() != 0 && !test.acked {
			p.fail("%s: %v, %d left", test.name, err, en.Unsent())
		}
		h.e.Abort(h.now, en)
		for ok := true; ok; {
			_, ok = p.pull()
		}
	}
}

// A path that drops SYNs with text is found out by the plain SYN that follows, and spared
// for a while; one that drops all of them stops Fast Open to everybody.
// https://www.rfc-editor.org/rfc/rfc7413#section-4.1.3.1
func TestFastOpenBlackHoles(t *testing.T) {
	p := newFastPair(t, Config{SynRetries: 5})
	p.dial(100)
	dropsText := func(from int, o *Output) (bool, time.Duration) {
		return from == 0 && o.Flags.Has(wire.SYN) && o.Len > 0, 0
	}
	good := p.fate
	for loss := range 3 {
		p.fate = dropsText
		c, _ := p.dial(100)
		if i := c.Info(p.now); i.FastOpen || i.TotalRetrans != 2 {
			t.Fatalf("%+v", i)
		}
		if k := p.cache.Hint(p.now, addrA, addrB); !k.Paused {
			t.Fatalf("after loss %d text still goes on the SYN", loss)
		}
		if c, _ := p.dial(100); c.Info(p.now).TotalRetrans != 0 {
			t.Fatal("text on a SYN while it is paused")
		}
		p.now = p.now.Add(time.Minute<<loss - 10*time.Second)
		if k := p.cache.Hint(p.now, addrA, addrB); !k.Paused {
			t.Fatalf("loss %d is forgotten", loss)
		}
		p.now = p.now.Add(10 * time.Second)
	}
	p.fate = good
	if c, _ := p.dial(100); !c.Info(p.now).FastOpen {
		t.Fatal("no Fast Open after the pause")
	}
	p.fate = func(from int, o *Output) (bool, time.Duration) { return from == 0 && o.Flags.Has(wire.SYN), 0 }
	if c, _ := p.dial(100); c.Failure() != TimedOut {
		t.Fatal(c.Failure())
	}
	if k := p.cache.Hint(p.now, addrA, wire.Addr{}); !k.Paused {
		t.Error("not paused for others")
	}
	n := p.ends[0].Counters()
	if n.TCPFastOpenActiveFail != 4 || n.TCPFastOpenBlackhole != 1 {
		t.Errorf("%+v", n)
	}
	if k := p.cache.Hint(p.now.Add(time.Hour), addrA, addrB); k.Paused || k.Cookie.Len() != 8 {
		t.Error("paused for ever")
	}
}

// A program may close as soon as it has written: all of it arrives, and the end behind it.
func TestFastOpenWritesAndCloses(t *testing.T) {
	for _, n := range []int{0, 100, 5000} {
		for _, lost := range []bool{false, true} {
			for _, lets := range []bool{false, true} {
				p := newFastPair(t, Config{})
				p.dial(1)
				e, first := p.ends[0], true
				tuple := wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 900, RemotePort: 80}
				c, _ := e.Connect(p.now, p.path, tuple, "client")
				e.FastOpen(p.now, c, p.cache.Hint(p.now, addrA, addrB))
				e.SendCopy(p.now, c, patternBytes(1, n))
				p.fate = func(from int, o *Output) (bool, time.Duration) {
					was := first
					first = first && from == 1
					return lost && was && from == 0, 0
				}
				p.pump()
				if lets {
					e.Close(p.now, c)
				} else {
					e.CloseWrite(p.now, c)
				}
				if n == 0 {
					if c.State() != Closed || !first {
						t.Error("nothing was written, and something sent")
					}
					continue
				}
				r, server := tuple.Reverse(), p.ends[1]
				var s *Entry
				var got []byte
				p.until("the end", func() bool {
					if s == nil {
						s = server.Accept(server.listener(&r))
						return false
					}
					got = append(got, p.drain(server, s)...)
					return s.EOF()
				})
				if !bytes.Equal(got, patternBytes(1, n)) {
					t.Errorf("%d bytes, lost %v: %d came", n, lost, len(got))
				}
				server.Close(p.now, s)
				if !lets {
					e.Close(p.now, c)
				}
				p.run(10 * time.Second)
				for i := range p.ends {
					if err := p.ends[i].Audit()(); err != nil {
						t.Error(err)
					}
				}
			}
		}
	}
}

// Both ends open at the same time, one of them or both with text: nothing is lost.
func TestFastOpenSimultaneously(t *testing.T) {
	cookie := wire.FastOpenCookieOf(7)
	for _, sends := range [][2]int{{100, 0}, {100, 200}, {0, 0}} {
		p := newPair(t, Config{FastOpen: fastopen.Client})
		tuple := wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 7, RemotePort: 8}
		var c [2]*Entry
		for i, e := range p.ends {
			c[i], _ = e.Connect(p.now, p.path, tuple, i)
			e.FastOpen(p.now, c[i], fastopen.Hint{Cookie: cookie})
			if sends[i] > 0 {
				e.SendCopy(p.now, c[i], patternBytes(1, sends[i]))
			} else {
				e.SendSyn(p.now, c[i])
			}
			tuple = tuple.Reverse()
		}
		var got [2]int
		p.until("both have all", func() bool {
			for i, e := range p.ends {
				for _, v := range e.Take(p.now, c[i], 1<<20, nil) {
					got[i] += v.Len()
					v.Release()
				}
			}
			return got == [2]int{sends[1], sends[0]} && c[0].State() == Established && c[1].State() == Established
		})
		p.run(time.Second)
		for i := range p.ends {
			if err := p.ends[i].Audit()(); err != nil {
				t.Error(err)
			}
		}
	}
}

// Nobody need take what connections have learnt.
func TestFastOpenNewsIsBounded(t *testing.T) {
	p := newFastPair(t, Config{})
	for range 3 * maxFastOpenNews {
		p.ends[0].cfg.fastOpens.tell(fastopen.News{})
	}
	n := 0
	for _, ok := p.ends[0].NextFastOpen(); ok; _, ok = p.ends[0].NextFastOpen() {
		n++
	}
	if n != maxFastOpenNews {
		t.Errorf("%d are kept", n)
	}
}
