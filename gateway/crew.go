package gateway

import "sync/atomic"

// mostIdle is how many goroutines wait for work at most.
const mostIdle = 16

// crew is goroutines that go on with the next piece of work when one is done. A new one's stack
// has to grow first, again and again: of a short connection that is a part that can be seen.
type crew struct {
	work chan func() // never holds one: whoever takes it waits for it
	idle atomic.Int32
}

func (c *crew) init() { c.work = make(chan func()) }

// offer reports whether an idle goroutine has taken f.
func (c *crew) offer(f func()) bool {
	select {
	case c.work <- f:
		return true
	default:
		return false
	}
}

// serve does f, and then what is offered, until enough others wait or dismiss.
func (c *crew) serve(f func()) {
	for ok := true; ok; {
		f()
		f = nil // what it holds is not needed while this waits
		if c.idle.Add(1) > mostIdle {
			c.idle.Add(-1)
			return
		}
		f, ok = <-c.work
		c.idle.Add(-1)
	}
}

// dismiss ends those that are idle, and others when they have done what they do. Nothing may be
// offered afterwards.
func (c *crew) dismiss() { close(c.work) }
