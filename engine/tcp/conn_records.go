package tcp

import (
	"math"
	"slices"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// A program may end a record, as MSG_EOR does in Linux: no segment carries text of both sides
// of such an end, whether it is sent for the first time or again. What is before it may share
// segments with what was written earlier, and leaves without waiting for what is behind it.
// TCP itself knows no records, and the peer reads a stream: it is of use to who looks at
// segments, such as a device that stamps them or puts more protocol around each.

// records are the ends of the records that are queued, in order. A connection of which no
// record was ended has none.
type records struct{ ends []seq.Num }

// endRecord ends a record behind all that is queued.
func (c *Conn) endRecord() {
	if !c.takesData() || c.out.len() == 0 {
		return
	}
	if c.options.records == nil {
		own := *c.options
		own.records = &records{}
		c.options = &own
	}
	r, end := c.options.records, c.out.end()
	// A program may write many small ones, so those that are acknowledged go together.
	if done := r.past(c.snd.una); done > len(r.ends)/2 {
		r.ends = slices.Delete(r.ends, 0, done)
	}
	if n := len(r.ends); n == 0 || r.ends[n-1] != end {
		r.ends = append(r.ends, end)
	}
}

// toRecordEnd returns how many bytes lie between number pos and the end of its record; where
// nothing is queued behind that end it is no other than that of the queue.
func (c *Conn) toRecordEnd(pos seq.Num) int {
	if c.options.records == nil { // of nearly all, and asked for each segment
		return math.MaxInt
	}
	return c.recordLeft(pos)
}

// recordLeft is toRecordEnd of a connection that has records.
func (c *Conn) recordLeft(pos seq.Num) int {
	r := c.options.records
	if i := r.past(pos); i < len(r.ends) && r.ends[i] != c.out.end() {
		return int(r.ends[i].Sub(pos))
	}
	return math.MaxInt
}

// past returns how many of the ends are not behind number pos.
func (r *records) past(pos seq.Num) int {
	n, _ := slices.BinarySearchFunc(r.ends, pos, func(end, pos seq.Num) int {
		if end.LessEq(pos) {
			return -1
		}
		return 1
	})
	return n
}

// EndRecord says after Send or SendCopy that a record ends, as MSG_EOR does in Linux: no
// segment has text of both sides of it.
func (e *Endpoint) EndRecord(now clock.Time, en *Entry) {
	en.endRecord()
	e.update(now, en)
}
