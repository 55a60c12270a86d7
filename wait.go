package handfast

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// maxIdleWaiters is how many waiters a pool keeps for later; the rest is
// garbage.
const maxIdleWaiters = 1024

// waiter is one blocked call. Only a call that does block has one, so that an
// idle connection costs nothing for those that might.
type waiter struct {
	wake  chan struct{} // capacity 1; a token too many does no harm
	timer *time.Timer   // made when first wanted; it has no goroutine that could outlive a host
	timed bool          // timer runs
	next  *waiter
}

// signal wakes the call, which then looks again at what it waits for.
func (w *waiter) signal() {
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
