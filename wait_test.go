package handfast

import "testing"

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
