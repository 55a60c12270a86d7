package recovery

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// path is a wire that carries a segment of mss each millisecond, 10 ms away, whose ACKs
// come at multiples of heap.
type path struct {
	heap time.Duration
	free clock.Time // when it has carried all that it was given
}

const (
	perSegment = time.Millisecond
	away       = 10 * time.Millisecond
	pathRate   = mss * float64(time.Second/perSegment) // bytes per second
)

// carry returns when the ACK of a segment that leaves now is back.
func (w *path) carry(now clock.Time) clock.Time {
	w.free = max(w.free, now.Add(away)).Add(perSegment)
	back := w.free.Add(away)
	return (back + clock.Time(w.heap) - 1) / clock.Time(w.heap) * clock.Time(w.heap)
}

// No sample is of more than the path carries, however its ACKs come in heaps, and once
// the path is full each is of just that.
func TestRateIsThatOfThePath(t *testing.T) {
	for _, heap := range []time.Duration{1, 2 * perSegment, 16 * perSegment, 33 * perSegment} {
		var l Ledger
		w := path{heap: heap}
		var acks []clock.Time // of each segment that is out
		now, una := clock.Time(time.Second), seq.Num(0xffff_f000)
		nxt, full := una, 0
		for len(acks) > 0 || nxt == una {
			for len(acks) < 100 && nxt.Sub(una) < 100*mss && full < 1000 {
				l.Sent(now, nxt, nxt.Add(mss), 0)
				nxt = nxt.Add(mss)
				acks = append(acks, w.carry(now))
			}
			if len(acks) == 0 {
				break
			}
			now = acks[0]
			n := len(acks)
			if later := slices.IndexFunc(acks, func(at clock.Time) bool { return at > now }); later > 0 {
				n = later
			}
			acks, una = acks[n:], una.Add(seq.Size(n*mss))
			var d Delivery
			l.Deliver(&Ack{Now: now, Una: una, MSS: mss}, &d)
			r := l.Rate(now, &d)
			rate := float64(r.Delivered) / r.Interval.Seconds()
			if rate > 1.01*pathRate {
				t.Fatalf("heaps of %v: a sample of %d bytes in %v: %.0f B/s, the path carries %.0f", heap, r.Delivered, r.Interval, rate, pathRate)
			}
			if full += n; full > 300 && full < 1000 && rate < 0.95*pathRate {
				t.Fatalf("heaps of %v: a sample of %d bytes in %v: %.0f B/s, the path is full with %.0f", heap, r.Delivered, r.Interval, rate, pathRate)
			}
		}
	}
}

// Of the usual ACK Advance makes what Deliver does.
func TestAdvanceIsDeliver(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	now, una, usual := clock.Time(time.Second), seq.Num(0xffff_ff00), 0
	nxt := una
	var l Ledger
	for range 20000 {
		now += clock.Time(r.Int64N(int64(3 * time.Millisecond)))
		if l.Empty() || r.IntN(2) == 0 {
			n := seq.Size(1 + r.IntN(3*mss))
			l.Sent(now, nxt, nxt.Add(n), Marks(r.IntN(2))*Limited)
			nxt = nxt.Add(n)
			continue
		}
		una = una.Add(seq.Size(1 + r.IntN(l.Out())))
		if !l.Untroubled() {
			t.Fatal("an ACK in order has troubled the ledger")
		}
		slow, d := l.Clone(), Delivery{}
		slow.Deliver(&Ack{Now: now, Una: una, MSS: mss}, &d)
		n, first, last := l.Advance(now, una)
		if n != d.Acked || n != d.Bytes || n != d.Once || first != d.First || !d.HasFirst || last.At != d.Newest.At {
			t.Fatalf("%d acknowledged, first sent at %v, last at %v; Deliver has %+v", n, first, last.At, d)
		}
		if a, b := l.RateOf(now, last), slow.Rate(now, &d); a != b {
			t.Fatalf("the sample is %+v, that of Deliver %+v", a, b)
		}
		if !slices.Equal(l.Runs(), slow.Runs()) || l.now != slow.now || l.out != slow.out || l.high != slow.high || l.resentEnd != slow.resentEnd {
			t.Fatalf("the ledger is\n%+v\nand by Deliver\n%+v", l, slow)
		}
		if err := l.Check(una, nxt); err != nil && !l.Empty() {
			t.Fatal(err)
		}
		usual++
	}
	if usual < 5000 {
		t.Errorf("only %d ACKs", usual)
	}
}

// Each loss is told once, with what was in flight when it was sent.
func TestLossesAreToldOnce(t *testing.T) {
	var l Ledger
	for i := range seq.Size(4) {
		l.Sent(clock.Time(time.Second).Add(time.Duration(i)*time.Millisecond), seq.Num(0).Add(i*mss), seq.Num(0).Add((i+1)*mss), 0)
	}
	told := func() (bytes int, inFlight []int) {
		for n, r := range l.Unheard {
			bytes, inFlight = bytes+n, append(inFlight, r.InFlight)
		}
		return bytes, inFlight
	}
	if n, _ := told(); n != 0 {
		t.Errorf("%d bytes are told as lost, before any is", n)
	}
	l.LoseAll()
	if n, in := told(); n != 4*mss || !slices.Equal(in, []int{mss, 2 * mss, 3 * mss, 4 * mss}) {
		t.Errorf("%d bytes are told as lost, of flights of %v", n, in)
	}
	if n, _ := told(); n != 0 {
		t.Errorf("%d bytes are told again", n)
	}
}

// A gap that the program leaves is in flight until all that left before it has arrived,
// and one number more.
func TestGapIsInFlight(t *testing.T) {
	var l Ledger
	start := seq.Num(100)
	l.Sent(1<<20, start, start.Add(3*mss), 0)
	l.HoldBack()
	for n, want := range map[int]bool{1: true, 3 * mss: true, 3*mss + 1: false} {
		c := l.Clone()
		c.Sent(2<<20, start.Add(3*mss), start.Add(4*mss), Limited)
		var d Delivery
		c.Deliver(&Ack{Now: 3 << 20, Una: start.Add(seq.Size(n)), MSS: mss}, &d)
		if got := c.HeldBack(); got != want {
			t.Errorf("%d bytes have arrived: a gap is in flight: %t", n, got)
		}
	}
}

// A round trip that is shorter than a tick makes a sample, too: in memory there are such.
func TestRateOfAShortRoundTrip(t *testing.T) {
	var l Ledger
	sent := clock.Time(time.Second)
	l.Sent(sent, 0, mss, 0)
	var d Delivery
	l.Deliver(&Ack{Now: sent + 500, Una: mss, MSS: mss}, &d)
	if r := l.Rate(sent+500, &d); r.Delivered != mss || r.Interval != 500 {
		t.Errorf("the sample is %+v", r)
	}
	if r := l.Rate(sent+500, new(Delivery)); r != (Rate{}) {
		t.Errorf("an ACK of nothing has the sample %+v", r)
	}
}

// The interval of a sample is the longer one of sending and of acknowledging, both from
// what had been delivered when the run left.
func TestIntervalIsTheLonger(t *testing.T) {
	for _, c := range []struct {
		name                   string
		first, between, leaves int // ms: when the first segment is acknowledged, others leave, and the run does
		acknowledged           int // ms: all of it
		want                   time.Duration
	}{
		{"ACKs come in a heap", 100, 50, 100, 101, 100 * time.Millisecond},
		{"sent in a burst", 10, 10, 30, 60, 50 * time.Millisecond},
	} {
		ms := func(n int) clock.Time { return clock.Time(n) << 20 } // whole ticks
		var l Ledger
		others := func() { l.Sent(ms(c.between), mss, 5*mss, 0) }
		ack := func() { l.Deliver(&Ack{Now: ms(c.first), Una: mss, MSS: mss}, new(Delivery)) }
		l.Sent(ms(0), 0, mss, 0)
		if c.between < c.first {
			others()
			ack()
		} else {
			ack()
			others()
		}
		l.Sent(ms(c.leaves), 5*mss, 6*mss, 0)
		var d Delivery
		l.Deliver(&Ack{Now: ms(c.acknowledged), Una: 6 * mss, MSS: mss}, &d)
		r := l.Rate(ms(c.acknowledged), &d)
		if want := c.want / time.Millisecond << 20; r.Delivered != 5*mss || r.Interval != want {
			t.Errorf("%s: %d bytes in %v, want %d in %v", c.name, r.Delivered, r.Interval, 5*mss, want)
		}
	}
}
