package tcp

import (
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/recovery"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// flight is what is out, after the handshake, and what is only of use while
// something is: a connection that waits has none. That is most of what makes an idle
// connection small: of a million, few have anything out at a time.
type flight struct {
	recovery.Ledger
	course
}

// course is what a flight is beside what is out: each begins with a new one.
type course struct {
	rack recovery.Rack
	prr  recovery.PRR

	since  clock.Time // from when the retransmission timeout counts
	late   clock.Time // when what is late is lost; Never: nothing is
	full   seq.Num    // up to here what was sent filled the congestion window; not before SND.UNA: see noteFull
	round  seq.Num    // an ACK past this is of the next round trip that is measured
	under  seq.Num    // SND.NXT when the first segment was sent again last: what lies below may cause duplicate ACKs
	small  seq.Num    // the end of the last segment that was not full, where one was sent: see smallOut
	next   clock.Time // when the next segment may leave, while held: see pace
	held   bool
	behind bool  // it was held for too long, and makes up for that
	tight  bool  // it was the window that let nothing new leave when that was asked last
	shut   bool  // the peer's window has no room for more: see tellSent
	dupes  uint8 // duplicate ACKs in a row, of a peer without SACK
	again  bool  // the timer is not restarted: see restartTimer
	trial  trial

	wants cc.Traits // what the controller asks for
}

// maxSpareFlights is how many flights wait to be used again by connections of an
// endpoint; more are garbage.
const maxSpareFlights = 64

// takeOff makes the flight that begins with number start.
func (c *Conn) takeOff(now clock.Time, start seq.Num) {
	if n := len(c.cfg.flights); n > 0 {
		c.flight, c.cfg.flights = c.cfg.flights[n-1], c.cfg.flights[:n-1]
	} else {
		c.flight = &flight{}
	}
	f := c.flight
	f.course = course{}
	f.since, f.late, f.full, f.round, f.small, f.wants = now, clock.Never, start, start, start, c.cc.Traits()
	if f.wants&cc.WantsSend != 0 {
		f.HoldBack() // there was a gap before it
	}
	// It ran for what the program held back, and has left now: the retransmission timer takes
	// over when all that may leave has. A peer that is being probed has its back-off still.
	if c.live.stalled == clock.Never && c.snd.wnd > 0 {
		c.timers.disarm(TimerPersist)
	}
}

// land ends the flight: nothing is out, or the connection no longer sends. It keeps the
// flight for the next connection, with its memory, while there are few spare ones.
func (c *Conn) land() {
	f := c.flight
	if f == nil {
		return
	}
	c.flight = nil
	if len(c.cfg.flights) < maxSpareFlights {
		f.Clear()
		c.cfg.flights = append(c.cfg.flights, f)
	}
}

func (f *flight) clone() *flight {
	if f == nil {
		return nil
	}
	c := *f
	c.Ledger = f.Ledger.Clone()
	return &c
}

// inFlight is how many bytes are sent and, as far as we know, neither lost nor
// arrived.
func (c *Conn) inFlight() int {
	if c.flight == nil {
		return 0
	}
	return c.flight.Pipe()
}
