package tcp

import (
	"fmt"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// moves is the state diagram of RFC 9293 §3.3.2 (figure 5), with the moves to
// CLOSED that the text of §3.10 adds, as a set of bits: bit t of moves[s] is
// set when s may become t. The diagrams are drawn from this table.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.3.2
var moves = [NumStates]uint16{
	Closed:      to(Listen, SynSent),
	Listen:      to(SynReceived, SynSent, Closed),
	SynSent:     to(SynReceived, Established, Closed),
	SynReceived: to(Established, FinWait1, Listen, Closed),
	Established: to(FinWait1, CloseWait, Closed),
	CloseWait:   to(LastAck, Closed),
	FinWait1:    to(FinWait2, Closing, TimeWait, Closed),
	Closing:     to(TimeWait, Closed),
	LastAck:     to(Closed),
	FinWait2:    to(TimeWait, Closed),
	TimeWait:    to(Closed),
}

func to(states ...State) (set uint16) {
	for _, s := range states {
		set |= 1 << s
	}
	return set
}

// CanMove reports whether the state diagram has an arrow from one state to
// the other.
func CanMove(from, to State) bool { return moves[from]&(1<<to) != 0 }

// setState is the only place where a connection changes its state. A move that the table
// does not have is a fault of ours, which no segment and no call may bring about: it
// panics, because a connection in a state that it cannot be in goes on by rules that
// nobody wrote, and whoever reads the trace believes them.
func (c *Conn) setState(now clock.Time, s State, why Cause) {
	if !CanMove(c.state, s) {
		panic(fmt.Sprintf("tcp: no arrow from %v to %v (%v)", c.state, s, why))
	}
	from := c.state
	c.state = s
	if c.log.wanted() {
		c.log.moved(now, c, from, why)
	}
}

// closed ends the connection: no timer and no unsent byte outlives it. What
// arrived before stays readable.
func (c *Conn) closed(now clock.Time, f Failure, why Cause) {
	c.failure = f
	c.setState(now, Closed, why)
	c.timers.disarmAll()
	c.out.clear()
	c.land()
	c.in.dropOutOfOrder()
	c.owes &= owesReset // the last word, if any
}
