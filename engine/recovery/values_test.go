package recovery

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Of what is in flight when a loss is found a reduction lets go as much for each byte that
// arrives as the threshold is of it, rounded up; so at its end the threshold is in flight.
func TestReductionIsInProportion(t *testing.T) {
	for _, c := range []struct{ start, threshold, bytes int }{{2000, 1400, 100}, {2000, 1000, 100}, {3000, 2900, 200}, {1700, 850, 100}} {
		var p PRR
		p.Begin(c.start)
		pipe, delivered, sent := c.start, 0, 0
		for pipe > c.threshold && delivered < c.start {
			pipe -= c.bytes
			delivered += c.bytes
			before := pipe
			p.Deliver(c.bytes, pipe, c.threshold, 100, false)
			n := max(p.Window()-pipe, 0)
			p.Sent(n)
			pipe, sent = pipe+n, sent+n
			want := (delivered*c.threshold + c.start - 1) / c.start
			if before > c.threshold && sent != max(want, 100) {
				t.Fatalf("%+v: %d sent for %d delivered, not %d", c, sent, delivered, want)
			}
		}
		if pipe > c.threshold {
			t.Errorf("%+v: %d in flight at the end", c, pipe)
		}
	}
}

// Below the threshold it goes back up to that, as slow start would, and no further.
func TestReductionComesBackToThreshold(t *testing.T) {
	for _, safe := range []bool{false, true} {
		var p PRR
		p.Begin(2000)
		p.Deliver(100, 1000, 1000, 100, false)
		if p.Window() != 1100 {
			t.Errorf("the first repair has a window of %d", p.Window())
		}
		p.Sent(100)
		p.Deliver(200, 500, 1000, 100, safe)
		want := 700
		if safe {
			want = 800
		}
		if p.Window() != want {
			t.Errorf("safe %v: window %d, not %d", safe, p.Window(), want)
		}
		p.Deliver(5000, 300, 1000, 100, safe)
		if p.Window() != 1000 {
			t.Errorf("safe %v: window %d beyond the threshold", safe, p.Window())
		}
	}
}

// What is only late is waited for: a quarter of the shortest round trip more for each round
// trip in which D-SACK told that it was too short, up to the smoothed one, until sixteen
// recoveries had none.
func TestReorderingWindow(t *testing.T) {
	const trip, smoothed = 80 * time.Millisecond, 100 * time.Millisecond
	var o Reordering
	var l Ledger
	window := func(repairing bool) time.Duration { return o.Window(&l, repairing, trip, smoothed) }
	if w := window(false); w != trip/4 {
		t.Errorf("at first %v", w)
	}
	if w := window(true); w != 0 {
		t.Errorf("in a repair, while nothing came out of order, %v", w)
	}
	l.sackedParts = dupThresh
	if w := window(false); w != 0 {
		t.Errorf("behind a hole, while nothing came out of order, %v", w)
	}
	o.Learn(&Delivery{Behind: 1}, 0, 1000)
	if w := window(true); w != trip/4 {
		t.Errorf("when something came out of order %v", w)
	}
	una, nxt := seq.Num(0), seq.Num(1000)
	for n := 2; n <= 300; n++ {
		for range 3 { // once in a round trip
			o.Learn(&Delivery{Duplicate: true}, una, nxt)
			if w, want := window(true), min(time.Duration(n)*trip/4, smoothed); w != want && n < 256 {
				t.Fatalf("after %d round trips with D-SACK %v, not %v", n-1, w, want)
			}
		}
		una, nxt = nxt, nxt+1000
	}
	if w := o.Window(&l, true, trip/1000, smoothed); w != 64*trip/1000 {
		t.Errorf("at most %v, not 64 of the shortest", w)
	}
	for n := range keepFactor {
		if w := window(true); w != smoothed {
			t.Errorf("after %d recoveries %v", n, w)
		}
		o.Recovered()
	}
	if w := window(true); w != trip/4 {
		t.Errorf("after so many recoveries still %v", w)
	}
}

// The newest of what was delivered is what was sent last, whatever the order in which
// ACKs tell of it.
func TestNewestWasSentLast(t *testing.T) {
	run := func(at clock.Time, order uint16, end seq.Num) Run { return Run{At: at, order: order, End: end} }
	all := []Run{run(10, 1, 100), run(20, 2, 200), run(20, 3, 300), run(30, 4, 50)}
	for first := range all {
		for second := range all {
			var r Rack
			r.Take(100, &all[first], all[first].End)
			r.Take(101, &all[second], all[second].End)
			if newest := all[max(first, second)]; r.At != newest.At || r.End != newest.End {
				t.Errorf("%d, then %d: at %v, up to %d", first, second, r.At, r.End)
			}
			if want := clock.Time(101).Sub(all[second].At); r.RTT != want {
				t.Errorf("%d, then %d: round trip %v, not %v", first, second, r.RTT, want)
			}
		}
	}
}

// A repair was for nothing when all that was sent again came twice, and no sooner; or when
// what an ACK answers was sent before the first of it.
func TestUndoByDuplicatesAndByEcho(t *testing.T) {
	var l Ledger
	l.Sent(0, 1000, 4000, 0)
	var u Undo
	u.Begin(&l)
	ms := clock.Time(time.Millisecond)
	if u.Earlier(&Ack{Echo: 0, HasEcho: true}) || u.Twice(wire.SACKBlock{Left: 1000, Right: 1000}) {
		t.Error("nothing was sent again, and it is undone")
	}
	u.Resent(50*ms, 1500, 500)
	u.Resent(60*ms, 2000, 500)
	for echo, want := range map[uint32]bool{0: true, 49: true, 50: false, 51: false, 60: false} {
		if u.Earlier(&Ack{Echo: echo, HasEcho: true}) != want {
			t.Errorf("what answers millisecond %d: undone %v", echo, !want)
		}
	}
	if u.Earlier(&Ack{Echo: 0}) {
		t.Error("undone without an echo")
	}
	for _, b := range []wire.SACKBlock{{Left: 500, Right: 1000}, {Left: 1500, Right: 2001}} {
		if u.Twice(b) {
			t.Errorf("undone by %v, which is nothing that was sent again", b)
		}
	}
	if u.Twice(wire.SACKBlock{Left: 1000, Right: 1500}) {
		t.Error("undone when the half came twice")
	}
	if u.Twice(wire.SACKBlock{Left: 1500, Right: 1999}) {
		t.Error("undone when one is missing")
	}
	if !u.Twice(wire.SACKBlock{Left: 1999, Right: 2000}) {
		t.Error("all came twice, and it is not undone")
	}
}

// What could be undone is forgotten before its numbers are others'.
func TestUndoIsForgotten(t *testing.T) {
	for _, far := range []seq.Num{1 << 28, 1<<29 + 1, 1<<31 - 1} {
		var l Ledger
		l.Sent(0, 0, 1000, 0)
		var u Undo
		u.Begin(&l)
		u.Resent(1, 1000, 1000)
		u.Age(1000 + far)
		if open := u.open; open != (far < 1<<29) {
			t.Errorf("%d numbers later it is remembered: %v", far, open)
		}
	}
}

// An ACK of what was sent again is a measure only when it cannot answer the first copy.
func TestAckOfWhichCopy(t *testing.T) {
	ms := clock.Time(time.Millisecond)
	for _, c := range []struct {
		name     string
		now      clock.Time
		echo     uint32
		has      bool
		shortest time.Duration
		sure     bool
	}{
		{"no echo, nothing measured: Karn", 1100 * ms, 0, false, 0, false},
		{"no echo, after a shortest trip", 1100 * ms, 0, false, 20 * time.Millisecond, true},
		{"sooner than any trip takes", 1010 * ms, 0, false, 20 * time.Millisecond, false},
		{"the echo of the first copy", 1100 * ms, 100, true, 20 * time.Millisecond, false},
		{"the echo of the second copy", 1100 * ms, 1000, true, 20 * time.Millisecond, true},
		{"the echo of the second copy, too soon", 1010 * ms, 1000, true, 20 * time.Millisecond, false},
	} {
		var l Ledger
		l.Sent(100*ms, 0, 100, 0)
		l.Sent(1000*ms, 0, 100, 0)
		a := Ack{Now: c.now, Una: 100, MSS: 100, MinRTT: c.shortest, Echo: c.echo, HasEcho: c.has}
		var d Delivery
		l.Deliver(&a, &d)
		if d.HasNewest != c.sure || d.HasFirst || !d.Repaired {
			t.Errorf("%s: newest %v, first %v, repaired %v", c.name, d.HasNewest, d.HasFirst, d.Repaired)
		}
	}
}

// Of a peer without SACK duplicate ACKs stand for a segment each, up to all but the first;
// what they told is forgotten when it is settled.
func TestDuplicatesStandForNoMoreThanIsOut(t *testing.T) {
	var l Ledger
	l.Sent(0, 0, 1000, 0)
	told := 0
	for range 100 {
		told += l.Arrived(100, 1000)
	}
	if told != 900 || l.Pipe() != 100 {
		t.Errorf("duplicates stand for %d bytes, and %d are in flight", told, l.Pipe())
	}
	if l.Settle(); l.Pipe() != 1000 {
		t.Errorf("%d in flight when it is settled", l.Pipe())
	}
	if n := l.Arrived(100, 250); n != 100 {
		t.Errorf("below 250 a duplicate stands for %d", n)
	}
	if n := l.Arrived(100, 250); n != 50 {
		t.Errorf("below 250 the second stands for %d", n)
	}
	if n := l.Arrived(100, 250); n != 0 {
		t.Errorf("below 250 the third stands for %d", n)
	}
}

// Runs that become one have had whatever either had.
func TestJoinedRunsKeepTheirMarks(t *testing.T) {
	var l Ledger
	l.Sent(0, 0, 100, 0)
	l.Sent(1, 100, 200, 0)
	l.Sent(2, 200, 300, 0)
	l.LoseFirst(300)
	l.Sent(5, 100, 200, 0) // the middle one again
	var d Delivery
	l.Deliver(&Ack{Now: 10, Una: 0, MSS: 100, MinRTT: 1, Blocks: []wire.SACKBlock{{Left: 100, Right: 300}}}, &d)
	resent := 0
	for _, r := range l.Runs() {
		if r.Marks&Resent != 0 {
			resent += r.size()
		}
	}
	if d.Bytes != 200 || resent < 100 {
		t.Errorf("%d bytes delivered, %d known to have been sent again, of runs %+v", d.Bytes, resent, l.Runs())
	}
}
