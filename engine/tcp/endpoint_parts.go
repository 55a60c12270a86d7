package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Parts calls yield for each part of what decides what the endpoint will do: every
// whole connection (*Conn), every one in compact form, how others ended, and what is
// known of attacks. An exploration reads them by reflection, to see whether it was in a state before;
// it may not keep or change them. The order is that of the tables, and Owner,
// counters and the detector of floods, which decide nothing, are not among them.
func (e *Endpoint) Parts(yield func(part any) bool) {
	for en := range e.conns.all {
		if !yield(&en.Conn) {
			return
		}
	}
	for at := range e.halfOpen.all {
		h := e.halfOpen.at(at)
		if !yield(&halfOpenPart{e.halfOpen.tuple(at), h.due.time(), *h}) {
			return
		}
	}
	for w := range e.timeWait.inOrder {
		if !yield(&timeWaitPart{e.timeWait.tuple(w), e.timeWait.ends(w), *e.timeWait.at(w)}) {
			return
		}
	}
	for i := range e.endings.slots {
		if at := &e.endings.slots[i]; at.until != 0 && !yield(&endingPart{at.until, at.nxt, at.rcv}) {
			return
		}
	}
	yield(&attackPart{e.attack.on, e.attack.draws, e.cookies.until})
}

// Connections in compact form keep their times in units and bits of their own. Here
// they are instants like all others, and the packed ones stay out of sight.
type (
	halfOpenPart struct {
		tuple wire.Tuple
		due   clock.Time
		value halfOpen
	}
	timeWaitPart struct {
		tuple wire.Tuple
		ends  clock.Time
		value timeWait
	}
	endingPart struct {
		until    clock.Time
		nxt, rcv seq.Num
	}
	attackPart struct {
		on    bool
		draws uint64
		until clock.Time
	}
)
