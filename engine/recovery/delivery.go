package recovery

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Ack is what an ACK says.
type Ack struct {
	Now    clock.Time
	Una    seq.Num          // SND.UNA with it
	Blocks []wire.SACKBlock // without D-SACK
	MSS    int
	MinRTT time.Duration // less than this no round trip takes
	// Echo is the millisecond in which what the ACK answers was sent (RFC 7323), modulo
	// 2^32, if HasEcho.
	Echo    uint32
	HasEcho bool
}

// Delivery is what one ACK told: made once, and read by all that follow from it.
type Delivery struct {
	Acked int // numbers acknowledged
	Bytes int // of them, and of those SACKed, how many had not been delivered before
	Pipe  int // in flight before
	Once  int // of Acked, those that were sent once only and of which this is the first news
	Guess int // what to add to Bytes for what duplicate ACKs of a peer without SACK told
	Lost  int // bytes taken for lost now

	// Newest is what left last of what is delivered; First is when the oldest of
	// what was acknowledged was sent. Of what was sent twice neither is told unless
	// it is sure which copy arrived.
	Newest    Run
	HasNewest bool
	First     clock.Time
	HasFirst  bool

	Repaired  bool // something acknowledged by number had been sent again
	Behind    int  // how many numbers before the newest something began that arrived after it and was not sent again; 0: all came in order
	Reneged   bool // what the peer said that it holds it does not acknowledge
	Duplicate bool // D-SACK: something arrived twice
}

// Deliver takes what an ACK says out of the ledger, which is not empty, and adds it to
// d, which is.
func (l *Ledger) Deliver(a *Ack, d *Delivery) {
	d.Pipe = l.Pipe()
	// Order is judged by what was known before this ACK: in which order the
	// parts of what it tells arrived it does not say.
	high := l.high
	l.acknowledge(a, d, high)
	for _, b := range a.Blocks {
		l.sack(a, b, d, high)
	}
	if d.Bytes > 0 {
		l.now.delivered += uint32(d.Bytes)
		l.now.deliveredAt = ticks(a.Now)
		if d.HasNewest {
			l.now.firstAt = ticks(d.Newest.At)
		}
	}
}

// Untroubled reports whether all that is out was sent once, and no ACK has said but
// that it arrives in order.
func (l *Ledger) Untroubled() bool {
	return l.sacked|l.lost|l.left == 0 && l.resentEnd == l.high && l.high == l.runs[l.head].Start
}

// Advance is Deliver for the usual ACK: the ledger is untroubled, and all up to una has
// arrived. It returns how many numbers that are, when the first of them was sent, and
// the run that holds the last.
func (l *Ledger) Advance(now clock.Time, una seq.Num) (n int, first clock.Time, last *Run) {
	n = int(una.Sub(l.high))
	l.high, l.resentEnd, l.fresh = una, una, una
	l.out -= n
	i := l.head
	r := &l.runs[i]
	for first = r.At; r.End.Less(una); r = &l.runs[i] {
		i++
	}
	if l.head = i; r.End == una {
		l.head++
	} else {
		r.Start = una
	}
	l.now.delivered += uint32(n)
	l.now.deliveredAt, l.now.firstAt = ticks(now), ticks(r.At)
	return n, first, r
}

// acknowledge takes the runs before a.Una off the ledger. What still stands at the
// front was not held by the peer if it is right: one that says so has reneged, and
// its SACK blocks no longer count (RFC 2018 §8).
func (l *Ledger) acknowledge(a *Ack, d *Delivery, high seq.Num) {
	for l.head < len(l.runs) {
		r := &l.runs[l.head]
		whole := r.End.LessEq(a.Una)
		if !whole && a.Una.LessEq(r.Start) {
			break
		}
		end := r.End
		if !whole {
			end = a.Una
		}
		n := int(end.Sub(r.Start))
		d.Acked += n
		l.out -= n
		if r.is(Sacked | Withdrawn) {
			l.early -= n
		}
		switch {
		case r.is(Sacked): // delivered when a block told of it
			l.sacked -= n
		case r.is(Lost):
			l.lost -= n
			fallthrough
		default:
			if !r.is(Resent | Withdrawn) {
				d.Once += n
			}
			l.deliver(a, d, r, end, high)
		}
		d.Repaired = d.Repaired || r.is(Resent) && !r.is(Sacked)
		if !whole {
			r.Start = a.Una
			break
		}
		l.head++
	}
	l.acknowledged(a, d)
}

// acknowledged follows an ACK of d.Acked numbers.
func (l *Ledger) acknowledged(a *Ack, d *Delivery) {
	if l.left > 0 && d.Acked > 0 { // the first segment had not arrived: RFC 6582
		told := min(l.left, max(d.Acked-a.MSS, 0))
		l.left -= told
		d.Guess -= told
	}
	// No mark stays behind SND.UNA: half the number space later it would count as ahead.
	if l.high.Less(a.Una) {
		l.high = a.Una
	}
	if l.resentEnd.Less(a.Una) {
		l.resentEnd = a.Una
	}
	if l.fresh.Less(a.Una) {
		l.fresh = a.Una
	}
	if l.lostFrom.Less(a.Una) {
		l.lostFrom = a.Una
	}
	if l.out > 0 && l.runs[l.head].is(Sacked) {
		d.Reneged = true
		l.Withdraw()
	}
	if l.sacked == 0 {
		l.sackedParts = 0
	}
}

// deliver notes that the numbers of r up to end have arrived.
func (l *Ledger) deliver(a *Ack, d *Delivery, r *Run, end seq.Num, high seq.Num) {
	if r.is(Withdrawn) {
		return // that was told before
	}
	n := int(end.Sub(r.Start))
	d.Bytes += n
	if !r.is(Resent) {
		if end.Less(high) {
			d.Behind = max(d.Behind, int(high.Sub(r.Start)))
		}
		if !r.is(Probe) && (!d.HasFirst || r.At < d.First) {
			d.First, d.HasFirst = r.At, true
		}
	} else if a.mayBeEarlier(r, end) {
		return
	}
	if o := &d.Newest; !d.HasNewest || r.later(o.At, o.order, o.End) {
		d.Newest, d.HasNewest = *r, true
		d.Newest.End = end
	}
}

// mayBeEarlier reports whether an ACK of what was sent again, up to number end, may
// answer an earlier copy. One that comes at the same time by our clock may, if that is
// coarse. The echo tells of what is acknowledged by number alone: what came out of order
// leaves the peer's TS.Recent as it was (RFC 7323 §4.3). Where there is neither an echo
// nor any round trip to compare with, all may: Karn's rule.
// https://www.rfc-editor.org/rfc/rfc8985#section-6.2
func (a *Ack) mayBeEarlier(r *Run, end seq.Num) bool {
	return a.HasEcho && end.LessEq(a.Una) && int32(a.Echo-r.At.Milliseconds()) < 0 ||
		!a.HasEcho && a.MinRTT == 0 || a.Now.Sub(r.At) < max(a.MinRTT, 1)
}

// sack notes that the peer holds a block. One that lies not wholly between SND.UNA
// and SND.NXT counts for nothing. Each edge is compared with both: a block of half the
// number space has its right edge before SND.NXT and its left one behind.
func (l *Ledger) sack(a *Ack, b wire.SACKBlock, d *Delivery, high seq.Num) {
	if l.out == 0 || !b.Left.Less(b.Right) || !l.runs[l.head].Start.Less(b.Left) || !b.Left.Less(l.end()) || l.end().Less(b.Right) {
		return
	}
	i := l.find(b.Left)
	if r := &l.runs[i]; r.is(Sacked) && b.Right.LessEq(r.End) {
		return // it told so before
	}
	if !l.full() {
		i = l.from(b.Left, b.Right)
	}
	for ; i < len(l.runs) && l.runs[i].Start.Less(b.Right); i++ {
		r := &l.runs[i]
		if r.is(Sacked) || r.Start.Less(b.Left) || b.Right.Less(r.End) { // in part: there is no room to say so
			continue
		}
		l.unlose(r)
		l.deliver(a, d, r, r.End, high)
		l.sacked += r.size()
		if !r.is(Withdrawn) {
			l.early += r.size()
		}
		l.sackedParts += (r.size() + a.MSS - 1) / a.MSS
		l.high = seq.Max(l.high, r.End)
		r.Marks |= Sacked
		i -= l.join(i)
	}
	if i < len(l.runs) {
		l.join(i)
	}
}

func (l *Ledger) full() bool { return len(l.runs)-l.head >= MaxRuns }

// Arrived notes a duplicate ACK of a peer that has no SACK: some segment below number
// end has arrived, it is not known which. It returns how many bytes that stands for:
// none when all but the first segment have been told of, or who repeats ACKs would
// have us send without end.
func (l *Ledger) Arrived(mss int, end seq.Num) int {
	below := int(end.Diff(l.runs[l.head].Start))
	n := max(min(mss, min(below, l.out-l.lost)-l.left-mss), 0)
	l.left += n
	return n
}
