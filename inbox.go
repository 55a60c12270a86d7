package handfast

import (
	"math/bits"
	"os"
	"sync"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// inbox is what a listener or a UDP socket has for those who call it: its shards say
// that they may have something, and calls wait until one may.
type inbox struct {
	// A lock of its own and not the host's: shards that have something take it, and they
	// hold theirs. It may be taken in a shard, and no shard's while it is held.
	mu       sync.Mutex
	waiting  waitList
	waiters  waiterPool
	ready    uint64     // which shards may have something
	last     int        // the shard whose turn was last
	deadline clock.Time // of the calls that wait
	err      error      // why there will be nothing more
}

// becomeReady is called in a shard that has something. All waiting calls wake: there may
// be as many datagrams or connections as callers, and the shard says only once that
// there is something.
func (b *inbox) becomeReady(shard int, _ tcp.Ready) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready |= 1 << shard
	b.waiting.wakeAll()
}

// awaitShard waits for a shard that may have something, and takes it for empty until
// told otherwise. The shards take turns: otherwise one that always has something
// would keep what the others have from ever being taken.
func (b *inbox) awaitShard(s *shared) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		now := s.now()
		switch {
		case b.err != nil:
			return 0, b.err
		case b.deadline <= now:
			return 0, os.ErrDeadlineExceeded
		case b.ready != 0:
			return b.takeTurn(), nil
		}
		w := b.waiters.begin(&b.waiting, now, b.deadline)
		b.mu.Unlock()
		w.await(nil)
		b.mu.Lock()
		b.waiters.end(&b.waiting, w)
	}
}

// takeTurn returns the next ready shard after the last one.
func (b *inbox) takeTurn() int {
	shard := bits.TrailingZeros64(b.ready &^ (1<<(b.last+1) - 1))
	if shard == 64 {
		shard = bits.TrailingZeros64(b.ready)
	}
	b.last = shard
	b.ready &^= 1 << shard
	return shard
}

// failure returns why there will be nothing more, nil when there may be.
func (b *inbox) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// stop makes every call fail with err. It reports whether it did not so far.
func (b *inbox) stop(err error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return false
	}
	b.err = err
	b.waiting.wakeAll()
	return true
}
