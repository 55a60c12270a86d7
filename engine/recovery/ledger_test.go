package recovery

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// model is the ledger byte by byte.
type model struct {
	t    testing.TB
	now  clock.Time
	una  seq.Num
	sent []octet // from una on
	l    Ledger
	rack Rack
}

type octet struct {
	at    clock.Time
	marks Marks
}

const mss = 100

func (m *model) nxt() seq.Num { return m.una.Add(seq.Size(len(m.sent))) }

// send sends n numbers from so many after una on.
func (m *model) send(from, n int) {
	start := m.una.Add(seq.Size(from))
	m.l.Sent(m.now, start, start.Add(seq.Size(n)), 0)
	for i := from; i < from+n; i++ {
		if i == len(m.sent) {
			m.sent = append(m.sent, octet{at: m.now})
			continue
		}
		if o := &m.sent[i]; o.marks&Sacked == 0 {
			o.at, o.marks = m.now, o.marks&Withdrawn|Resent
		}
	}
}

// ack acknowledges n numbers and says that blocks are held, as offsets from una.
func (m *model) ack(n int, blocks ...[2]int) Delivery {
	if len(m.sent) == 0 {
		return Delivery{}
	}
	a := Ack{Now: m.now, Una: m.una.Add(seq.Size(n)), MSS: mss}
	want, once := 0, 0
	for _, o := range m.sent[:n] {
		if o.marks&(Sacked|Withdrawn) == 0 {
			want++
			if o.marks&Resent == 0 {
				once++
			}
		}
	}
	m.una, m.sent = a.Una, m.sent[n:]
	if len(m.sent) > 0 && m.sent[0].marks&Sacked != 0 {
		m.withdraw()
	}
	for _, b := range blocks {
		a.Blocks = append(a.Blocks, wire.SACKBlock{Left: m.una.Add(seq.Size(b[0])), Right: m.una.Add(seq.Size(b[1]))})
		if b[0] <= 0 || b[0] >= b[1] || b[1] > len(m.sent) {
			continue
		}
		for i := b[0]; i < b[1]; i++ {
			o := &m.sent[i]
			if o.marks&(Sacked|Withdrawn) == 0 {
				want++
			}
			o.marks = o.marks&^Lost | Sacked
		}
	}
	var d Delivery
	m.l.Deliver(&a, &d)
	m.rack.Advance(m.now, &d)
	if d.Bytes != want || d.Acked != n || d.Once != once {
		m.t.Fatalf("%d bytes delivered, %d acknowledged, %d sent once; want %d %d %d", d.Bytes, d.Acked, d.Once, want, n, once)
	}
	return d
}

func (m *model) withdraw() {
	for i := range m.sent {
		if o := &m.sent[i]; o.marks&Sacked != 0 {
			o.marks = o.marks&^Sacked | Withdrawn
		}
	}
}

func (m *model) loseAll() {
	m.withdraw()
	for i := range m.sent {
		m.sent[i].marks |= Lost
	}
	m.l.LoseAll()
}

// overdue is RACK, byte by byte. Of what was sent at one time the lower numbers are
// earlier.
func (m *model) overdue(window time.Duration) {
	want, wait := 0, time.Duration(0)
	high := seq.Max(m.l.high, m.l.resentEnd)
	for _, r := range m.l.Runs() {
		if !r.Start.Less(high) || r.is(Sacked|Lost) || r.later(m.rack.At, m.rack.order, m.rack.End) {
			continue
		}
		if left := r.At.Add(m.rack.RTT + window).Sub(m.now); left > 0 {
			wait = max(wait, left)
			continue
		}
		want += r.size()
		for n := r.Start; n != r.End; n++ {
			m.sent[n.Sub(m.una)].marks |= Lost
		}
	}
	if lost, w := m.l.Overdue(m.now, &m.rack, window); lost != want || w != wait {
		m.t.Fatalf("%d bytes are overdue, %v to wait; want %d, %v", lost, w, want, wait)
	}
}

// check holds the ledger against the model.
func (m *model) check() {
	m.t.Helper()
	if err := m.l.Check(m.una, m.nxt()); err != nil && len(m.sent) > 0 {
		m.t.Fatal(err)
	}
	pipe := 0
	for _, o := range m.sent {
		if o.marks&(Sacked|Lost) == 0 {
			pipe++
		}
	}
	if m.l.Pipe() != pipe || m.l.Out() != len(m.sent) {
		m.t.Fatalf("%d of %d in flight, want %d of %d", m.l.Pipe(), m.l.Out(), pipe, len(m.sent))
	}
	for _, r := range m.l.Runs() {
		for n := r.Start; n != r.End; n++ {
			o := m.sent[n.Sub(m.una)]
			if o.marks&(Sacked|Lost) != r.Marks&(Sacked|Lost) || !r.is(Sacked|Withdrawn) && (o.at != r.At || o.marks != r.Marks&^Unheard) {
				m.t.Fatalf("number %d: %+v, the run says %v %b", n.Diff(m.una), o, r.At, r.Marks)
			}
		}
	}
	first := slices.IndexFunc(m.sent, func(o octet) bool { return o.marks&Lost != 0 })
	if start, n, ok := m.l.NextLost(); ok != (first >= 0) || ok && (int(start.Sub(m.una)) != first || n == 0) {
		m.t.Fatalf("lost next: %d, %d bytes, %v; want %d", start.Diff(m.una), n, ok, first)
	}
}

// step does what five bytes say.
func (m *model) step(op [5]byte) {
	size, a, b := len(m.sent), int(op[1]), int(op[2])
	m.now += clock.Time(op[3]) * 1000 * 1000
	at := func(n int) int { return n * size / 256 }
	switch op[0] % 8 {
	case 0, 1:
		m.send(size, 1+a)
	case 2:
		if start, n, ok := m.l.NextLost(); ok {
			m.send(int(start.Sub(m.una)), min(n, 1+a))
		}
	case 3:
		if size > 0 {
			m.send(at(a), 1+b) // a probe, or a tail again with new text behind it
		}
	case 4:
		m.ack(at(a))
	case 5:
		m.ack(at(a)/4, [2]int{at(b) - at(a)/4, at(int(op[4])) - at(a)/4})
	case 6:
		m.overdue(time.Duration(a) * time.Millisecond / 4)
	case 7:
		switch a % 4 {
		case 0:
			m.loseAll()
		case 1:
			m.l.Forgive()
			for i := range m.sent {
				m.sent[i].marks &^= Lost
			}
		case 2:
			m.ack(size)
		case 3:
			from := at(b)
			m.l.LoseFrom(m.una.Add(seq.Size(from)))
			for i := from; i < size; i++ {
				if m.sent[i].marks&Sacked == 0 {
					m.sent[i].marks |= Lost
				}
			}
		}
	}
	m.check()
}

// TestLedgerIsTheModel plays random steps with the ledger and, byte by byte, without
// it, where numbers wrap and where they do not.
func TestLedgerIsTheModel(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 3))
		m := &model{t: t, now: clock.Time(time.Hour), una: seq.Num(-r.Uint32N(2000))}
		if seed%2 == 0 {
			m.una = seq.Num(r.Uint32())
		}
		for range 200 {
			if len(m.sent) > 4000 {
				m.ack(len(m.sent))
			}
			m.step([5]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32N(3)), byte(r.Uint32())})
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	}
}

func FuzzLedger(f *testing.F) {
	f.Add(uint32(0xffffff80), []byte{0, 200, 0, 1, 0, 5, 0, 100, 1, 200, 6, 0, 0, 1, 0, 2, 50, 0, 1, 0, 4, 255, 0, 0, 0})
	f.Fuzz(func(t *testing.T, una uint32, ops []byte) {
		m := &model{t: t, now: clock.Time(time.Hour), una: seq.Num(una)}
		for ; len(ops) >= 5 && len(m.sent) < 20000; ops = ops[5:] {
			m.step([5]byte(ops))
		}
	})
}

// What is sent at one time is one run, and an ACK of it passes one run.
func TestRunsMerge(t *testing.T) {
	m := &model{t: t, now: clock.Time(time.Hour), una: 0xffffff00}
	for range 50 {
		m.send(len(m.sent), mss)
	}
	if n := len(m.l.Runs()); n != 1 {
		t.Errorf("%d runs for what was sent at once", n)
	}
	m.ack(0, [2]int{1000, 2000})
	m.ack(0, [2]int{2000, 3000}, [2]int{4000, 5000})
	if n := len(m.l.Runs()); n != 4 {
		t.Errorf("%d runs: one lost, one held, one out, one held", n)
	}
	m.check()
}

// At the bound SACK blocks that would split a run count only where they cover whole
// ones, what is sent goes into the last run, and nothing gets lost.
func TestLedgerIsBounded(t *testing.T) {
	m := &model{t: t, now: clock.Time(time.Hour), una: 0xfffff000}
	for range 4 * MaxRuns {
		m.l.Sent(m.now, m.nxt(), m.nxt().Add(3), 0)
		m.sent = append(m.sent, octet{}, octet{}, octet{})
		m.now += 1000
	}
	if n := len(m.l.Runs()); n > MaxRuns {
		t.Fatalf("%d runs", n)
	}
	for i := 1; i < len(m.sent)-1; i += 2 {
		var d Delivery
		a := Ack{Now: m.now, Una: m.una, MSS: mss, Blocks: []wire.SACKBlock{{Left: m.una.Add(seq.Size(i)), Right: m.una.Add(seq.Size(i + 1))}}}
		m.l.Deliver(&a, &d)
	}
	if err := m.l.Check(m.una, m.nxt()); err != nil || len(m.l.Runs()) > MaxRuns+2 {
		t.Fatalf("%d runs: %v", len(m.l.Runs()), err)
	}
	var d Delivery
	m.l.Deliver(&Ack{Now: m.now, Una: m.nxt(), MSS: mss}, &d)
	if !m.l.Empty() || d.Acked != len(m.sent) {
		t.Errorf("%d of %d acknowledged", d.Acked, len(m.sent))
	}
}

// However often something is sent again, the list of that stays in proportion to what
// is out; and what comes after it is found overdue all the same.
func TestResendsAreBounded(t *testing.T) {
	m := &model{t: t, now: clock.Time(time.Hour), una: 0xffffff00}
	for i := range 40 {
		m.send(i*mss, mss)
		m.now += 1000
	}
	for i := range 100000 {
		m.send(i%20*mss, mss)
		m.now += 1000
	}
	if n := cap(m.l.again.items); n > 4*listed {
		t.Errorf("room for %d of what was sent again, of %d runs", n, len(m.l.Runs()))
	}
	m.now += clock.Time(time.Second)
	m.send(30*mss, mss)
	m.now += clock.Time(time.Second)
	m.ack(0, [2]int{30 * mss, 31 * mss})
	m.overdue(0)
	m.check()
}

// BenchmarkRecovery takes the ACKs of a flight of which every second segment is lost,
// finds what is overdue, and sends again: one ACK, whatever is out.
func BenchmarkRecovery(b *testing.B) {
	for _, n := range []int{100, 1000, 8000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			r := repair{una: 0xffff0000}
			for left := 0; b.Loop(); left-- {
				if left == 0 {
					r.begin(n)
					left = n
				}
				r.ack()
			}
		})
	}
}

// repair is a flight of which every second segment is lost, and its recovery.
type repair struct {
	l        Ledger
	rack     Rack
	now      clock.Time
	una, nxt seq.Num
	held     seq.Num // the end of what the peer holds that was sent once
	again    []seq.Num
}

func (r *repair) begin(n int) {
	r.l.Clear()
	r.rack, r.now, r.nxt, r.again = Rack{}, r.now.Add(time.Hour), r.una, r.again[:0]
	for range n {
		r.l.Sent(r.now, r.nxt, r.nxt+mss, 0)
		r.nxt, r.now = r.nxt+mss, r.now.Add(2*time.Microsecond)
	}
	r.held, r.now = r.una, r.now.Add(50*time.Millisecond)
}

// ack is the ACK of one segment: first of those that were sent once, then of those
// that were sent again.
func (r *repair) ack() {
	r.now = r.now.Add(2 * time.Microsecond)
	a := Ack{Now: r.now, Una: r.una, MSS: mss, MinRTT: time.Millisecond}
	if r.held != r.nxt {
		a.Blocks = []wire.SACKBlock{{Left: r.held + mss, Right: r.held + 2*mss}}
		r.held += 2 * mss
	} else if len(r.again) > 0 {
		a.Una = seq.Min(r.again[0]+2*mss, r.nxt)
		r.again = r.again[1:]
	}
	if r.l.Empty() {
		return
	}
	r.una = a.Una
	var d Delivery
	r.l.Deliver(&a, &d)
	r.rack.Advance(r.now, &d)
	if r.l.Empty() {
		return
	}
	r.l.Overdue(r.now, &r.rack, 0)
	if start, _, ok := r.l.NextLost(); ok {
		r.l.Sent(r.now, start, start+mss, 0)
		r.again = append(r.again, start)
	}
}

// In steady state nothing is allocated.
func TestLedgerAllocatesNothing(t *testing.T) {
	var l Ledger
	now, nxt := clock.Time(time.Hour), seq.Num(0xfffff000)
	send := func() {
		now += 1000
		l.Sent(now, nxt, nxt.Add(mss), 0)
		nxt = nxt.Add(mss)
	}
	for range 100 {
		send()
	}
	if n := testing.AllocsPerRun(5000, func() {
		var d Delivery
		una := nxt - 100*mss
		a := Ack{Now: now, Una: una + mss, MSS: mss, Blocks: []wire.SACKBlock{{Left: una + 3*mss, Right: una + 4*mss}}}
		l.Deliver(&a, &d)
		l.Sent(now, una+mss, una+2*mss, 0)
		send()
	}); n != 0 {
		t.Errorf("%v allocations for an ACK and a segment", n)
	}
}

// Whatever numbers a block has, it harms nobody: one counts that lies within what is out.
func TestBlocksOfAnyNumbers(t *testing.T) {
	const una, end = 1000, 2000
	edges := []seq.Num{0, 1, una - 20, una - 1, una, una + 1, una + 500, end - 1, end, end + 1}
	for _, e := range edges {
		edges = append(edges, e+1<<31-10, e+1<<31, e+1<<31+10)
	}
	now := clock.Time(time.Hour)
	for _, left := range edges {
		for _, right := range edges {
			var l Ledger
			l.Sent(now, una, end, 0)
			a := Ack{Now: now, Una: una, MSS: 1000, Blocks: []wire.SACKBlock{{Left: left, Right: right}}}
			var d Delivery
			l.Deliver(&a, &d)
			want := 0
			if una < left && left < right && right <= end {
				want = int(right - left)
			}
			if d.Bytes != want {
				t.Errorf("a block from %d to %d delivers %d bytes, want %d", left, right, d.Bytes, want)
			}
		}
	}
}
