package tcp

import (
	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/seq"
	"github.com/handfast-tcp/handfast/wire"
)

// compact is what a table keeps of every entry.
type compact struct {
	due       clock.Time // when its timer fires
	armed     clock.Time // the time of its item in the heap
	challenge clock.Time
	irs       seq.Num // RCV.NXT
	iss       seq.Num // SND.NXT
	tsRecent  uint32
	window    uint16 // ours, as in the field
	mtu       uint16
	owes      owes
	opts      connFlags
	tsOn      bool
}

// timeWait is the compact form of a connection in TIME-WAIT whose program has gone.
type timeWait struct {
	compact
	tsAt     clock.Time
	ourShift uint8
}

func (c *Conn) compactTimeWait() timeWait {
	return timeWait{
		compact: compact{
			due: c.timers[TimerLife], challenge: c.live.challenge, irs: c.rcv.nxt, iss: c.snd.nxt,
			tsRecent: c.ts.recent, window: uint16(c.rcv.edge.Sub(c.rcv.nxt) >> c.rcv.shift), mtu: c.rcv.mtu,
			owes: c.owes, opts: c.opts, tsOn: c.ts.on,
		},
		tsAt: c.ts.at, ourShift: c.rcv.shift,
	}
}

// expandTimeWait makes c the connection that w is the compact form of.
func (c *Conn) expandTimeWait(now clock.Time, w *timeWait) {
	c.startSending(now, w.iss)
	c.snd.iss-- // no SYN is owed
	c.state = TimeWait
	c.opts, c.owes = w.opts, w.owes
	c.out.start = w.iss - 1 // our FIN lies behind it
	c.rcv.irs, c.rcv.nxt, c.rcv.acked, c.rcv.shift = w.irs-1, w.irs, w.irs, w.ourShift
	c.rcv.edge = w.irs.Add(seq.Size(w.window) << w.ourShift)
	c.ts.on, c.ts.recent, c.ts.at = w.tsOn, w.tsRecent, w.tsAt
	c.timers[TimerLife] = w.due
	c.live.challenge = w.challenge
}

// table is a bounded set of compact connections, by four-tuple, with the
// deadlines of all of them.
type table[V any] struct {
	entries map[wire.Tuple]V
	due     deadlines[wire.Tuple]
	common  func(*V) *compact
}

func newTable[V any](common func(*V) *compact) table[V] {
	return table[V]{entries: map[wire.Tuple]V{}, common: common}
}

// put stores v, with its deadline.
func (t *table[V]) put(k wire.Tuple, v V) {
	n := t.common(&v)
	if old, ok := t.entries[k]; ok {
		n.armed = t.common(&old).armed
	} else {
		n.armed = clock.Never
	}
	rearm := n.due < n.armed
	if rearm {
		n.armed = n.due
	}
	t.entries[k] = v
	if rearm {
		t.due.push(n.due, k)
		t.due.prune(len(t.entries), t.counts)
	}
}

// counts reports whether an item of the heap is k's present one.
func (t *table[V]) counts(at clock.Time, k wire.Tuple) bool {
	v, ok := t.entries[k]
	return ok && t.common(&v).armed == at
}

// expired returns an entry that is due at now, until there is none.
func (t *table[V]) expired(now clock.Time) (k wire.Tuple, v V, ok bool) {
	for t.due.next() <= now {
		it := t.due.pop()
		v, ok := t.entries[it.key]
		if !ok || t.common(&v).armed != it.at {
			continue
		}
		n := t.common(&v)
		n.armed = clock.Never
		if n.due > now {
			n.armed = n.due
			t.due.push(n.due, it.key)
			t.entries[it.key] = v
			continue
		}
		t.entries[it.key] = v
		return it.key, v, true
	}
	return k, v, false
}
