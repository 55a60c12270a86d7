// Package recovery is what a sender knows of what is out, and what follows from it:
// the ledger of all that was sent and is not acknowledged, what of it is lost (RACK,
// RFC 8985), how fast that is repaired (PRR, RFC 9937), and whether it was repaired
// for nothing. All of it are small values that know numbers and instants and no
// connection.
//
// The one idea: all questions about what is out are asked of one ledger, which an ACK
// changes once. What the ACK delivered is a value that those who follow read in turn.
//
// The files: ledger.go and run.go keep what is out, delivery.go takes an ACK, lost.go
// and rack.go find what is lost, prr.go says how much may leave meanwhile, undo.go
// whether it was for nothing, rate.go how fast the path delivers.
package recovery

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// MaxRuns is how many runs a ledger has before it grows no more for what the peer
// says: a SACK block that would split one then counts only for the runs that it
// covers wholly. What is sent is merged with the run before it. What is sent again
// may make a few more, one for each segment at most.
const MaxRuns = 4096

// Ledger is all that was sent and is not acknowledged, from SND.UNA to SND.NXT
// without a gap, as runs in order. It alone knows what is in flight: see Pipe. It
// holds no pointer but those of its runs and of what was sent again. The zero value is an empty ledger.
type Ledger struct {
	runs []Run // runs[head:] are used
	head int

	out    int // bytes in all runs
	sacked int // of them, those that the peer holds
	lost   int // those that are taken for lost and were not sent again
	early  int // those that were delivered: see Early
	left   int // those that duplicate ACKs of a peer without SACK say have arrived

	sackedParts int     // segments that were sacked since none was
	high        seq.Num // the end of the highest that was delivered
	resentEnd   seq.Num // nothing at or after it was sent again or is Withdrawn
	lostFrom    seq.Num // nothing before it is lost, while something is
	fresh       seq.Num // nothing before it is in flight that was sent once only
	lostAgain   uint32  // bytes that were lost after they had been sent again: see LostAgain
	order       uint16  // of what was sent last

	again    resends // what was sent again, in order of time
	now      state   // inFlight is not kept: see Pipe
	held     bool    // see HeldBack
	heldTill uint32  // until more than so much has been delivered

	first [2]Run // where runs begin: most ledgers need no more
}

// Empty reports whether nothing is out.
func (l *Ledger) Empty() bool { return l.out == 0 }

// Pipe is how many bytes are in flight: those that are out, less those that have
// arrived or are lost. https://www.rfc-editor.org/rfc/rfc6675#section-4
func (l *Ledger) Pipe() int { return max(l.out-l.sacked-l.lost-l.left, 0) }

// Out is how many bytes are out, however they fare.
func (l *Ledger) Out() int { return l.out }

// Early is how many bytes have arrived before what precedes them: those that the peer
// holds, or has said to hold before a timeout.
func (l *Ledger) Early() int { return l.early }

// LostBytes is how many bytes are lost and were not sent again.
func (l *Ledger) LostBytes() int { return l.lost }

// Runs returns the runs, for whoever looks at them; they stay the ledger's.
func (l *Ledger) Runs() []Run { return l.runs[l.head:] }

// Oldest returns the run at SND.UNA. There must be one.
func (l *Ledger) Oldest() *Run { return &l.runs[l.head] }

// end is the number after all that is out.
func (l *Ledger) end() seq.Num { return l.runs[len(l.runs)-1].End }

// ticks are 1024 ns: to divide by 1000 for each segment would only cost. They come round
// in 73 minutes, and are only subtracted from ones of the same flight.
func ticks(t clock.Time) uint32 { return uint32(t >> 10) }

// Sent notes that the numbers from start to end leave now: new ones, or some that
// are out already. Of the marks Probe and Limited may be given.
func (l *Ledger) Sent(now clock.Time, start, end seq.Num, m Marks) {
	if l.order++; l.out == 0 {
		l.begin(now, start)
	} else if start.Less(l.end()) {
		if start = l.resend(now, start, end, m); start == end {
			return
		}
	}
	n := int(end.Sub(start))
	l.out += n
	if len(l.runs) > l.head {
		r := &l.runs[len(l.runs)-1]
		// What leaves in one go is one run, and so an ACK of many segments is one step. A full
		// ledger merges more than that: then times are less exact, and nothing grows.
		same := r.At == now && r.Marks == m && r.sent.delivered == l.now.delivered && r.order+1 == l.order
		if same || l.full() && !r.is(Sacked|Lost) {
			r.End, r.At, r.order = end, now, l.order
			r.sent.inFlight += uint32(n)
			if r.is(Resent) {
				l.list(now, r.Start, end)
			}
			return
		}
	}
	if len(l.runs) == cap(l.runs) {
		l.grow()
	}
	l.runs = l.runs[:len(l.runs)+1]
	r := &l.runs[len(l.runs)-1]
	r.Start, r.End, r.At, r.Marks, r.order, r.sent = start, end, now, m, l.order, l.now
	r.sent.inFlight = uint32(l.Pipe())
}

// begin makes an empty ledger ready for its first run.
func (l *Ledger) begin(now clock.Time, start seq.Num) {
	if cap(l.runs) == 0 {
		l.runs = l.first[:0]
	}
	l.runs, l.head = l.runs[:0], 0
	l.high, l.resentEnd, l.fresh = start, start, start
	l.now.firstAt, l.now.deliveredAt = ticks(now), ticks(now)
}

// HoldBack says that the program has nothing more to send now: there is a gap behind
// what is in flight.
// https://www.ietf.org/archive/id/draft-ietf-ccwg-bbr-06.html#section-4.1.2.4
func (l *Ledger) HoldBack() { l.held, l.heldTill = true, l.now.delivered+uint32(l.Pipe()) }

// HeldBack reports whether there is still a gap in what is in flight: what leaves now
// is Limited, and tells nothing of how much the path could deliver.
func (l *Ledger) HeldBack() bool {
	l.held = l.held && int32(l.now.delivered-l.heldTill) <= 0
	return l.held
}

// state returns what one needs to know for a run that is sent.
func (l *Ledger) state() state {
	s := l.now
	s.inFlight = uint32(l.out - l.sacked - l.lost - l.left)
	return s
}

// grow makes room for one more run at the end: by moving the others to the front, when
// at least half of the room is free there.
func (l *Ledger) grow() {
	if l.head > len(l.runs)/2 {
		n := copy(l.runs, l.runs[l.head:])
		l.runs, l.head = l.runs[:n], 0
		return
	}
	l.runs = append(l.runs, Run{})[:len(l.runs)]
}

// resend notes that numbers which are out are sent again, and returns the number
// from which on they are new.
func (l *Ledger) resend(now clock.Time, start, end seq.Num, m Marks) seq.Num {
	end = seq.Min(end, l.end())
	l.resentEnd = seq.Max(l.resentEnd, end)
	l.list(now, start, end)
	for i := l.from(start, end); i < len(l.runs) && l.runs[i].Start.Less(end); i++ {
		r := &l.runs[i]
		// What the peer holds stays so, though a copy of it may have left with the rest.
		if r.is(Sacked) {
			continue
		}
		l.unlose(r)
		r.Marks = r.Marks&Withdrawn | Resent | m
		r.At, r.order, r.sent = now, l.order, l.state()
		i -= l.join(i)
	}
	l.left = min(l.left, l.out-l.sacked-l.lost)
	return end
}

// unlose takes that back: it arrived, or leaves again. What was lost in all stays counted
// in now.lost, since samples of the delivery rate take differences of it.
func (l *Ledger) unlose(r *Run) {
	if r.is(Lost) {
		r.Marks &^= Lost | Unheard
		l.lost -= r.size()
	}
}

// lose takes a run for lost. One that was Sacked can be, if the peer has reneged; and what
// was sent again and is lost again is counted, as Linux does in TCPLostRetransmit.
func (l *Ledger) lose(r *Run) {
	if l.lost == 0 || r.Start.Less(l.lostFrom) {
		l.lostFrom = r.Start
	}
	if r.is(Resent) {
		l.lostAgain += uint32(r.size())
	}
	r.Marks = r.Marks&^Sacked | Lost | Unheard
	l.lost += r.size()
	l.now.lost += uint32(r.size())
}

// find returns the index of the run that holds n, or of the first one behind it.
func (l *Ledger) find(n seq.Num) int {
	i, j := l.head, len(l.runs)
	for i < j {
		if m := int(uint(i+j) / 2); l.runs[m].End.LessEq(n) {
			i = m + 1
		} else {
			j = m
		}
	}
	return i
}

// from cuts the runs at start and at end, and returns the index of the first run
// between them. The end first: a cut moves what lies behind it.
func (l *Ledger) from(start, end seq.Num) int {
	l.cut(end)
	return l.cut(start)
}

// cut sees that a run begins at n, if n lies in one, and returns the index of the
// first run at or behind n.
func (l *Ledger) cut(n seq.Num) int {
	i := l.find(n)
	if i == len(l.runs) || n.LessEq(l.runs[i].Start) {
		return i
	}
	i = l.open(i)
	l.runs[i] = l.runs[i+1]
	l.runs[i].End, l.runs[i+1].Start = n, n
	return i + 1
}

// open makes a place before run i for another one and returns its index: by moving
// the shorter side, since what is repaired lies near one end.
func (l *Ledger) open(i int) int {
	if l.head > 0 && i-l.head < len(l.runs)-i {
		copy(l.runs[l.head-1:], l.runs[l.head:i])
		l.head--
		return i - 1
	}
	if len(l.runs) == cap(l.runs) {
		i -= l.head
		l.grow()
		i += l.head
	}
	l.runs = l.runs[:len(l.runs)+1]
	copy(l.runs[i+1:], l.runs[i:])
	return i
}

// remove takes run i out, by moving the shorter side.
func (l *Ledger) remove(i int) {
	if i-l.head < len(l.runs)-i {
		copy(l.runs[l.head+1:], l.runs[l.head:i])
		l.head++
		return
	}
	l.runs = append(l.runs[:i], l.runs[i+1:]...)
}

// join merges run i with the one before it if they are one. It returns how many
// runs are fewer from i on.
func (l *Ledger) join(i int) int {
	if i == l.head || !l.runs[i-1].extends(&l.runs[i]) {
		return 0
	}
	head := l.head
	l.runs[i].Start = l.runs[i-1].Start
	l.runs[i].Marks |= l.runs[i-1].Marks
	l.remove(i - 1)
	if l.head > head {
		return 0
	}
	return 1
}

// Settle forgets what duplicate ACKs of a peer without SACK told of.
func (l *Ledger) Settle() { l.left = 0 }

// Clone returns a copy that shares nothing with l.
func (l *Ledger) Clone() Ledger {
	c := *l
	c.runs, c.head = append([]Run(nil), l.Runs()...), 0
	c.again.items = append([]resend(nil), l.again.items...)
	return c
}

// Clear makes an empty ledger of l, which keeps room for a few runs.
func (l *Ledger) Clear() {
	if cap(l.runs) > maxSpareRuns {
		l.runs, l.again.items = nil, nil
	}
	l.runs, l.head = l.runs[:0], 0
	l.again.clear()
	l.out, l.sacked, l.lost, l.early, l.left, l.sackedParts, l.now, l.held, l.lostAgain = 0, 0, 0, 0, 0, 0, state{}, false, 0
}

// maxSpareRuns is for how many runs there is room in a ledger that was cleared: what one
// bad moment has needed is not kept for the life of the connection.
const maxSpareRuns = 64
