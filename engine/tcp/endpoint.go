package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/engine/secret"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Endpoint holds the connections of one host, or of one shard of a host: it
// finds the connection that a segment belongs to, makes new ones, answers for
// those that do not exist, and says which connection sends next.
//
// It is not safe for concurrent use. After any call the caller takes what
// NextReady tells and pulls Output until there is none.
type Endpoint struct {
	cfg   *Config
	isn   secret.Key
	trace *Trace
	stats Counters

	conns     connTable
	halfOpen  halfOpenCache
	timeWait  waiting
	listeners listenerTable

	due      deadlines[*Entry]
	sending  entryQueue           // entries that may have something to send
	compact  ring[owing]          // compact connections that owe a segment: see owe
	replies  ring[statelessReply] // segments of no connection
	asked    ring[Syn]            // SYNs that the program must decide about: see ask
	ready    ring[readyItem]      // one item for each connection and listener at most
	narrowed []narrowed           // see NextNarrowed
	shared   [maxShared]*settings // those that were set last: see share
	cookies  cookies
	endings  endings
	attack   attack
	scratch  Conn   // a compact connection, expanded
	touched  uint64 // see touch

	detector *detect.Detector // nil: nobody has asked for a connection yet
	seed     uint64           // of the detector
}

// Entry is a connection in an endpoint's table.
type Entry struct {
	Conn
	// Owner is the program's; the endpoint only gives it back.
	Owner any

	next   *Entry     // in the queue of those that send
	armed  clock.Time // the time of its item in the heap of deadlines
	told   Ready      // what NextReady has told, or must tell
	news   Ready      // what NextReady must tell
	queued bool       // in the queue of those that send
	burst  uint8      // segments sent in this turn, and maxBurst for all before it
	hash   uint32     // in the table
}

// NewEndpoint returns an endpoint without connections.
func NewEndpoint(cfg *Config) *Endpoint {
	keys := secret.New(cfg.Secret)
	e := &Endpoint{
		cfg:     cfg.withDefaults(),
		isn:     keys.For("isn", 0),
		replies: ring[statelessReply]{limit: maxReplies},
		cookies: newCookies(keys),
	}
	e.cfg.stats = &e.stats
	for i := range e.conns.key {
		e.conns.key[i] = keys.Number("connection table", uint64(i))
	}
	e.halfOpen.hashes, e.timeWait.hashes = &e.cookies, &e.cookies
	e.halfOpen.sparse = 1
	e.halfOpen.limit, e.halfOpen.prepared.lost.limit = e.cfg.MaxHalfOpen, e.cfg.MaxHalfOpen
	e.seed = keys.Number("detector", 0)
	e.attack.key = keys.For("attack mode", 0)
	return e
}

// SetTrace switches events on: all connections made from now on report to t.
func (e *Endpoint) SetTrace(t *Trace) { e.trace = t }

// Len returns how many connections there are, half-open and TIME-WAIT ones included.
func (e *Endpoint) Len() int { return e.conns.count + e.halfOpen.count + e.timeWait.count }

// InUse reports whether a connection with this four-tuple exists, so that Connect would refuse
// another one: one that has ended and is still to send its RST is in nobody's way.
func (e *Endpoint) InUse(t wire.Tuple) bool {
	f := e.cookies.flow(&t)
	en := e.conns.find(&t)
	return en != nil && en.state != Closed || e.halfOpen.find(f, &t) != 0 || e.timeWait.find(f, &t) != 0
}

// Receive takes a segment that arrived for t, named from our side. What it
// cuts off s concerns this segment only: the caller may use s again.
func (e *Endpoint) Receive(now clock.Time, path Path, t *wire.Tuple, s *Segment) wire.Drop {
	e.stats.InSegs++
	s.skip, s.cut = 0, false
	// A connection tells the trace itself what it drops. What no connection saw is
	// told here.
	told := e.trace.len()
	v := e.dispatch(now, &path, t, s)
	if v.why != wire.None && e.trace.len() == told {
		e.trace.dropped(now, t, s, v.why)
	}
	if v.fate == isRefused {
		e.reply(now, t, s, e.stamp(now, t, v.why))
	}
	return v.why
}

// arrival is a segment that arrived, until it is known who it is for.
type arrival struct {
	now     clock.Time
	path    *Path
	tuple   *wire.Tuple
	segment *Segment
	flow    flow
	ecn     cc.ECNMode // of its listener
}

// dispatch finds who the segment is for: a connection, a half-open one, one in
// TIME-WAIT, a listener, nobody.
func (e *Endpoint) dispatch(now clock.Time, path *Path, t *wire.Tuple, s *Segment) outcome {
	// First among whole connections, which have nearly all segments, by their quick
	// hash. The hash of the other tables is a cryptographic one: only what is not
	// found here pays for it.
	en := e.conns.find(t)
	if en != nil && en.state == Closed && !s.Flags.Has(wire.ACK) {
		e.makeWay(now, en, s)
		en = nil
	}
	if en != nil && (en.state != TimeWait || !e.reopens(&en.Conn, s)) {
		e.stats.InSegs += uint64(s.Count() - 1)
		held := en.holds()
		v := en.Conn.receive(now, path, s)
		e.charge(now, en, held)
		e.update(now, en)
		return v
	}
	a := arrival{now: now, path: path, tuple: t, segment: s, flow: e.cookies.flow(t)}
	if en != nil {
		held := en.holds()
		en.closed(now, NoFailure, CauseReuse)
		e.charge(now, en, held)
		e.update(now, en)
		e.remove(now, en) // at once: the next segment may come before any output
		return e.arrivedStray(&a)
	}
	if at := e.halfOpen.find(a.flow, t); at != 0 {
		return e.arrivedHalfOpen(&a, e.listener(t), e.halfOpen.at(at), at)
	}
	if w := e.timeWait.find(a.flow, t); w != 0 {
		return e.arrivedTimeWait(&a, w)
	}
	return e.arrivedStray(&a)
}

// ReceiveICMP takes an ICMP error that quotes a segment of t. Half-open connections
// and those in TIME-WAIT are not asked: an error can end an active open only, and a
// smaller MTU matters only to a sender of text, and neither has a compact form.
func (e *Endpoint) ReceiveICMP(now clock.Time, t wire.Tuple, icmp ICMPError) wire.Drop {
	en := e.conns.find(&t)
	if en == nil {
		return wire.ForgedICMP
	}
	// Nobody signs an error: https://www.rfc-editor.org/rfc/rfc5925#section-7.8
	if en.options.auth != nil && en.state.Synchronized() && (icmp.Kind != ICMPTooBig || t.Local.Is4()) {
		e.stats.TCPAODroppedIcmps++
		return wire.ForgedICMP
	}
	mtu := en.path.mtu
	held := en.holds()
	d := en.receiveICMP(now, icmp)
	e.charge(now, en, held)
	e.narrowing(en, mtu)
	e.update(now, en)
	return d
}

// Connect opens a connection to t.Remote from t.Local: OPEN of RFC 9293
// §3.10.1. It fails with ErrInUse when the four-tuple is taken, and with ErrNoMemory
// when there is none for another connection.
func (e *Endpoint) Connect(now clock.Time, path Path, t wire.Tuple, owner any) (*Entry, error) {
	if en := e.conns.find(&t); en != nil && en.state == Closed {
		e.remove(now, en) // it ended a moment ago; its RST, if it has one to send, leaves before our SYN
	}
	w := e.reusable(now, &t)
	if w == 0 && e.InUse(t) {
		return nil, ErrInUse
	}
	if !e.cfg.memory.admits() {
		e.stats.ConnsRefused++
		return nil, ErrNoMemory
	}
	last, ahead := e.endWait(now, &t, w)
	en := &Entry{Owner: owner, armed: clock.Never}
	en.init(e.cfg, t, path, e.cookies.flow(&t).tsOffset()+ahead, e.trace)
	e.trace.enroll(now, &en.Conn)
	// The number follows RFC 6528 and is no cookie: what answers it finds the connection.
	iss := isn(&e.isn, now, &t)
	if w != 0 && iss.LessEq(last) {
		iss = last.Add(beyondOld)
	}
	en.openActive(now, iss)
	e.conns.insert(en)
	e.stats.ActiveOpens++
	e.enlist(now, en)
	e.update(now, en)
	return en, nil
}

// All calls yield for every connection that is more than half-open and not a
// compact TIME-WAIT one, in no order. Meanwhile no segment may arrive or leave,
// and no connection be opened.
func (e *Endpoint) All(yield func(*Entry) bool) { e.conns.all(yield) }

// Compact returns every half-open connection and every TIME-WAIT one whose program
// has gone. Of what Info tells there is the state, the timer, which always runs,
// and of a half-open one how often the SYN-ACK was repeated. As with All, nothing
// may come or go meanwhile.
func (e *Endpoint) Compact(now clock.Time) func(yield func(wire.Tuple, Info) bool) {
	return func(yield func(wire.Tuple, Info) bool) {
		for at := range e.halfOpen.all {
			h := e.halfOpen.at(at)
			i := Info{State: SynReceived, Timer: TimerRetransmit, Expires: until(now, h.due.time()), Retransmits: h.retries}
			if !yield(e.halfOpen.tuple(at), i) {
				return
			}
		}
		for w := range e.timeWait.inOrder {
			i := Info{State: TimeWait, Timer: TimerLife, Expires: until(now, e.timeWait.ends(w))}
			if !yield(e.timeWait.tuple(w), i) {
				return
			}
		}
	}
}

// until returns the time from now to a deadline. A connection in compact form
// always waits for one, as Linux's do: one that is late, or that is set when the
// SYN-ACK goes out in a moment, is about to come.
func until(now, due clock.Time) time.Duration {
	if due == clock.Never {
		return 1
	}
	return max(due.Sub(now), 1)
}

// Deadline returns when Advance is wanted next.
func (e *Endpoint) Deadline() clock.Time {
	return min(e.due.next(), e.halfOpen.next(), e.timeWait.due(), e.concludes())
}

// Advance lets time pass: timers that are due fire.
func (e *Endpoint) Advance(now clock.Time) {
	idle, probe := time.Duration(0), false
	var room [lookAhead]deadline[*Entry]
	for due := e.due.take(now, room[:0]); len(due) > 0; due = e.due.take(now, room[:0]) {
		e.touchDue(due)
		for _, it := range due {
			en := it.key
			// Its deadline has moved: there is another item for it, or none.
			if en.armed != it.at {
				continue
			}
			e.fire(now, en)
			if en.idle() {
				idle, probe = max(idle, en.options.alive.Idle), probe || en.owes&owesAlive != 0
			}
		}
	}
	if idle > 0 {
		e.withOthers(now, idle, probe)
	}
	e.due.expose(armedThen)
	e.advanceHalfOpen(now)
	e.advanceTimeWait(now)
	if e.concludes() <= now {
		e.watch(now)
	}
}

// fire lets time pass for a connection that has a timer due.
func (e *Endpoint) fire(now clock.Time, en *Entry) {
	en.armed = clock.Never
	if en.putOff(now) {
		e.schedule(en)
		return
	}
	mtu := en.path.mtu
	held := en.holds()
	en.Conn.Advance(now)
	e.charge(now, en, held)
	e.narrowing(en, mtu)
	e.schedule(en)
	e.update(now, en)
}

// withOthers follows the timers of idle connections, of which one has the idle time
// given: what is not due any more is put off, and, when one probes, so do those whose
// idle time is nearly over. To wake up for each of many would cost more than the probes.
func (e *Endpoint) withOthers(now clock.Time, idle time.Duration, probe bool) {
	soon := now.Add(idle / earlyShare)
	var room [lookAhead]deadline[*Entry]
	for due := e.due.take(soon, room[:0]); len(due) > 0; due = e.due.take(soon, room[:0]) {
		e.touchDue(due)
		for i, it := range due {
			if it.key.armed == it.at && !e.joins(now, it.key, probe) {
				for _, left := range due[i:] {
					e.due.push(left.at, left.key)
				}
				return
			}
		}
	}
}

// joins has an idle connection do what others do now, and reports whether it is one
// and does.
func (e *Endpoint) joins(now clock.Time, en *Entry, probe bool) bool {
	if !en.idle() || en.armed.Sub(now) > en.options.alive.Idle/earlyShare {
		return false
	}
	if en.Deadline() == en.armed && !en.putOff(en.armed) {
		if !probe || en.live.probes > 0 {
			return false
		}
		en.probeEarly(now)
		e.update(now, en)
	}
	en.armed = clock.Never
	e.schedule(en)
	return true
}

// schedule ensures that en's deadline is not missed.
func (e *Endpoint) schedule(en *Entry) {
	if d := en.Deadline(); d < en.armed {
		en.armed = d
		e.due.push(d, en)
		e.pruneDue()
	}
}

// pruneDue keeps the heap in proportion to the connections: each deadline that comes
// nearer leaves an item behind.
func (e *Endpoint) pruneDue() {
	e.due.prune(e.conns.count, armedThen)
}

// armedThen reports whether an item of the heap counts: it is the last that was made.
func armedThen(at clock.Time, en *Entry) bool { return en.armed == at }

// update follows a change of en: it may have something to send, and its
// program may have something to learn.
func (e *Endpoint) update(now clock.Time, en *Entry) {
	if en.is(gone) {
		return
	}
	if !en.queued {
		en.queued = true
		e.sending.push(en)
	}
	e.tell(en)
	if en.fast != nil && en.fast.listener != nil {
		e.followEarly(en)
	}
}

// tell lets en's program learn what has become possible: once, until it was impossible
// again. A program that was told and has not come yet needs no second word, and the
// queue holds one item for each connection however often it changes.
func (e *Endpoint) tell(en *Entry) {
	r := en.readiness()
	if fresh := r &^ en.told; fresh != 0 && en.Owner != nil {
		if en.news == 0 {
			e.ready.push(readyItem{entry: en})
		}
		en.news |= fresh
	}
	en.told = r
}

// maxBurst is how many segments one connection sends before others have their turn:
// several, because its memory is at hand now, and few enough that a large transfer
// does not hold up what another connection has to acknowledge.
const maxBurst = 8

// Output fills out with the next segment to send. False: there is none.
// Answers to strangers come first and handshakes second. Both are short and bounded,
// and somebody waits for each; behind large transfers they would time out.
func (e *Endpoint) Output(now clock.Time, out *Output) bool {
	if e.replies.len() > 0 {
		e.outputReply(out)
		e.sent(out)
		return true
	}
	for e.compact.len() > 0 {
		if e.outputCompact(now, out) {
			e.sent(out)
			return true
		}
	}
	for en := e.sending.first; en != nil; en = e.sending.first {
		if en.NextSegment(now, out) {
			e.sent(out)
			if en.burst++; en.burst%maxBurst == 0 {
				en.burst = maxBurst // not 0: it has sent
				e.sending.rotate()
			}
			return true
		}
		e.sending.pop()
		sent := en.burst > 0
		en.queued, en.burst = false, 0
		e.settle(now, en, sent)
	}
	return false
}

// settle looks at a connection that has nothing more to say for now, and has sent
// something before, or not.
func (e *Endpoint) settle(now clock.Time, en *Entry, sent bool) {
	switch {
	// A program may still call one that has left the table, which changes nothing any
	// more.
	case en.is(gone):
	case en.state == Closed:
		e.remove(now, en)
	case en.state == TimeWait && en.is(orphan) && en.options.auth == nil: // whose numbers a compact form forgets
		// A program that still holds it may read what came before the FIN; without
		// one, dozens of bytes are enough for the wait.
		e.keepTimeWait(now, &en.Conn)
		e.remove(now, en)
	default:
		e.schedule(en)
		if sent {
			e.tell(en) // what was sent has made room
		}
	}
}

// remove takes en out of the table. What it received stays readable while the
// program holds it.
func (e *Endpoint) remove(now clock.Time, en *Entry) {
	held := en.holds()
	if en.fast != nil && en.fast.listener != nil {
		e.endEarly(now, en)
	}
	e.noteEnd(now, &en.Conn)
	en.log.end(now, &en.Conn)
	e.conns.remove(en)
	en.set(gone, true)
	en.armed = clock.Never
	e.pruneDue() // or its deadline would keep its memory
	if en.is(orphan) {
		en.release()
		e.charge(now, en, held)
		e.delist(now, en)
	}
}

// NextReady returns who became ready for what since it was asked last.
func (e *Endpoint) NextReady() (owner any, r Ready, ok bool) {
	it, ok := e.ready.pop()
	switch {
	case !ok:
		return nil, 0, false
	case it.listener != nil:
		it.listener.news = false
		return it.listener.Owner, Acceptable, true
	}
	r, it.entry.news = it.entry.news, 0
	return it.entry.Owner, r, true
}

// readyItem is a connection or a listener that has news for its program.
type readyItem struct {
	entry    *Entry
	listener *Listener
}
