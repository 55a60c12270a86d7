package tcp

import (
	"math/bits"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// Where connections are too many for the processor's caches, most of what a segment or
// a timer costs is the wait for the memory that the connection lies in, a cache line
// after the other. Of several that will have their turn all lines are read first: then
// the processor waits for them beside each other.

// lookAhead is for how many at a time. Their lines fit the nearest cache.
const lookAhead = 16

// manyConns is from how many connections on that is worth it.
const manyConns = 2048

// Crowded reports whether there are so many connections that LookAhead is worth it.
func (e *Endpoint) Crowded() bool { return e.conns.count >= manyConns }

// LookAhead tells e of segments that it is about to receive, named as for Receive: it
// takes note of as many as are worth it. It changes nothing but what they cost.
func (e *Endpoint) LookAhead(tuples []*wire.Tuple) {
	var buckets [lookAhead]*connBucket
	var tags [lookAhead]uint64
	tuples = tuples[:min(len(tuples), lookAhead)]
	if e.conns.count == 0 {
		return
	}
	for i, t := range tuples {
		hash := e.conns.hash(t)
		buckets[i], tags[i] = e.conns.bucket(hash), tagOf(hash)
		e.touched += buckets[i].tags
	}
	for i, b := range buckets[:len(tuples)] {
		if marks := b.marks(tags[i]); marks != 0 {
			if en := b.entries[min(bits.TrailingZeros64(marks)/8, bucketLen-1)]; en != nil {
				e.touch(en)
			}
		}
	}
}

// touchDue reads the connections of some deadlines.
func (e *Endpoint) touchDue(due []deadline[*Entry]) {
	if e.Crowded() {
		for _, it := range due {
			e.touch(it.key)
		}
	}
}

// touch reads a byte of every cache line of an entry. The sum has no use, but without
// one the compiler would leave the reading out.
func (e *Endpoint) touch(en *Entry) {
	e.touched += uint64(en.tuple.LocalPort) + uint64(en.state) + uint64(en.rcv.edge) + uint64(en.rtt.rto) +
		uint64(en.timers[0]) + uint64(en.live.probes) + uint64(en.tally.segsIn) + uint64(en.out.bytes) +
		uint64(en.in.bytes) + uint64(en.armed)
}
