// Package account is what is told of a connection when it has ended: how it began and
// ended, and what went which way. Plain values, for metrics and for flow records.
package account

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Keep says of which connections the last events are kept, as a flight recorder
// does: whoever asks why one is stuck, or has died, reads what happened before. The zero
// value keeps nothing. An event takes 32 bytes. A connection to which nothing happens
// gives its room up to others, and one that has ended is remembered until then.
type Keep struct {
	// Connections is of how many connections events are kept at the same time: those
	// to which something happened last. 0: of none.
	Connections int
	// Last is how many events are kept of each, tcp.MinKept to tcp.MaxKept, rounded up to a
	// power of two. Default 64.
	Last int
	// OneIn keeps those of one connection in so many. Default 1: of each.
	OneIn int
	// FailedOnly forgets a connection when it ends as its programs wanted.
	FailedOnly bool
}

// Ending is why a connection is no longer there.
type Ending uint8

// The endings.
const (
	Open        Ending = iota // it has not ended
	Closed                    // both sides closed
	Refused                   // a RST answered our SYN
	Reset                     // the peer reset it
	Aborted                   // the program reset it
	UnreadData                // the program closed with text unread, or before text came: a RST said so
	TimedOut                  // repeated without an answer
	UserTimeout               // nothing was acknowledged for as long as the program bears
	KeepAlive                 // the probes of an idle connection had no answer
	Unreachable               // ICMP said so
	HalfClosed                // the peer never closed, and the program was gone

	// NumEndings is how many there are.
	NumEndings = int(HalfClosed) + 1
)

var endingText = [NumEndings]string{"open", "closed", "refused", "reset", "aborted", "unread-data", "timed-out", "user-timeout",
	"keep-alive", "unreachable", "half-closed"}

func (e Ending) String() string { return endingText[e] }

// Failed reports whether e is an end that neither program wanted.
func (e Ending) Failed() bool { return e >= Refused && e != Aborted }

// Side is what went one way.
type Side struct {
	Packets uint64
	Octets  uint64 // of IP packets, their headers with them
	Text    uint64 // bytes that the receiver of this direction has had, each once
	Again   uint64 // segments that were sent again; known of what we send
	Flags   wire.Flags
}

// Flow is one connection, from its first segment to its last.
type Flow struct {
	Tuple          wire.Tuple // from our side
	Passive        bool       // the peer opened it
	Ending         Ending
	Start, End     clock.Time // of the first segment that was seen, and of the last
	Sent, Received Side
	Handshake      time.Duration // from our SYN or SYN-ACK to its acknowledgement; 0: not known
	RTT, MinRTT    time.Duration // smoothed, at the end, and the least; 0: never measured
}

// histogramSize is how many buckets a histogram has, the one without a bound left out.
const histogramSize = 16

// Bounds are the upper ends of buckets, in rising order.
type Bounds [histogramSize]time.Duration

const ms = time.Millisecond

// The bounds of round trips and of lifetimes.
var (
	RTTBounds = Bounds{ms / 10, ms / 4, ms / 2, ms, 5 * ms / 2, 5 * ms, 10 * ms, 25 * ms, 50 * ms, 100 * ms, 250 * ms, 500 * ms,
		time.Second, 2500 * ms, 5 * time.Second, 10 * time.Second}
	LifeBounds = Bounds{ms, 10 * ms, 50 * ms, 100 * ms, 500 * ms, time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
		time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}
)

// Histogram counts durations by size.
type Histogram struct {
	Counts [histogramSize + 1]uint64 // by bucket; the last one has no bound
	Sum    time.Duration
}

func (h *Histogram) add(b *Bounds, d time.Duration) {
	i := 0
	for i < histogramSize && d > b[i] {
		i++
	}
	h.Counts[i]++
	h.Sum += d
}

// Count returns how many durations were counted.
func (h *Histogram) Count() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

func (h *Histogram) merge(o *Histogram) {
	for i, n := range o.Counts {
		h.Counts[i] += n
	}
	h.Sum += o.Sum
}

// Totals are figures of all connections that have ended. Their size does not depend on
// how many those were.
type Totals struct {
	Handshake, RTT Histogram // by RTTBounds; of those where it is known
	Life           Histogram // by LifeBounds
	Ends           [NumEndings]uint64
}

// Add counts a connection that has ended.
func (t *Totals) Add(f *Flow) {
	if f.Handshake > 0 {
		t.Handshake.add(&RTTBounds, f.Handshake)
	}
	if f.RTT > 0 {
		t.RTT.add(&RTTBounds, f.RTT)
	}
	t.Life.add(&LifeBounds, max(f.End.Sub(f.Start), 0))
	t.Ends[f.Ending]++
}

// Merge adds what another shard has counted.
func (t *Totals) Merge(o *Totals) {
	t.Handshake.merge(&o.Handshake)
	t.RTT.merge(&o.RTT)
	t.Life.merge(&o.Life)
	for i, n := range o.Ends {
		t.Ends[i] += n
	}
}
