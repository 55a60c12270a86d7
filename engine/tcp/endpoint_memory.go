package tcp

import (
	"math"
	"time"
	"unsafe"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// memory is the budget for what the queues of all connections hold, in bytes of text
// and of what lists it when it came out of order. It has Linux's three marks
// (tcp_mem):
//
//   - Above the second, three quarters of it, memory is short, until no more is held
//     than the first, a half. Receive buffers do not grow. What the program reads is not
//     offered to the peer again, down to 32 KiB. A write waits while 16 KiB have not been
//     sent. Buffers that the program has set are its own, but for that.
//   - At the third, the budget, what came out of order is given up, once a second, and
//     nothing more is taken even inside the window, which stays as it was promised: the
//     peer will send it again. A connection that holds nothing still takes a segment, and
//     a program whose queue is empty may write, so that everything goes on.
//
// So all connections hold no more than the budget, and one segment and one write each.
// The blocks that the bytes lie in are at most pinShare times as large.
//
// Where connections are counted too, each is from its beginning, with what it may always
// hold: a tiny block of text each way. None begins above seven eighths of the budget, so
// that there is some left for those that have begun; and an eighth above it is for those
// that hold nothing. Where that is used up they take, and write, no more than a tiny block
// at a time. So all hold no more than nine eighths of the budget.
type memory struct {
	used     int64
	high     int64
	each     int64 // what a connection counts, beside its text; 0: nothing
	open     int64 // another connection may begin while no more is held
	above    int64 // what calls press when more is held, or less than below
	below    int64
	freely   int32 // less than this may wait to be sent without a further look
	pressed  bool
	prunedAt clock.Time // when the endpoint last gave up what came out of order
}

func newMemory(high, each int64) memory {
	m := memory{high: high, each: each, open: math.MaxInt64}
	if each > 0 {
		m.open = high - high/8 - each
	}
	m.relax()
	return m
}

// relax and strain are for when enough is there, and when memory is short.
func (m *memory) relax() {
	m.pressed, m.above, m.below, m.freely = false, m.high/4*3, 0, minUnsent
}

func (m *memory) strain() {
	m.pressed, m.above, m.below, m.freely = true, m.high-1, m.high/2, math.MinInt32
}

func (m *memory) full() bool { return m.used >= m.high }

// dry reports whether not even those that hold nothing have a whole segment.
func (m *memory) dry() bool { return m.each > 0 && m.used >= m.high+m.high/8 }

// least is how much of a connection may be queued when there is no memory.
func (m *memory) least() int {
	if m.dry() {
		return buf.TinySize
	}
	return leastQueued
}

// admits reports whether another connection may begin.
func (m *memory) admits() bool { return m.used <= m.open }

// enlist counts a connection that begins, with what it holds already.
func (e *Endpoint) enlist(now clock.Time, en *Entry) {
	en.set(counted, true)
	e.cfg.memory.used += e.cfg.memory.each
	e.charge(now, en, 0)
	e.weigh(now)
}

// delist ends that, when neither the table nor a program has it any more.
func (e *Endpoint) delist(now clock.Time, en *Entry) {
	if en.is(counted) {
		en.set(counted, false)
		e.cfg.memory.used -= e.cfg.memory.each
		e.weigh(now)
	}
}

// holds is what c adds to it.
func (c *Conn) holds() int32 {
	n := c.out.bytes + c.in.bytes
	if o := c.in.ooo; o != nil {
		n += o.bytes + int32(len(o.parts)*int(unsafe.Sizeof(part{})))
	}
	return n
}

// charge follows what en holds now, and held before. Every call that changes its queues
// ends with it.
func (e *Endpoint) charge(now clock.Time, en *Entry, held int32) {
	if more := en.holds() - held; more != 0 {
		e.cfg.memory.used += int64(more)
		e.weigh(now)
	}
}

// weigh looks whether what all hold has passed a mark.
func (e *Endpoint) weigh(now clock.Time) {
	if m := &e.cfg.memory; m.used > m.above || m.used < m.below {
		e.press(now)
	}
}

// press follows what all hold past a mark.
func (e *Endpoint) press(now clock.Time) {
	m := &e.cfg.memory
	switch {
	case m.used < m.below:
		m.relax()
		return
	case !m.pressed:
		e.cfg.stats.TCPMemoryPressures++
		m.strain()
	}
	if m.full() && (m.prunedAt == 0 || now.Sub(m.prunedAt) >= time.Second) {
		m.prunedAt = now
		e.prune()
	}
}

// prune gives up what came out of order, of all connections: its senders must keep
// it until it is acknowledged. https://www.rfc-editor.org/rfc/rfc2018#section-8
func (e *Endpoint) prune() {
	e.cfg.stats.PruneCalled++
	for en := range e.conns.all {
		held := en.holds()
		e.cfg.stats.OfoPruned += uint64(en.in.dropOutOfOrder())
		e.cfg.memory.used += int64(en.holds() - held)
	}
}

// accepts reports whether the text of s is taken although there is no memory, and
// counts it if not: in order, by who holds nothing. Others say at once what they wait
// for.
func (c *Conn) accepts(s *Segment) bool {
	switch {
	case s.Seq != c.rcv.nxt:
		c.cfg.stats.TCPOFODrop += uint64(s.Count())
	case c.in.bytes > 0:
		c.cfg.stats.TCPRcvQDrop += uint64(s.Count())
	default:
		if over := s.Len - c.cfg.memory.leastTaken(); over > 0 {
			s.Flags &^= wire.FIN
			s.cutBack(over)
		}
		return true
	}
	c.owes |= owesAck
	return false
}

// leastTaken is how much text of a segment is taken when there is no memory. The rest is
// cut off, and comes again.
func (m *memory) leastTaken() int {
	switch {
	case m.dry():
		return buf.SmallSize/pinShare - 1 // holds no small block: it is copied into a tiny one
	case m.each > 0:
		return buf.SmallSize
	}
	return math.MaxInt
}

// WriteLimit returns how many bytes a program may queue at once: a larger write is queued
// in parts, and waits between them.
func (e *Endpoint) WriteLimit() int {
	if m := &e.cfg.memory; m.each > 0 && m.full() {
		return m.least()
	}
	return math.MaxInt
}

// BufferMemory returns how many bytes the buffers of e's connections hold and may
// hold, and whether that is short: see Config.BufferMemory. Where Config.ConnMemory is
// set, connections count too.
func (e *Endpoint) BufferMemory() (used, most int64, short bool) {
	m := &e.cfg.memory
	return m.used, m.high, m.pressed
}
