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

// A peer is nearby whose text arrives within a millisecond. What is read in so short a time tells
// of who had a processor, and not of a path: the window would grow as long as it does, the text
// would leave the caches of the machine, and each byte would cost twice. So there it
// grows while that helps, where a quarter more is read than at the best before, and up to
// nearbyMost, which is 8 Gbit/s or more. So many windows are read before that counts.
const (
	nearbyMost    = 1 << 20
	nearbyWindows = 4
)

// nearby reports whether the peer is, although a text may just have taken a trip that is
// longer: a path would take as long for each of the windows that were read.
func (c *Conn) nearby(trip, elapsed time.Duration) bool {
	if trip >= time.Millisecond && (c.loss.least == 0 || c.loss.least >= time.Millisecond) {
		return c.has(stamping) && c.echoAge() <= 1
	}
	return trip > 0 && (trip < time.Millisecond || elapsed < nearbyWindows*trip)
}

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
	near := c.nearby(trip, elapsed)
	if near && read < nearbyWindows*int64(c.rcv.limit) {
		return
	}
	if trip == 0 && read >= int64(c.rcv.limit) {
		trip = elapsed // a window: it took a round trip, or longer
	}
	if elapsed < trip || trip == 0 {
		return
	}
	c.beginRound(now, first)
	inTrip, inMillisecond := read*int64(trip)/int64(elapsed), read*int64(time.Millisecond)/int64(elapsed)
	best, limit := int64(c.rcv.space), int64(c.rcv.limit)
	c.rcv.space = int32(max(best, min(inTrip, cc.MaxWindow)))
	switch need := 2*inTrip + 16*int64(c.path.ours); {
	case !near && need > limit:
		limit = min(2*need, 4*limit)
	case near && inTrip > best*5/4 && 2*inMillisecond > limit:
		limit = max(limit, min(2*limit, nearbyMost))
	}
	c.rcv.limit = int32(min(limit, int64(c.cfg.ReceiveBuffer)))
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
		if age := c.echoAge() - 1; age > 0 {
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

// echoAge is how many milliseconds our timestamp had that came back with the last text.
func (c *Conn) echoAge() int32 { return int32(c.ts.textAt + c.ts.offset - c.ts.echoed) }

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
