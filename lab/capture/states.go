package capture

import (
	"slices"
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
	sentFIN event // the first time
	refills refills
	both    event // when the peer's FIN was first sent that acknowledges this one's, and may have arrived; 0: never
	lostFIN bool  // the FIN did not arrive when it was sent the first time
	// when it last sent something that does not acknowledge the peer's FIN, which was sent; and at another time before that
	without [2]clock.Time

	// All text of the peer from here on acknowledges the FIN: who has such text has the ACK.
	ackedFrom    seq.Num
	hasAckedFrom bool
}

// event is a packet and its time.
type event struct {
	packet int
	time   clock.Time
}

func (s *segment) event() event { return event{s.number, s.time} }

// refills are when what a FIN waits behind, or the FIN, was sent again: the last at each of
// the latest times, newest first.
type refills [4]event

func (r *refills) add(at event) {
	if r[0].time != at.time {
		copy(r[1:], r[:])
	}
	r[0] = at
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

// but is its state if what waits comes true, but for one cause.
func (e *states) but(why tcp.Cause) tcp.State {
	at := e.state
	for i := range e.waiting {
		if m := &e.waiting[i]; m.Cause != why {
			at = after(at, m.Cause)
		}
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

// twice reports whether the last segment with such a cause is on its way, too: it may arrive when
// the first did not.
func twice(why tcp.Cause) bool { return why == tcp.CauseReset || why == tcp.CauseAckOfFin }

// expect notes what s does when it arrives, unless the same is on its way already.
func (e *states) expect(s *segment, why tcp.Cause) {
	m := Move{Time: s.time, Packet: s.number, Cause: why}
	same := 0
	for i := range e.waiting {
		if e.waiting[i].Cause != why {
			continue
		}
		if same++; !twice(why) {
			return
		}
		if same == 2 {
			e.waiting[i] = m
			return
		}
	}
	e.waiting = append(e.waiting, m)
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
		e.comes(e.waiting[n])
		n++
	}
	e.waiting = e.waiting[:copy(e.waiting, e.waiting[n:])]
}

// comes has a move come true that waited.
func (e *states) comes(m Move) {
	if m.From, m.To = e.state, after(e.state, m.Cause); m.From == tcp.SynReceived && m.Cause == tcp.CauseReset && e.passive() {
		m.To = tcp.Listen
	}
	if m.To != m.From {
		e.add(m)
	}
}

// wait returns since when the end waits for what a cause tells of.
func (e *states) wait(why tcp.Cause) event {
	for i := range e.waiting {
		if m := &e.waiting[i]; m.Cause == why {
			return event{m.Packet, m.Time}
		}
	}
	return event{}
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
	atLeast, within := c.reaction(from), c.slowest(from)
	for i := range me.waiting {
		if me.denies(s, &me.waiting[i], atLeast, within) { // it did not arrive, nor did what was sent after it
			last := me.waiting[len(me.waiting)-1]
			if me.waiting = me.waiting[:i]; twice(last.Cause) && !me.denies(s, &last, atLeast, within) {
				me.waiting = append(me.waiting, last) // it is on its way still
			}
			break
		}
	}
	me.deniesBoth(s, peer, atLeast)
	until := s.time.Add(-atLeast)
	me.settle(me.certain(s, peer, until))
	me.notesFIN(s, peer)
	switch {
	case f.Has(wire.RST):
		c.reset(from, s)
		return
	case f.Has(wire.SYN):
		me.opens(s, f.Has(wire.ACK), peer)
		return
	}
	if f.Has(wire.ACK) {
		me.acknowledges(s, peer, until)
		peer.isAcknowledged(s)
		peer.isTold(s, me.next)
	}
	if f.Has(wire.FIN) {
		me.closes(s)
	}
	me.sendsAgain(s, peer)
}

// certain is until when what was sent to an end has come true, by a segment of it. A
// reset has not: its receiver would send nothing else. Nor has the ACK of its FIN when
// the peer's FIN was sent before that, and is not acknowledged: it comes first, unless it waits
// behind what was lost.
func (e *Side) certain(s *segment, peer *Side, until clock.Time) clock.Time {
	if !s.tcp.Flags.Has(wire.RST) {
		for _, why := range [2]tcp.Cause{tcp.CauseReset, tcp.CauseRefused} {
			if at := e.wait(why); at.packet > 0 {
				until = min(until, at.time-1)
			}
		}
	}
	if at := e.wait(tcp.CauseAckOfFin); at.packet > 0 && peer.hasFIN && peer.arrival(until).packet < at.packet && !e.outruns(at, peer.sentFIN, s, until) {
		until = min(until, at.time-1)
	}
	return until
}

// outruns reports whether an ACK that could have arrived until then has come before the peer's FIN that was sent
// earlier: that waits behind something, as the end has sent what does not acknowledge it when it could have come.
func (e *states) outruns(ack, fin event, s *segment, until clock.Time) bool {
	last := e.without[0]
	if last == s.time {
		last = e.without[1]
	}
	return last > 0 && fin.time.Add(s.time.Sub(until)) <= last && ack.time < until
}

// notesFIN notes when an end does not acknowledge the peer's FIN.
func (e *states) notesFIN(s *segment, peer *Side) {
	if !peer.hasFIN || !s.tcp.Flags.Has(wire.ACK) || !s.tcp.Ack.Less(peer.fin) {
		return
	}
	if e.without[0] != s.time {
		e.without[1] = e.without[0]
	}
	e.without[0] = s.time
}

// sendsAgain notes what an end sends behind its FIN, if the peer has not acknowledged it:
// perhaps the FIN arrives by it.
func (e *Side) sendsAgain(s *segment, peer *Side) {
	end := s.end()
	if e.hasFIN && s.number > e.sentFIN.packet && end != s.tcp.Seq && !(peer.hasAcked && end.LessEq(peer.acked)) {
		e.refills.add(s.event())
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

// slowest is the longest time in which a side has answered.
func (c *Conn) slowest(side int) time.Duration {
	return max(c.Handshake[1-side], c.Sides[1-side].RTT.Max)
}

// denies reports whether an end's segment shows that something did not arrive, which takes
// so long at least, and which an end answers within some time.
func (e *Side) denies(s *segment, what *Move, atLeast, within time.Duration) bool {
	f := s.tcp.Flags
	if s.time.Sub(what.Time) < atLeast { // it is on its way
		return false
	}
	switch what.Cause {
	case tcp.CauseReset, tcp.CauseRefused: // what was sent before it arrives is on the way beside it
		return !f.Has(wire.RST) && s.time.Sub(what.Time) > within
	case tcp.CauseAckOfSyn:
		return f.Has(wire.SYN)
	}
	return f.Has(wire.FIN) && e.hasFIN && s.end() == e.fin // it repeats its FIN
}

// deniesBoth follows an end that repeats its FIN: the peer's that acknowledges it did not arrive.
func (e *Side) deniesBoth(s *segment, peer *Side, atLeast time.Duration) {
	if e.both.packet > 0 && e.denies(s, &Move{Time: e.both.time, Cause: tcp.CauseAckOfFin}, atLeast, 0) {
		peer.lostFIN = peer.lostFIN || e.both == peer.sentFIN
		e.both = event{}
	}
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
	if e.state == tcp.SynSent && (peer.SYNs == 0 || peer.isn.Less(s.tcp.Ack)) { // a SYN-ACK may have been missed
		e.does(s, tcp.Established, tcp.CauseSynAck)
	}
	if e.state == tcp.FinWait1 && e.hasAckedFrom && e.ackedFrom.Less(s.tcp.Ack) {
		e.waiting = slices.DeleteFunc(e.waiting, func(m Move) bool { return m.Cause == tcp.CauseAckOfFin })
		e.does(s, tcp.FinWait2, tcp.CauseAckOfFin)
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
		e.takesFIN(s, peer.arrival(until))
	case tcp.FinWait2:
		e.does(s, tcp.TimeWait, tcp.CauseFin)
	}
}

// arrival is the packet that has made an end's FIN arrive: what was last sent again and can
// have arrived, or else the FIN.
func (e *states) arrival(until clock.Time) event {
	first := e.sentFIN
	for _, r := range e.refills {
		switch {
		case r.packet == 0:
			return first
		case r.time <= until:
			return r
		case e.lostFIN: // it is faster than it ever was
			first = r
		}
	}
	return first
}

// takesFIN follows an end that acknowledges the peer's FIN when its own was not known to
// be acknowledged. Which of both came first is the order in which the peer has sent them,
// wherever the capture was made.
func (e *Side) takesFIN(s *segment, fin event) {
	ack := e.wait(tcp.CauseAckOfFin)
	switch {
	case ack.packet > 0 && ack.packet < fin.packet:
		e.settle(ack.time)
		e.does(s, tcp.TimeWait, tcp.CauseFin)
	case e.both.packet > 0 && e.both.packet <= fin.packet:
		e.does(s, tcp.TimeWait, tcp.CauseFinAndAck)
	default:
		e.does(s, tcp.Closing, tcp.CauseFin)
		if ack.packet == 0 && e.both.packet > 0 {
			e.waiting = append(e.waiting, Move{Time: e.both.time, Packet: e.both.packet, Cause: tcp.CauseAckOfFin})
		}
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
		if e.both.packet == 0 {
			e.both = s.event()
		}
		return
	}
	if at := e.but(tcp.CauseAckOfFin); after(at, tcp.CauseAckOfFin) != at {
		e.expect(s, tcp.CauseAckOfFin)
	}
}

// isTold follows text that is on its way to an end whose FIN it acknowledges, if it begins where
// nothing was sent before.
func (e *states) isTold(s *segment, next seq.Num) {
	if e.hasFIN && !e.hasAckedFrom && !s.tcp.Ack.Less(e.fin) && s.length > 0 && !s.tcp.Flags.Has(wire.FIN) && next.LessEq(s.tcp.Seq) {
		e.ackedFrom, e.hasAckedFrom = s.tcp.Seq, true
	}
}

// accepted follows what only a program does: it has accepted the connection, so the ACK
// has come that completes the handshake.
func (e *Side) accepted() {
	for i := range e.waiting {
		if m := e.waiting[i]; m.Cause == tcp.CauseAckOfSyn && e.state == tcp.SynReceived && e.passive() {
			e.waiting = slices.Delete(e.waiting, i, i+1)
			e.comes(m)
			return
		}
	}
}

// closes follows a FIN.
func (e *Side) closes(s *segment) {
	e.accepted()
	switch e.state {
	case tcp.SynReceived, tcp.Established:
		e.does(s, tcp.FinWait1, tcp.CauseClose)
	case tcp.CloseWait:
		e.does(s, tcp.LastAck, tcp.CauseClose)
	default:
		return
	}
	e.hasFIN, e.fin, e.sentFIN = true, s.end(), s.event()
}

// reset follows a RST: its sender has no connection any more, and its receiver loses it
// when the number is right.
func (c *Conn) reset(from int, s *segment) {
	me, peer := &c.Sides[from], &c.Sides[1-from]
	if s.tcp.Flags.Has(wire.ACK) { // it is no answer to a wrong number
		me.accepted()
	}
	switch me.state {
	case tcp.Closed:
		me.rethinks(s, peer)
	case tcp.Listen, tcp.TimeWait, tcp.SynSent: // it answers what belongs to nothing
	default:
		me.does(s, tcp.Closed, tcp.CauseAbort)
	}
	switch at := peer.but(tcp.CauseReset); {
	case at == tcp.SynSent && s.tcp.Flags.Has(wire.ACK):
		peer.expect(s, tcp.CauseRefused)
	case at == tcp.SynReceived, at.Synchronized() && at != tcp.TimeWait && (!peer.hasAcked || s.tcp.Seq == peer.acked || s.tcp.Seq == me.next):
		peer.expect(s, tcp.CauseReset)
	}
}

// rethinks follows a RST of an end that is gone, whose number is that of the ACK that it answers: the
// end's FIN was acknowledged. When it comes at once behind the RST that has closed the end, that
// one answers the same: the ACK had come, faster than the end has ever answered.
func (e *states) rethinks(s *segment, peer *Side) {
	last, ack := len(e.Moves)-1, e.wait(tcp.CauseAckOfFin)
	if last < 0 || ack.packet == 0 || !e.hasFIN || s.tcp.Flags.Has(wire.ACK) || s.tcp.Seq != e.fin || peer.hasFIN && peer.sentFIN.packet < ack.packet {
		return
	}
	m := &e.Moves[last]
	if m.From != tcp.FinWait1 || m.Cause != tcp.CauseAbort || s.time.Sub(m.Time) > m.Time.Sub(ack.time)/8 {
		return
	}
	m.From = tcp.FinWait2
	e.Moves = slices.Insert(e.Moves, last, Move{Time: ack.time, Packet: ack.packet, From: tcp.FinWait1, To: tcp.FinWait2, Cause: tcp.CauseAckOfFin})
	e.waiting = e.waiting[:0]
}
