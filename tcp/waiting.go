package tcp

import (
	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/seq"
	"github.com/handfast-tcp/handfast/wire"
)

// timeWait is the compact form of a connection in TIME-WAIT whose program has
// gone: what is needed to acknowledge a repeated FIN, and to know a new SYN
// from an old one.
type timeWait struct {
	ends           packedTime // when the wait is over
	sndNxt, rcvNxt seq.Num
	iss, irs       seq.Num
	tsRecent       uint32
	window         uint16 // ours, as in the field
	challenge      uint16 // when the last challenge ACK went out, in units of 256 ms, plus one
	shift          uint8
	flags          waitFlags
}

// packedTime is an instant that needs no alignment of eight bytes.
type packedTime struct{ hi, lo uint32 }

func pack(t clock.Time) packedTime { return packedTime{uint32(t >> 32), uint32(t)} }

func (p packedTime) time() clock.Time { return clock.Time(p.hi)<<32 | clock.Time(p.lo) }

type waitFlags uint8

const (
	waitTimestamps waitFlags = 1 << iota
	waitOwesAck
)

// challengeUnit is 256 ms: a limit of 500 ms needs no more.
const challengeUnit = 1 << 28

func (c *Conn) compactTimeWait() timeWait {
	w := timeWait{ends: pack(c.timers[TimerLife]), sndNxt: c.snd.nxt, rcvNxt: c.rcv.nxt, iss: c.snd.iss, irs: c.rcv.irs,
		tsRecent: c.ts.recent, window: uint16(c.rcv.edge.Sub(c.rcv.nxt) >> c.rcv.shift), shift: c.rcv.shift}
	if c.live.challenge != 0 {
		w.challenge = uint16(c.live.challenge/challengeUnit) + 1
	}
	if c.ts.on {
		w.flags |= waitTimestamps
	}
	if c.owes&owesAck != 0 {
		w.flags |= waitOwesAck
	}
	return w
}

// expandTimeWait makes c the connection that w is the compact form of.
func (c *Conn) expandTimeWait(now clock.Time, w *timeWait) {
	c.startSending(now, w.sndNxt)
	c.snd.iss = w.iss
	c.state = TimeWait
	c.set(finQueued|finReceived|orphan|readClosed, true)
	c.out.start = w.sndNxt - 1 // our FIN lies behind it
	c.rcv.irs, c.rcv.nxt, c.rcv.acked, c.rcv.shift = w.irs, w.rcvNxt, w.rcvNxt, w.shift
	c.rcv.edge = w.rcvNxt.Add(seq.Size(w.window) << w.shift)
	c.ts.on = w.flags&waitTimestamps != 0
	c.ts.recent, c.ts.at = w.tsRecent, now
	c.timers[TimerLife] = w.ends.time()
	if w.flags&waitOwesAck != 0 {
		c.owes = owesAck
	}
	if w.challenge != 0 {
		c.live.challenge = lastChallenge(now, w.challenge-1)
	}
}

// lastChallenge returns the latest instant, not after now, whose count of
// units ends in the 16 bits of n.
func lastChallenge(now clock.Time, n uint16) clock.Time {
	units := int64(now) / challengeUnit
	return max(clock.Time(units-int64(uint16(units)-n))*challengeUnit, 1)
}

// waiting holds all connections in TIME-WAIT whose programs have gone.
type waiting struct {
	v4 waitTable[waitKey4]
	v6 waitTable[waitKey6]
}

func newWaiting(flowOf func(*wire.Tuple) flow) waiting {
	return waiting{waitTable[waitKey4]{flowOf: flowOf}, waitTable[waitKey6]{flowOf: flowOf}}
}

func (w *waiting) count() int      { return w.v4.count + w.v6.count }
func (w *waiting) due() clock.Time { return min(w.v4.due(), w.v6.due()) }

// find returns t's entry, or nil.
func (w *waiting) find(f flow, t *wire.Tuple) *timeWait {
	if t.Local.Is4() {
		if _, e := w.v4.find(f, key4(t)); e != nil {
			return &e.timeWait
		}
	} else if _, e := w.v6.find(f, waitKey6(*t)); e != nil {
		return &e.timeWait
	}
	return nil
}

// put stores what c, which is in TIME-WAIT, has become.
func (w *waiting) put(f flow, t *wire.Tuple, v timeWait) {
	if t.Local.Is4() {
		putIn(&w.v4, f, key4(t), v)
	} else {
		putIn(&w.v6, f, waitKey6(*t), v)
	}
}

func putIn[K waitKey](t *waitTable[K], f flow, k K, v timeWait) {
	i, e := t.find(f, k)
	if e == nil {
		t.add(f, k, v)
		return
	}
	if v.ends != e.ends {
		t.restart(i)
	}
	e.timeWait = v
}

func (w *waiting) remove(f flow, t *wire.Tuple) {
	if t.Local.Is4() {
		if i, e := w.v4.find(f, key4(t)); e != nil {
			w.v4.remove(i)
		}
	} else if i, e := w.v6.find(f, waitKey6(*t)); e != nil {
		w.v6.remove(i)
	}
}

// removeFirst takes out the entry whose wait ends first. There is one.
func (w *waiting) removeFirst() (wire.Tuple, timeWait) {
	if w.v4.due() <= w.v6.due() && w.v4.count > 0 {
		return w.v4.removeFirst()
	}
	return w.v6.removeFirst()
}

func (w *waiting) all(yield func(wire.Tuple, *timeWait) bool) bool {
	return w.v4.all(yield) && w.v6.all(yield)
}

// keepTimeWait stores c, which is in TIME-WAIT and whose program has gone, in
// compact form. At the limit the wait that is nearest its end makes room.
func (e *Endpoint) keepTimeWait(c *Conn) {
	if e.timeWait.count() >= e.cfg.MaxTimeWait {
		e.timeWait.removeFirst()
		e.stats.TimeWaitOverflow++
	}
	e.timeWait.put(e.cookies.flow(&c.tuple), &c.tuple, c.compactTimeWait())
}

// arrivedTimeWait meets a segment for a connection in TIME-WAIT.
func (e *Endpoint) arrivedTimeWait(now clock.Time, path Path, t *wire.Tuple, f flow, w *timeWait, s *Segment) Verdict {
	c := e.expandWaiting(now, t, f, w)
	if e.reopens(now, c, s) {
		last := c.snd.nxt
		c.closed(now, NoFailure, CauseReuse)
		e.timeWait.remove(f, t)
		return e.arrivedStray(now, path, t, f, s, last)
	}
	v := c.Receive(now, path, s)
	if c.state != TimeWait {
		e.timeWait.remove(f, t)
		return v
	}
	e.timeWait.put(f, t, c.compactTimeWait())
	if c.owes != 0 {
		e.compact.push(*t)
	}
	return v
}

func (e *Endpoint) expandWaiting(now clock.Time, t *wire.Tuple, f flow, w *timeWait) *Conn {
	c := &e.scratch
	c.init(e.cfg, *t, Path{MTU: minMTU}, f.tsOffset, e.trace)
	c.expandTimeWait(now, w)
	return c
}

// minMTU stands for the path of a connection that sends nothing but ACKs.
const minMTU = 1280

// advanceTimeWait ends the waits that lasted 2MSL.
func (e *Endpoint) advanceTimeWait(now clock.Time) {
	for e.timeWait.due() <= now {
		t, w := e.timeWait.removeFirst()
		e.expandWaiting(now, &t, e.cookies.flow(&t), &w).Advance(now)
	}
}
