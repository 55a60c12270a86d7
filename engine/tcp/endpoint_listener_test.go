package tcp

import (
	"errors"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// A repeated SYN is answered with the same SYN-ACK, and takes no room.
func TestSynAgain(t *testing.T) {
	p := serving(t, Config{}, 5).from(1000, 0xffffffff)
	p.receive("S 0:0(0) <mss 1460>")
	p.want("SYN-ACK", "S. 0:0(0) ack 1")
	first := p.own
	for range 1000 {
		p.receive("S 0:0(0) <mss 1460>")
		p.want("SYN-ACK again", "S. 0:0(0) ack 1")
		if p.own != first {
			p.fail("another ISN")
		}
	}
	p.wantLen("one half-open connection", 1)
}

// RFC 9293 §3.8.3: the SYN-ACK is repeated, and then the peer is forgotten.
func TestSynAckRetries(t *testing.T) {
	p := serving(t, Config{}, 5).from(1000, 0xffffffff)
	p.receive("S 0:0(0) <mss 1460>")
	p.want("SYN-ACK", "S. 0:0(0) ack 1")
	for i := range 5 {
		p.wantAfter(time.Second<<i, "again", "S. 0:0(0) ack 1")
	}
	p.advance(32*time.Second - 1)
	p.wantCompact(SynReceived)
	p.advance(1)
	p.wantLen("forgotten", 0)
	if d := p.e.Deadline(); d < p.now.Add(time.Hour) {
		t.Errorf("something is due at %v", d)
	}
}

// A half-open connection shows a timer at every moment: before its SYN-ACK has
// gone out, while it waits, and when its timer is late.
func TestHalfOpenTimerShown(t *testing.T) {
	p := serving(t, Config{}, 5).from(1000, 7)
	p.receive("S 0:0(0) <mss 1460>")
	p.wantExpires("before the SYN-ACK", 1)
	p.want("SYN-ACK", "S. 0:0(0) ack 1")
	p.wantExpires("it waits", time.Second)
	p.now = p.now.Add(time.Second)
	p.wantExpires("due", 1)
	p.now = p.now.Add(time.Millisecond)
	p.wantExpires("late", 1)
	p.e.Advance(p.now)
	p.wantExpires("before the SYN-ACK is repeated", 2*time.Second)
	p.want("again", "S. 0:0(0) ack 1")
}

// wantExpires wants all half-open connections to show a timer, that is due in d.
func (h *testHost) wantExpires(why string, d time.Duration) {
	h.Helper()
	n := 0
	for _, i := range h.e.Compact(h.now) {
		if n++; i.State != SynReceived || i.Expires != d {
			h.fail("%s: want SYN-RECEIVED and %v, is %v and %v", why, d, i.State, i.Expires)
		}
	}
	if n == 0 {
		h.fail("%s: there is none", why)
	}
}

// With the accept queue full a SYN finds no room, and the ACK of a handshake
// under way has to come again.
func TestAcceptQueueFull(t *testing.T) {
	h := serving(t, Config{}, 1)
	a, b, c := h.from(1000, 1), h.from(1001, 2), h.from(1002, 3)
	for _, p := range []*testPeer{a, b} {
		p.receive("S 0:0(0) <mss 1460>")
		p.want("SYN-ACK", "S. 0:0(0) ack 1")
	}
	a.receive(". 1:1(0) ack 1")
	b.receive(". 1:1(0) ack 1")
	b.wantDrop(wire.ListenFull)
	c.receive("S 0:0(0) <mss 1460>")
	c.wantDrop(wire.ListenFull)
	if n := h.e.Counters().ListenOverflows; n != 2 {
		t.Errorf("ListenOverflows is %d", n)
	}
	if en := h.e.Accept(h.listener); en == nil || en.Tuple() != a.tuple {
		t.Fatal("the first is not accepted")
	}
	if h.e.Accept(h.listener) != nil {
		t.Fatal("a second one is accepted")
	}
	b.wantAfter(time.Second, "SYN-ACK again", "S. 0:0(0) ack 1")
	b.receive(". 1:1(0) ack 1")
	if en := h.e.Accept(h.listener); en == nil || en.Tuple() != b.tuple {
		t.Fatal("the second is not accepted")
	}
}

// The half-open table never holds more than its limit.
func TestHalfOpenLimit(t *testing.T) {
	h := serving(t, Config{MaxHalfOpen: 3}, 5)
	for port := range uint16(10) {
		h.from(1000+port, 5).receive("S 0:0(0) <mss 1460>")
		h.drain()
		if h.e.Len() > 3 {
			t.Fatalf("%d connections", h.e.Len())
		}
	}
}

// Closing a listener: half-open connections are forgotten, those that nobody
// accepted are reset, those that were live on.
func TestCloseListener(t *testing.T) {
	h := serving(t, Config{}, 5)
	live, waits, half := h.from(1000, 1), h.from(1001, 2), h.from(1002, 3)
	en := live.handshake("S 0:0(0)", ". 1:1(0) ack 1")
	for _, p := range []*testPeer{waits, half} {
		p.receive("S 0:0(0)")
		p.want("SYN-ACK", "S. 0:0(0) ack 1")
	}
	waits.receive(". 1:1(0) ack 1")
	h.e.CloseListener(h.now, h.listener)
	waits.want("nobody will accept it", "R. 1:1(0) ack 1")
	half.receive(". 1:1(0) ack 1")
	half.want("nobody listens", "R 1:1(0)")
	half.receive("S 0:0(0)")
	half.want("nobody listens", "R. 0:0(0) ack 1")
	live.receive("P. 1:11(10) ack 1")
	live.want("ACK", ". 1:1(0) ack 11")
	h.wantLen("only the accepted one", 1)
	h.e.Abort(h.now, en)
	live.wantAny("abort", wire.RST|wire.ACK)
	h.wantLen("none", 0)
}

// A connection that the peer resets before it is accepted is accepted dead.
func TestResetBeforeAccept(t *testing.T) {
	h := serving(t, Config{}, 5)
	p := h.from(1000, 1)
	p.receive("S 0:0(0)")
	p.want("SYN-ACK", "S. 0:0(0) ack 1")
	p.receive("P. 1:11(10) ack 1")
	p.want("ACK", ". 1:1(0) ack 11")
	p.receive("R 11:11(0)")
	en := h.e.Accept(h.listener)
	if en == nil || en.State() != Closed || en.Failure() != Reset || en.Buffered() != 10 {
		t.Fatalf("accepted %+v", en)
	}
	h.e.Close(h.now, en)
	h.wantLen("none", 0)
}

// The listener of the exact address comes first, then that of its family, then
// that of all.
func TestWhichListener(t *testing.T) {
	h := newTestHost(t, Config{})
	owners := map[string]wire.Addr{"exact": addrA, "IPv4": anyIPv4, "all": {}}
	for name, a := range owners {
		if _, err := h.e.Listen(a, 80, 5, name); err != nil {
			t.Fatal(err)
		}
		if _, err := h.e.Listen(a, 80, 5, name); !errors.Is(err, ErrInUse) {
			t.Errorf("a second listener of %s: %v", name, err)
		}
	}
	for local, want := range map[wire.Addr]string{addrA: "exact", addrB: "IPv4", addr6A: "all"} {
		l := h.e.listener(&wire.Tuple{Local: local, Remote: addrB, LocalPort: 80, RemotePort: 9})
		if l == nil || l.Owner != want {
			t.Errorf("for %v: %+v, want %s", local, l, want)
		}
	}
	if l := h.e.listener(&wire.Tuple{Local: addrA, LocalPort: 81}); l != nil {
		t.Errorf("another port: %+v", l)
	}
}

// RFC 9293 §3.10.7.1: what a closed port answers, and that a flood of such
// segments is bounded.
func TestClosedPort(t *testing.T) {
	h := newTestHost(t, Config{})
	for _, cell := range arrivals[Closed] {
		p := h.from(1000, 0xfffffff0)
		p.receive(cell.segment)
		p.wantDrop(cell.drop)
		if cell.answer != "" {
			p.want(cell.rule, cell.answer)
		}
		h.wantLen("no state", 0)
	}
	for range maxReplies + 44 {
		h.from(1000, 5).arrive("S 0:0(0)")
	}
	if n := h.drain(); n != maxReplies {
		t.Errorf("%d RSTs", n)
	}
	if n := h.e.Counters().RepliesDropped; n != 44 {
		t.Errorf("RepliesDropped is %d", n)
	}
}

// A four-tuple is used once.
func TestConnectInUse(t *testing.T) {
	h := serving(t, Config{}, 5)
	p := h.from(1000, 1)
	p.handshake("S 0:0(0)", ". 1:1(0) ack 1")
	half := h.from(1001, 1)
	half.receive("S 0:0(0)")
	half.want("SYN-ACK", "S. 0:0(0) ack 1")
	waits := h.from(1002, 1)
	waits.waiting("<mss 1460>", false)
	for _, p := range []*testPeer{p, half, waits} {
		if _, err := h.e.Connect(h.now, h.path, p.tuple, nil); !errors.Is(err, ErrInUse) {
			t.Errorf("port %d: %v", p.tuple.RemotePort, err)
		}
	}
	if n := h.e.Counters().PassiveOpens; n != 2 {
		t.Errorf("PassiveOpens is %d", n)
	}
}

// A connection to itself is a simultaneous open, works, and is quiet.
func TestSelfConnect(t *testing.T) {
	h := newTestHost(t, Config{})
	tuple := wire.Tuple{Local: addrA, Remote: addrA, LocalPort: 80, RemotePort: 80}
	en, err := h.e.Connect(h.now, h.path, tuple, "self")
	if err != nil {
		t.Fatal(err)
	}
	if n := h.loop(); en.State() != Established || n > 4 {
		t.Fatalf("%v after %d segments", en.State(), n)
	}
	h.e.SendCopy(h.now, en, []byte("echo"))
	h.loop()
	var got []byte
	for _, v := range h.e.Take(h.now, en, 100, nil) {
		got = append(got, v.Bytes()...)
		v.Release()
	}
	if string(got) != "echo" {
		t.Errorf("read %q", got)
	}
	h.loop()
	h.advance(time.Hour)
	h.e.Close(h.now, en)
	h.loop()
	h.wantLen("TIME-WAIT", 1)
	h.advance(2 * msl)
	h.wantLen("over", 0)
}

// loop gives the endpoint its own segments until it is quiet.
func (h *testHost) loop() (segments int) {
	h.Helper()
	var out Output
	for h.e.Output(h.now, &out) {
		s := out.Segment
		borrowed := out.Views
		back := out.Tuple.Reverse()
		h.e.Receive(h.now, h.path, &back, &s)
		for _, v := range borrowed {
			v.Release()
		}
		if segments++; segments > 1000 {
			h.Fatal("it does not end")
		}
	}
	return segments
}

// A listener is told of each connection that comes when it has been told of those before.
func TestListenerHearsOfEach(t *testing.T) {
	h := serving(t, Config{}, 5)
	told := func() (n int) {
		for owner, r, ok := h.e.NextReady(); ok; owner, r, ok = h.e.NextReady() {
			if owner == "listener" && r == Acceptable {
				n++
			}
		}
		return n
	}
	for round := range uint16(4) {
		for i := range uint16(2) { // which come together: one word is enough
			p := h.from(1000+2*round+i, 7)
			p.receive("S 0:0(0) <mss 1460>")
			p.wantAny("SYN-ACK", wire.SYN|wire.ACK)
			p.receive(". 1:1(0) ack 1")
		}
		if n := told(); n != 1 {
			t.Errorf("round %d: told %d times", round, n)
		}
		for h.e.Accept(h.listener) != nil {
		}
	}
}
