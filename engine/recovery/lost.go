package recovery

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// NextLost returns the first range that is lost and was not sent again since.
func (l *Ledger) NextLost() (start seq.Num, n int, ok bool) {
	if l.lost == 0 {
		return 0, 0, false
	}
	i := l.head
	for !l.runs[i].is(Lost) {
		i++
	}
	start = l.runs[i].Start
	for ; i < len(l.runs) && l.runs[i].is(Lost); i++ {
		n += l.runs[i].size()
	}
	return start, n, true
}

// LoseAll is for a timeout: everything is lost, also what the peer has said that
// it holds, since it may have dropped that (RFC 2018 §8).
func (l *Ledger) LoseAll() {
	l.Withdraw()
	for i := l.head; i < len(l.runs); i++ {
		if r := &l.runs[i]; !r.is(Lost) {
			l.lose(r)
		}
	}
	l.left = 0
}

// Withdraw forgets what the peer said that it holds.
func (l *Ledger) Withdraw() {
	for i := l.head; i < len(l.runs) && l.sacked > 0; i++ {
		if r := &l.runs[i]; r.is(Sacked) {
			r.Marks = r.Marks&^Sacked | Withdrawn
			l.sacked -= r.size()
			l.resentEnd = seq.Max(l.resentEnd, r.End)
		}
	}
	l.sackedParts = 0
	if l.out > 0 {
		l.high = l.runs[l.head].Start
	}
}

// LoseFrom takes all from number n on for lost that the peer does not hold: it was
// too large for the path.
func (l *Ledger) LoseFrom(n seq.Num) {
	if l.out == 0 || l.end().LessEq(n) {
		return
	}
	for i := l.cut(n); i < len(l.runs); i++ {
		if r := &l.runs[i]; !r.is(Sacked | Lost) {
			l.lose(r)
		}
	}
	l.left = 0
}

// LoseFirst takes the first n bytes for lost: RFC 6582, for peers without SACK. It
// returns how many of them were not lost before.
func (l *Ledger) LoseFirst(n int) int {
	before := l.lost
	first := l.runs[l.head].Start
	l.cut(seq.Min(first.Add(seq.Size(n)), l.end()))
	if r := &l.runs[l.head]; !r.is(Lost | Sacked) {
		l.lose(r)
	}
	l.left = min(l.left, l.out-l.sacked-l.lost)
	return l.lost - before
}

// resent returns how many bytes were sent again and may be under way, and when the
// first was of which an ACK may still come.
func (l *Ledger) resent() (bytes int, first clock.Time, some bool) {
	for i := l.head; i < len(l.runs) && l.runs[i].Start.Less(l.resentEnd); i++ {
		r := &l.runs[i]
		if !r.is(Resent) || r.is(Sacked) {
			continue
		}
		if !some || r.At < first {
			first, some = r.At, true
		}
		if !r.is(Lost) {
			bytes += r.size()
		}
	}
	return bytes, first, some
}

// Forgive no longer counts anything as lost.
func (l *Ledger) Forgive() {
	for i := l.head; i < len(l.runs) && l.lost > 0; i++ {
		l.unlose(&l.runs[i])
	}
}

// Overdue takes for lost what was sent before the newest that was delivered, by so
// much that it is not only late: RFC 8985 §6.2, step 5. It returns how many bytes
// that are, and how long to wait for the next; 0 when there is none to wait for.
// https://www.rfc-editor.org/rfc/rfc8985#section-6.2
func (l *Ledger) Overdue(now clock.Time, r *Rack, window time.Duration) (lost int, wait time.Duration) {
	end := seq.Max(l.high, l.resentEnd)
	for i := l.head; i < len(l.runs); i++ {
		run := &l.runs[i]
		if !run.Start.Less(end) {
			break
		}
		if run.is(Sacked|Lost) || run.later(r.At, r.order, r.End) {
			continue
		}
		if left := run.At.Add(r.RTT + window).Sub(now); left > 0 {
			wait = max(wait, left)
			continue
		}
		l.lose(run)
		lost += run.size()
	}
	return lost, wait
}
