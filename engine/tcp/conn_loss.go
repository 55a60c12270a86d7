package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/recovery"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// loss is what is known of lost segments, beside what is out: it outlives a flight.
type loss struct {
	phase  lossPhase
	probed tailProbe
	behind uint16 // the farthest that a segment came after one sent later, in segments, at most maxReordering
	dsacks uint32 // segments that came twice, as D-SACK blocks told

	point   seq.Num // a repair lasts until this is acknowledged
	tail    seq.Num // SND.NXT after the tail loss probe
	undo    recovery.Undo
	reorder recovery.Reordering
	leastAt uint32        // when least was, in timeUnits
	least   time.Duration // the shortest round trip of the last minutes
}

// lossPhase says whether a loss is being repaired, and how it was found. A
// repair lasts until loss.point is acknowledged.
type lossPhase uint8

const (
	noLoss       lossPhase = iota
	afterTimeout           // by the retransmission timer
	fastRecovery           // by what arrived
)

// dupThresh is how many duplicate ACKs mean that a segment is lost, RFC 5681 §3.2,
// for a peer without SACK.
const dupThresh = 3

// minRTTAge is how long the shortest round trip counts, in the unit of loss.leastAt.
const minRTTAge = uint32(5 * time.Minute >> 20)

// shortest takes a round trip.
func (l *loss) shortest(now clock.Time, d time.Duration) {
	if at := timeUnits(now); d < l.least || l.least == 0 || at-l.leastAt > minRTTAge {
		l.least, l.leastAt = d, at
	}
}

// cameTwice takes a D-SACK block: what was sent again was sent for nothing. Where
// that holds for all since a repair began, the repair is undone. That a tail loss
// probe comes twice was to be expected.
func (c *Conn) cameTwice(now clock.Time, twice wire.SACKBlock, d *recovery.Delivery) {
	if isEmpty(twice) || c.sizeProbeCame(twice) {
		return
	}
	c.countTwice(twice)
	if c.loss.probed == probedOld && twice.Right == c.loss.tail {
		c.loss.probed = notProbed
		return
	}
	d.Duplicate = true
	c.loss.reorder.Learn(d, c.snd.una, c.snd.nxt)
	if c.loss.undo.Twice(twice) {
		c.cfg.stats.TCPDSACKUndo++
		c.undoReduction(now)
	}
}

// untroubled reports whether an ACK of something new has nothing to do with a loss, past
// or present.
func (c *Conn) untroubled(s *Segment) bool {
	l, f := &c.loss, c.flight
	return f != nil && c.snd.una.Less(s.Ack) && !s.Options.Has(wire.OptSACK) &&
		l.phase == noLoss && l.probed == notProbed && f.dupes == 0 && f.Untroubled()
}

// detectLoss finds what is lost, by when it was sent (RACK) or, where the peer has
// no SACK, by duplicate ACKs.
// https://www.rfc-editor.org/rfc/rfc8985#section-6.2
func (c *Conn) detectLoss(a *recovery.Ack, d *recovery.Delivery, s *Segment, window seq.Size) {
	if !c.has(sackOK) {
		c.countDuplicates(d, s, window)
		return
	}
	if d.Behind > 0 {
		c.countLate(d.Behind)
		c.loss.reorder.Learn(d, c.snd.una, c.snd.nxt)
	}
	d.Lost = c.findLate(a.Now)
}

// findLate takes for lost what has been under way for too long, and remembers when
// it will be time for the next.
func (c *Conn) findLate(now clock.Time) (lost int) {
	f := c.flight
	f.late = clock.Never
	window := c.loss.reorder.Window(&f.Ledger, c.loss.phase != noLoss, c.loss.least, c.rtt.smoothed)
	lost, wait := f.Overdue(now, &f.rack, window)
	if wait > 0 {
		f.late = now.Add(wait)
	}
	return lost
}

// countDuplicates is fast retransmit and NewReno: three duplicate ACKs mean that the
// first segment is lost, and a partial ACK that the next one is. After a timeout no
// duplicate counts: they answer what was sent again without need.
// https://www.rfc-editor.org/rfc/rfc6582#section-3.2
func (c *Conn) countDuplicates(d *recovery.Delivery, s *Segment, window seq.Size) {
	f, phase := c.flight, c.loss.phase
	switch {
	case d.Acked > 0 && phase == fastRecovery && c.snd.una.Less(c.loss.point):
		d.Lost, f.under = f.LoseFirst(int(c.path.mss)), c.snd.nxt
	case d.Acked > 0:
		f.dupes = 0
		f.Settle()
	case !c.isDuplicateAck(s, window):
	case phase == afterTimeout:
		if f.trial == awaitsMore { // the new text arrived: what is lost has its place
			d.Guess = f.Arrived(int(c.path.mss), c.snd.nxt)
		}
		f.trial = noTrial // the loss was one
	default:
		if phase == noLoss {
			f.under = c.snd.nxt
		}
		d.Guess = f.Arrived(int(c.path.mss), f.under)
		if f.dupes = min(f.dupes, dupThresh) + 1; f.dupes == dupThresh && phase == noLoss {
			d.Lost = f.LoseFirst(int(c.path.mss))
		}
	}
}

// noteFull remembers whether the congestion window, not the program or the peer,
// holds us back: only then may it grow (RFC 7661). It is asked when an ACK
// arrives, about the flight that the ACK acknowledges; and once for all ACKs of
// one instant, so that those that arrive together, before anything can be sent,
// count like those that arrive one by one.
// https://www.rfc-editor.org/rfc/rfc7661#section-4.3
func (c *Conn) noteFull() {
	f := c.flight
	if f.tight {
		f.full = c.snd.nxt
	} else if n := c.filled(); n > 0 {
		f.full = seq.Max(f.full, seq.Min(c.snd.nxt, c.snd.una.Add(seq.Size(n))))
	}
}

// limited reports whether what is acknowledged next was of a flight that filled
// the window.
func (c *Conn) limited() bool { return c.flight != nil && c.snd.una.Less(c.flight.full) }

// filled is of how many bytes the ACK lets the congestion window grow: of all that is in
// flight when that fills it, because not another segment goes in, or none that is worth
// it. In slow start half of it is enough, but the window grows to twice the flight only.
func (c *Conn) filled() int {
	flight, limits := c.inFlight(), c.cc.Limits()
	switch open := limits.Window - flight; {
	case open < int(c.path.mss) || c.path.joins() && c.deferred(open, flight, open):
		return int(c.snd.nxt.Sub(c.snd.una))
	case limits.Window < limits.Threshold:
		return max(2*flight-limits.Window, 0)
	}
	return 0
}

// window is how many bytes may be in flight: what congestion control says, and in
// recovery what brings us there in proportion (RFC 9937).
func (c *Conn) window() int {
	if c.loss.phase == fastRecovery && c.cc.Traits()&cc.OwnRecovery == 0 {
		return c.flight.prr.Window()
	}
	return c.cc.Limits().Window
}
