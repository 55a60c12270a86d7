package tcp

import (
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// testHost is an endpoint, of which the test plays all peers.
type testHost struct {
	*testing.T
	e        *Endpoint
	now      clock.Time
	start    clock.Time // of the log
	path     Path
	trace    Trace
	listener *Listener
	log      []string
	blocks   map[*buf.Block]bool
}

// testPeer is one peer of a testHost, by its port. It learns our first number
// from the SYN that comes.
type testPeer struct {
	*testHost
	isns  // named from the endpoint's side
	tuple wire.Tuple
	drop  wire.Drop
	tsVal uint32 // the last timestamp that came: "ecr 0" echoes it
}

func newTestHost(t *testing.T, cfg Config) *testHost {
	cfg.MSL = msl
	h := &testHost{T: t, e: NewEndpoint(&cfg), now: clock.Time(time.Hour), start: clock.Time(time.Hour), path: Path{MTU: 1500}, blocks: map[*buf.Block]bool{}}
	h.e.SetTrace(&h.trace)
	t.Cleanup(func() {
		if !t.Failed() {
			checkNoReferences(t, h.blocks)
		}
	})
	return h
}

// serving returns a host that listens on port 80.
func serving(t *testing.T, cfg Config, backlog int) *testHost {
	t.Helper()
	h := newTestHost(t, cfg)
	h.listen(backlog)
	return h
}

func (h *testHost) listen(backlog int) {
	h.Helper()
	l, err := h.e.Listen(wire.Addr{}, 80, backlog, "listener")
	if err != nil {
		h.Fatal(err)
	}
	h.listener = l
}

// from returns the peer with that port, whose first number is irs.
func (h *testHost) from(port uint16, irs seq.Num) *testPeer {
	return &testPeer{testHost: h, isns: isns{peer: irs},
		tuple: wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 80, RemotePort: port}}
}

func (h *testHost) fail(format string, args ...any) {
	h.Helper()
	text := fmt.Sprintf(format, args...)
	for _, l := range h.log[max(0, len(h.log)-60):] {
		text += "\n\t" + l
	}
	h.Fatal(text)
}

func (h *testHost) note(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf("%8.3f ", (h.now-h.start).Seconds())+fmt.Sprintf(format, args...))
	sawMoves(h.trace.Take())
}

// receive has a segment of the peer arrive.
func (p *testPeer) receive(text string) {
	p.Helper()
	p.wantNothing("before " + text)
	p.arrive(text)
}

// arrive is receive that does not care for what is still to be sent.
func (p *testPeer) arrive(text string) {
	p.Helper()
	w := spell(p, text)
	first := w.seq
	if w.flags.Has(wire.SYN) {
		first++ // the SYN has the number before its text
	}
	s := Segment{TCP: w.header(isns{p.peer, p.own}), Len: w.n, Views: twoViews(patternBytes(first, w.n)), ECN: w.ecn}
	if w.win < 0 {
		s.Window = 65535
	}
	if s.Flags.Has(wire.ACK) && s.Options.Has(wire.OptTimestamps) && s.Options.TSEcr == 0 {
		s.Options.TSEcr = p.tsVal
	}
	borrowed := s.Views
	for _, v := range borrowed {
		p.blocks[v.Block] = true
	}
	p.drop = p.e.Receive(p.now, p.path, &p.tuple, &s)
	for _, v := range borrowed {
		v.Release()
	}
	p.note("%d < %s", p.tuple.RemotePort, text)
}

// pull takes the next segment, which must be for this peer.
func (p *testPeer) pull() (*Output, bool) {
	p.Helper()
	out := &Output{}
	if !p.e.Output(p.now, out) {
		return out, false
	}
	for _, v := range out.Views {
		v.Release()
	}
	if out.Flags.Has(wire.SYN) {
		p.own = out.Seq
	}
	if out.Options.Has(wire.OptTimestamps) {
		p.tsVal = out.Options.TSVal
	}
	p.note("%d > %s", out.Tuple.RemotePort, describe(&out.TCP, out.Len, p.isns))
	if out.Tuple != p.tuple {
		p.fail("a segment for %v, not for %v", out.Tuple, p.tuple)
	}
	return out, true
}

func (p *testPeer) want(why, text string) {
	p.Helper()
	w := spell(p, text)
	out, ok := p.pull()
	if !ok {
		p.fail("%s: want %s, got nothing", why, text)
	}
	if out.Flags == wire.RST|wire.ACK && out.Seq == 0 {
		out.Seq = p.own // "<SEQ=0>" is no relative number
	}
	if !w.matches(&out.TCP, out.Len, p.isns) {
		p.fail("%s:\n\twant %s\n\tgot  %s", why, text, describe(&out.TCP, out.Len, p.isns))
	}
}

func (h *testHost) wantNothing(why string) {
	h.Helper()
	var out Output
	if h.e.Output(h.now, &out) {
		h.fail("%s: unexpected for %v: %s", why, out.Tuple, out.TCP.String())
	}
}

// wantCompact wants the peer's connection to be kept in compact form, in the
// given state; Closed: not at all.
func (p *testPeer) wantCompact(s State) {
	p.Helper()
	p.wantNothing("state " + s.String())
	got := Closed
	for t, i := range p.e.Compact(p.now) {
		if t == p.tuple {
			got = i.State
		}
	}
	if got != s {
		p.fail("want %v, is %v", s, got)
	}
}

func (p *testPeer) wantDrop(d wire.Drop) {
	p.Helper()
	if p.drop != d {
		p.fail("want drop %q, got %q", d, p.drop)
	}
}

func (h *testHost) wantLen(why string, n int) {
	h.Helper()
	h.wantNothing(why)
	if got := h.e.Len(); got != n {
		h.fail("%s: want %d connections, there are %d", why, n, got)
	}
}

// advance lets d pass; there must be nothing to send on the way.
func (h *testHost) advance(d time.Duration) {
	h.Helper()
	limit := h.now.Add(d)
	for h.e.Deadline() <= limit {
		h.wantNothing("time passes")
		h.now = max(h.now, h.e.Deadline())
		h.e.Advance(h.now)
	}
	h.wantNothing("time passes")
	h.now = limit
	h.note("+%v", d)
}

// wantAfter goes to the next deadline, which is d away, and wants a segment.
func (p *testPeer) wantAfter(d time.Duration, why, text string) {
	p.Helper()
	p.wantNothing(why)
	if due := p.e.Deadline().Sub(p.now); due != d {
		p.fail("%s: want it after %v, is due after %v", why, d, due)
	}
	p.now = p.now.Add(d)
	p.e.Advance(p.now)
	p.want(why, text)
}

// handshake opens a connection and accepts it.
func (p *testPeer) handshake(syn, ack string) *Entry {
	p.Helper()
	p.receive(syn)
	out, ok := p.pull()
	if !ok || out.Flags != wire.SYN|wire.ACK {
		p.fail("no SYN-ACK")
	}
	p.receive(ack)
	en := p.e.Accept(p.listener)
	if en == nil || en.State() != Established {
		p.fail("not accepted")
	}
	en.Owner = p
	return en
}

// waiting plays a connection into TIME-WAIT. Unless held, its program lets go
// of it and it is kept in compact form.
func (p *testPeer) waiting(options string, held bool) *Entry {
	p.Helper()
	en := p.handshake("S 0:0(0) "+options, ". 1:1(0) ack 1 "+strip(options))
	p.e.CloseWrite(p.now, en)
	p.wantAny("our FIN", wire.FIN|wire.ACK)
	p.receive("F. 1:1(0) ack 2 " + strip(options))
	p.wantAny("ACK of the peer's FIN", wire.ACK)
	if !held {
		p.e.Close(p.now, en)
		p.wantCompact(TimeWait)
	}
	return en
}

func (p *testPeer) wantAny(why string, f wire.Flags) {
	p.Helper()
	if out, ok := p.pull(); !ok || out.Flags != f {
		p.fail("%s: want %v, got %v", why, f, out.Flags)
	}
}

// strip leaves of a SYN's options those that later segments carry.
func strip(options string) string {
	if len(options) > 3 && options[:3] == "<TS" {
		return options
	}
	return ""
}
