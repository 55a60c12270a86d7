package handfast

import (
	"testing"
	"unsafe"
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
