package tcp

import (
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/recovery"
)

// recover follows what an ACK told: a repair that was for nothing is undone, one
// that is complete ends, and a new loss begins one. In this order, because the ACK that
// shows that nothing was lost is often the one that would end the repair, and the
// window would stay halved; and because a loss beyond a repair's end is a new one,
// which reduces the window again.
func (c *Conn) recover(a *recovery.Ack, d *recovery.Delivery) {
	l := &c.loss
	if d.Acked == 0 && d.Bytes > 0 {
		c.flight.trial = noTrial // the loss was one
	}
	if l.phase != noLoss && d.Acked > 0 && c.needless(a, d) {
		c.undoReduction(a.Now)
		d.Lost = 0 // it is forgiven
	}
	lost := d.Lost > 0
	if l.phase != noLoss && l.point.LessEq(c.snd.una) {
		c.endRecovery(a.Now)
		lost = c.flight.LostBytes() > 0 // of what was sent since the repair began, some may have been found lost before
	}
	if l.probed != notProbed {
		c.tailAnswered(a.Now)
	}
	if l.phase == noLoss && lost {
		c.beginRecovery(a.Now, d)
	}
	if d.Lost > 0 {
		c.tellLost(a.Now)
	}
	if l.phase == fastRecovery && d.Bytes+d.Guess+d.Lost > 0 {
		c.reduce(d)
	}
}

// needless reports whether an ACK of something new shows that the repair is for
// nothing: Eifel or F-RTO.
func (c *Conn) needless(a *recovery.Ack, d *recovery.Delivery) bool {
	l, stats := &c.loss, c.cfg.stats
	earlier, trial := l.undo.Earlier(a), c.flight.trial != noTrial && c.trialShows(d)
	switch {
	case !earlier && !trial:
		return false
	case l.phase == afterTimeout:
		stats.TCPLossUndo++
		if trial {
			stats.TCPSpuriousRTOs++
		}
	case l.point.LessEq(c.snd.una):
		stats.TCPFullUndo++
	default:
		stats.TCPPartialUndo++
	}
	return true
}

// beginRecovery is for a loss that what arrives has shown.
func (c *Conn) beginRecovery(now clock.Time, d *recovery.Delivery) {
	c.cfg.stats.recovering(c.has(sackOK))
	c.loss.phase, c.loss.point, c.flight.again = fastRecovery, c.snd.nxt, false
	if !c.hasYielded() {
		c.loss.undo.Begin(&c.flight.Ledger)
		c.cc.OnEvent(now, cc.Event{Kind: cc.Loss, InFlight: c.flightSize(d.Acked)})
		c.noteReduced()
	}
	c.flight.prr.Begin(d.Pipe)
}

// flightSize is what a loss halves: what is out with an ACK of so many bytes, but
// without what went past the window. Limited transmit does, and so does a flight after
// a repair whose first segment is still to come: no loss raises a window.
// https://www.rfc-editor.org/rfc/rfc5681#section-3.2
func (c *Conn) flightSize(acked int) int {
	if c.cfg.AsLinux {
		return c.cc.Limits().Window
	}
	return min(c.flight.Out()+acked, c.cc.Limits().Window)
}

// reduce has as much leave in recovery as what arrived allows. What a partial ACK of a
// peer without SACK shows to be lost goes at once: nothing else may come that lets it go.
// https://www.rfc-editor.org/rfc/rfc6582#section-3.2
func (c *Conn) reduce(d *recovery.Delivery) {
	f, mss := c.flight, int(c.path.mss)
	f.prr.Deliver(d.Bytes+d.Guess, f.Pipe(), c.cc.Limits().Threshold, mss, d.Acked > 0 && d.Lost == 0)
	if d.Lost > 0 && !c.has(sackOK) {
		f.prr.Allow(f.Pipe() + mss)
	}
}

// endRecovery is for the ACK of all that was out when the loss was found. Until the
// next one D-SACK may still tell that it was none.
func (c *Conn) endRecovery(now clock.Time) {
	f := c.flight
	if c.loss.phase == fastRecovery {
		c.cc.OnEvent(now, cc.Event{Kind: cc.Recovered})
		c.loss.reorder.Recovered()
	}
	c.loss.phase, c.loss.point = noLoss, c.snd.nxt
	f.dupes, f.again, f.trial = 0, false, noTrial
	f.Settle()
}

// undoReduction is for a loss that was none: the window is as it was, and what was
// only late counts as under way. https://www.rfc-editor.org/rfc/rfc4015
func (c *Conn) undoReduction(now clock.Time) {
	l := &c.loss
	if l.phase != afterTimeout {
		l.reorder.Seen = true
	}
	l.undo.Close()
	l.phase, l.point = noLoss, c.snd.nxt
	c.ecn.set(reduced|oweCWR, false)
	c.cc.OnEvent(now, cc.Event{Kind: cc.Undo})
	if f := c.flight; f != nil {
		f.Forgive()
		f.dupes, f.again, f.trial = 0, false, noTrial
	}
}

// trial is F-RTO: whether a timeout was for nothing shows when what was sent once
// only is acknowledged, if new text follows the first segment that was sent again
// instead of more old one. https://www.rfc-editor.org/rfc/rfc5682#section-2
type trial uint8

const (
	noTrial    trial = iota
	awaitsAck        // the first segment was sent again
	awaitsMore       // its ACK came, and new text follows; nothing is sent again meanwhile
)

// trialShows reports whether an ACK of something new shows that the timeout was for
// nothing. Without SACK it does not when it also acknowledges what was sent again:
// the rest may have been there before.
func (c *Conn) trialShows(d *recovery.Delivery) bool {
	f := c.flight
	if f.trial == noTrial {
		return false
	}
	if d.Once > 0 && (c.has(sackOK) || !d.Repaired) {
		return true
	}
	mss := int32(c.path.mss)
	unsent, open := c.out.end().Diff(c.snd.nxt), c.snd.una.Add(c.snd.wnd).Diff(c.snd.nxt)
	if f.trial == awaitsAck && c.snd.una.Less(c.loss.point) && unsent >= mss && open >= mss {
		f.trial = awaitsMore
	} else {
		f.trial = noTrial
	}
	return false
}
