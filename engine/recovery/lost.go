package recovery

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// atOnce is more than any segment carries, a super-segment among them.
const atOnce = 1 << 16

// NextLost returns the first range that is lost and was not sent again since; of a long
// one at least so much that more than one segment of any size is left.
func (l *Ledger) NextLost() (start seq.Num, n int, ok bool) {
	if l.lost == 0 {
		return 0, 0, false
	}
	// There is one, because something is lost, and nothing before lostFrom is.
	i := l.find(l.lostFrom)
	for !l.runs[i].is(Lost) {
		i++
	}
	start = l.runs[i].Start
	l.lostFrom = start
	for ; i < len(l.runs) && l.runs[i].is(Lost) && n <= atOnce; i++ {
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
		l.relist()
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

// Forgive no longer counts anything as lost: that was an error, and all of it is on its way
// still.
func (l *Ledger) Forgive() {
	for i := l.head; i < len(l.runs) && l.lost > 0; i++ {
		l.unlose(&l.runs[i])
	}
	l.relist()
}
