package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// reusable returns the wait that a new connection of ours may end, because it has lasted
// for Config.TimeWaitReuse and both ends had timestamps; 0: there is none. All that may
// still be under way is older then than what the new connection sends, and so falls to
// PAWS, whatever its numbers are.
// https://www.rfc-editor.org/rfc/rfc7323#section-5.8
func (e *Endpoint) reusable(now clock.Time, t *wire.Tuple) ref {
	if e.cfg.TimeWaitReuse == 0 || e.cfg.NoTimestamps {
		return 0
	}
	w := e.timeWait.find(e.cookies.flow(t), t)
	if w == 0 || e.timeWait.at(w).flags&waitTimestamps == 0 {
		return 0
	}
	// At least a millisecond, or timestamps would not have moved on.
	began := e.timeWait.ends(w).Add(-2 * e.cfg.MSL)
	if now.Sub(began) < max(e.cfg.TimeWaitReuse, time.Millisecond) {
		return 0
	}
	return w
}

// endWait ends a wait for the sake of a new connection, and returns where its numbers
// ended, and by how much its timestamps were ahead of those of the four-tuple.
func (e *Endpoint) endWait(now clock.Time, t *wire.Tuple, w ref) (last seq.Num, ahead uint32) {
	if w == 0 {
		return 0, 0
	}
	f := e.cookies.flow(t)
	last, ahead = e.timeWait.at(w).sndNxt, e.timeWait.at(w).more.ahead()
	e.expandWaiting(now, t, f, w).closed(now, NoFailure, CauseReuse)
	e.forgetTimeWait(now, f, w, t)
	e.stats.TWRecycled++
	return last, ahead
}
