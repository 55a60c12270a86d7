package tcp

import (
	"cmp"
	"math"
	"math/bits"

	"github.com/handfast-tcp/handfast/engine/account"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Limits of Trace.Keep.
const (
	MinKept = 16
	MaxKept = 1 << 16

	defaultKept  = 64
	firstRecords = 4 // in a ring that has just been taken: most connections are short, or idle
)

// record is an event as a ring keeps it: of a segment the header, and of its options
// which there were, without timestamps and the blocks of SACK.
type record struct {
	at       clock.Time
	seq, ack seq.Num
	size     uint16 // of text; a super-segment has less than 64 KiB
	window   uint16
	flags    wire.Flags
	options  wire.OptionSet
	mss      uint16
	shift    uint8
	again    bool
	why      uint8 // the Cause, the Drop or the Timer
	kind     EventKind
	state    State
	from     State
}

// segment fills k in for a segment. It sets one field after the other: a whole value would
// be made elsewhere first, and this is done for each segment.
func (k *record) segment(now clock.Time, kind EventKind, state State, s *Segment) {
	k.at, k.seq, k.ack = now, s.Seq, s.Ack
	k.size, k.window, k.flags, k.options = uint16(s.Len), s.Window, s.Flags, s.Options.Set
	k.mss, k.shift, k.again, k.why = 0, 0, false, 0
	k.kind, k.state, k.from = kind, state, state
	if s.Flags&wire.SYN != 0 {
		k.mss, k.shift = s.Options.MSS, s.Options.WindowScale
	}
}

// rare are options whose values a record has no room for.
const rare = wire.OptSACK | wire.OptTimestamps | wire.OptAccECN | wire.OptUserTimeout | wire.OptFastOpen

// event returns what k keeps as an event of the connection that r is of.
func (k *record) event(r *eventRing) Event {
	e := Event{Time: k.at, Kind: k.kind, Tuple: r.tuple, State: k.state, From: k.from, ISS: r.iss, IRS: r.irs}
	switch k.kind {
	case StateChanged:
		e.Cause = Cause(k.why)
		return e
	case TimerFired:
		e.Timer = Timer(k.why)
		return e
	case SegmentDropped:
		e.Drop = wire.Drop(k.why)
	}
	e.Retransmit, e.Len = k.again, int(k.size)
	t := r.tuple
	if k.kind != SegmentSent {
		t = t.Reverse()
	}
	e.Segment = wire.TCP{SrcPort: t.LocalPort, DstPort: t.RemotePort, Seq: k.seq, Ack: k.ack, Flags: k.flags, Window: k.window,
		Options: wire.Options{Set: k.options &^ rare, MSS: k.mss, WindowScale: k.shift}}
	return e
}

// eventRing has the last events of a connection, or those of one that has ended until
// another needs the room.
type eventRing struct {
	tuple    wire.Tuple
	owner    *connLog // nil: the connection has ended
	iss, irs uint32
	n        uint32 // events that came
	room     uint32 // so many, and it grows; MaxUint32: it does not
	used     bool   // since the hand passed last
	failed   bool   // its connection ended in a way that nobody wanted
	why      Cause  // of the last change of state
	records  []record
}

func (r *eventRing) moved(c *Conn, why Cause) {
	r.iss, r.irs, r.why = uint32(c.snd.iss), uint32(c.rcv.irs), why
}

// events returns what r keeps, oldest first, and how many came before that.
func (r *eventRing) events() (all []Event, older uint32) {
	kept := min(r.n, uint32(len(r.records)))
	for i := r.n - kept; i != r.n; i++ {
		all = append(all, r.at(i).event(r))
	}
	return all, r.n - kept
}

// ringPool are the rings of an endpoint. There are so many at most: a connection to
// which nothing happens gives its own up when another one needs it.
type ringPool struct {
	limit      int
	most       int  // records of each: a power of two
	oneIn      int  // so many connections one has a ring
	failedOnly bool // what ended well is forgotten
	turn       int  // of the samples
	hand       int
	all        []*eventRing
	failures   []history // that have not been taken yet
	wantFailed bool
}

// history is what a ring had when its connection ended.
type history struct {
	events []Event
	older  uint32
}

// Keep says what is kept of whole connections that begin from now on.
func (t *Trace) Keep(k account.Keep) {
	last := 1 << bits.Len(uint(min(max(cmp.Or(k.Last, defaultKept), MinKept), MaxKept)-1))
	t.rings = ringPool{limit: k.Connections, most: last, oneIn: max(k.OneIn, 1), failedOnly: k.FailedOnly, wantFailed: t.rings.wantFailed}
}

func (p *ringPool) on() bool { return p.limit > 0 }

// samples reports whether the next connection has a ring.
func (p *ringPool) samples() bool {
	if !p.on() {
		return false
	}
	p.turn++
	return p.turn%p.oneIn == 0
}

// record returns room for an event; nil: none is kept.
func (l *connLog) record(c *Conn) *record {
	r := l.ring
	if r == nil || r.n == r.room {
		if r = l.roomy(c); r == nil {
			return nil
		}
	}
	return r.next()
}

// next is the room for the next event; there is some.
func (r *eventRing) next() *record {
	r.used = true
	k := r.at(r.n)
	r.n++
	return k
}

// roomy returns the ring of l, which has room, or a new one; nil: it has none.
func (l *connLog) roomy(c *Conn) *eventRing {
	r := l.ring
	if r == nil && l.keeps {
		r = l.trace.rings.take(l, c)
	}
	if r != nil && r.n == r.room && r.room != math.MaxUint32 {
		r.grow(l.trace.rings.most)
	}
	return r
}

// at returns event n, which is not long ago: a segment brings about a few events at most,
// and a ring holds more.
func (r *eventRing) at(n uint32) *record { return &r.records[n&uint32(len(r.records)-1)] }

// judged adds what became of a segment.
func (k *record) judged(s State, d wire.Drop) {
	k.state, k.why = s, uint8(d)
	if d != wire.None {
		k.kind = SegmentDropped
	}
}

func (r *eventRing) grow(most int) {
	more := make([]record, max(2*len(r.records), firstRecords))
	copy(more, r.records)
	r.records, r.room = more, uint32(len(more))
	if len(more) >= most {
		r.room = math.MaxUint32
	}
}

// take gives l a ring: a new one, or that of the connection to which nothing has happened
// for the longest time, about.
func (p *ringPool) take(l *connLog, c *Conn) *eventRing {
	if p.limit <= 0 {
		l.keeps = false
		return nil
	}
	var r *eventRing
	if len(p.all) < p.limit {
		r = &eventRing{}
		p.all = append(p.all, r)
	} else {
		r = p.oldest()
		if r.owner != nil {
			r.owner.ring = nil
		}
		*r = eventRing{records: r.records[:firstRecords], room: firstRecords}
	}
	r.tuple, r.owner, r.iss, r.irs = c.tuple, l, uint32(c.snd.iss), uint32(c.rcv.irs)
	l.ring = r
	return r
}

// oldest finds a ring that was not used since the hand came by last.
func (p *ringPool) oldest() *eventRing {
	for {
		r := p.all[p.hand]
		p.hand = (p.hand + 1) % len(p.all)
		if !r.used {
			return r
		}
		r.used = false
	}
}

// ended is told that the connection of r is no more.
func (p *ringPool) ended(r *eventRing, failed bool) {
	r.owner, r.failed = nil, failed
	switch {
	case failed && p.wantFailed:
		events, older := r.events()
		p.failures = append(p.failures, history{events, older}) // the ring may be another's soon
	case !failed:
		r.used = false
		if p.failedOnly {
			r.n = 0
		}
	}
}

// TellFailed has NextFailed tell of connections that end badly.
func (t *Trace) TellFailed(on bool) { t.rings.wantFailed, t.rings.failures = on, nil }

// NextFailed returns the last events of a connection that has ended in a way that nobody
// wanted, and how many there were before.
func (t *Trace) NextFailed() (events []Event, older uint32, ok bool) {
	if t == nil || len(t.rings.failures) == 0 {
		return nil, 0, false
	}
	h := t.rings.failures[0]
	t.rings.failures = t.rings.failures[1:]
	return h.events, h.older, true
}

// Kept calls yield for each connection of which something is kept: its events, oldest
// first, how many came before them, and whether it has ended, and badly. A connection
// whose program has gone away from TIME-WAIT has ended.
func (t *Trace) Kept(match func(*wire.Tuple) bool, yield func(events []Event, older uint32, ended, failed bool) bool) {
	for _, r := range t.rings.all {
		if r.n == 0 || !match(&r.tuple) {
			continue
		}
		events, older := r.events()
		if !yield(events, older, r.owner == nil, r.failed) {
			return
		}
	}
}
