package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// LoseAddress ends all connections from a local address that is no longer ours, with
// the failure Aborted, and without telling their peers: another host may have
// the address, and would be blamed.
func (e *Endpoint) LoseAddress(now clock.Time, local wire.Addr) {
	// Collected first: while All walks, the table must not change.
	var lost []*Entry
	for en := range e.All {
		if en.tuple.Local == local {
			lost = append(lost, en)
		}
	}
	for _, en := range lost {
		held := en.holds()
		if en.state != Closed { // or it ended a moment ago, and may have a word to say
			en.closed(now, Aborted, CauseAbort)
		}
		e.charge(now, en, held)
		// Not even a RST: it would come from an address that is another host's now, and
		// end a connection of that host.
		en.owes = 0
		e.update(now, en)
	}
	var compact []wire.Tuple
	for t := range e.Compact(now) {
		if t.Local == local {
			compact = append(compact, t)
		}
	}
	for _, t := range compact {
		f := e.cookies.flow(&t)
		if at := e.halfOpen.find(f, &t); at != 0 {
			e.halfOpen.remove(f, at)
		}
		if w := e.timeWait.find(f, &t); w != 0 {
			e.forgetTimeWait(now, f, w, &t)
		}
	}
}
