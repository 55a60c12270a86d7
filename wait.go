package handfast

import (
	"math/bits"
	"os"
	"sync"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// maxIdleWaiters is how many waiters a pool keeps for later; the rest is
// garbage. What ten thousand calls at once have needed is not kept for the next ten.
const maxIdleWaiters = 1024

// waiter is one blocked call. Only a call that does block has one, so that an
// idle connection costs nothing for those that might.
type waiter struct {
	wake  chan struct{} // capacity 1; a token too many does no harm
	timer *time.Timer   // made when first wanted; it has no goroutine that could outlive a host
	timed bool          // timer runs
	eager *eager        // nil, or who is told in place of the call
	next  *waiter
}

// signal wakes the call, which then looks again at what it waits for.
func (w *waiter) signal() {
	if w.eager != nil {
		w.eager.wake()
		return
	}
	w.hand()
}

// hand wakes the call itself.
func (w *waiter) hand() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// expire makes w wake up after d.
func (w *waiter) expire(d time.Duration) {
	w.timed = true
	if w.timer == nil {
		w.timer = time.NewTimer(d)
		return
	}
	w.timer.Reset(d)
}

// await waits until the call is woken, its time is over, or done is closed.
func (w *waiter) await(done <-chan struct{}) {
	// Waiting for one channel is cheaper than a select of three, and most calls have
	// neither a deadline nor a context.
	if !w.timed && done == nil {
		<-w.wake
		return
	}
	var expired <-chan time.Time
	if w.timed {
		expired = w.timer.C
	}
	select {
	case <-w.wake:
	case <-expired:
	case <-done:
	}
	// Which of them it was does not matter: the call looks again at what it waits for, and
	// at the time.
}

// waitList is the calls that are blocked on the same thing, the oldest first.
// The lock of that thing guards it.
type waitList struct{ first *waiter }

// add appends w, so that those who have waited longest are woken first. The list is
// short: few goroutines call the same connection.
func (l *waitList) add(w *waiter) {
	p := &l.first
	for *p != nil {
		p = &(*p).next
	}
	*p = w
}

func (l *waitList) remove(w *waiter) {
	for p := &l.first; *p != nil; p = &(*p).next {
		if *p == w {
			*p, w.next = w.next, nil
			return
		}
	}
}

func (l *waitList) wakeAll() {
	for w := l.first; w != nil; w = w.next {
		w.signal()
	}
}

// waiterPool keeps waiters for the next call that blocks. It is not a
// sync.Pool: a channel made in a testing/synctest bubble must stay in it.
type waiterPool struct {
	free waitList
	n    int
}

func (p *waiterPool) get() *waiter {
	w := p.free.first
	if w == nil {
		return &waiter{wake: make(chan struct{}, 1)}
	}
	p.n--
	p.free.first, w.next = w.next, nil
	return w
}

func (p *waiterPool) put(w *waiter) {
	if w.timed {
		w.timer.Stop()
		w.timed = false
	}
	// A token that came too late would wake the next call for nothing.
	select {
	case <-w.wake:
	default:
	}
	if p.n < maxIdleWaiters {
		p.n++
		w.next, p.free.first = p.free.first, w
	}
}

// begin makes the calling goroutine one of l's waiters, until deadline at the
// latest. The caller, which holds the lock of l and p, gives it up, calls
// w.await, takes the lock again and calls end.
func (p *waiterPool) begin(l *waitList, now, deadline clock.Time) (w *waiter) {
	// On the list before the lock is given up: a wake-up that comes between is kept in
	// the channel, and none is missed.
	w = p.get()
	l.add(w)
	if deadline != clock.Never {
		w.expire(deadline.Sub(now))
	}
	return w
}

func (p *waiterPool) end(l *waitList, w *waiter) {
	l.remove(w)
	p.put(w)
}

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
