package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// initialReceive is the receive buffer that a connection begins with, when it
// can tell how much more it needs: enough for 1 Gbit/s over 2 ms. Where memory is
// short it begins with pressedReceive.
const (
	initialReceive = 256 << 10
	pressedReceive = 32 << 10
)

// shortestTrip is the least that counts for a round trip, in which little is read.
const shortestTrip = 20 * time.Microsecond

// beginTuning lets the receive buffer grow with need.
func (c *Conn) beginTuning(now clock.Time) {
	c.beginRound(now, c.rcv.nxt)
	switch {
	case c.is(fixedBuffer):
	case c.cfg.memory.pressed:
		c.rcv.limit = min(c.rcv.limit, pressedReceive)
	default:
		c.rcv.limit = min(c.rcv.limit, initialReceive)
	}
}

// beginRound begins a round trip of tuneReceive, with first as the number of the next
// byte that the program reads.
func (c *Conn) beginRound(now clock.Time, first seq.Num) {
	c.rcv.read, c.live.at = first, microseconds(now)
}

// microseconds is an instant in 32 bits.
func microseconds(now clock.Time) uint32 { return uint32(now / 1000) }

// tuneReceive gives the receive buffer room for twice of what the program reads
// in a round trip, so that the peer, which may double what it sends in each, never
// waits for the window while the program keeps up. It never shrinks, but where memory
// is short. This is dynamic right-sizing (Fisk and Feng, 2001), as Linux has it: when
// the need has grown, it is a round trip old, and the peer may have doubled what it
// sends since. What the window offers beyond that would only wait in queues. It grows to no
// more than four times its size at once: a single round trip that took long tells nothing.
func (c *Conn) tuneReceive(now clock.Time) {
	if c.is(fixedBuffer) {
		return
	}
	if c.cfg.memory.pressed {
		c.pressReceive()
		return
	}
	if int(c.rcv.limit) >= c.cfg.ReceiveBuffer {
		return
	}
	elapsed := time.Duration(microseconds(now)-c.live.at) * time.Microsecond
	if elapsed < shortestTrip {
		return
	}
	first := c.firstUnread()
	read, trip := int64(first.Sub(c.rcv.read)), c.receiverRTT()
	if trip == 0 && read >= int64(c.rcv.limit) {
		trip = elapsed // a window: it took a round trip, or longer
	}
	if elapsed < trip || trip == 0 {
		return
	}
	c.beginRound(now, first)
	inTrip := read * int64(trip) / int64(elapsed)
	c.rcv.space = max(c.rcv.space, int32(min(inTrip, cc.MaxWindow)))
	if need := 2*inTrip + 16*int64(c.path.ours); need > int64(c.rcv.limit) {
		c.rcv.limit = int32(min(2*need, 4*int64(c.rcv.limit), int64(c.cfg.ReceiveBuffer)))
	}
}

// pressReceive takes back what is neither held nor promised to the peer: what the
// program has just read is not offered again, down to pressedReceive. The right edge
// stays where it is. https://www.rfc-editor.org/rfc/rfc9293#section-3.8.6-6
func (c *Conn) pressReceive() {
	promised := max(c.rcv.edge.Diff(c.rcv.nxt), 0)
	c.rcv.limit = min(c.rcv.limit, max(pressedReceive, c.in.bytes+promised))
}

// receiverRTT estimates the round trip for somebody who need not have sent
// anything since the handshake: the age that our timestamp had when it came back with
// the last text. Both ends round to milliseconds, so an age of one may be none at all:
// then the shortest round trip that we measured ourselves counts, or the handshake's,
// which takes a second when a SYN is lost. 0: nothing is known.
func (c *Conn) receiverRTT() time.Duration {
	if c.has(stamping) {
		if age := int32(c.ts.textAt+c.ts.offset-c.ts.echoed) - 1; age > 0 {
			return time.Duration(age) * time.Millisecond
		}
	}
	switch {
	case c.loss.least > 0:
		return max(c.loss.least, shortestTrip)
	case c.rtt.smoothed > 0:
		return max(c.rtt.smoothed, shortestTrip)
	case c.has(stamping):
		return shortestTrip
	}
	return 0
}

// noteEcho remembers which of our timestamps came back with text.
func (c *Conn) noteEcho(s *Segment) {
	if c.has(stamping) && s.Options.Has(wire.OptTimestamps) {
		c.ts.echoed = s.Options.TSEcr
	}
}

// What may wait to be sent for the first time: a part of what is out, so that it is
// gone in that part of a round trip, and so much at least. A program that writes faster
// than the network takes it would only fill caches and delay what it says later: the
// reasons for TCP_NOTSENT_LOWAT of Linux. While the peer does not read at all, it may
// as well wait here, up to stuckUnsent.
const (
	unsentShare   = 8
	minUnsent     = 128 << 10
	stuckUnsent   = 1 << 20
	pressedUnsent = 16 << 10 // while memory is short
	leastQueued   = 4 << 10  // of all that is queued, when there is no memory
)

// SendSpace returns how many bytes the program may queue until it has to wait;
// it may be negative.
func (c *Conn) SendSpace() int {
	space, out := int(c.out.limit)-c.out.len(), int(c.snd.nxt.Sub(c.snd.una))
	if c.is(lowWater) {
		space = min(space, int(c.options.lowat)-c.notSent())
	}
	if c.cfg.memory.pressed {
		return min(space, c.pressedSpace())
	}
	if c.options.fixedSend {
		return space
	}
	if out == 0 && c.snd.wnd < seq.Size(c.path.mss) {
		return min(space, stuckUnsent-c.out.len())
	}
	return min(space, max(out/unsentShare, minUnsent)-c.notSent())
}

// pressedSpace is SendSpace while memory is short. A program that has text queued learns
// that this is over by the ACK of the text.
func (c *Conn) pressedSpace() int {
	if c.cfg.memory.full() {
		return c.cfg.memory.least() - c.out.len()
	}
	return pressedUnsent - c.notSent()
}

// notSent is how many bytes wait to be sent for the first time.
func (c *Conn) notSent() int { return max(int(c.out.end().Diff(c.snd.nxt)), 0) }
