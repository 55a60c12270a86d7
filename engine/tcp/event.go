package tcp

import (
	"slices"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// EventKind says what happened.
type EventKind uint8

// The kinds of event.
const (
	SegmentSent EventKind = iota
	SegmentReceived
	SegmentDropped // received and not used; Drop says why
	StateChanged
	TimerFired
)

var eventKindText = [...]string{"sent", "received", "dropped", "state", "timer"}

func (k EventKind) String() string { return eventKindText[k] }

// Event is one thing that happened to one connection. The state of a
// connection can be rebuilt by reading its events.
type Event struct {
	Time  clock.Time
	Kind  EventKind
	Tuple wire.Tuple
	// State is the state after the event; From differs from it for StateChanged.
	State, From State
	Cause       Cause     // StateChanged
	Drop        wire.Drop // SegmentDropped
	Timer       Timer     // TimerFired
	Retransmit  bool      // SegmentSent: not the first time
	ACE         bool      // of a segment: the connection has AccECN, and AE, CWR and ECE are a counter
	// Segment is the header, sequence numbers as on the wire, and Len the
	// payload's length in bytes: Segment*.
	Segment wire.TCP
	Len     int
	// ISS and IRS are the first sequence numbers of both directions, for
	// printing relative ones; 0 when not known yet.
	ISS, IRS uint32
}

// Trace collects events until they are taken. A nil *Trace collects none. They are
// pulled, as output is: a callback would run in the middle of a change, and see or do
// what nobody may. Beside that it keeps the last events of connections (Keep), and
// accounts for them (Account), which costs less and misses nothing.
type Trace struct {
	events  []Event
	origins map[wire.Tuple]origin // of connections in TIME-WAIT, whose compact form does not keep them
	wish    wish
	shared  *connLog // of connections without one of their own
	rings   ringPool
	book    book
}

// wish is which events are collected. The zero value is all of them.
type wish struct {
	none   bool
	states bool         // changes of state alone
	only   []wire.Tuple // of these connections alone; nil: of all
}

// Collect says which events are collected from now on: all or changes of state alone, of
// all connections or of a few. It does not concern what is kept.
func (t *Trace) Collect(states bool, only []wire.Tuple) {
	t.wish = wish{states: states, only: only}
	t.log().wants = true
}

// CollectNothing has no events collected.
func (t *Trace) CollectNothing() {
	t.wish = wish{none: true}
	t.log().wants = false
	t.events = nil
}

// collects reports whether an event is wanted.
func (t *Trace) collects(k EventKind, tuple *wire.Tuple) bool {
	if t == nil || t.wish.none || t.wish.states && k != StateChanged {
		return false
	}
	return t.wish.only == nil || slices.Contains(t.wish.only, *tuple)
}

// origin is the first number of each direction.
type origin struct{ iss, irs seq.Num }

// keepOrigin remembers the first numbers for the compact form, which has no room for
// them. Only an endpoint that is traced pays for the map.
func (t *Trace) keepOrigin(tuple *wire.Tuple, iss, irs seq.Num) {
	if t == nil || t.wish.none {
		return
	}
	if t.origins == nil {
		t.origins = map[wire.Tuple]origin{}
	}
	t.origins[*tuple] = origin{iss, irs}
}

func (t *Trace) forgetOrigin(tuple *wire.Tuple) {
	if t != nil {
		delete(t.origins, *tuple)
	}
}

// origin returns what keepOrigin kept, or else what it is given.
func (t *Trace) origin(tuple *wire.Tuple, iss, irs seq.Num) (seq.Num, seq.Num) {
	if t != nil {
		if o, ok := t.origins[*tuple]; ok {
			return o.iss, o.irs
		}
	}
	return iss, irs
}

// Callers on the fast path ask before they make an event: even that costs more than to
// ask.
func (t *Trace) add(e Event) {
	if t.collects(e.Kind, &e.Tuple) {
		t.events = append(t.events, e)
	}
}

// next adds an event of a connection, for the caller to complete; nil: it is not wanted.
func (t *Trace) next(now clock.Time, c *Conn, k EventKind) *Event {
	if !t.collects(k, &c.tuple) {
		return nil
	}
	t.events = append(t.events, Event{})
	e := &t.events[len(t.events)-1]
	e.Time, e.Kind, e.Tuple, e.State, e.From = now, k, c.tuple, c.state, c.state
	e.ISS, e.IRS = uint32(c.snd.iss), uint32(c.rcv.irs)
	return e
}

// len returns how many events there are.
func (t *Trace) len() int {
	if t == nil {
		return 0
	}
	return len(t.events)
}

// dropped notes a segment that no connection got to see.
func (t *Trace) dropped(now clock.Time, tuple *wire.Tuple, s *Segment, d wire.Drop) {
	t.add(Event{Time: now, Kind: SegmentDropped, Tuple: *tuple, Drop: d, Segment: s.TCP, Len: s.Len})
}

// begin notes a segment that arrives, before what it causes, and returns where. Whether
// it is used is known only afterwards, and finish adds that.
func (t *Trace) begin(now clock.Time, c *Conn, s *Segment) int {
	e := t.next(now, c, SegmentReceived)
	if e == nil {
		return -1
	}
	e.Segment, e.Len = s.TCP, s.Len
	return len(t.events) - 1
}

// finish adds to the event what only became known later.
func (t *Trace) finish(at int, c *Conn, d wire.Drop) {
	if at < 0 {
		return
	}
	e := &t.events[at]
	e.State, e.Drop, e.ISS, e.IRS, e.ACE = c.state, d, uint32(c.snd.iss), uint32(c.rcv.irs), c.has(accurateOK)
	if d != wire.None {
		e.Kind = SegmentDropped
	}
}

// Take returns the events since the last Take. The slice is valid until the
// next event.
func (t *Trace) Take() []Event {
	if t == nil {
		return nil
	}
	// The array is used again, since nobody keeps events longer than until the next
	// call.
	e := t.events
	t.events = t.events[:0]
	return e
}

// Cause is why a connection changed its state.
type Cause uint8

// The causes.
const (
	CauseNone Cause = iota
	CauseActiveOpen
	CausePassiveOpen
	CauseSyn            // SYN arrived
	CauseSynAck         // SYN-ACK arrived
	CauseAckOfSyn       // our SYN was acknowledged
	CauseFin            // FIN arrived
	CauseAckOfFin       // our FIN was acknowledged
	CauseFinAndAck      // FIN arrived and acknowledges ours
	CauseClose          // program closed
	CauseAbort          // program aborted
	CauseUnreadData     // program closed with data unread (RFC 2525 §2.17)
	CauseDataAfterClose // data arrived for a program that has closed (RFC 9293 §3.6.1)
	CauseReset          // RST arrived
	CauseRefused        // RST answered our SYN
	CauseTimeout        // gave up repeating
	CauseUserTimeout    // nothing acknowledged for too long
	CauseKeepAlive      // keep-alive probes unanswered
	CauseTimeWaitOver   // 2MSL passed
	CauseFinWait2Over   // the peer's FIN did not come
	CauseICMP           // ICMP said unreachable
	CauseReuse          // a new SYN took TIME-WAIT's place (RFC 6191)
)

var causeText = [...]string{
	CauseNone: "", CauseActiveOpen: "active open", CausePassiveOpen: "passive open",
	CauseSyn: "SYN arrived", CauseSynAck: "SYN-ACK arrived", CauseAckOfSyn: "our SYN is acknowledged",
	CauseFin: "FIN arrived", CauseAckOfFin: "our FIN is acknowledged",
	CauseFinAndAck: "FIN arrived, ours is acknowledged", CauseClose: "close",
	CauseAbort: "abort", CauseUnreadData: "closed with data unread",
	CauseDataAfterClose: "data after close", CauseReset: "RST arrived",
	CauseRefused: "connection refused", CauseTimeout: "gave up repeating",
	CauseUserTimeout: "user timeout", CauseKeepAlive: "keep-alive unanswered",
	CauseTimeWaitOver: "2MSL passed", CauseFinWait2Over: "FIN-WAIT-2 limit",
	CauseICMP: "ICMP unreachable", CauseReuse: "new SYN",
}

func (c Cause) String() string { return causeText[c] }

// Timer names a connection's timers. They are slots: a connection's deadline
// is the earliest of them.
type Timer uint8

// The timers.
const (
	TimerRetransmit Timer = iota // RFC 6298
	TimerPersist                 // zero-window probe, RFC 9293 §3.8.6.1
	TimerDelayedAck              // RFC 9293 §3.8.6.3
	TimerKeepAlive               // RFC 9293 §3.8.4
	TimerLife                    // TIME-WAIT's 2MSL, or FIN-WAIT-2's limit; before that a lowered MTU's ten minutes

	numTimers = int(TimerLife) + 1
)

var timerText = [numTimers]string{"retransmit", "persist", "delayed ACK", "keep-alive", "2MSL"}

func (t Timer) String() string { return timerText[t] }
