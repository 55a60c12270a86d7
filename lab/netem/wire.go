// Package netem is a wire that treats packets badly: it delays, loses,
// duplicates, reorders, marks and corrupts them, and has a limited rate. What happens
// depends on nothing but the configuration, the seed, and the packets and
// times that go in, so that every run can be repeated.
//
// A super-segment counts as one packet.
package netem

import (
	"math/rand/v2"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
)

// DefaultLimit is how many packets a wire holds unless Config says otherwise.
const DefaultLimit = 1 << 16

// Config says what a wire does to packets. The zero value does nothing.
// Probabilities are from 0 to 1, times from 0 to MaxDelay; Check refuses others.
type Config struct {
	// Delay is how long a packet takes; Jitter is added or subtracted at most,
	// evenly spread. Jitter does not change the order.
	Delay, Jitter time.Duration

	// Loss is the probability that a packet is lost, independent of others;
	// Burst adds losses that come together.
	Loss  float64
	Burst GilbertElliott

	// Duplicate is the probability that a packet comes twice.
	Duplicate float64

	// Reorder is the probability that a packet takes ReorderDelay longer, while
	// those behind it go past.
	Reorder      float64
	ReorderDelay time.Duration

	// Corrupt is the probability that one bit behind the link header flips. A
	// partial checksum is completed before, so that the receiver can notice.
	Corrupt float64

	// Rate is the bandwidth in bits per second, at most MaxRate; 0: not limited.
	// QueueBytes is how much may wait for it, at most MaxQueueBytes, the packet that
	// is being sent included; what would be more is dropped. 0: only Limit counts.
	Rate       uint64
	QueueBytes int
	// MarkBytes is how much may wait before packets are marked CE, if their senders
	// understand that, as a router with ECN does; at most MaxQueueBytes, and counted as
	// QueueBytes. 0: no packet is marked.
	MarkBytes int

	// Limit is how many packets the wire holds at most, 1 to MaxPackets; default
	// DefaultLimit.
	Limit int
}

// Counters count packets. Every packet that went in, and every copy, is in
// Passed, in one of the reasons below it, or still in the wire.
type Counters struct {
	In     uint64 // went in
	Passed uint64 // came out

	Lost     uint64 // by Loss or Burst
	Overflow uint64 // dropped by QueueBytes or Limit
	Down     uint64 // dropped because the wire was down

	Duplicated, Reordered, Corrupted, Marked uint64 // what was done to those that went on
}

// Wire is one direction of a link. Make it with New.
type Wire struct {
	config   Config
	random   rand.PCG
	burst    bool // the Gilbert-Elliott model is in its bad state
	down     bool
	flight   flight
	busy     clock.Time // when the sender has sent all that it has taken
	last     clock.Time // when the last packet that kept its place arrives
	counters Counters
}

// New returns an empty wire. Wires with the same configuration and seed do the
// same. A field that Config.Check would refuse counts as the nearest value that it
// would not.
func New(c Config, seed uint64) *Wire {
	return &Wire{config: c.settled(), random: *rand.NewPCG(seed, 0x6e6574656d)}
}

// Input puts a packet on the wire, which takes it over. Time does not go back
// from one call to the next.
func (w *Wire) Input(now clock.Time, p *buf.Packet) {
	w.counters.In++
	switch {
	case w.down:
		drop(p, &w.counters.Down)
		return
	case w.loses():
		drop(p, &w.counters.Lost)
		return
	}
	if w.chance(w.config.Duplicate) {
		w.counters.Duplicated++
		w.send(now, p.Copy())
	}
	w.send(now, p)
}

// SetConfig changes what the wire does with packets from now on; those that are under
// way arrive as they would have.
func (w *Wire) SetConfig(c Config) { w.config = c.settled() }

// Output returns the next packet that has arrived by now; nil when there is
// none. The caller owns it.
func (w *Wire) Output(now clock.Time) *buf.Packet {
	if w.Deadline() > now || len(w.flight.items) == 0 {
		return nil
	}
	w.counters.Passed++
	return w.flight.pop()
}

// Deadline returns when Output has something next; clock.Never when the wire is
// empty.
func (w *Wire) Deadline() clock.Time { return w.flight.first() }

// SetDown cuts the wire, or mends it. While it is cut all that goes in is
// dropped; what is under way arrives.
func (w *Wire) SetDown(down bool) { w.down = down }

// Len returns how many packets are under way.
func (w *Wire) Len() int { return len(w.flight.items) }

// Counters returns what has happened so far.
func (w *Wire) Counters() Counters { return w.counters }

// Release drops all packets that are under way.
func (w *Wire) Release() {
	for len(w.flight.items) > 0 {
		w.flight.pop().Release()
	}
}

// Clone returns a wire in the same state, with copies of the packets.
func (w *Wire) Clone() *Wire {
	c := *w
	c.flight.items = append([]item(nil), w.flight.items...)
	for i := range c.flight.items {
		c.flight.items[i].packet = c.flight.items[i].packet.Copy()
	}
	return &c
}

// send lets a packet that is not lost queue for the rate, and decides when it
// arrives.
func (w *Wire) send(now clock.Time, p *buf.Packet) {
	// What overflows has not taken any of the rate: the next packet finds the place.
	sent, ok := w.transmit(now, p.Len())
	if !ok || len(w.flight.items) >= w.config.Limit {
		drop(p, &w.counters.Overflow)
		return
	}
	w.busy = sent
	if w.config.MarkBytes > 0 && w.config.Rate > 0 && sent.Sub(now) > w.duration(w.config.MarkBytes) {
		p = w.mark(p)
	}
	if w.chance(w.config.Corrupt) {
		w.counters.Corrupted++
		p = w.corrupt(p)
	}
	w.flight.push(w.arrival(sent), p)
}

// transmit returns when the last bit of a packet leaves the sender; false when
// the queue before it is full.
func (w *Wire) transmit(now clock.Time, size int) (clock.Time, bool) {
	if w.config.Rate == 0 {
		return now, true
	}
	sent := max(now, w.busy).Add(w.duration(size))
	full := w.config.QueueBytes > 0 && sent.Sub(now) > w.duration(w.config.QueueBytes)
	return sent, !full
}

// duration is how long size bytes take at the wire's rate.
func (w *Wire) duration(size int) time.Duration {
	return time.Duration(uint64(size) * 8 * uint64(time.Second) / w.config.Rate)
}

// arrival decides when a packet arrives that was sent at the given time. Only one that is
// reordered may be passed; jitter makes the others wait for each other, as in one queue.
func (w *Wire) arrival(sent clock.Time) clock.Time {
	at := sent.Add(max(w.config.Delay+w.jitter(), 0))
	if w.chance(w.config.Reorder) {
		w.counters.Reordered++
		return at.Add(w.config.ReorderDelay)
	}
	w.last = max(w.last, at)
	return w.last
}

func (w *Wire) jitter() time.Duration {
	if w.config.Jitter <= 0 {
		return 0
	}
	span := 2*uint64(w.config.Jitter) + 1
	return time.Duration(w.below(span)) - w.config.Jitter
}

func drop(p *buf.Packet, counter *uint64) {
	*counter++
	p.Release()
}
