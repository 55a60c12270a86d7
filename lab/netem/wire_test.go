package netem

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

const ms = clock.Time(time.Millisecond)

func numbered(n, size int) *buf.Packet {
	p := buf.NewPacket()
	p.Data = p.ReceiveInto(size)[:size]
	clear(p.Data)
	binary.BigEndian.PutUint32(p.Data, uint32(n))
	return p
}

func number(p *buf.Packet) int { return int(binary.BigEndian.Uint32(p.Data)) }

// arrival is a packet that came out.
type arrival struct {
	number int
	at     clock.Time
}

// drainUntil takes out all packets that arrive before end, each at its time.
func drainUntil(w *Wire, end clock.Time) (got []arrival) {
	for at := w.Deadline(); at < end; at = w.Deadline() {
		p := w.Output(at)
		got = append(got, arrival{number(p), at})
		p.Release()
	}
	return got
}

func drain(w *Wire) []arrival { return drainUntil(w, clock.Never) }

// feed puts count packets of size bytes on the wire, one every gap, and returns
// what comes out.
func feed(w *Wire, count, size int, gap clock.Time) (got []arrival) {
	for i := range count {
		now := clock.Time(i) * gap
		got = append(got, drainUntil(w, now)...)
		w.Input(now, numbered(i, size))
	}
	return append(got, drain(w)...)
}

func numbers(got []arrival) (n []int) {
	for _, a := range got {
		n = append(n, a.number)
	}
	return n
}

// wantNear checks a count against its expectation, within five standard
// deviations of a binomial distribution.
func wantNear(t *testing.T, what string, got uint64, trials int, probability float64) {
	t.Helper()
	want := float64(trials) * probability
	if slack := 5 * math.Sqrt(want*(1-probability)); math.Abs(float64(got)-want) > slack {
		t.Errorf("%s: %d of %d, want %.0f ± %.0f", what, got, trials, want, slack)
	}
}

func TestPlainWirePassesAtOnce(t *testing.T) {
	w := New(Config{}, 1)
	if w.Deadline() != clock.Never || w.Output(5) != nil {
		t.Error("an empty wire has something")
	}
	got := feed(w, 3, 40, ms)
	if want := []arrival{{0, 0}, {1, ms}, {2, 2 * ms}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDelay(t *testing.T) {
	w := New(Config{Delay: 20 * time.Millisecond}, 1)
	w.Input(5*ms, numbered(0, 40))
	if w.Deadline() != 25*ms || w.Output(25*ms-1) != nil {
		t.Errorf("deadline is %v, want 25ms and nothing before", w.Deadline())
	}
	if p := w.Output(25 * ms); p == nil || number(p) != 0 {
		t.Errorf("got %v at 25ms", p)
	}
}

func TestJitterKeepsOrderAndBounds(t *testing.T) {
	w := New(Config{Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond}, 1)
	early, late := 0, 0
	for i, a := range feed(w, 2000, 40, 3*ms) {
		after := a.at - clock.Time(i)*3*ms
		if a.number != i || after < 15*ms || after > 25*ms {
			t.Fatalf("arrival %d is number %d after %v", i, a.number, after)
		}
		if after < 18*ms {
			early++
		}
		if after > 22*ms {
			late++
		}
	}
	if early < 200 || late < 200 {
		t.Errorf("%d early, %d late of 2000: hardly a jitter", early, late)
	}
}

func TestLoss(t *testing.T) {
	w := New(Config{Loss: 0.02}, 7)
	feed(w, 50000, 40, 1)
	wantNear(t, "lost", w.Counters().Lost, 50000, 0.02)
}

// A mean burst of 4 and a fifth of the time in the bad state.
func TestBurstLoss(t *testing.T) {
	w := New(Config{Burst: GilbertElliott{ToBad: 0.0625, ToGood: 0.25, LossBad: 1}}, 7)
	const count = 100000
	previous, bursts := -1, 0
	for _, a := range feed(w, count, 40, 1) {
		if a.number != previous+1 {
			bursts++
		}
		previous = a.number
	}
	lost := float64(w.Counters().Lost)
	if share := lost / count; share < 0.18 || share > 0.22 {
		t.Errorf("lost %.3f, want 0.2", share)
	}
	if mean := lost / float64(bursts); mean < 3.7 || mean > 4.3 {
		t.Errorf("mean burst is %.2f, want 4", mean)
	}
}

func TestDuplicate(t *testing.T) {
	w := New(Config{Duplicate: 0.1}, 3)
	got := feed(w, 10000, 40, 1)
	wantNear(t, "duplicated", w.Counters().Duplicated, 10000, 0.1)
	if want := 10000 + int(w.Counters().Duplicated); len(got) != want {
		t.Errorf("%d came out, want %d", len(got), want)
	}
	if !slices.IsSorted(numbers(got)) {
		t.Error("duplicates changed the order")
	}
}

func TestReorder(t *testing.T) {
	w := New(Config{Delay: 10 * time.Millisecond, Reorder: 0.1, ReorderDelay: 4500 * time.Microsecond}, 3)
	got := feed(w, 10000, 40, ms)
	wantNear(t, "reordered", w.Counters().Reordered, 10000, 0.1)
	for i, a := range got {
		after := a.at - clock.Time(a.number)*ms
		if after != 10*ms && after != 14*ms+ms/2 {
			t.Fatalf("number %d took %v", a.number, after)
		}
		if i > 0 && got[i-1].at > a.at {
			t.Fatal("packets come out before their time")
		}
	}
	if slices.IsSorted(numbers(got)) {
		t.Error("the order is as it was")
	}
}

func TestRate(t *testing.T) {
	// 1000 bytes at 8 Mbit/s take 1 ms.
	w := New(Config{Rate: 8e6, Delay: 10 * time.Millisecond}, 1)
	got := feed(w, 3, 1000, 0)
	if want := []arrival{{0, 11 * ms}, {1, 12 * ms}, {2, 13 * ms}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	w.Input(100*ms, numbered(9, 1000))
	if w.Deadline() != 111*ms {
		t.Errorf("after a pause: %v, want 111ms", w.Deadline())
	}
}

func TestQueueIsBounded(t *testing.T) {
	w := New(Config{Rate: 8e6, QueueBytes: 3000}, 1)
	for i := range 5 {
		w.Input(0, numbered(i, 1000))
	}
	w.Input(ms, numbered(5, 1000)) // one has left
	if got := numbers(drain(w)); !slices.Equal(got, []int{0, 1, 2, 5}) {
		t.Errorf("got %v", got)
	}
	if got := w.Counters().Overflow; got != 2 {
		t.Errorf("%d overflows, want 2", got)
	}
}

func TestLimit(t *testing.T) {
	w := New(Config{Delay: time.Second, Limit: 3}, 1)
	if got := feed(w, 5, 40, 1); len(got) != 3 || w.Counters().Overflow != 2 {
		t.Errorf("%d came out, %d overflows; want 3, 2", len(got), w.Counters().Overflow)
	}
}

func TestPartition(t *testing.T) {
	w := New(Config{Delay: time.Millisecond}, 1)
	w.Input(0, numbered(0, 40))
	w.SetDown(true)
	w.Input(1, numbered(1, 40))
	w.SetDown(false)
	w.Input(2, numbered(2, 40))
	if got := numbers(drain(w)); !slices.Equal(got, []int{0, 2}) {
		t.Errorf("got %v", got)
	}
	if want := (Counters{In: 3, Passed: 2, Down: 1}); w.Counters() != want {
		t.Errorf("got %+v, want %+v", w.Counters(), want)
	}
}

func TestCorruptFlipsOneBit(t *testing.T) {
	w := New(Config{Corrupt: 1}, 5)
	seen := map[int]bool{}
	for range 500 {
		p := numbered(0, 30)
		original, block := p.Data, p.Block
		block.Retain()
		p.L3 = 14
		w.Input(0, p)
		got := w.Output(0)
		flipped := 0
		for i, b := range got.Data {
			flipped += bits.OnesCount8(b)
			if b != 0 {
				seen[i] = true
			}
		}
		if flipped != 1 || bits.OnesCount8(slices.Max(original)) != 0 {
			t.Fatalf("%d bits flipped; the memory that others see: %x", flipped, original)
		}
		block.Release()
		got.Release()
	}
	for i := range 30 {
		if behind := i >= 14; seen[i] != behind {
			t.Errorf("byte %d: hit is %v, want %v", i, seen[i], behind)
		}
	}
}

// A receiver trusts a partial checksum; after corruption it must not.
func TestCorruptionCanBeNoticed(t *testing.T) {
	const pseudo = 0x1234
	w := New(Config{Corrupt: 1}, 5)
	for range 100 {
		p := numbered(7, 51)
		p.Checksum, p.CsumStart, p.CsumOffset = buf.ChecksumPartial, 20, 16
		binary.BigEndian.PutUint16(p.Data[36:], pseudo)
		p.L3 = 20 // hit only what the checksum covers
		w.Input(0, p)
		got := w.Output(0)
		if got.Checksum != buf.ChecksumFull || wire.Checksum(wire.Sum(got.Data[20:], pseudo)) == 0 {
			t.Fatalf("checksum %v is right after corruption", got.Checksum)
		}
		got.Release()
	}
	completed := numbered(7, 51)
	completed.CsumStart, completed.CsumOffset = 20, 16
	binary.BigEndian.PutUint16(completed.Data[36:], pseudo)
	if completeChecksum(completed); wire.Checksum(wire.Sum(completed.Data[20:], pseudo)) != 0 {
		t.Error("the completed checksum is wrong")
	}
}

func TestCopyHasItsOwnMemory(t *testing.T) {
	p := buf.NewPacket()
	p.Data = append(p.Data, "head"...)
	block := buf.Get(10)
	copy(block.Bytes(), "payload")
	p.AddView(buf.MakeView(block, 0, 7))
	p.L3, p.GSOSize, p.Checksum, p.CsumStart, p.CsumOffset = 1, 2, buf.ChecksumPartial, 3, 4
	c := p.Copy()
	p.Data[0] = 'H'
	p.Release()
	if string(c.Data) != "headpayload" {
		t.Errorf("copy is %q", c.Data)
	}
	if c.L3 != 1 || c.GSOSize != 2 || c.Checksum != buf.ChecksumPartial || c.CsumStart != 3 || c.CsumOffset != 4 {
		t.Errorf("copy has other fields: %+v", c)
	}
	c.Release()
}

// everything switches on all there is.
var everything = Config{
	Delay: 10 * time.Millisecond, Jitter: 3 * time.Millisecond, Loss: 0.01,
	Burst:     GilbertElliott{ToBad: 0.01, ToGood: 0.2, LossGood: 0.001, LossBad: 0.5},
	Duplicate: 0.02, Reorder: 0.02, ReorderDelay: 5 * time.Millisecond, Corrupt: 0.01,
	Rate: 10e6, QueueBytes: 20000,
}

func TestSameSeedSameResult(t *testing.T) {
	run := func(seed uint64) ([]arrival, Counters) {
		w := New(everything, seed)
		return feed(w, 3000, 500, ms/3), w.Counters()
	}
	first, counters := run(42)
	again, countersAgain := run(42)
	other, _ := run(43)
	if !slices.Equal(first, again) || counters != countersAgain {
		t.Error("the same seed gave another result")
	}
	if slices.Equal(first, other) {
		t.Error("another seed gave the same result")
	}
	c := counters
	if c.Lost == 0 || c.Overflow == 0 || c.Duplicated == 0 || c.Reordered == 0 || c.Corrupted == 0 {
		t.Errorf("something did not happen: %+v", c)
	}
	if c.In+c.Duplicated != c.Passed+c.Lost+c.Overflow {
		t.Errorf("the counters do not add up: %+v", c)
	}
}

func TestCloneGoesOnAlike(t *testing.T) {
	w := New(everything, 42)
	for i := range 500 {
		w.Input(clock.Time(i)*ms/3, numbered(i, 500))
	}
	c := w.Clone()
	if w.Len() == 0 {
		t.Fatal("nothing under way")
	}
	for i := range 500 {
		at := clock.Time(500+i) * ms / 3
		w.Input(at, numbered(500+i, 500))
		c.Input(at, numbered(500+i, 500))
	}
	if a, b := drain(w), drain(c); !slices.Equal(a, b) || w.Counters() != c.Counters() {
		t.Error("the clone did something else")
	}
}

func TestRelease(t *testing.T) {
	w := New(Config{Delay: time.Second}, 1)
	w.Input(0, numbered(0, 40))
	w.Release()
	if w.Len() != 0 || w.Deadline() != clock.Never {
		t.Error("something is left")
	}
}

func BenchmarkWire(b *testing.B) {
	w := New(Config{Delay: 10 * time.Millisecond, Jitter: time.Millisecond, Loss: 0.01, Rate: 10e9}, 1)
	b.ReportAllocs()
	p := numbered(0, 1500)
	for i := range b.N {
		now := clock.Time(i) * 2000
		w.Input(now, p)
		if p = w.Output(now); p == nil {
			p = numbered(i, 1500)
		}
	}
}

// A queue that is longer than MarkBytes marks what may be marked, in a copy, and nothing
// else; what does not wait for so long stays as it is.
func TestMark(t *testing.T) {
	header := wire.IP{Version: 4, Proto: wire.ProtoTCP, TTL: 64, Src: wire.AddrFrom4(0x0a000001), Dst: wire.AddrFrom4(0x0a000002)}
	w := New(Config{Rate: 8_000_000, MarkBytes: 3000}, 1)
	var sent [][]byte
	for i := range 6 {
		header.TOS = uint8(i & 1 << 1) // every second one may be marked
		p := buf.NewPacket()
		p.Data = append(header.Append(p.ReceiveInto(1000)[:0], 980), make([]byte, 980)...)
		p.Block.Retain()
		sent = append(sent, p.Data)
		w.Input(0, p)
	}
	for i := range 6 {
		p := w.Output(w.Deadline())
		var ip wire.IP
		if d := wire.ParseIP(p.Data, &ip); d != wire.None {
			t.Fatalf("packet %d: %v", i, d)
		}
		want := wire.ECN(i & 1 << 1)
		if want == wire.ECT0 && i >= 3 {
			want = wire.CE
		}
		if ip.ECN() != want || sent[i][1] != uint8(i&1<<1) {
			t.Errorf("packet %d has %d, want %d; its sender's %d", i, ip.ECN(), want, sent[i][1])
		}
		p.Release()
	}
	if n := w.Counters().Marked; n != 2 {
		t.Errorf("%d are marked, want 2", n)
	}
}
