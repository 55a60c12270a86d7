package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// endings remembers where the numbers of connections ended that leave no TIME-WAIT behind,
// or whose TIME-WAIT ended early.
// The clock of RFC 6528 would bring the next connection of a four-tuple beyond them. A
// cookie does not: within an epoch the same SYN gets the same number. So a SYN and an ACK
// that the network delivers twice, the second time after the end of a short connection,
// would make another one of it, and its text would reach a program twice. What stands here
// gets a number beyond the last one, which is no cookie; and no cookie is believed of it, that
// of the last connection as little as those of the ones before.
//
// It is a cache of one place for each hash, which begins with nothing and grows while
// endings put each other out: what it forgets is as if it had never been there.
type endings struct {
	slots []ending
	lost  int // endings that others put out before their time, since it has this size
}

// ending is how a connection ended. Until is when nothing of it can be under way any more.
type ending struct {
	until    clock.Time
	flow     flow
	nxt, rcv seq.Num // what would have been next, from us and from the peer
}

const (
	fewestEndings = 16
	mostEndings   = 2048
)

func (m *endings) slot(hash uint32) *ending { return &m.slots[int(hash)&(len(m.slots)-1)] }

// note remembers a connection for the two MSL that its segments may live.
func (m *endings) note(now clock.Time, msl time.Duration, f flow, k *cookies, nxt, rcv seq.Num) {
	if m.slots == nil {
		m.slots = make([]ending, fewestEndings)
	}
	at := m.slot(k.slot(f))
	if at.until > now && at.flow != f {
		if m.lost++; m.lost >= len(m.slots) && len(m.slots) < mostEndings {
			m.grow(now, k)
			at = m.slot(k.slot(f))
		}
	}
	*at = ending{until: now.Add(2 * msl), flow: f, nxt: nxt, rcv: rcv}
}

// grow makes room for twice as many.
func (m *endings) grow(now clock.Time, k *cookies) {
	old := m.slots
	m.slots, m.lost = make([]ending, 2*len(old)), 0
	for i := range old {
		if old[i].until > now {
			*m.slot(k.slot(old[i].flow)) = old[i]
		}
	}
}

// find returns the connection of a four-tuple that ended a moment ago, nil for none.
func (m *endings) find(now clock.Time, f flow, k *cookies) *ending {
	if m.slots == nil {
		return nil
	}
	if at := m.slot(k.slot(f)); at.flow == f && at.until > now {
		return at
	}
	return nil
}

// noteEnd remembers where the numbers of c ended, if it did and a SYN from outside opened it or may
// open the next one: the others have theirs from the clock.
func (e *Endpoint) noteEnd(now clock.Time, c *Conn) {
	if c.state == Closed && (c.has(passive) || e.listener(&c.tuple) != nil) {
		e.endings.note(now, e.cfg.MSL, e.cookies.flow(&c.tuple), &e.cookies, c.snd.nxt, c.rcv.nxt)
	}
}

// comesAgain reports whether a SYN may be that of the connection before, or of an older one: what
// opens early would have its text read a second time. One that is new and yet has a lower number
// only waits for a round trip.
func (e *Endpoint) comesAgain(a *arrival) bool {
	old := e.endings.find(a.now, a.flow, &e.cookies)
	return old != nil && a.segment.Seq.Less(old.rcv)
}

// makeWay leaves s, which has no ACK, to a listener. Its connection, en, ended with a segment
// of the same batch and is still in the table until the next Output. A SYN that follows the
// RST, or the last ACK, belongs to a connection of its own: en goes at once, and so
// does a RST that it still has to send, since its peer has forgotten it.
func (e *Endpoint) makeWay(now clock.Time, en *Entry, s *Segment) {
	if s.Flags&(wire.SYN|wire.RST) == wire.SYN {
		en.owes = 0
		e.remove(now, en)
	}
}
