package handfast

import (
	"math/bits"
	"testing"
	"time"
	"unsafe"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// An idle connection should cost little beyond the engine's own state.
func TestConnIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(TCPConn{}); n > 96 {
		t.Errorf("a TCPConn has %d bytes", n)
	}
}

// A pool keeps no more waiters than maxIdleWaiters for later.
func TestIdleWaitersAreBounded(t *testing.T) {
	var p waiterPool
	all := make([]*waiter, 2*maxIdleWaiters)
	for i := range all {
		all[i] = p.get()
	}
	for _, w := range all {
		p.put(w)
	}
	n := 0
	for w := p.free.first; w != nil; w = w.next {
		n++
	}
	if n != maxIdleWaiters || p.n != n {
		t.Errorf("%d waiters are kept, counted as %d", n, p.n)
	}
}

// However many shards always have something, each has its turn: no call has to wait
// for what lies in one of them while others are never empty.
func TestShardsTakeTurns(t *testing.T) {
	s := &shared{epoch: time.Now()}
	for ready := uint64(1); ready < 1<<6; ready++ {
		b := inbox{ready: ready, deadline: clock.Never}
		for round := range 3 {
			seen := uint64(0)
			for range bits.OnesCount64(ready) {
				shard, err := b.awaitShard(s)
				if err != nil {
					t.Fatal(err)
				}
				b.becomeReady(shard, 0) // there is more
				seen |= 1 << shard
			}
			if seen != ready {
				t.Fatalf("of the shards %b only %b had a turn in round %d", ready, seen, round)
			}
		}
	}
	b := inbox{ready: 1 << 63, last: 63, deadline: clock.Never}
	if shard, err := b.awaitShard(s); shard != 63 || err != nil {
		t.Errorf("shard %d, %v: the last one alone is ready", shard, err)
	}
}
