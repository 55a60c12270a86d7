package lab

import (
	"fmt"
	"iter"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// Proc is a program that runs on a host: ordinary code that waits by calling
// methods, and stands still while others run. It is a coroutine, not a
// goroutine: one runs at a time, and which one is never left to chance.
type Proc struct {
	world *World
	node  *node
	name  string

	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool

	ready func() bool // what it waits for; nil: it can run
	until clock.Time  // when it gives up waiting
	done  bool
	stuck bool
	// background is a deed of the world, not a program: it may wait forever.
	background bool
}

// killed is what a program that waits is ended with: a panic unwinds it wherever it stands,
// and its deferred calls run.
type killed struct{}

func newProc(w *World, n *node, name string, program func(*Proc)) *Proc {
	p := &Proc{world: w, node: n, name: name, until: clock.Never}
	p.next, p.stop = iter.Pull(func(yield func(struct{}) bool) {
		p.yield = yield
		defer func() {
			if r := recover(); r != nil && r != (killed{}) {
				panic(r)
			}
		}()
		program(p)
	})
	return p
}

// runPrograms lets every program run that can, until all of them wait. It
// reports whether any ran. Always in the order in which they were started: who is first
// must not be left to chance.
func (w *World) runPrograms() (any bool) {
	for busy := true; busy; {
		busy = false
		for _, p := range w.procs {
			if p.runnable() {
				p.resume()
				busy, any = true, true
			}
		}
	}
	return any
}

func (p *Proc) runnable() bool {
	return !p.done && (p.ready == nil || p.until <= p.world.now || p.ready())
}

func (p *Proc) resume() {
	p.ready, p.until = nil, clock.Never
	if _, more := p.next(); !more {
		p.done = true
		p.stop()
	}
}

// kill ends a program where it waits.
func (p *Proc) kill() {
	p.done = true
	p.stop()
}

// Wait stands still until ready reports true, or until the instant comes. It
// reports whether it was the former.
func (p *Proc) Wait(ready func() bool, until clock.Time) bool {
	if ready() {
		return true
	}
	if until <= p.world.now {
		return false
	}
	p.ready, p.until = ready, until
	if !p.yield(struct{}{}) {
		panic(killed{})
	}
	return ready()
}

// Sleep stands still for d.
func (p *Proc) Sleep(d time.Duration) {
	p.Wait(func() bool { return false }, p.world.now.Add(d))
}

// Log writes a remark into the record.
func (p *Proc) Log(format string, args ...any) {
	p.world.record.say(p.node, trace.Note, "%s", fmt.Sprintf(format, args...))
}

// Now returns the world's time.
func (p *Proc) Now() clock.Time { return p.world.now }

// Reboot makes the program's host lose all it knows: connections, listeners,
// and every program but this one.
func (p *Proc) Reboot() error { return p.node.reboot(p) }
