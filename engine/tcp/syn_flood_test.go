package tcp

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/secret"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/alike"
)

// spoofed returns the SYN of a source that does not exist.
func spoofed(r *rand.Rand, v6, timestamps bool) (wire.Tuple, Segment) {
	t := wire.Tuple{Local: addrB, LocalPort: 80, RemotePort: uint16(1024 + r.IntN(60000)), Remote: addrA}
	if v6 {
		t.Local = wire.AddrFrom16([16]byte{0: 0xfd, 15: 2})
		t.Remote = wire.AddrFromWords(0x2001<<48|r.Uint64()>>16, r.Uint64())
	} else {
		t.Remote = wire.AddrFrom4(r.Uint32())
	}
	return t, synSegment(t, seq.Num(r.Uint32()), timestamps)
}

func synSegment(t wire.Tuple, isn seq.Num, timestamps bool) Segment {
	s := Segment{TCP: wire.TCP{SrcPort: t.RemotePort, DstPort: t.LocalPort, Seq: isn, Flags: wire.SYN, Window: 64240}}
	s.Options = wire.Options{Set: wire.OptMSS | wire.OptSACKPermitted | wire.OptWindowScale, MSS: 1460, WindowScale: 7}
	if timestamps {
		s.Options.Set |= wire.OptTimestamps
		s.Options.TSVal = uint32(isn) ^ 0x5555
	}
	return s
}

// server is an endpoint with a listener on port 80.
func server(tb testing.TB, cfg Config) (*Endpoint, *Listener) {
	tb.Helper()
	e := NewEndpoint(&cfg)
	l, err := e.Listen(wire.Addr{}, 80, 4096, "listener")
	if err != nil {
		tb.Fatal(err)
	}
	return e, l
}

var path1500 = Path{MTU: 1500}

// drain pulls what e sends and returns the last segment.
func drain(e *Endpoint, now clock.Time) (last Output, n int) {
	for out := (Output{}); e.Output(now, &out); n++ {
		last = out
	}
	return last, n
}

// honest opens a connection as a client with all options, and returns it.
func honest(tb testing.TB, e *Endpoint, l *Listener, now clock.Time, t wire.Tuple, isn seq.Num, timestamps bool) *Entry {
	tb.Helper()
	s := synSegment(t, isn, timestamps)
	e.Receive(now, path1500, &t, &s)
	var out Output
	if !e.Output(now, &out) || out.Flags != wire.SYN|wire.ACK || out.Ack != isn+1 {
		tb.Fatalf("no SYN-ACK but %v", out.TCP)
	}
	return finish(tb, e, l, now, t, isn, out.TCP)
}

func ackOf(t wire.Tuple, isn seq.Num, synAck wire.TCP) Segment {
	a := Segment{TCP: wire.TCP{SrcPort: t.RemotePort, DstPort: t.LocalPort, Seq: isn + 1, Ack: synAck.Seq + 1,
		Flags: wire.ACK, Window: 502}}
	if synAck.Options.Has(wire.OptTimestamps) {
		a.Options = wire.Options{Set: wire.OptTimestamps, TSVal: uint32(isn) ^ 0x5555 + 1, TSEcr: synAck.Options.TSVal}
	}
	return a
}

func finish(tb testing.TB, e *Endpoint, l *Listener, now clock.Time, t wire.Tuple, isn seq.Num, synAck wire.TCP) *Entry {
	tb.Helper()
	a := ackOf(t, isn, synAck)
	e.Receive(now, path1500, &t, &a)
	en := e.Accept(l)
	if en == nil {
		tb.Fatalf("ACK of the SYN-ACK %v opens nothing", synAck)
	}
	return en
}

func TestCompactEntrySizes(t *testing.T) {
	if n := unsafe.Sizeof(compactEntry[key4, halfOpen]{}); n > 64 {
		t.Errorf("a half-open entry takes %d bytes", n)
	}
	if n := unsafe.Sizeof(compactEntry[key6, halfOpen]{}); n > 84 {
		t.Errorf("a half-open entry of IPv6 takes %d bytes", n)
	}
	if n := unsafe.Sizeof(compactEntry[key4, timeWait]{}); n > 48 {
		t.Errorf("an entry in TIME-WAIT takes %d bytes", n)
	}
	if n := unsafe.Sizeof(compactEntry[key6, timeWait]{}); n > 72 {
		t.Errorf("an entry in TIME-WAIT of IPv6 takes %d bytes", n)
	}
}

// TestFloodKeepsHonestClients is the promise of the accept path, in each mode:
// spoofed SYNs arrive without end, and everyone who means it gets in, with
// window scale and SACK.
func TestFloodKeepsHonestClients(t *testing.T) {
	spoofs := 20000
	if alike.Raced {
		spoofs = 6000
	}
	for _, mode := range []CookieMode{CookiesAuto, CookiesAlways} {
		for _, v6 := range []bool{false, true} {
			for _, timestamps := range []bool{false, true} {
				t.Run(fmt.Sprintf("cookies=%v/v6=%v/timestamps=%v", mode, v6, timestamps), func(t *testing.T) {
					flood(t, Config{Cookies: mode}, v6, timestamps, spoofs, 200)
				})
			}
		}
	}
}

func flood(t *testing.T, cfg Config, v6, timestamps bool, spoofs, clients int) {
	r := rand.New(rand.NewPCG(7, 7))
	e, l := server(t, cfg)
	now := clock.Time(time.Hour)
	type waiting struct {
		t      wire.Tuple
		isn    seq.Num
		synAck wire.TCP
	}
	var waits []waiting
	for i := range spoofs {
		now = now.Add(30 * time.Microsecond)
		e.Advance(now)
		tuple, s := spoofed(r, v6, timestamps)
		isn := s.Seq
		e.Receive(now, path1500, &tuple, &s)
		out, _ := drain(e, now)
		if i%(spoofs/clients) == 0 {
			waits = append(waits, waiting{tuple, isn, out.TCP})
		}
	}
	for _, w := range waits { // the last ACK comes up to 0.6 s late: most entries are gone
		en := finish(t, e, l, now, w.t, w.isn, w.synAck)
		if en.State() != Established || !en.has(sackOK) || !en.has(scaling) || en.snd.shift != 7 || en.snd.peer < 1440 || en.has(stamping) != timestamps {
			t.Fatalf("poor connection: %v sack %v scale %v %d mss %d", en.State(), en.has(sackOK), en.has(scaling), en.snd.shift, en.snd.peer)
		}
	}
	if n := e.halfOpen.count; n > e.cfg.MaxHalfOpen {
		t.Errorf("%d half-open entries", n)
	}
}

// TestHalfOpenCountsReturn: a million times SYN, SYN-ACK, and then RST or
// silence, leave nothing; or ten million times with HANDFAST_MANY=10.
func TestHalfOpenCountsReturn(t *testing.T) {
	n := many(1_000_000)
	e, _ := server(t, Config{})
	r := rand.New(rand.NewPCG(3, 3))
	now := clock.Time(time.Hour)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		now = now.Add(10 * time.Microsecond)
		if i%64 == 0 {
			e.Advance(now)
		}
		tuple, s := spoofed(r, false, true)
		isn := s.Seq
		e.Receive(now, path1500, &tuple, &s)
		drain(e, now)
		if i%2 == 0 {
			rst := Segment{TCP: wire.TCP{SrcPort: tuple.RemotePort, DstPort: 80, Seq: isn + 1, Flags: wire.RST}}
			e.Receive(now, path1500, &tuple, &rst)
		}
	}
	for e.Deadline() != clock.Never {
		now = max(now, e.Deadline())
		e.Advance(now)
		drain(e, now)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if e.Len() != 0 || e.halfOpen.count != 0 {
		t.Errorf("%d entries are left", e.Len())
	}
	for i, n := range e.halfOpen.shares {
		if n != 0 {
			t.Fatalf("share %d is %d", i, n)
		}
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	if e.UnderAttack() {
		now = now.Add(attackHoldMax)
		e.Advance(now)
		if e.UnderAttack() {
			t.Error("the attack never ends")
		}
	}
}

// TestSharedKeys: two hosts with the same keys take each other's cookies, the
// state of a connection is the same, and its timestamps go on.
func TestSharedKeys(t *testing.T) {
	keys := CookieKeys{Epoch: 7, Base: [16]byte{1}, Previous: [16]byte{2}, Current: [16]byte{3}, Next: [16]byte{4}}
	for _, timestamps := range []bool{false, true} {
		a, _ := server(t, Config{Secret: [16]byte{1}, Cookies: CookiesAlways})
		b, l := server(t, Config{Secret: [16]byte{2}})
		a.ShareCookieKeys(keys)
		b.ShareCookieKeys(CookieKeys{Epoch: 8, Base: keys.Base, Previous: keys.Current, Current: keys.Next, Next: [16]byte{5}})
		r := rand.New(rand.NewPCG(1, 1))
		tuple, s := spoofed(r, false, timestamps)
		isn := s.Seq
		a.Receive(clock.Time(time.Hour), path1500, &tuple, &s)
		out, _ := drain(a, clock.Time(time.Hour))
		now := clock.Time(time.Minute) // its clock is another
		en := finish(t, b, l, now, tuple, isn, out.TCP)
		if !en.has(sackOK) || en.snd.shift != 7 {
			t.Error("options are lost")
		}
		if timestamps {
			b.SendCopy(now, en, []byte("x"))
			data, _ := drain(b, now)
			if int32(data.Options.TSVal-out.Options.TSVal) < 0 {
				t.Errorf("timestamps fall from %d to %d", out.Options.TSVal, data.Options.TSVal)
			}
			stampsInTimeWait(t, b, now, en, data)
		}
	}
}

// TestSharedKeysOfRepeatedSyn: the timestamps of a host that believes a cookie of its own do
// not fall below those of a SYN-ACK that it sent after the one that is acknowledged.
func TestSharedKeysOfRepeatedSyn(t *testing.T) {
	for step := range time.Duration(30) {
		e, l := server(t, Config{Cookies: CookiesAlways})
		e.ShareCookieKeys(CookieKeys{Epoch: 7, Base: [16]byte{1}, Current: [16]byte{3}})
		tuple, s := spoofed(rand.New(rand.NewPCG(1, 1)), false, true)
		isn, now := s.Seq, clock.Time(time.Hour)
		var synAcks []Output
		for range 2 {
			again := s
			e.Receive(now, path1500, &tuple, &again)
			out, _ := drain(e, now)
			synAcks = append(synAcks, out)
			now = now.Add(step * 100 * time.Millisecond)
		}
		en := finish(t, e, l, now, tuple, isn, synAcks[0].TCP)
		e.SendCopy(now, en, []byte("x"))
		data, _ := drain(e, now)
		if int32(data.Options.TSVal-synAcks[1].Options.TSVal) < 0 {
			t.Errorf("%v apart: timestamps fall from %d to %d", step*100*time.Millisecond, synAcks[1].Options.TSVal, data.Options.TSVal)
		}
	}
}

// stampsInTimeWait closes a connection, this end first, and wants the timestamps of what
// answers a repeated FIN not to fall below those before.
func stampsInTimeWait(t *testing.T, e *Endpoint, now clock.Time, en *Entry, last Output) {
	t.Helper()
	e.Close(now, en)
	fin, _ := drain(e, now)
	tuple := fin.Tuple
	s := Segment{TCP: wire.TCP{Flags: wire.FIN | wire.ACK, Seq: fin.Ack, Ack: fin.Seq.Add(1), Window: 1000,
		Options: wire.Options{Set: wire.OptTimestamps, TSVal: fin.Options.TSEcr, TSEcr: fin.Options.TSVal}}}
	for i := range 3 {
		again := s
		e.Receive(now, path1500, &tuple, &again)
		ack, n := drain(e, now)
		if n != 1 || ack.Flags != wire.ACK || e.timeWait.count != 1 {
			t.Fatalf("FIN %d is answered by %d segments, %v; in TIME-WAIT are %d", i, n, ack.Flags, e.timeWait.count)
		}
		if int32(ack.Options.TSVal-last.Options.TSVal) < 0 {
			t.Errorf("timestamps fall from %d to %d", last.Options.TSVal, ack.Options.TSVal)
		}
		now, last = now.Add(time.Second), ack
	}
}

// TestNewKeysForOld: connections in compact form are found when the keys change
// that their hashes are made with.
func TestNewKeysForOld(t *testing.T) {
	e, l := server(t, Config{})
	r := rand.New(rand.NewPCG(4, 4))
	now := clock.Time(time.Hour)
	isns := map[wire.Tuple]seq.Num{}
	for i := range 200 {
		tuple, s := spoofed(r, i%3 == 0, true)
		isns[tuple] = s.Seq
		e.Receive(now, path1500, &tuple, &s)
	}
	e.ShareCookieKeys(CookieKeys{Epoch: 7, Base: [16]byte{9}, Current: [16]byte{3}})
	answers := 0
	for out := (Output{}); e.Output(now, &out); {
		if out.Flags != wire.SYN|wire.ACK {
			continue
		}
		if answers++; answers <= 100 {
			e.Abort(now, finish(t, e, l, now, out.Tuple, isns[out.Tuple], out.TCP))
		}
	}
	if answers != 200 || e.halfOpen.count != 100 {
		t.Errorf("%d are answered, %d are half-open", answers, e.halfOpen.count)
	}
	for e.Deadline() != clock.Never {
		now = max(now, e.Deadline())
		e.Advance(now)
		drain(e, now)
	}
	if e.Len() != 0 {
		t.Errorf("%d connections are left", e.Len())
	}
}

// TestEvictionIsFair: one source that fills the cache loses its own entries.
func TestEvictionIsFair(t *testing.T) {
	e, _ := server(t, Config{MaxHalfOpen: 512, AttackEnter: 1 << 30})
	r := rand.New(rand.NewPCG(1, 1))
	now := clock.Time(time.Hour)
	var few []wire.Tuple
	for i := range 100 {
		tuple, s := spoofed(r, false, true)
		tuple.Remote = wire.AddrFrom4(100<<24 | uint32(i)<<16 | uint32(i)<<8 | tuple.Remote.As4()&0xff)
		few = append(few, tuple)
		e.Receive(now, path1500, &tuple, &s)
		drain(e, now)
	}
	for range 20000 {
		tuple, s := spoofed(r, false, true)
		tuple.Remote = wire.AddrFrom4(203<<24 | 113<<8 | tuple.Remote.As4()&0xff)
		e.Receive(now, path1500, &tuple, &s)
		drain(e, now)
	}
	kept := 0
	for i := range few {
		if e.halfOpen.find(e.cookies.flow(&few[i]), &few[i]) != 0 {
			kept++
		}
	}
	if kept < 95 {
		t.Errorf("of 100 entries of others %d are left", kept)
	}
}

// TestBurstOfSyns: all SYNs of a burst are answered, however many come before
// the first answer goes out.
func TestBurstOfSyns(t *testing.T) {
	for _, limit := range []int{16, 128, 4096} {
		e, l := server(t, Config{MaxHalfOpen: limit})
		r := rand.New(rand.NewPCG(1, 1))
		now := clock.Time(time.Hour)
		isns := map[wire.Tuple]seq.Num{}
		for range 700 {
			tuple, s := spoofed(r, false, true)
			isns[tuple] = s.Seq
			e.Receive(now, path1500, &tuple, &s)
		}
		answers := map[wire.Tuple]wire.TCP{}
		for out := (Output{}); e.Output(now, &out); {
			answers[out.Tuple] = out.TCP
		}
		if len(answers) != len(isns) {
			t.Fatalf("limit %d: %d SYNs, %d answers", limit, len(isns), len(answers))
		}
		for tuple, synAck := range answers {
			finish(t, e, l, now, tuple, isns[tuple], synAck)
		}
	}
}

// TestWithoutCookies shows what the defence is worth: without it the queue is
// full and the honest client stays outside.
func TestWithoutCookies(t *testing.T) {
	e, _ := server(t, Config{Cookies: CookiesOff, MaxHalfOpen: 128})
	r := rand.New(rand.NewPCG(1, 1))
	now := clock.Time(time.Hour)
	for range 1000 {
		tuple, s := spoofed(r, false, true)
		e.Receive(now, path1500, &tuple, &s)
		drain(e, now)
	}
	tuple, s := spoofed(r, false, true)
	if d := e.Receive(now, path1500, &tuple, &s); d != wire.ListenFull {
		t.Errorf("a SYN into a full queue is %v", d)
	}
	if n := e.Counters().TCPReqQFullDrop; n < 800 {
		t.Errorf("TCPReqQFullDrop is %d", n)
	}
}

// TestVerdictBeforeSynAck: a SYN waits until the program has decided.
func TestVerdictBeforeSynAck(t *testing.T) {
	for flags, verdict := range map[wire.Flags]func(*Endpoint, clock.Time, Syn) bool{
		wire.SYN | wire.ACK: (*Endpoint).AcceptSyn,
		wire.RST | wire.ACK: (*Endpoint).ResetSyn,
		0:                   func(e *Endpoint, _ clock.Time, y Syn) bool { return e.IgnoreSyn(y) },
	} {
		e, l := server(t, Config{})
		l.Ask = true
		now := clock.Time(time.Hour)
		tuple, s := spoofed(rand.New(rand.NewPCG(1, 1)), false, true)
		isn := s.Seq
		e.Receive(now, path1500, &tuple, &s)
		again := synSegment(tuple, isn, true)
		e.Receive(now, path1500, &tuple, &again)
		if _, n := drain(e, now); n != 0 {
			t.Fatalf("%d segments before the verdict", n)
		}
		y, ok := e.NextSyn()
		if _, twice := e.NextSyn(); !ok || twice || y.Tuple != tuple || y.Listener != l {
			t.Fatalf("asked %v, %v, twice %v", y, ok, twice)
		}
		now = now.Add(5 * time.Second)
		e.Advance(now)
		if !verdict(e, now, y) || verdict(e, now, y) {
			t.Error("a verdict counts once")
		}
		out, n := drain(e, now)
		if flags == 0 && n != 0 || flags != 0 && out.Flags != flags {
			t.Errorf("instead of %v it sends %d segments, the last %v", flags, n, out.Flags)
		}
		if flags.Has(wire.SYN) {
			if en := finish(t, e, l, now, tuple, isn, out.TCP); en.snd.shift != 7 {
				t.Error("options are lost")
			}
		} else if e.Len() != 0 {
			t.Error("something is left")
		}
	}
}

// TestVerdictBeforeSynAckInOneBatch: a SYN waits for its own verdict, also when
// one before it on the same four-tuple was accepted, and reset, and its SYN-ACK
// has not gone out.
func TestVerdictBeforeSynAckInOneBatch(t *testing.T) {
	e, l := server(t, Config{})
	l.Ask = true
	now := clock.Time(time.Hour)
	tuple, s := spoofed(rand.New(rand.NewPCG(1, 1)), false, true)
	isn := s.Seq
	e.Receive(now, path1500, &tuple, &s)
	y, _ := e.NextSyn()
	e.AcceptSyn(now, y)
	rst := Segment{TCP: wire.TCP{SrcPort: tuple.RemotePort, DstPort: 80, Seq: isn + 1, Flags: wire.RST}}
	e.Receive(now, path1500, &tuple, &rst)
	again := synSegment(tuple, isn+1000, true)
	e.Receive(now, path1500, &tuple, &again)
	if out, n := drain(e, now); n != 0 {
		t.Errorf("%v before the verdict", out.Flags)
	}
	y, _ = e.NextSyn()
	e.AcceptSyn(now, y)
	if out, n := drain(e, now); n != 1 || out.Ack != isn+1001 {
		t.Errorf("%d segments after the verdict, ack %d", n, out.Ack)
	}
}

// TestResetOfSynThatWaits: a SYN that waits for its verdict is taken back by a RST with the
// number behind it, and by no other.
func TestResetOfSynThatWaits(t *testing.T) {
	for _, past := range []seq.Num{0, 1, 2, 1000, 1 << 31} {
		e, l := server(t, Config{})
		l.Ask = true
		now := clock.Time(time.Hour)
		tuple, s := spoofed(rand.New(rand.NewPCG(1, 1)), false, true)
		isn := s.Seq
		e.Receive(now, path1500, &tuple, &s)
		rst := Segment{TCP: wire.TCP{SrcPort: tuple.RemotePort, DstPort: 80, Seq: isn + past, Flags: wire.RST}}
		e.Receive(now, path1500, &tuple, &rst)
		if y, ok := e.NextSyn(); ok != (past != 1) || ok && !e.AcceptSyn(now, y) {
			t.Errorf("a RST %d past the SYN: it waits %v", past, ok)
		}
	}
}

// TestPendingVerdictsExpire: ten thousand wait, one more is served at once, and
// nothing is left in the end.
func TestPendingVerdictsExpire(t *testing.T) {
	e, l := server(t, Config{MaxHalfOpen: 20000})
	other, _ := e.Listen(wire.Addr{}, 443, 10, "other")
	l.Ask = true
	r := rand.New(rand.NewPCG(1, 1))
	now := clock.Time(time.Hour)
	for range 10000 {
		tuple, s := spoofed(r, false, true)
		e.Receive(now, path1500, &tuple, &s)
	}
	tuple, s := spoofed(r, false, true)
	tuple.LocalPort = 443
	honest(t, e, other, now, tuple, s.Seq, true)
	e.Advance(now.Add(e.cfg.VerdictTimeout))
	if e.halfOpen.count != 0 {
		t.Errorf("%d still wait", e.halfOpen.count)
	}
}

// TestListenEveryPort is what a forwarder does.
func TestListenEveryPort(t *testing.T) {
	e := NewEndpoint(&Config{})
	l, err := e.Listen(wire.Addr{}, 0, 10, "forwarder")
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for port := uint16(1); port < 60000; port += 7777 {
		tuple, s := spoofed(r, port%2 == 0, true)
		tuple.LocalPort = port
		honest(t, e, l, clock.Time(time.Hour), tuple, s.Seq, true)
	}
}

// BenchmarkSYN is a spoofed SYN to the SYN-ACK that answers it.
func BenchmarkSYN(b *testing.B) {
	for _, mode := range []CookieMode{CookiesAlways, CookiesAuto} {
		for _, v6 := range []bool{false, true} {
			for _, timestamps := range []bool{true, false} {
				b.Run(fmt.Sprintf("cookies=%v/v6=%v/timestamps=%v", mode, v6, timestamps), func(b *testing.B) {
					e, _ := server(b, Config{Cookies: mode, AttackEnter: 1 << 30})
					r := rand.New(rand.NewPCG(1, 1))
					tuples, syns := make([]wire.Tuple, 1<<16), make([]Segment, 1<<16)
					for i := range tuples {
						tuples[i], syns[i] = spoofed(r, v6, timestamps)
					}
					now := clock.Time(time.Hour)
					var out Output
					b.ReportAllocs()
					for i := 0; b.Loop(); i++ {
						now += 1000
						s := &syns[i%len(syns)]
						e.Receive(now, path1500, &tuples[i%len(syns)], s)
						if !e.Output(now, &out) {
							b.Fatal("no answer")
						}
					}
				})
			}
		}
	}
}

// TestAttackHolds: an attack lasts for the hold time at least, and each that follows soon
// lasts twice as long, up to a bound; after a calm it begins anew.
func TestAttackHolds(t *testing.T) {
	cfg := (&Config{AttackEnter: 10, AttackLeave: 5}).withDefaults()
	var a attack
	now := clock.Time(time.Hour)
	lasts := func() (d time.Duration) {
		a.watch(now, 10, cfg)
		for ; a.on; d += time.Second {
			now = now.Add(time.Second)
			a.watch(now, 4, cfg)
		}
		return d
	}
	want := attackHold
	for range 12 {
		if d := lasts(); d != want {
			t.Fatalf("it lasts %v, want %v", d, want)
		}
		now = now.Add(want - time.Second)
		want = min(2*want, attackHoldMax)
	}
	now = now.Add(time.Hour)
	if d := lasts(); d != attackHold {
		t.Errorf("after a calm it lasts %v", d)
	}
}

// TestSynAcksInAttack: once an attack is on, a SYN-ACK is repeated once, and then its entry goes.
func TestSynAcksInAttack(t *testing.T) {
	for _, attacked := range []bool{false, true} {
		h := serving(t, Config{MaxHalfOpen: 100, AttackEnter: 4, AttackLeave: 1}, 5)
		n := uint16(3)
		if attacked {
			n = 4
		}
		for i := range n {
			p := h.from(1000+i, 7)
			p.receive("S 0:0(0) <mss 1460>")
			p.wantAny("SYN-ACK", wire.SYN|wire.ACK)
		}
		repeated := 0
		for end := h.now.Add(2 * time.Minute); h.e.Deadline() <= end; {
			h.now = max(h.now, h.e.Deadline())
			h.e.Advance(h.now)
			_, k := drain(h.e, h.now)
			repeated += k
		}
		want := 5 * int(n)
		if attacked {
			want = attackRetries * int(n)
		}
		if repeated != want || h.e.Len() != 0 {
			t.Errorf("attacked %v: %d SYN-ACKs of %d are repeated, want %d; %d entries are left", attacked, repeated, n, want, h.e.Len())
		}
	}
}

// TestPlacesAreSecret: where tables keep a connection depends on the secret, whatever of its
// hash a peer has seen.
func TestPlacesAreSecret(t *testing.T) {
	a, b := newCookies(secret.New([16]byte{1})), newCookies(secret.New([16]byte{2}))
	c, d := NewEndpoint(&Config{Secret: [16]byte{1}}), NewEndpoint(&Config{Secret: [16]byte{2}})
	r := rand.New(rand.NewPCG(1, 1))
	slots, places := 0, 0
	for range 1000 {
		tuple, _ := spoofed(r, false, true)
		f := flow(r.Uint64())
		if a.slot(f)>>24 == b.slot(f)>>24 {
			slots++
		}
		if c.conns.hash(&tuple)>>24 == d.conns.hash(&tuple)>>24 {
			places++
		}
	}
	if slots > 30 || places > 30 { // of 256 places, about 4 by chance
		t.Errorf("of 1000, %d are in the same place by the hash of the flow, and %d by that of the connection", slots, places)
	}
}
