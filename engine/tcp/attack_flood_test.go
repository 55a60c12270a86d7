package tcp

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/alike"
)

// Floods of SYNs and ACKs, handshakes that are never accepted, cookies that come again, and
// windows that stay shut: what is kept, what leaves, and what all others have meanwhile.

// sizeOf is the length of a segment on the wire, with its IP header.
func sizeOf(t *wire.Tuple, h *wire.TCP, text int) int {
	return headerSize(t.Local) - wire.TCPSize + h.HeaderLen() + text
}

// A1: 500 spoofed SYNs arrive in each millisecond, on a link of 1 Gbit/s: a large transfer
// keeps half of the link at least, every client gets in at the first try, and no SYN costs
// memory.
func TestFloodBesideATransfer(t *testing.T) {
	for _, mode := range []CookieMode{CookiesAuto, CookiesAlways} {
		e, l := server(t, Config{Cookies: mode, SendBuffer: 8 << 20})
		f := &floodedLink{T: t, e: e, l: l, r: rand.New(rand.NewPCG(1, 9)), now: clock.Time(time.Hour)}
		f.begin()
		f.run(50, 0) // the transfer gets going, the table grows to its size
		f.run(20, 500)
		quiet := f.run(100, 0)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		loud := f.run(100, 500)
		runtime.GC()
		runtime.ReadMemStats(&after)
		t.Logf("cookies %v: %d bytes, and %d in a flood", mode, quiet, loud)
		if loud < quiet/2 {
			t.Errorf("cookies %v: %d bytes without a flood, %d with one", mode, quiet, loud)
		}
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 && !alike.Raced {
			t.Errorf("cookies %v: memory grew by %d bytes", mode, grown)
		}
	}
}

// floodedLink is a host whose link carries so many bytes in a millisecond.
type floodedLink struct {
	*testing.T
	e     *Endpoint
	l     *Listener
	r     *rand.Rand
	now   clock.Time
	bulk  *Entry
	got   seq.Num // up to which the bulk flow's peer has all
	peer  wire.Tuple
	count int
}

const linkBytes = 125_000 // in a millisecond: 1 Gbit/s

func (f *floodedLink) begin() {
	f.peer = numbered(false, 1)
	f.bulk = honest(f, f.e, f.l, f.now, f.peer, 100, false)
	f.bulk.Owner = "bulk"
	f.got = f.bulk.snd.nxt
}

// run lets so many milliseconds pass, with so many SYNs in each, and one client; it
// returns how many bytes of text arrived.
func (f *floodedLink) run(ms, syns int) (bytes int) {
	f.Helper()
	start := f.got
	for range ms {
		f.now = f.now.Add(time.Millisecond)
		f.e.Advance(f.now)
		for f.bulk.SendSpace() > 0 {
			f.e.SendCopy(f.now, f.bulk, make([]byte, 64<<10))
		}
		f.count++
		client := numbered(false, 1000+f.count)
		var synAck wire.TCP
		s := synSegment(client, 7, true)
		f.e.Receive(f.now, path1500, &client, &s)
		for range syns {
			tuple, s := spoofed(f.r, false, true)
			f.e.Receive(f.now, path1500, &tuple, &s)
		}
		for left, out := linkBytes, (Output{}); left > 0 && f.e.Output(f.now, &out); {
			left -= sizeOf(&out.Tuple, &out.TCP, out.Len)
			switch out.Tuple {
			case client:
				synAck = out.TCP
			case f.peer:
				if out.Seq == f.got {
					f.got = f.got.Add(seq.Size(out.Len))
				}
			}
			for _, v := range out.Views {
				v.Release()
			}
		}
		a := Segment{TCP: wire.TCP{SrcPort: f.peer.RemotePort, DstPort: 80, Seq: 101, Ack: f.got, Flags: wire.ACK, Window: 60000}}
		f.e.Receive(f.now, path1500, &f.peer, &a)
		f.e.Abort(f.now, finish(f, f.e, f.l, f.now, client, 7, synAck))
	}
	return int(f.got.Sub(start))
}

// A3, A4: what leaves for a SYN or an ACK that anybody can have sent: one SYN-ACK, and five
// again where it is remembered; no more bytes than came, but for the four of our MSS; and
// for an ACK one RST, that is no larger, and no look at cookies when none is under way.
func TestReflectedBytes(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for mode, most := range map[CookieMode]int{CookiesAuto: 6, CookiesAlways: 1, CookiesOff: 6} {
			for set := range wire.OptionSet(1 << 4) {
				e, _ := server(t, Config{Cookies: mode})
				now, name := clock.Time(time.Hour), numbered(v6, int(set))
				s := synSegment(name, 7, true)
				s.Options.Set &= set
				in := sizeOf(&name, &s.TCP, 0)
				e.Receive(now, path1500, &name, &s)
				n, bytes := 0, 0
				for end := now.Add(10 * time.Minute); ; now = max(now, e.Deadline()) {
					e.Advance(now)
					for out := (Output{}); e.Output(now, &out); n++ {
						bytes += sizeOf(&out.Tuple, &out.TCP, out.Len)
					}
					if e.Deadline() > end {
						break
					}
				}
				if n != most || bytes > n*(in+4) {
					t.Errorf("cookies %v, options %b: %d segments of %d bytes for %d bytes", mode, set, n, bytes, in)
				}
			}
		}
	}
}

func TestAckFlood(t *testing.T) {
	for _, mode := range []CookieMode{CookiesAuto, CookiesAlways, CookiesOff} {
		e, _ := server(t, Config{Cookies: mode})
		now, r, out := clock.Time(time.Hour), rand.New(rand.NewPCG(1, 4)), Output{}
		n, answers := 0, 0
		flood := func() {
			for range 20000 {
				name := wire.Tuple{Local: addrB, Remote: wire.AddrFrom4(r.Uint32()), LocalPort: 80, RemotePort: uint16(r.Uint32())}
				s := Segment{TCP: wire.TCP{SrcPort: name.RemotePort, DstPort: 80, Seq: seq.Num(r.Uint32()), Ack: seq.Num(r.Uint32()), Flags: wire.ACK, Window: 10}}
				e.Receive(now, path1500, &name, &s)
				for n++; e.Output(now, &out); answers++ {
					if out.Flags != wire.RST || out.Len > 0 || out.Options.Set != 0 {
						t.Fatalf("answered by %v", &out.TCP)
					}
				}
				now = now.Add(time.Microsecond)
			}
		}
		flood()
		if allocs := allocations(flood); allocs > 0 && !alike.Raced {
			t.Errorf("cookies %v: %v allocations", mode, allocs)
		}
		if looked := e.Counters().SyncookiesFailed; answers > n || looked > 0 || e.Len() > 0 {
			t.Errorf("cookies %v: %d answers to %d ACKs, %d were looked at as cookies, %d connections", mode, answers, n, looked, e.Len())
		}
	}
}

// A6: the ACK of a cookie that comes again is nothing for a connection that lives, does not
// get past TIME-WAIT, and makes but a new connection when the old one has gone.
func TestCookieReplay(t *testing.T) {
	e, l := server(t, Config{Cookies: CookiesAlways, MSL: msl})
	now, name := clock.Time(time.Hour), numbered(false, 3)
	s := synSegment(name, 100, false)
	e.Receive(now, path1500, &name, &s)
	synAck, _ := drain(e, now)
	en := finish(t, e, l, now, name, 100, synAck.TCP)
	replay := func(what string, most int, want State) {
		t.Helper()
		for range 50 {
			a := ackOf(name, 100, synAck.TCP)
			e.Receive(now, path1500, &name, &a)
			_, n := drain(e, now)
			if other := e.Accept(l); n > most || other != nil || en.state != want || e.Len() != 1 {
				t.Fatalf("%s: %d answers, another connection %v, %v, %d connections", what, n, other != nil, en.state, e.Len())
			}
		}
	}
	replay("while it lives", 0, Established)
	e.CloseWrite(now, en)
	drain(e, now)
	replay("in FIN-WAIT-1", 0, FinWait1)
	f := Segment{TCP: wire.TCP{SrcPort: name.RemotePort, DstPort: 80, Seq: 101, Ack: synAck.Seq + 2, Flags: wire.ACK | wire.FIN, Window: 100}}
	e.Receive(now, path1500, &name, &f)
	drain(e, now)
	replay("in TIME-WAIT", 1, TimeWait)
	e.Close(now, en)
	for e.Len() > 0 {
		now = max(now, e.Deadline())
		e.Advance(now)
		drain(e, now)
	}
	a := ackOf(name, 100, synAck.TCP) // 2MSL later, and the cookie is as old
	e.Receive(now, path1500, &name, &a)
	if again := e.Accept(l); again != nil && (again.state != Established || e.Len() != 1) {
		t.Errorf("then it makes %d connections, %v", e.Len(), again.state)
	}
}

// A7: between the SYN, the same again, and the ACK the entry may go at any time, by a flood
// that begins or ends: a client that keeps to the rules gets in, and never a RST, also when
// its text overtakes the ACK.
func TestFloodsBetween(t *testing.T) {
	for when := range 1 << 4 {
		for _, again := range []int{0, 1, 3} {
			for _, last := range []string{"ACK", "text with it", "text and then the ACK"} {
				e, l := server(t, Config{MaxHalfOpen: 4, AttackEnter: 20, Secret: [16]byte{byte(when)}})
				f := &floodedLink{T: t, e: e, l: l, r: rand.New(rand.NewPCG(uint64(when), 1)), now: clock.Time(time.Hour)}
				f.flood(when&1 != 0)
				name := numbered(when%3 == 0, 5)
				var synAck Output
				for i := range 1 + again {
					s := synSegment(name, 100, true)
					e.Receive(f.now, path1500, &name, &s)
					answer, n := drain(e, f.now)
					if n != 1 || answer.Flags != wire.SYN|wire.ACK {
						t.Fatalf("SYN %d is answered by %d segments, %v", i, n, answer.Flags)
					}
					synAck = answer
					f.flood(when&(2<<i) != 0)
				}
				a := ackOf(name, 100, synAck.TCP)
				if last != "ACK" {
					text := a
					text.Len, text.Views = 10, twoViews(patternBytes(1, 10))
					borrowed := text.Views
					e.Receive(f.now, path1500, &name, &text)
					for _, v := range borrowed {
						v.Release()
					}
				}
				if last != "text with it" {
					e.Receive(f.now, path1500, &name, &a)
				}
				en := e.Accept(l)
				for out := (Output{}); e.Output(f.now, &out); {
					if out.Tuple == name && out.Flags.Has(wire.RST) {
						t.Fatalf("floods %04b, %d SYNs, %s: a RST", when, 1+again, last)
					}
				}
				if en == nil || en.state != Established || (last != "ACK") != (en.Buffered() == 10) {
					t.Fatalf("floods %04b, %d SYNs, %s: no connection", when, 1+again, last)
				}
				for _, v := range e.Take(f.now, en, 100, nil) {
					v.Release()
				}
			}
		}
	}
}

// flood has many SYNs arrive, or a minute pass in which none does.
func (f *floodedLink) flood(on bool) {
	for range map[bool]int{true: 60, false: 0}[on] {
		tuple, s := spoofed(f.r, false, true)
		f.e.Receive(f.now, path1500, &tuple, &s)
		drain(f.e, f.now)
		f.now = f.now.Add(time.Millisecond)
	}
	f.e.Advance(f.now)
	drain(f.e, f.now)
}

// A8: an ACK that brings a cookie back and echoes something else than the SYN-ACK said
// opens nothing; no echo selects options that the SYN did not ask for.
func TestForgedEchoOfACookie(t *testing.T) {
	opened := 0
	for echo := range uint32(1 << 10) {
		e, l := server(t, Config{Cookies: CookiesAlways})
		now, name := clock.Time(time.Hour), numbered(false, 3)
		s := synSegment(name, 100, true)
		s.Options.Set &^= wire.OptWindowScale
		e.Receive(now, path1500, &name, &s)
		synAck, _ := drain(e, now)
		a := ackOf(name, 100, synAck.TCP)
		a.Options.TSEcr ^= echo
		e.Receive(now, path1500, &name, &a)
		if en := e.Accept(l); en != nil {
			if opened++; en.has(scaling) || en.snd.shift > 0 || !en.has(sackOK) {
				t.Errorf("echo changed by %#x: scale %d", echo, en.snd.shift)
			}
		}
	}
	if opened < 1 || opened > 2 { // the bit beyond those that say something is a matter of time
		t.Errorf("%d echoes of %d open a connection", opened, 1<<10)
	}
}

// A10: a program that does not accept: a hundred thousand handshakes leave what the
// backlog holds, and it is served again when it does.
func TestNobodyAccepts(t *testing.T) {
	e, _ := server(t, Config{MaxHalfOpen: 256})
	l, err := e.Listen(wire.Addr{}, 443, 1, "slow")
	if err != nil {
		t.Fatal(err)
	}
	now := clock.Time(time.Hour)
	for i := range int(few(100_000)) {
		name := numbered(i%2 == 0, i)
		name.LocalPort = 443
		s := synSegment(name, 7, true)
		e.Receive(now, path1500, &name, &s)
		out, n := drain(e, now)
		if n > 0 {
			a := ackOf(name, 7, out.TCP)
			e.Receive(now, path1500, &name, &a)
			drain(e, now)
		}
		now = now.Add(50 * time.Microsecond)
		e.Advance(now)
		if e.conns.count > 1 || e.Len() > 1+256 {
			t.Fatalf("%d connections, %d of them whole", e.Len(), e.conns.count)
		}
	}
	for range 100 { // all who wait are given up
		if e.halfOpen.count == 0 {
			break
		}
		now = max(now, e.Deadline())
		e.Advance(now)
		drain(e, now)
	}
	if e.halfOpen.count > 0 || now.Sub(clock.Time(time.Hour)) > 2*time.Minute {
		t.Errorf("%d wait still, after %v", e.halfOpen.count, now.Sub(clock.Time(time.Hour)))
	}
	e.Abort(now, e.Accept(l))
	drain(e, now)
	name := numbered(false, 1<<18)
	name.LocalPort = 443
	honest(t, e, l, now, name, 9, true)
}

// A14: a hundred peers that keep their windows shut, and answer each probe, over programs
// that write all that they may: the budget holds, and another connection gets in and has
// its text carried.
func TestShutWindowsHoldTheBudget(t *testing.T) {
	const budget, conns = 2_000_000, 100
	a := newAttackers(t, Config{BufferMemory: budget}, conns)
	for i, p := range a.peers {
		p.arrive(". 1:1(0) ack 1 win 0")
		for en := a.entries[i]; en.SendSpace() > 0; {
			if !a.e.SendCopy(a.now, en, make([]byte, 8<<10)) {
				break
			}
		}
	}
	a.drain()
	for end := a.now.Add(30 * time.Minute); a.now < end; {
		a.now = max(a.now, min(a.e.Deadline(), end))
		a.e.Advance(a.now)
		for out := (Output{}); a.e.Output(a.now, &out); {
			for _, v := range out.Views {
				v.Release()
			}
			p := a.peers[out.Tuple.RemotePort-1000]
			s := Segment{TCP: wire.TCP{SrcPort: p.tuple.RemotePort, DstPort: 80, Seq: p.peer + 1, Ack: out.Seq, Flags: wire.ACK}}
			a.e.Receive(a.now, a.path, &p.tuple, &s)
		}
		if used, _, _ := a.e.BufferMemory(); used > budget+conns*(8<<10) {
			t.Fatalf("the buffers hold %d bytes", used)
		}
	}
	for i, en := range a.entries {
		if en.state != Established {
			t.Fatalf("connection %d is %v", i, en.state)
		}
	}
	p := a.from(999, 5)
	en := p.handshake("S 0:0(0) <mss 1460>", ". 1:1(0) ack 1")
	for at := 1; at < 20000; at += 1000 {
		p.arrive(fmt.Sprintf("P. %d:%d(1000) ack 1", at, at+1000))
		a.drain()
		if n := en.Buffered(); n != 1000 {
			t.Fatalf("%d of 1000 bytes arrive", n)
		}
		for _, v := range a.e.Take(a.now, en, 1<<20, nil) {
			v.Release()
		}
		a.drain()
	}
	for _, en := range a.entries {
		a.e.Abort(a.now, en)
	}
	a.drain()
}
