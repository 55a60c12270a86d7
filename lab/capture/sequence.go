package capture

import (
	"slices"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// maxWindow is the largest window that there is (RFC 7323 §2.3). What lies farther ahead, or
// acknowledges more, is not of the stream as it is known.
const maxWindow = 1 << 30

// maxGaps is how many gaps of a stream are remembered at a time. Of more the oldest is
// taken for missed.
const maxGaps = 32

// ranges know which numbers of a stream were seen.
type ranges struct {
	begun  bool
	next   seq.Num // behind the largest that was seen
	place  int64   // of next in the stream
	told   bool    // before it has begun, by the peer:
	origin seq.Num
	gaps   []gap // in their order, all before next
}

// gap is what was not seen, since a later number was.
type gap struct {
	from, to seq.Num
	since    moment
}

// moment is when a segment was seen, and its timestamp, which tells when it was sent.
type moment struct {
	time    clock.Time
	stamp   uint32
	stamped bool
}

func (s *segment) moment() moment {
	return moment{s.time, s.tcp.Options.TSVal, s.tcp.Options.Has(wire.OptTimestamps)}
}

// overtaken reports whether a segment was sent before another one that was seen first. Where
// timestamps do not tell, it was if it comes soon after that: what is sent again takes longer.
func (m moment) overtaken(by moment, soon time.Duration) bool {
	if m.stamped && by.stamped && m.stamp != by.stamp {
		return int32(m.stamp-by.stamp) < 0
	}
	return m.time.Sub(by.time) < soon
}

func (r *ranges) begin(first seq.Num) { r.begun, r.next, r.place = true, first, r.placeOf(first) }

// placeOf is the place of a number in the stream, which its first one that is asked for
// or seen begins.
func (r *ranges) placeOf(n seq.Num) int64 {
	switch {
	case r.begun:
		return r.place + int64(n.Diff(r.next))
	case !r.told:
		r.told, r.origin = true, n
	}
	return int64(n.Diff(r.origin))
}

// gap returns since when a range lies in a gap.
func (r *ranges) gap(first, end seq.Num) (since moment, ok bool) {
	for i := range r.gaps {
		if g := &r.gaps[i]; g.from.LessEq(first) && end.LessEq(g.to) {
			return g.since, true
		}
	}
	return since, false
}

// take notes a range, and returns how far the stream has gone on by it, in bytes. From what
// is out of any window it goes on, and what lies between is not counted.
func (r *ranges) take(now moment, first, end seq.Num, f wire.Flags) (bytes int64) {
	if first.Diff(r.next) >= maxWindow {
		r.next, r.gaps = first, r.gaps[:0]
	}
	if r.next.Less(first) {
		if len(r.gaps) == maxGaps {
			r.gaps = r.gaps[:copy(r.gaps, r.gaps[1:])]
		}
		r.gaps = append(r.gaps, gap{r.next, first, now})
	} else if len(r.gaps) > 0 {
		r.fill(first, end)
	}
	if r.next.Less(end) {
		bytes = int64(end.Sub(r.next))
		r.place += bytes
		if f.Has(wire.SYN) && r.next == first {
			bytes--
		}
		if f.Has(wire.FIN) {
			bytes--
		}
		r.next = end
	}
	return bytes
}

// fill takes a range out of the gaps.
func (r *ranges) fill(first, end seq.Num) {
	left := r.gaps[:0]
	for i, g := range r.gaps {
		before, behind := g.from.Less(first), end.Less(g.to)
		switch {
		case end.LessEq(g.from) || g.to.LessEq(first):
			left = append(left, g)
		case before && behind: // then no other has any of it
			r.gaps[i].to = first
			if len(r.gaps) < maxGaps {
				r.gaps = slices.Insert(r.gaps, i+1, gap{end, g.to, g.since})
			}
			return
		case before:
			left = append(left, gap{g.from, first, g.since})
		case behind:
			left = append(left, gap{end, g.to, g.since})
		}
	}
	r.gaps = left
}

// holes are what an ACK acknowledges and was never seen.
type holes struct {
	count int
	bytes int64
}

// miss returns what an ACK acknowledges that was never seen, and forgets it. It is part
// of the stream all the same, and that has gone on by what is at its end.
func (r *ranges) miss(ack seq.Num) (missed holes, on int64) {
	if !r.begun {
		return missed, 0
	}
	left := r.gaps[:0]
	for _, g := range r.gaps {
		if to := seq.Min(g.to, ack); g.from.Less(to) {
			missed.count++
			missed.bytes += int64(to.Sub(g.from))
			g.from = to
		}
		if g.from.Less(g.to) {
			left = append(left, g)
		}
	}
	r.gaps = left
	if r.next.Less(ack) && ack.Diff(r.next) < maxWindow {
		on = int64(ack.Sub(r.next))
		missed.count++
		missed.bytes += on
		r.place += on
		r.next = ack
	}
	return missed, on
}
