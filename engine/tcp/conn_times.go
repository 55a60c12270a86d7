package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// waits is what a connection waits for that can send nothing for now. The names of
// the times are those of Linux's struct tcp_info.
type waits uint8

const (
	nothing    waits = iota // it has nothing to send
	forNetwork              // an ACK, or that its window or pace allows more (busy_time)
	forPeer                 // the peer's window (rwnd_limited)
	forProgram              // all of a full send buffer is out, and the window has room (sndbuf_limited)
)

// timeUnit is what times are counted in: 2^20 ns, about as fine as Linux's jiffies. As
// an instant counts in whole units, and not each time, short ones do not get lost.
const timeUnit = 20

func timeUnits(now clock.Time) uint32 { return uint32(now >> timeUnit) }

// countTime counts the time up to now for what c waited for, if it waits for another
// thing from now on. Whoever asks why a transfer is slow reads here who was waited for:
// the network, the peer's program, or our own.
func (c *Conn) countTime(now clock.Time, w waits) {
	if c.waits != w {
		c.waitFor(now, w)
	}
}

func (c *Conn) waitFor(now clock.Time, w waits) {
	units := timeUnits(now)
	if c.waits != nothing {
		c.tally.waited[c.waits-1] += units - c.tally.since
	}
	c.waits, c.tally.since = w, units
}

// waitsForText returns what c waits for when all that the program wrote was sent, and
// is out.
func (c *Conn) waitsForText() waits {
	if c.out.bytes < c.out.limit || c.filled() > 0 {
		return forNetwork
	}
	return forProgram
}

// waited returns for how long c has had something to send, and what of that time the
// peer's window or the send buffer was the limit.
func (c *Conn) waited(now clock.Time) (busy, peer, program time.Duration) {
	sum := c.tally.waited
	if c.waits != nothing {
		sum[c.waits-1] += timeUnits(now) - c.tally.since
	}
	in := func(w waits) time.Duration { return time.Duration(sum[w-1]) << timeUnit }
	peer, program = in(forPeer), in(forProgram)
	return in(forNetwork) + peer + program, peer, program
}
