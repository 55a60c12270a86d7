package tcp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/oracle"
)

// arena is two endpoints and a wire that the fuzzer plays: it lets segments
// through, loses, doubles, reorders, changes and invents them, lets time pass,
// and makes the programs' calls.
type arena struct {
	testing.TB
	now      clock.Time
	ends     [2]*Endpoint
	listener *Listener
	entries  [2]*Entry
	gone     [2]bool
	audits   [2]audit
	wire     []flying
	path     Path
	sent     [2]int // bytes that programs wrote: each is what its place says
	got      [2]int // and read
	honest   bool   // nobody changes or invents segments
	forged   bool   // some segment was not what an end has sent: the streams may differ
	ops      []byte
	all      []byte // the whole input
	relation oracle.Relation
	heard    []oracle.Segment // what answers the segment that came
	told     bool             // log is kept: to write it costs more than to play
	log      []string
}

const (
	arenaPort  = 80
	mostFlying = 500 // segments under way; more are lost
)

func newArena(tb testing.TB, ops []byte) *arena {
	return makeArena(tb, ops, false)
}

func makeArena(tb testing.TB, ops []byte, told bool) *arena {
	a := &arena{TB: tb, now: clock.Time(time.Hour), path: Path{MTU: 1500}, ops: ops, all: ops, told: told}
	for i := range a.ends {
		cfg := Config{ReceiveBuffer: 4096 << (a.op() % 6), SendBuffer: 1 << 16, UserTimeout: time.Minute,
			NoSACK: a.op()&1 != 0, NoTimestamps: a.op()&1 != 0, NoWindowScale: a.op()&1 != 0}
		cfg.Secret[0], cfg.Secret[1] = byte(i), a.op()
		a.ends[i] = NewEndpoint(&cfg)
	}
	if a.op()&1 != 0 {
		a.path.MaxGSO = 65535
	}
	a.honest = a.op()&1 != 0
	a.listener, _ = a.ends[1].Listen(wire.Addr{}, arenaPort, 4, "listener")
	tuple := wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 1000, RemotePort: arenaPort}
	a.entries[0], _ = a.ends[0].Connect(a.now, a.path, tuple, "client")
	a.pull()
	a.watch()
	return a
}

// op takes the next byte of the fuzzer's input; 0 when there is none.
func (a *arena) op() byte {
	if len(a.ops) == 0 {
		return 0
	}
	b := a.ops[0]
	a.ops = a.ops[1:]
	return b
}

func (a *arena) fail(format string, args ...any) {
	a.Helper()
	text := fmt.Sprintf(format, args...)
	if !a.told { // the same again
		b := makeArena(a.TB, a.all, true)
		b.play()
		b.finish()
	}
	for _, l := range a.log[max(0, len(a.log)-40):] {
		text += "\n\t" + l
	}
	a.Fatal(text)
}

func (a *arena) note(format string, args ...any) {
	if a.told && len(a.log) < 1<<16 {
		a.log = append(a.log, fmt.Sprintf("%v ", a.now)+fmt.Sprintf(format, args...))
	}
}

// play does all that the input asks for, looking at both ends after each step.
func (a *arena) play() {
	for len(a.ops) > 0 {
		a.step(a.op())
		a.pull()
		a.watch()
	}
}

func (a *arena) step(op byte) {
	side := int(op & 1)
	switch op >> 1 % 12 {
	case 0, 1, 2, 3:
		a.deliver(int(a.op()), true)
	case 4:
		a.deliver(int(a.op()), false) // and again, later
	case 5:
		if n := len(a.wire); n > 0 {
			a.note("lost")
			a.wire = a.wire[1:]
		}
	case 6:
		a.pass(time.Duration(a.op()) * 10 * time.Millisecond)
	case 7:
		a.pass(a.due())
	case 8:
		if !a.honest {
			a.mutate(int(a.op()))
		}
	case 9:
		if !a.honest {
			a.invent(side)
		}
	default:
		a.call(side, a.op())
	}
}

// due is the time until the next deadline, or a little.
func (a *arena) due() time.Duration {
	d := min(a.ends[0].Deadline(), a.ends[1].Deadline())
	if d == clock.Never {
		return time.Millisecond
	}
	return max(d.Sub(a.now), 0)
}

func (a *arena) pass(d time.Duration) {
	a.now = a.now.Add(d)
	for i, e := range a.ends {
		for n := 0; e.Deadline() <= a.now; n++ {
			if n > 100 {
				a.fail("end %d: firing its timers does not move its deadline", i)
			}
			e.Advance(a.now)
			a.pull()
		}
	}
}

// pull moves what both ends send onto the wire.
func (a *arena) pull() {
	var out Output
	for i, e := range a.ends {
		for n := 0; e.Output(a.now, &out); n++ {
			if n > 5000 {
				a.fail("end %d does not stop sending", i)
			}
			f := flying{to: 1 - i, t: out.Tuple.Reverse(), s: out.Segment}
			for _, v := range out.Views {
				f.data = append(f.data, v.Bytes()...)
				v.Release()
			}
			if len(f.data) != out.Len {
				a.fail("a segment of %d bytes says %d", len(f.data), out.Len)
			}
			if len(a.wire) < mostFlying {
				a.wire = append(a.wire, f)
			}
			a.note("%d sends %v +%d", i, &out.TCP, out.Len)
		}
		for _, _, ok := e.NextReady(); ok; _, _, ok = e.NextReady() {
		}
	}
}

func (a *arena) deliver(which int, take bool) {
	if len(a.wire) == 0 {
		return
	}
	which %= min(len(a.wire), 4)
	f := a.wire[which]
	if take {
		a.wire = append(a.wire[:which], a.wire[which+1:]...)
	}
	a.arrive(f)
}

func (a *arena) arrive(f flying) {
	f.s.Views = twoViews(f.data)
	borrowed := f.s.Views
	a.note("to %d: %v +%d", f.to, &f.s.TCP, f.s.Len)
	a.pull() // so that all that is sent next is the answer
	sent, k := len(a.wire), oracle.Step{Before: viewed(a.ends[f.to].Look(f.t)), Segment: judged(&f.s), Unheard: f.s.GSOSize > 0}
	a.ends[f.to].Receive(a.now, a.path, &f.t, &f.s)
	for _, v := range borrowed {
		v.Release()
	}
	a.pull()
	a.judge(&k, &f, sent)
	if a.entries[1] == nil && f.to == 1 {
		if en := a.ends[1].Accept(a.listener); en != nil {
			en.Owner, a.entries[1] = "server", en
		}
	}
}

// judge holds what a segment brought about against RFC 9293 §3.10.7. On the wire its answers
// lie from place sent on.
func (a *arena) judge(k *oracle.Step, came *flying, sent int) {
	a.heard = a.heard[:0]
	for i := range a.wire[sent:] {
		if f := &a.wire[sent+i]; f.t == came.t.Reverse() {
			a.heard = append(a.heard, judged(&f.s))
		}
	}
	k.Replies, k.After = a.heard, viewed(a.ends[came.to].Look(came.t))
	k.Unheard = k.Unheard || len(a.wire) == mostFlying
	if err := a.relation.Check(k); err != nil {
		a.fail("%v", err)
	}
}

// mutate changes one thing of a segment under way.
func (a *arena) mutate(what int) {
	if len(a.wire) == 0 {
		return
	}
	a.forged = true
	f := a.wire[0]
	edge := []uint32{0, 1, 0xffffffff, 1 << 31, 1<<31 - 1, 65535, 1000}[a.op()%7]
	switch what % 7 {
	case 0:
		f.s.Seq += seq.Num(edge)
	case 1:
		f.s.Ack += seq.Num(edge)
	case 2:
		f.s.Flags ^= 1 << (edge % 9)
	case 3:
		f.s.Window = uint16(edge)
	case 4:
		f.s.Options.TSVal += edge
	case 5:
		f.s.Urgent, f.s.Flags = uint16(edge), f.s.Flags|wire.URG
	case 6:
		f.s.Options.Set ^= 1 << (edge % 5)
		f.s.Options.SACKBlocks %= 5
	}
	a.wire[0] = f
}

// invent makes a segment out of nothing, near to what the end expects.
func (a *arena) invent(side int) {
	en := a.entries[side]
	if en == nil {
		return
	}
	a.forged = true
	near := func(b byte) int32 { return int32(int8(b)) * int32(1+a.op()) }
	n := int(a.op()) * int(a.op()%8)
	s := Segment{TCP: wire.TCP{Seq: en.rcv.nxt + seq.Num(uint32(near(a.op()))), Ack: en.snd.una + seq.Num(uint32(near(a.op()))),
		Flags: wire.Flags(a.op()) | wire.ACK, Window: uint16(a.op()) << (a.op() % 9)}, Len: n}
	a.arrive(flying{to: side, t: en.tuple, s: s, data: make([]byte, n)})
}

// call is one of the program's calls.
func (a *arena) call(side int, what byte) {
	en, e := a.entries[side], a.ends[side]
	if en == nil || a.gone[side] {
		return
	}
	a.note("%d calls %d", side, what%16)
	switch what % 16 {
	case 0, 1, 2, 3, 4:
		n := 1 + int(a.op())<<(a.op()%6)
		if en.SendSpace() > 0 && e.SendCopy(a.now, en, patternBytes(int64(a.sent[side]), n)) {
			a.sent[side] += n
		}
	case 8:
		b := make([]byte, 1+int(a.op())*64)
		a.read(side, b[:e.Read(a.now, en, b)])
	case 5, 6, 7:
		for _, v := range e.Take(a.now, en, 1+int(a.op())*64, nil) {
			a.read(side, v.Bytes())
			v.Release()
		}
	case 9:
		e.CloseWrite(a.now, en)
	case 10:
		e.SetNoDelay(a.now, en, a.op()&1 != 0)
	case 11:
		e.SetKeepAlive(a.now, en, KeepAlive{Idle: time.Second, Interval: time.Second, Count: 3})
	case 12:
		e.SetReceiveBuffer(a.now, en, int(a.op())<<8)
	case 13:
		e.MarkUrgent(a.now, en)
	case 14:
		e.ReceiveICMP(a.now, en.tuple, ICMPError{Kind: ICMPKind(a.op() % 3), Failure: Refused, Seq: en.snd.una, MTU: int(a.op()) << 3})
	case 15:
		a.leave(side, a.op())
	}
}

// read holds what a program reads against what the other one wrote.
func (a *arena) read(side int, b []byte) {
	if end := a.got[side] + len(b); !a.forged && (end > a.sent[1-side] || !bytes.Equal(b, patternBytes(int64(a.got[side]), len(b)))) {
		a.fail("end %d has read what nobody wrote", side)
	}
	a.got[side] += len(b)
}

// leave ends the program's use of the connection, one way or the other.
func (a *arena) leave(side int, how byte) {
	en, e := a.entries[side], a.ends[side]
	switch how % 4 {
	case 0:
		e.CloseRead(a.now, en)
		return
	case 1:
		e.Abort(a.now, en)
	default:
		e.Close(a.now, en)
	}
	a.gone[side] = true
}

// watch holds both ends against the invariants.
func (a *arena) watch() {
	a.Helper()
	for i := range a.audits {
		if err := a.audits[i].check(a.ends[i], true); err != nil {
			a.fail("end %d: %v", i, err)
		}
	}
}

// finish lets both programs go and plays a wire that loses nothing: both ends
// must come to rest, empty.
func (a *arena) finish() {
	for range 20000 {
		a.pull()
		for i, en := range a.entries {
			if en != nil && !a.gone[i] {
				a.gone[i] = true
				a.ends[i].Close(a.now, en)
			}
		}
		if en := a.ends[1].Accept(a.listener); en != nil {
			a.ends[1].Abort(a.now, en)
		}
		a.pull()
		switch {
		case len(a.wire) > 0:
			a.deliver(0, true)
		case a.ends[0].Deadline() == clock.Never && a.ends[1].Deadline() == clock.Never:
			a.wantEmpty()
			return
		default:
			a.pass(a.due())
		}
	}
	a.fail("the ends do not come to rest")
}

func (a *arena) wantEmpty() {
	for i, e := range a.ends {
		if e.Len() != 0 {
			a.fail("end %d holds %d connections for ever", i, e.Len())
		}
	}
	for i, en := range a.entries {
		if en == nil {
			continue
		}
		en.eachBlock(func(*buf.Block) { a.fail("end %d holds memory", i) })
	}
}

// FuzzArena has the fuzzer play. The inputs that it begins with lie in testdata.
func FuzzArena(f *testing.F) {
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) > 400 {
			t.Skip("long enough")
		}
		runArena(t, ops)
	})
}

func runArena(tb testing.TB, ops []byte) *arena {
	a := newArena(tb, ops)
	a.play()
	a.finish()
	return a
}

func randomOps(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 3))
	ops := make([]byte, 500+r.IntN(1500))
	for i := range ops {
		ops[i] = byte(r.Uint32())
	}
	return ops
}

// The arena with random input, a little in every run of the tests. It meets most rows of
// RFC 9293 §3.10.7.
func TestArena(t *testing.T) {
	var rows oracle.Coverage
	for seed := range uint64(100) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := runArena(t, randomOps(seed)).relation.Coverage()
			rows.Add(&c)
		})
	}
	if 2*rows.Seen() < rows.Reachable() {
		t.Errorf("%v are met", &rows)
	}
}
