package capture

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// maxMoves is how many moves of one end are kept; a connection makes at most six.
const maxMoves = 12

// Move is one end's change of state, inferred from what was captured.
type Move struct {
	Time     clock.Time
	Packet   int // which shows it
	From, To tcp.State
	Cause    tcp.Cause
	// Seen says that the end's own segment shows it. Otherwise it follows when the
	// peer's segment arrives, and nothing says that it did not.
	Seen bool
}

// states are those of one end.
//
// What an end sends tells for certain what it has done. What is sent to it may be lost
// behind the capture: such a move waits until the end's next segment, which may deny it
// by repeating what the move says was acknowledged.
type states struct {
	Moves []Move

	state   tcp.State // after the moves
	waiting []Move
	fin     seq.Num // behind its FIN
	hasFIN  bool
	both    clock.Time // when the peer's FIN was sent that acknowledges this one's; 0: there is none
}

// State is the end's last state.
func (e *states) State() tcp.State { return e.state }

// settled is its state if what waits comes true.
func (e *states) settled() tcp.State {
	at := e.state
	for i := range e.waiting {
		at = after(at, e.waiting[i].Cause)
	}
	return at
}

// after is the state that an arrival leads to, and the same one when it changes nothing.
func after(at tcp.State, why tcp.Cause) tcp.State {
	switch {
	case at == tcp.SynReceived && why == tcp.CauseAckOfSyn:
		return tcp.Established
	case at == tcp.FinWait1 && why == tcp.CauseAckOfFin:
		return tcp.FinWait2
	case at == tcp.Closing && why == tcp.CauseAckOfFin:
		return tcp.TimeWait
	case at == tcp.LastAck && why == tcp.CauseAckOfFin, why == tcp.CauseReset, why == tcp.CauseRefused:
		return tcp.Closed
	}
	return at
}

func (e *states) does(s *segment, to tcp.State, why tcp.Cause) {
	e.add(Move{Time: s.time, Packet: s.number, From: e.state, To: to, Cause: why, Seen: true})
}

// expect notes what s does when it arrives, unless the same is on its way already.
func (e *states) expect(s *segment, why tcp.Cause) {
	for i := range e.waiting {
		if e.waiting[i].Cause == why {
			return
		}
	}
	e.waiting = append(e.waiting, Move{Time: s.time, Packet: s.number, Cause: why})
}

func (e *states) add(m Move) {
	e.state = m.To
	if len(e.Moves) < maxMoves {
		e.Moves = append(e.Moves, m)
	}
}

// settle has what waits come true, if it was sent until then: what was sent later cannot
// have arrived.
func (e *states) settle(until clock.Time) {
	n := 0
	for n < len(e.waiting) && e.waiting[n].Time <= until {
		m := e.waiting[n]
		if m.From, m.To = e.state, after(e.state, m.Cause); m.From == tcp.SynReceived && m.Cause == tcp.CauseReset && e.passive() {
			m.To = tcp.Listen
		}
		if m.To != m.From {
			e.add(m)
		}
		n++
	}
	e.waiting = e.waiting[:copy(e.waiting, e.waiting[n:])]
}

// passive reports whether the end was asked, and did not ask.
func (e *states) passive() bool {
	return len(e.Moves) > 0 && e.Moves[len(e.Moves)-1].From == tcp.Listen
}

// move follows both ends through the diagram by a segment of one of them.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7
func (c *Conn) move(from int, s *segment) {
	me, peer := &c.Sides[from], &c.Sides[1-from]
	f := s.tcp.Flags
	for i := range me.waiting {
		if me.denies(s, me.waiting[i].Cause) { // it did not arrive, nor did what was sent after it
			me.waiting = me.waiting[:i]
			break
		}
	}
	me.settle(s.time.Add(-c.reaction(from)))
	switch {
	case f.Has(wire.RST):
		c.reset(from, s)
		return
	case f.Has(wire.SYN):
		me.opens(s, f.Has(wire.ACK), peer)
		return
	}
	if f.Has(wire.ACK) {
		me.acknowledges(s, peer, s.time.Add(-c.reaction(from)))
		peer.isAcknowledged(s)
	}
	if f.Has(wire.FIN) {
		me.closes(s)
	}
}

// reaction is the shortest time in which a side has answered, from the capture's point of
// view: what was captured later on its way to it had not arrived.
func (c *Conn) reaction(side int) time.Duration {
	d := c.Handshake[1-side]
	if r := &c.Sides[1-side].RTT; r.Count > 0 && (d == 0 || r.Min < d) {
		d = r.Min
	}
	return d
}

// denies reports whether an end's segment shows that something did not arrive.
func (e *Side) denies(s *segment, what tcp.Cause) bool {
	f := s.tcp.Flags
	switch what {
	case tcp.CauseReset, tcp.CauseRefused:
		return !f.Has(wire.RST)
	case tcp.CauseAckOfSyn:
		return f.Has(wire.SYN)
	}
	return f.Has(wire.FIN) && e.hasFIN && s.end() == e.fin // it repeats its FIN
}

// opens follows a SYN, with ACK or without.
func (e *Side) opens(s *segment, ack bool, peer *Side) {
	switch {
	case ack && e.state == tcp.SynSent:
		e.does(s, tcp.SynReceived, tcp.CauseSyn) // both have opened
		if peer.hasAcked && e.isn.Less(peer.acked) {
			e.expect(s, tcp.CauseAckOfSyn)
		}
	case ack && (e.state == tcp.Listen || e.state == tcp.Closed):
		if e.state == tcp.Closed {
			e.state = tcp.Listen
		}
		e.does(s, tcp.SynReceived, tcp.CauseSyn)
	case !ack && (e.state == tcp.Closed || e.state == tcp.Listen):
		e.state = tcp.Closed
		e.does(s, tcp.SynSent, tcp.CauseActiveOpen)
	}
	if ack { // that acknowledges the peer's SYN shows that it has come
		peer.isAcknowledged(s)
	}
}

// acknowledges follows what an end shows to have received.
func (e *Side) acknowledges(s *segment, peer *Side, until clock.Time) {
	if e.state == tcp.SynSent && peer.SYNs > 0 && peer.isn.Less(s.tcp.Ack) {
		e.does(s, tcp.Established, tcp.CauseSynAck)
	}
	if !peer.hasFIN || s.tcp.Ack.Less(peer.fin) {
		return
	}
	switch e.state {
	case tcp.SynReceived, tcp.Established:
		if e.state == tcp.SynReceived {
			e.does(s, tcp.Established, tcp.CauseAckOfSyn)
		}
		e.does(s, tcp.CloseWait, tcp.CauseFin)
	case tcp.FinWait1:
		if e.both > 0 && e.both <= until {
			e.does(s, tcp.TimeWait, tcp.CauseFinAndAck)
		} else {
			e.does(s, tcp.Closing, tcp.CauseFin)
		}
	case tcp.FinWait2:
		e.does(s, tcp.TimeWait, tcp.CauseFin)
	}
}

// isAcknowledged follows an ACK that is on its way to an end.
func (e *Side) isAcknowledged(s *segment) {
	ack := s.tcp.Ack
	if e.settled() == tcp.SynReceived && e.SYNs > 0 && e.isn.Less(ack) {
		e.expect(s, tcp.CauseAckOfSyn)
	}
	if !e.hasFIN || ack.Less(e.fin) {
		return
	}
	if e.state == tcp.FinWait1 && s.tcp.Flags.Has(wire.FIN) {
		e.both = s.time
		return
	}
	if after(e.settled(), tcp.CauseAckOfFin) != e.settled() {
		e.expect(s, tcp.CauseAckOfFin)
	}
}

// closes follows a FIN.
func (e *Side) closes(s *segment) {
	if e.state == tcp.SynReceived && e.passive() {
		e.settle(s.time) // a program closes what it has accepted, and that was acknowledged
	}
	switch e.state {
	case tcp.SynReceived, tcp.Established:
		e.does(s, tcp.FinWait1, tcp.CauseClose)
	case tcp.CloseWait:
		e.does(s, tcp.LastAck, tcp.CauseClose)
	default:
		return
	}
	e.hasFIN, e.fin = true, s.end()
}

// reset follows a RST: its sender has no connection any more, and its receiver loses it
// when the number is right.
func (c *Conn) reset(from int, s *segment) {
	me, peer := &c.Sides[from], &c.Sides[1-from]
	switch me.state {
	case tcp.Closed, tcp.Listen, tcp.TimeWait, tcp.SynSent: // it answers what belongs to nothing
	default:
		me.does(s, tcp.Closed, tcp.CauseAbort)
	}
	switch at := peer.settled(); {
	case at == tcp.SynSent && s.tcp.Flags.Has(wire.ACK):
		peer.expect(s, tcp.CauseRefused)
	case at == tcp.SynReceived, at.Synchronized() && at != tcp.TimeWait && (!peer.hasAcked || s.tcp.Seq == peer.acked):
		peer.expect(s, tcp.CauseReset)
	}
}
