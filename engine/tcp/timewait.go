package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// enterTimeWait starts the 2MSL wait (MUST-13), RFC 9293 §3.10.7.4: all other timers
// are turned off. So long the peer may still need our last ACK again, and segments of
// this connection may still be under way that would fit into the next one's window.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.6.1
func (c *Conn) enterTimeWait(now clock.Time, why Cause) {
	c.setState(now, TimeWait, why)
	c.timers.disarmAll()
	c.restartTimeWait(now)
}

// restartTimeWait begins the wait, and begins it again with every FIN of the peer:
// that much longer something of the connection may be under way.
func (c *Conn) restartTimeWait(now clock.Time) {
	c.timers.arm(TimerLife, now.Add(2*c.cfg.MSL))
}

// timeWait is the compact form of a connection in TIME-WAIT whose program has
// gone: what is needed to acknowledge a repeated FIN, and to know a new SYN
// from an old one. It takes 24 bytes; with its four-tuple and its places in the
// table these are 48 for IPv4 and 72 for IPv6. Where its numbers began only a
// Trace wants to know, and keeps.
type timeWait struct {
	sndNxt, rcvNxt seq.Num
	tsRecent       uint32
	ends           shortTime // when the wait is over
	window         uint16    // ours, as in the field
	challenge      challengeTime
	flags          waitFlags
	more           waitMore
}

// shortTime is the low 48 bits of an instant: they come round in 78 hours.
type shortTime [3]uint16

// maxMSL keeps all waits within what a shortTime can tell apart.
const maxMSL = 24 * time.Hour

func shorten(t clock.Time) shortTime {
	return shortTime{uint16(t), uint16(t >> 16), uint16(t >> 32)}
}

// upTo returns the latest instant, not after last, that ends in these bits.
func (s shortTime) upTo(last clock.Time) clock.Time {
	low := clock.Time(s[0]) | clock.Time(s[1])<<16 | clock.Time(s[2])<<32
	// Never late by a round: last is the latest deadline there was, and none that is
	// kept lies a round before it, which maxMSL ensures.
	return last - (last-low)&(1<<48-1)
}

// waitFlags are our window scale, and what is either so or not.
type waitFlags uint8

const (
	waitShift         waitFlags = 15
	waitTimestamps    waitFlags = 1 << 4
	waitOwesAck       waitFlags = 1 << 5
	waitQueued        waitFlags = 1 << 6 // in the queue of those that send
	waitSynChallenged waitFlags = 1 << 7
)

// waitMore is what AccECN has each segment say, in three bits, and in the others by how
// much our timestamps are ahead of those of the four-tuple, in units of ahead. They are
// where another host made the SYN-ACK (see promote). Rounded up they are later than any
// that were sent, which is all that PAWS asks of those that follow.
type waitMore uint8

const waitACE waitMore = 7

// aheadBits are those of a unit, 37 hours in milliseconds.
const aheadBits = 27

// moreOf returns ace and the offset of timestamps, which is by so much larger than that
// of the four-tuple.
func moreOf(ace uint8, ahead uint32) waitMore {
	return waitMore(ace) | waitMore((ahead+1<<aheadBits-1)>>aheadBits<<3)
}

func (m waitMore) ahead() uint32 { return uint32(m>>3) << aheadBits }

// challengeUnit is 256 ms: a limit of 500 ms needs no more.
const challengeUnit = 1 << 28

// challengeTime is when the last challenge ACK went out, in units. It comes round
// in 4.6 hours.
type challengeTime uint16

// neverChallenged is one more than the units that a challengeTime counts to.
const neverChallenged challengeTime = 1<<16 - 1

func packChallenge(at clock.Time) challengeTime {
	if at == clock.Never {
		return neverChallenged
	}
	return challengeTime(at / challengeUnit % clock.Time(neverChallenged))
}

// upTo returns the latest instant, not after now, that n may stand for.
func (n challengeTime) upTo(now clock.Time) clock.Time {
	if n == neverChallenged {
		return clock.Never
	}
	const round = int64(neverChallenged)
	units := int64(now) / challengeUnit
	ago := (units - int64(n)) % round
	return clock.Time(units-(ago+round)%round) * challengeUnit
}

// compactTimeWait keeps of c what a segment that still arrives is judged by: its number,
// its timestamp and its window. All else was for text, and there is none any more. Of
// timestamps the four-tuple has the offset tsOffset.
func (c *Conn) compactTimeWait(tsOffset uint32) timeWait {
	w := timeWait{ends: shorten(c.timers[TimerLife]), sndNxt: c.snd.nxt, rcvNxt: c.rcv.nxt,
		tsRecent: c.ts.recent, window: uint16(c.rcv.edge.Sub(c.rcv.nxt) >> c.rcv.shift), challenge: packChallenge(c.live.challenge),
		flags: waitFlags(c.rcv.shift), more: moreOf(c.ecn.ace.ACE(), c.ts.offset-tsOffset)}
	if c.has(stamping) {
		w.flags |= waitTimestamps
	}
	if c.owes&owesAck != 0 {
		w.flags |= waitOwesAck
	}
	if c.is(synChallenged) {
		w.flags |= waitSynChallenged
	}
	return w
}

// expandTimeWait makes c the connection that w, whose wait ends at ends, is the
// compact form of.
func (c *Conn) expandTimeWait(now clock.Time, w *timeWait, ends clock.Time) {
	c.startSending(now, w.sndNxt)
	c.snd.iss, c.rcv.irs = c.log.origin(&c.tuple, w.sndNxt-2, w.rcvNxt-2) // SYN and FIN lie behind them
	c.state = TimeWait
	c.set(finQueued|finReceived|orphan|readClosed, true)
	c.set(synChallenged, w.flags&waitSynChallenged != 0)
	c.out.start = w.sndNxt - 1 // our FIN lies behind it
	c.rcv.nxt, c.rcv.acked, c.rcv.shift = w.rcvNxt, w.rcvNxt, uint8(w.flags&waitShift)
	c.rcv.edge = w.rcvNxt.Add(seq.Size(w.window) << c.rcv.shift)
	c.settle(stamping, w.flags&waitTimestamps != 0)
	// The age of TS.Recent is not kept: a wait is much shorter than the 24 days after
	// which it would be out of date.
	c.ts.recent, c.ts.at = w.tsRecent, now
	c.ts.offset += w.more.ahead()
	c.timers[TimerLife] = ends
	if w.flags&waitOwesAck != 0 {
		c.owes = owesAck
	}
	c.live.challenge, c.ecn.ace = w.challenge.upTo(now), wire.ACEFlags(uint8(w.more&waitACE))
}

// waiting holds all connections in TIME-WAIT whose programs have gone.
type waiting struct {
	compactTable[timeWait]
	order refQueue   // of their deadlines, since all wait equally long
	last  clock.Time // the last deadline there was
}

// ends returns when an entry's wait is over.
func (w *waiting) ends(r ref) clock.Time { return w.at(r).ends.upTo(w.last) }

// due returns when the first wait ends.
func (w *waiting) due() clock.Time {
	if w.order.first == 0 {
		return clock.Never
	}
	return w.ends(w.order.first)
}

// put stores what a connection in TIME-WAIT has become. When it is new, or its
// wait began again, its deadline is the latest of all. Whether it is queued to send
// stays as it is.
// So the queue is in order without ever being sorted.
func (w *waiting) put(f flow, t *wire.Tuple, ends clock.Time, v timeWait) {
	w.last = max(w.last, ends)
	r := w.find(f, t)
	if r == 0 {
		w.append(&w.order, w.add(f, t, &v))
		return
	}
	if e := w.at(r); v.ends != e.ends {
		w.unlink(&w.order, r)
		w.append(&w.order, r)
	}
	v.flags |= w.at(r).flags & waitQueued
	*w.at(r) = v
}

// remove forgets an entry whose hashes are f.
func (w *waiting) remove(f flow, r ref) {
	w.unlink(&w.order, r)
	if w.compactTable.remove(f, r) {
		w.relink(&w.order, r)
	}
}

// inOrder calls yield for every entry, the one whose wait ends first first.
func (w *waiting) inOrder(yield func(ref) bool) {
	for r := w.order.first; r != 0 && yield(r); {
		r = w.links(r).next
	}
}

// keepTimeWait stores c, which is in TIME-WAIT and whose program has gone, in
// compact form. At the limit the wait that is nearest its end makes room.
func (e *Endpoint) keepTimeWait(now clock.Time, c *Conn) {
	if e.timeWait.count >= e.cfg.MaxTimeWait {
		first := e.timeWait.order.first
		t := e.timeWait.tuple(first)
		e.forgetTimeWait(now, e.cookies.flow(&t), first, &t)
		e.stats.TimeWaitOverflow++
	}
	e.putTimeWait(e.cookies.flow(&c.tuple), c)
}

func (e *Endpoint) putTimeWait(f flow, c *Conn) {
	e.timeWait.put(f, &c.tuple, c.timers[TimerLife], c.compactTimeWait(f.tsOffset()))
	e.trace.keepOrigin(&c.tuple, c.snd.iss, c.rcv.irs)
}

// forgetTimeWait forgets an entry. If that is before its end, old segments may still be under way.
func (e *Endpoint) forgetTimeWait(now clock.Time, f flow, w ref, t *wire.Tuple) {
	if e.timeWait.ends(w) > now {
		e.endings.note(now, e.cfg.MSL, f, &e.cookies, e.timeWait.at(w).sndNxt, e.timeWait.at(w).rcvNxt)
	}
	e.timeWait.remove(f, w)
	e.trace.forgetOrigin(t)
}

// arrivedTimeWait handles a segment for a connection in TIME-WAIT.
func (e *Endpoint) arrivedTimeWait(a *arrival, w ref) outcome {
	c := e.expandWaiting(a.now, a.tuple, a.flow, w)
	if e.reopens(c, a.segment) {
		c.closed(a.now, NoFailure, CauseReuse)
		e.forgetTimeWait(a.now, a.flow, w, a.tuple)
		return e.arrivedStray(a)
	}
	// By the rules of a whole connection: TIME-WAIT has no code of its own that could
	// know them otherwise.
	v := c.receive(a.now, a.path, a.segment)
	if c.state != TimeWait {
		e.forgetTimeWait(a.now, a.flow, w, a.tuple)
		return v
	}
	e.putTimeWait(a.flow, c)
	e.oweTimeWait(a.tuple, a.flow, e.timeWait.at(w))
	return v
}

// reopens reports whether a segment for a connection in TIME-WAIT is a new SYN
// that may take its place: RFC 6191, and RFC 9293 §3.10.7.4 (MAY-2).
// https://www.rfc-editor.org/rfc/rfc6191#section-2
func (e *Endpoint) reopens(c *Conn, s *Segment) bool {
	// Without a listener the SYN would end the wait and get nothing for it.
	if s.Flags&(wire.SYN|wire.ACK|wire.RST|wire.FIN) != wire.SYN || e.listener(&c.tuple) == nil {
		return false
	}
	// A timestamp goes up with the time of the peer's host, whatever number its SYN has:
	// it is the better witness. Where it says neither, the sequence number decides.
	if s.Options.Has(wire.OptTimestamps) && !e.cfg.NoTimestamps {
		if !c.has(stamping) {
			return true // PAWS will tell the old connection's segments apart
		}
		if val := s.Options.TSVal; val != c.ts.recent {
			return seq.Num(c.ts.recent).Less(seq.Num(val))
		}
	}
	return c.rcv.nxt.Less(s.Seq)
}

// expandWaiting makes a whole connection of one in TIME-WAIT, in the endpoint's
// scratch memory: it is valid until the next expansion.
func (e *Endpoint) expandWaiting(now clock.Time, t *wire.Tuple, f flow, w ref) *Conn {
	c := &e.scratch
	c.init(e.cfg, *t, Path{MTU: minMTU}, f.tsOffset(), e.trace)
	c.use(e.optionsOf(t))
	c.expandTimeWait(now, e.timeWait.at(w), e.timeWait.ends(w))
	return c
}

// minMTU stands for the path of a connection that sends nothing but ACKs.
const minMTU = 1280

// advanceTimeWait ends the waits that lasted 2MSL.
func (e *Endpoint) advanceTimeWait(now clock.Time) {
	for e.timeWait.due() <= now {
		w := e.timeWait.order.first
		t := e.timeWait.tuple(w)
		f := e.cookies.flow(&t)
		c := e.expandWaiting(now, &t, f, w)
		e.forgetTimeWait(now, f, w, &t)
		c.Advance(now)
	}
}
