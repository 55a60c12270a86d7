package recovery

import "github.com/handfast-tcp/handfast/engine/seq"

// Count is what is out, in segments.
type Count struct {
	Out         int
	Sacked      int // of them: the peer holds them
	Lost        int // of them: taken for lost and not sent again
	Resent      int // of them: sent again, and under way
	Undelivered int // of them: those that the peer has never said it holds, with text
}

// Segments counts what is out in segments of mss bytes; what left at one time counts
// as full ones and the rest. Text ends at the given number: a FIN with it is no
// segment of its own.
func (l *Ledger) Segments(mss int, text seq.Num) (n Count) {
	for i := l.head; i < len(l.runs); i++ {
		r := &l.runs[i]
		size, fin := r.size(), text.Less(r.End)
		if fin && size > 1 {
			size, fin = size-1, false
		}
		k := (size + mss - 1) / mss
		n.Out += k
		if !fin && !r.is(Sacked|Withdrawn) {
			n.Undelivered += k
		}
		switch {
		case r.is(Sacked):
			n.Sacked += k
		case r.is(Lost):
			n.Lost += k
		case r.is(Resent):
			n.Resent += k
		}
	}
	return n
}

// LostAgain returns how many bytes were lost after they had been sent again, since it
// was asked last.
func (l *Ledger) LostAgain() int {
	n := l.lostAgain
	l.lostAgain = 0
	return int(n)
}
