package tcp

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// These tests drive the queues of an endpoint to their bounds while nobody takes
// what waits in them: docs/RELIABILITY.md has the list.

const manySegments = 1 << 15

// One connection in TIME-WAIT owes one ACK, however many segments ask for it.
func TestTimeWaitOwesOnce(t *testing.T) {
	h := serving(t, Config{}, 10)
	p := h.from(1000, 0)
	p.waiting("<mss 1460>", false)
	h.trace = Trace{}
	h.e.SetTrace(nil)
	for range manySegments {
		s := Segment{TCP: wire.TCP{SrcPort: 1000, DstPort: 80, Seq: 1, Ack: p.own + 2, Flags: wire.ACK | wire.FIN, Window: 1000}}
		h.e.Receive(h.now, h.path, &p.tuple, &s)
	}
	if n := h.e.compact.len(); n != 1 {
		t.Errorf("%d segments wait for one connection", n)
	}
	p.want("one ACK", ". 2:2(0) ack 2")
	p.wantCompact(TimeWait)
	p.receive("F. 1:1(0) ack 2")
	p.want("and another one for the next", ". 2:2(0) ack 2")
}

func resetOf(t wire.Tuple, number seq.Num) Segment {
	return Segment{TCP: wire.TCP{SrcPort: t.RemotePort, DstPort: t.LocalPort, Seq: number, Flags: wire.RST}}
}

// Connections that come and go before anything is sent leave nothing behind that
// grows, and who is still there in the end gets its answer, once.
func TestDebtsOfThoseThatWent(t *testing.T) {
	for _, clients := range []int{1, 50} {
		e, l := server(t, Config{})
		now := clock.Time(time.Hour)
		tuple := func(i int) wire.Tuple { return numbered(i%clients%2 == 0, i%clients) }
		for i := range manySegments {
			name := tuple(i)
			syn := synSegment(name, 100, true)
			e.Receive(now, path1500, &name, &syn)
			rst := resetOf(name, 101)
			if i < manySegments-clients {
				e.Receive(now, path1500, &name, &rst)
			}
		}
		if n := e.compact.len(); n > 2*clients+64 {
			t.Errorf("%d items wait for %d connections", n, clients)
		}
		answered := map[wire.Tuple]wire.TCP{}
		for out := (Output{}); e.Output(now, &out); {
			if _, twice := answered[out.Tuple]; twice {
				t.Errorf("%v gets two answers", out.Tuple)
			}
			answered[out.Tuple] = out.TCP
		}
		for i := range clients {
			finish(t, e, l, now, tuple(i), 100, answered[tuple(i)])
		}
	}
}

// SYNs that wait for a verdict and go are not asked about, and those that wait
// are asked about once.
func TestAskedOfThoseThatWent(t *testing.T) {
	e, l := server(t, Config{MaxHalfOpen: 100})
	l.Ask = true
	now := clock.Time(time.Hour)
	for i := range manySegments {
		name := numbered(false, i%300) // more than there is room for
		syn := synSegment(name, seq.Num(7+i%2), true)
		e.Receive(now, path1500, &name, &syn)
		if i%3 == 0 {
			rst := resetOf(name, seq.Num(8+i%2))
			e.Receive(now, path1500, &name, &rst)
		}
	}
	if n := e.asked.len(); n > 2*100+64 {
		t.Errorf("%d SYNs are to be asked about, %d wait", n, e.halfOpen.count)
	}
	asked := map[wire.Tuple]bool{}
	for y, ok := e.NextSyn(); ok; y, ok = e.NextSyn() {
		if asked[y.Tuple] || !e.IgnoreSyn(y) {
			t.Fatalf("asked about %v, which does not wait", y.Tuple)
		}
		asked[y.Tuple] = true
	}
	if e.halfOpen.count != 0 {
		t.Errorf("nobody was asked about %d", e.halfOpen.count)
	}
}

// A connection has one item of news for its program, and so has a listener,
// however often it is ready for something again.
func TestNewsOnce(t *testing.T) {
	e, l := server(t, Config{})
	now := clock.Time(time.Hour)
	name := numbered(false, 1)
	en := honest(t, e, l, now, name, 100, true)
	en.Owner = "server"
	next := seq.Num(101)
	for range 1000 {
		now = now.Add(time.Millisecond)
		s := arriving(next, en.snd.nxt, 1, now)
		s.SrcPort, s.DstPort, s.Views = name.RemotePort, name.LocalPort, twoViews([]byte{1})
		s.Options = wire.Options{}
		e.Receive(now, path1500, &name, &s)
		next++
		for _, v := range append(e.Take(now, en, 10, nil), s.Views...) {
			v.Release()
		}
		drain(e, now)
		other := numbered(false, 2+int(next))
		e.Abort(now, honest(t, e, l, now, other, 5, true))
		drain(e, now)
	}
	if n := e.ready.len(); n != 2 {
		t.Errorf("%d items of news of a connection and a listener", n)
	}
	if got := readinessOf(e); got["server"] != Readable || got["listener"] != Acceptable {
		t.Errorf("told %v", got)
	}
}

// Answers of no connection: no more than maxReplies wait, the rest is counted.
func TestRepliesAreBounded(t *testing.T) {
	e, _ := server(t, Config{Cookies: CookiesAlways})
	now := clock.Time(time.Hour)
	for i := range 2 * maxReplies {
		name := numbered(false, i)
		stray := ackOf(name, 5, wire.TCP{Seq: 9})
		e.Receive(now, path1500, &name, &stray)
	}
	if n := e.replies.len(); n != maxReplies || e.Counters().RepliesDropped != maxReplies {
		t.Errorf("%d replies wait, %d are dropped", n, e.Counters().RepliesDropped)
	}
	name := numbered(true, 1)
	syn := synSegment(name, 5, true)
	if d := e.Receive(now, path1500, &name, &syn); d != wire.ListenFull || e.Counters().ListenDrops != 1 {
		t.Errorf("a SYN then: %v, ListenDrops %d", d, e.Counters().ListenDrops)
	}
	if _, n := drain(e, now); n != maxReplies {
		t.Errorf("%d replies leave", n)
	}
}

// The heap of deadlines is lazy, and stays in proportion to the connections.
func TestDeadlinesAreBounded(t *testing.T) {
	e := NewEndpoint(&Config{})
	now := clock.Time(time.Hour)
	first, err := e.Connect(now, path1500, numbered(false, 0), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		en, err := e.Connect(now, path1500, numbered(false, 1+i), nil)
		if err != nil {
			t.Fatal(err)
		}
		drain(e, now)
		e.Abort(now, en)
		drain(e, now)
	}
	if n := e.due.len(); n > 2*e.Len()+64 || e.Len() != 1 || first.State() != SynSent {
		t.Errorf("%d deadlines of %d connections", n, e.Len())
	}
}

// The send queue holds Config.SendBuffer, and one write more: the program that looks
// at SendSpace waits.
func TestSendQueueIsBounded(t *testing.T) {
	e, l := server(t, Config{SendBuffer: 100000})
	now := clock.Time(time.Hour)
	en := honest(t, e, l, now, numbered(false, 1), 100, true)
	const write = 30000
	for en.SendSpace() > 0 {
		e.SendCopy(now, en, make([]byte, write))
		for out := (Output{}); e.Output(now, &out); {
			for _, v := range out.Views {
				v.Release()
			}
		}
	}
	if n := en.out.len(); n > 100000+write || en.Writable() {
		t.Errorf("%d bytes are queued, and it is writable: %v", n, en.Writable())
	}
	e.Abort(now, en)
	drain(e, now)
}

// What a trace keeps of connections in TIME-WAIT goes with them: at the limit, when
// the wait is over, and when a new connection takes their place.
func TestOriginsGoWithTimeWait(t *testing.T) {
	h := serving(t, Config{MaxTimeWait: 8}, 10)
	for i := range uint16(30) {
		h.from(1000+i, 7).waiting("<mss 1460>", false)
		if n := len(h.trace.origins); n > 8 || n != h.e.timeWait.count {
			t.Fatalf("%d origins of %d connections", n, h.e.timeWait.count)
		}
	}
	again := h.from(1029, 1000)
	again.receive("S 0:0(0) <mss 1460>")
	again.wantAny("SYN-ACK", wire.SYN|wire.ACK)
	if n := len(h.trace.origins); n != 7 {
		t.Errorf("%d origins after a reuse", n)
	}
	again.receive("R 1:1(0)")
	h.advance(2 * msl)
	if n := len(h.trace.origins); n != 0 {
		t.Errorf("%d origins are left", n)
	}
	h.from(2000, 7).waiting("<mss 1460>", false)
	h.e.LoseAddress(h.now, addrA)
	if n := len(h.trace.origins); n != 0 {
		t.Errorf("%d origins are left of an address that is lost", n)
	}
}
