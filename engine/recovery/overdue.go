package recovery

import (
	"cmp"
	"slices"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// What is overdue is found in order of time, so that an ACK looks at what it decides
// and not at all that is out. What was sent once only left in the order of its numbers,
// and the ledger keeps where that begins which is in flight; what was sent again is
// listed.

// resend is what was sent again with one segment. It still counts for the runs in it
// that have its time and are in flight.
type resend struct {
	at         clock.Time
	start, end seq.Num
	order      uint16
}

// later reports whether all of it was sent after the newest that was delivered.
func (s *resend) later(than *Rack) bool {
	return s.at > than.At || s.at == than.At && int16(s.order-than.order) > 0
}

// resends is what was sent again, in order of time: items[head:].
type resends struct {
	items []resend
	head  int
}

// listed is how many are listed before what counts no more is taken out. So there
// are never more than that, or twice as many as runs, and the cost of sorting is shared by
// as many that were added.
const listed = 64

// list notes that the numbers from start to end are sent again.
func (l *Ledger) list(now clock.Time, start, end seq.Num) {
	q := &l.again
	if len(q.items) == cap(q.items) && len(q.items) >= listed {
		l.relist()
		q.items = slices.Grow(q.items, len(q.items)+1)
	}
	q.items = append(q.items, resend{now, start, end, l.order})
}

func (q *resends) clear() { q.items, q.head = q.items[:0], 0 }

// overdue is a look for what is overdue.
type overdue struct {
	now    clock.Time
	than   *Rack
	window time.Duration
	lost   int
	wait   time.Duration
}

// Overdue takes for lost what was sent before the newest that was delivered, by so
// much that it is not only late: RFC 8985 §6.2, step 5. It returns how many bytes
// that are, and how long to wait for the next; 0 when there is none to wait for.
// https://www.rfc-editor.org/rfc/rfc8985#section-6.2
func (l *Ledger) Overdue(now clock.Time, r *Rack, window time.Duration) (lost int, wait time.Duration) {
	o := overdue{now: now, than: r, window: window}
	// The longest of all waits counts (RFC 8985 §6.2): one timer then finds all that is overdue.
	l.overdueOnce(&o)
	l.overdueAgain(&o)
	return o.lost, o.wait
}

// overdueOnce looks at what was sent once only.
func (l *Ledger) overdueOnce(o *overdue) {
	end := seq.Max(l.high, l.resentEnd)
	settled := true // nothing was passed that is in flight
	for i := l.find(l.fresh); i < len(l.runs) && l.runs[i].Start.Less(end); i++ {
		run := &l.runs[i]
		if !run.is(Sacked | Lost | Resent) {
			if run.later(o.than.At, o.than.order, o.than.End) {
				return
			}
			settled = l.judge(o, run) && settled
		}
		if settled {
			l.fresh = run.End
		}
	}
}

// overdueAgain looks at what was sent again.
func (l *Ledger) overdueAgain(o *overdue) {
	q, settled := &l.again, true
	for n := q.head; n < len(q.items) && !q.items[n].later(o.than); n++ {
		it := q.items[n]
		for i := l.find(it.start); i < len(l.runs) && l.runs[i].Start.Less(it.end); i++ {
			run := &l.runs[i]
			if run.At != it.at || !run.is(Resent) || run.is(Sacked|Lost) {
				continue
			}
			settled = !run.later(o.than.At, o.than.order, o.than.End) && l.judge(o, run) && settled
		}
		if settled {
			q.head = n + 1
		}
	}
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
}

// judge takes a run that is in flight for lost, and reports true, or waits for it.
func (l *Ledger) judge(o *overdue, run *Run) bool {
	if left := run.At.Add(o.than.RTT + o.window).Sub(o.now); left > 0 {
		o.wait = max(o.wait, left)
		return false
	}
	l.lose(run)
	o.lost += run.size()
	return true
}

// relist makes the order of time again, after what was settled is in flight again.
func (l *Ledger) relist() {
	l.again.clear()
	if l.out == 0 {
		return
	}
	l.fresh = l.runs[l.head].Start
	for i := l.head; i < len(l.runs); i++ {
		if r := &l.runs[i]; r.is(Resent) && !r.is(Sacked|Lost) {
			l.again.items = append(l.again.items, resend{r.At, r.Start, r.End, r.order})
		}
	}
	slices.SortStableFunc(l.again.items, func(a, b resend) int {
		if a.at != b.at {
			return cmp.Compare(a.at, b.at)
		}
		return int(int16(a.order - b.order))
	})
}
