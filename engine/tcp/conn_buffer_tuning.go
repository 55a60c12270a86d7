package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// initialReceive is the receive buffer that a connection begins with, when it
// can tell how much more it needs: enough for 1 Gbit/s over 2 ms.
const initialReceive = 256 << 10

// beginTuning lets the receive buffer grow with need, which takes timestamps:
// without them the round trip as the receiver sees it is not known, and the
// buffer has its full size at once. So it has when the program has set it.
func (c *Conn) beginTuning(now clock.Time) {
	c.rcv.read, c.live.at = c.rcv.nxt, microseconds(now)
	if c.has(stamping) && !c.is(fixedBuffer) {
		c.rcv.limit = min(c.rcv.limit, initialReceive)
	}
}

// microseconds is an instant in 32 bits.
func microseconds(now clock.Time) uint32 { return uint32(now / 1000) }

// tuneReceive gives the receive buffer room for twice of what the program reads
// in a round trip, so that the peer, which may double what it sends in each, never
// waits for the window while the program keeps up. It never shrinks. This is
// dynamic right-sizing (Fisk and Feng, 2001), as Linux has it: when the need has
// grown, it is a round trip old, and the peer may have doubled what it sends since.
// What the window offers beyond that would only wait in queues.
func (c *Conn) tuneReceive(now clock.Time) {
	if c.is(fixedBuffer) || int(c.rcv.limit) >= c.cfg.ReceiveBuffer {
		return
	}
	elapsed := time.Duration(microseconds(now)-c.live.at) * time.Microsecond
	trip := max(c.receiverRTT(now), 20*time.Microsecond)
	if elapsed < trip {
		return
	}
	first := c.firstUnread()
	read := int64(first.Sub(c.rcv.read))
	c.rcv.read, c.live.at = first, microseconds(now)
	inTrip := read * int64(trip) / int64(elapsed)
	c.rcv.space = max(c.rcv.space, int32(min(inTrip, cc.MaxWindow)))
	if need := 2*inTrip + 16*int64(c.path.ours); need > int64(c.rcv.limit) {
		c.rcv.limit = int32(min(2*need, int64(c.cfg.ReceiveBuffer)))
	}
}

// receiverRTT estimates the round trip for somebody who need not have sent
// anything since the handshake: the age of our timestamp that came back with the
// last text. That counts milliseconds, and the fractions at both ends may add up
// to one that never was; so when there is no more than that, it is what we measured
// ourselves. That may be the handshake, which takes a second when a SYN is lost.
func (c *Conn) receiverRTT(now clock.Time) time.Duration {
	if age := int32(c.ts.value(now)-c.ts.echoed) - 1; age > 0 {
		return time.Duration(age) * time.Millisecond
	}
	return c.rtt.smoothed
}

// noteEcho remembers which of our timestamps came back with text.
func (c *Conn) noteEcho(s *Segment) {
	if c.has(stamping) && s.Options.Has(wire.OptTimestamps) {
		c.ts.echoed = s.Options.TSEcr
	}
}
