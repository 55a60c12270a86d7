package tcp

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/alike"
)

// There are several ways into an endpoint: an entry of the half-open cache, a
// cookie of which nothing was kept, one whose entry had to go, a listener, and a
// forwarder whose program is asked first. A client must not be able to tell which
// one it came by: the same ACK gets the same answer, and the connection is the same.
//
// What nobody can know who kept nothing is left out: the peer's exact segment size,
// the round trip of the handshake, that a RST should have a timestamp, that a
// timestamp was never offered or is older than the SYN's, and what a segment means
// whose number is not the one after the SYN's.

// way is one of them. It takes a client's SYN to the SYN-ACK.
type way struct {
	name    string
	cfg     Config
	forward bool
	evict   bool
	cookie  bool // the ACK will find no entry
}

var ways = []way{
	{name: "cache"},
	{name: "cookie", cfg: Config{Cookies: CookiesAlways}, cookie: true},
	{name: "evicted", cfg: Config{MaxHalfOpen: 1}, evict: true, cookie: true},
	{name: "forwarder", forward: true},
	{name: "forwarder, evicted", cfg: Config{MaxHalfOpen: 1}, forward: true, evict: true, cookie: true},
	{name: "without cookies", cfg: Config{Cookies: CookiesOff}},
}

// client is what a SYN offers.
type client struct {
	v6               bool
	mss, shift       int // -1: no option
	sack, timestamps bool
}

func (c client) tuple() wire.Tuple { return numbered(c.v6, 5) }

func (c client) syn() Segment {
	t := c.tuple()
	s := Segment{TCP: wire.TCP{SrcPort: t.RemotePort, DstPort: t.LocalPort, Seq: 1000, Flags: wire.SYN, Window: 4000}}
	o := &s.Options
	if c.mss >= 0 {
		o.Set, o.MSS = o.Set|wire.OptMSS, uint16(c.mss)
	}
	if c.shift >= 0 {
		o.Set, o.WindowScale = o.Set|wire.OptWindowScale, uint8(c.shift)
	}
	if c.sack {
		o.Set |= wire.OptSACKPermitted
	}
	if c.timestamps {
		o.Set, o.TSVal = o.Set|wire.OptTimestamps, 77
	}
	return s
}

// rounded is the client whose segment size is what a cookie keeps of this one's.
func (c client) rounded() client {
	t, s := c.tuple(), c.syn()
	var o offer
	o.hear(new(Config).withDefaults(), &t, &s, cc.ECNOff)
	o.read(o.data(), cc.ECNOff)
	c.mss = int(o.mss)
	return c
}

// clients are all mixtures of what may be offered.
func clients(yield func(client) bool) {
	for i := range 8 {
		for _, mss := range []int{-1, 0, 30, 100, 536, 1000, 1220, 1380, 1460, 9000} {
			for _, shift := range []int{-1, 0, 7, 14, 200} {
				if !yield(client{i&1 != 0, mss, shift, i&2 != 0, i&4 != 0}) {
					return
				}
			}
		}
	}
}

// lastACKs are what a client may answer the SYN-ACK with.
var lastACKs = []struct {
	name   string
	change func(s *Segment)
}{
	{"ACK", func(s *Segment) {}},
	{"window 0", func(s *Segment) { s.Window = 0 }},
	{"with data", func(s *Segment) { s.Flags |= wire.PSH; s.Len = 20 }},
	{"with FIN", func(s *Segment) { s.Flags |= wire.FIN }},
	{"with data and FIN", func(s *Segment) { s.Flags |= wire.FIN; s.Len = 20 }},
	{"with more data than there is room for", func(s *Segment) { s.Len = 70000 }},
	{"urgent", func(s *Segment) { s.Flags |= wire.URG; s.Urgent, s.Len = 3, 20 }},
	{"ack too low", func(s *Segment) { s.Ack-- }},
	{"ack too high", func(s *Segment) { s.Ack++ }},
	{"ack far away", func(s *Segment) { s.Ack += 1 << 30 }},
	{"ack too low, with data", func(s *Segment) { s.Ack--; s.Len = 20 }},
	{"ack too high, with FIN", func(s *Segment) { s.Ack++; s.Flags |= wire.FIN }},
	{"no timestamps", func(s *Segment) { s.Options = wire.Options{} }},
	{"no timestamps, with data", func(s *Segment) { s.Options = wire.Options{}; s.Len = 20 }},
	{"no timestamps, ack too high", func(s *Segment) { s.Options = wire.Options{}; s.Ack++ }},
	{"newer timestamp", func(s *Segment) { s.Options.TSVal += 1 << 20 }},
	{"no echo", func(s *Segment) { s.Options.TSEcr = 0 }},
	{"echo off by one", func(s *Segment) { s.Options.TSEcr++ }},
	{"echo of other options", func(s *Segment) { s.Options.TSEcr ^= 1 << 7 }},
	{"echo off by a second", func(s *Segment) { s.Options.TSEcr += 1024 }},
	{"echo wrong, ack too low", func(s *Segment) { s.Options.TSEcr++; s.Ack-- }},
	{"echo wrong, with FIN", func(s *Segment) { s.Options.TSEcr++; s.Flags |= wire.FIN }},
	{"reset", func(s *Segment) { s.Flags = wire.RST; s.Options = wire.Options{} }},
}

func TestEveryWayInIsTheSame(t *testing.T) {
	n := 0
	for c := range clients {
		if n++; (alike.Raced || testing.Short()) && n%9 != 0 { // it is for other things
			continue
		}
		for _, last := range lastACKs {
			want := map[bool]string{}
			for _, w := range ways {
				asking := c
				if !w.cookie {
					asking = c.rounded()
				}
				got := w.play(t, asking, last.change)
				if first, ok := want[w.forward]; ok && got != first {
					t.Fatalf("%+v, %s:\n%s: %s\n%s: %s", c, last.name, ways[0].name, first, w.name, got)
				}
				want[false], want[true] = got, got
			}
		}
	}
}

// play has a client come by this way, and tells what it gets.
func (w way) play(t *testing.T, c client, change func(*Segment)) string {
	t.Helper()
	w.cfg.Secret, w.cfg.AttackEnter = [16]byte{5}, 1<<30
	e := NewEndpoint(&w.cfg)
	now, tuple, syn := clock.Time(time.Hour), c.tuple(), c.syn()
	l, err := e.Listen(wire.Addr{}, map[bool]uint16{false: tuple.LocalPort, true: 0}[w.forward], 10, "listener")
	if err != nil {
		t.Fatal(err)
	}
	l.Ask = w.forward
	synAck := w.synAck(t, e, now, path1500, &tuple, &syn)
	if w.evict {
		other := numbered(c.v6, 1<<17)
		another := synSegment(other, 3, true)
		w.synAck(t, e, now, path1500, &other, &another)
	}
	if (e.halfOpen.find(e.cookies.flow(&tuple), &tuple) == 0) != w.cookie {
		t.Fatalf("%s: an entry is kept, or not", w.name)
	}
	now = now.Add(50 * time.Millisecond)
	s := ackOf(tuple, syn.Seq, synAck)
	if s.Options.Set != 0 {
		s.Options.TSVal = 78
	}
	change(&s)
	s.Views = nil
	if s.Len > 0 {
		s.Views = twoViews(patternBytes(1, s.Len))
	}
	e.Receive(now, path1500, &tuple, &s)
	for _, v := range s.Views {
		v.Release()
	}
	told := tellAll(e, now, syn.Seq, synAck.Seq)
	en := e.Accept(l)
	if en == nil {
		return told + "no connection"
	}
	told += describeConn(e, en, now, syn.Seq, synAck.Seq)
	e.Abort(now, en)
	drain(e, now)
	return told
}

// synAck gives e a SYN and returns what answers it.
func (w way) synAck(t *testing.T, e *Endpoint, now clock.Time, path Path, tuple *wire.Tuple, syn *Segment) wire.TCP {
	t.Helper()
	e.Receive(now, path, tuple, syn)
	if y, ok := e.NextSyn(); ok {
		e.AcceptSyn(now, y)
	}
	out, n := drain(e, now)
	if n != 1 || out.Flags != wire.SYN|wire.ACK {
		t.Fatalf("%s: %d segments, %v", w.name, n, out.Flags)
	}
	return out.TCP
}

// tellAll pulls what e sends, with relative numbers.
func tellAll(e *Endpoint, now clock.Time, irs, iss seq.Num) (told string) {
	for out := (Output{}); e.Output(now, &out); {
		if out.Flags == wire.RST { // that timestamps were agreed on an entry knows and nobody else
			out.Options, out.Ack = wire.Options{}, irs
		}
		told += fmt.Sprintf("%v seq %d ack %d win %d len %d options %v ecr %d; ", out.Flags, out.Seq-iss, out.Ack-irs, out.Window, out.Len,
			out.Options.Set, out.Options.TSEcr)
		for _, v := range out.Views {
			v.Release()
		}
	}
	return told
}

// describeConn tells all that can be seen of a connection, except what nobody can
// know who kept nothing: the round trip of the handshake, and with it the RTO.
func describeConn(e *Endpoint, en *Entry, now clock.Time, irs, iss seq.Num) string {
	info := en.Info(now)
	info.RTT, info.RTTVar, info.MinRTT, info.RTO, info.Expires = 0, 0, 0, 0, 0
	text := fmt.Sprintf("%+v; ", info)
	views := e.Take(now, en, 1<<20, nil)
	for _, v := range views {
		text += fmt.Sprintf("%x ", v.Bytes()[:min(v.Len(), 8)])
		v.Release()
	}
	e.SendCopy(now, en, slices.Repeat([]byte{1}, 3000))
	return text + tellAll(e, now, irs, iss)
}

// The ACK of the SYN-ACK echoes what came last, which may be a challenge that
// somebody else has asked for, at any time of our clock.
func TestAckEchoesAChallenge(t *testing.T) {
	for _, odd := range []string{
		". 90000:90000(0) ack 2", "P. 90000:90010(10) ack 2", "- 90000:90000(0)", "S 90000:90000(0)", "R 5000:5000(0)",
	} {
		for ms := range 100 {
			h := serving(t, Config{}, 8)
			p := h.from(1234, 7000)
			p.receive("S 0:0(0) win 65535 <mss 1460,sackOK,TS val 5 ecr 0,wscale 7>")
			p.want("SYN-ACK", "S. 0:0(0) ack 1")
			h.now = h.now.Add(500*time.Millisecond + time.Duration(7*ms)*time.Millisecond)
			p.receive(odd + " <TS val 6 ecr 1>")
			p.want("challenge", ". 1:1(0) ack 1")
			p.receive("P. 1:11(10) ack 1 <TS val 7 ecr 0>")
			p.want("ACK of the text", ". 1:1(0) ack 11")
			for _, v := range h.e.Take(h.now, h.e.Accept(h.listener), 100, nil) {
				v.Release()
			}
		}
	}
}
