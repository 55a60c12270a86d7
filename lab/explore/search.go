package explore

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/oracle"
)

// Report is what an exploration came to.
type Report struct {
	States, Steps int           // different ones, and what leads from one to the next
	Depth         int           // of the longest path that was taken
	Ends          int           // worlds in which nothing can happen any more, all as they have to be
	Usurped       int           // ways without an end: what was changed is text, and has the number of a FIN
	Longest       time.Duration // that a world lived, in virtual time
	// Relation has held each segment that arrived against RFC 9293, and counts the rows.
	Relation oracle.Relation
	// Complete is false when the exploration ended before it had seen all.
	Complete bool
	// Err is what is wrong with a world, and Path the shortest way to it.
	Err    error
	Path   Path
	Budget Budget // as much has to go wrong for it
}

// explorer is an exploration under way.
type explorer struct {
	rung    *Rung
	copier  *copier
	printer *printer
	seen    table
	states  []state // by their number
	report  Report

	// scratch
	out     tcp.Output
	views   []buf.View
	replies []oracle.Segment
}

// state is what is kept of a world that was seen.
type state struct {
	parent uint32
	act    act
	fair   uint32 // the state after what is fair; 0: it is an end
}

func newExplorer(r *Rung) *explorer {
	return &explorer{rung: r, copier: newCopier(streams[0], streams[1]), printer: newPrinter(r), states: make([]state, 1)}
}

// frame is a world on the way that the search has taken.
type frame struct {
	world  *world
	number uint32
	acts   []act
	next   int
}

// Explore plays a rung in every way that its bounds allow, until it has seen all states
// or limit of them.
//
// It goes deep first: then no more worlds are kept than one way is long. A state that
// was seen before is not entered again.
func Explore(r *Rung, limit int) Report {
	x := newExplorer(r)
	w := newWorld(r, false)
	stack := make([]frame, 0, 256)
	stack = x.enter(stack, w, 0, act{})
	for len(stack) > 0 && x.report.Err == nil && len(x.states) <= limit {
		f := &stack[len(stack)-1]
		if f.next == len(f.acts) {
			x.copier.recycle(f.world.made)
			stack = stack[:len(stack)-1]
			continue
		}
		a := f.acts[f.next]
		f.next++
		n := f.world.step(x, a)
		x.report.Steps++
		stack = x.enter(stack, n, f.number, a)
	}
	x.report.Complete = len(stack) == 0
	if x.report.Err == nil && x.report.Complete {
		x.checkProgress()
	}
	if x.report.Err != nil {
		x.shorten()
	}
	x.report.States = len(x.states) - 1
	return x.report
}

// deepest is how long no way is that ends, or comes back to itself: the worlds on one are all
// in memory.
const deepest = 2000

var errDeep = fmt.Errorf("no end after %d steps, and no state that was met before: something in the fingerprint grows for ever", deepest)

// enter takes a world that a led to from state parent, and puts it on the stack when it
// is new.
func (x *explorer) enter(stack []frame, w *world, parent uint32, a act) []frame {
	if w.wrong != nil {
		x.fail(w.wrong, parent, a)
		return stack
	}
	n, isNew := x.seen.number(w.print(x.printer))
	if parent != 0 && x.states[parent].fair == 0 { // the first of all that can happen is the fair one
		x.states[parent].fair = n
	}
	if !isNew {
		x.copier.recycle(w.made)
		return stack
	}
	x.states = append(x.states, state{parent: parent, act: a})
	x.report.Longest = max(x.report.Longest, w.now.Sub(start))
	acts := w.choices(x.rung)
	if len(acts) == 0 {
		x.report.Ends++
		if err := w.over(x.rung); err != nil {
			x.fail(err, parent, a)
		}
		return stack
	}
	stack = append(stack, frame{w, n, acts, 0})
	x.report.Depth = max(x.report.Depth, len(stack))
	if len(stack) == deepest {
		x.fail(errDeep, parent, a)
	}
	return stack
}

// fail notes what is wrong after a, which was done in a state.
func (x *explorer) fail(err error, at uint32, a act) {
	x.report.Err = err
	x.report.Path = append(x.path(at), a)
}

// path returns the way to a state.
func (x *explorer) path(n uint32) (p Path) {
	for ; n > 1; n = x.states[n].parent {
		p = append(p, x.states[n].act)
	}
	slices.Reverse(p)
	return p
}

// over returns what is wrong with a world in which nothing can happen any more: all
// programs must have made all their calls, with what these had to give, and nothing may
// be left of the connections.
func (w *world) over(r *Rung) error {
	for i, e := range w.ends {
		clean := r.Polite && !w.bent
		if !clean && e.at < len(r.Scripts[i]) && r.Scripts[i][e.at] == Accept {
			continue // who would have come was reset
		}
		if e.at < len(r.Scripts[i]) {
			return fmt.Errorf("%s waits for ever in %v: nothing is under way, and no timer runs", r.Hosts[i], r.Scripts[i][e.at])
		}
		if e.tcp.Len() > 0 {
			return fmt.Errorf("a connection of %s stays behind", r.Hosts[i])
		}
		if !clean {
			continue
		}
		from := w.ends[w.peer(i)]
		switch {
		case e.failure != tcp.NoFailure:
			return fmt.Errorf("%s sees an error (%v) although nobody was impolite", r.Hosts[i], failureText[e.failure])
		case slices.Contains(r.Scripts[i], ReadEnd) && (!e.ended || e.read != from.written):
			return fmt.Errorf("%s has read %d bytes of %d", r.Hosts[i], e.read, from.written)
		}
	}
	return nil
}

var failureText = [...]string{"", "reset", "refused", "timed out", "host unreachable", "network unreachable", "protocol error", "aborted"}

// checkProgress: from every state, if nothing more goes wrong, the world comes to its
// end. What happens next is then a chain, which must not come back to itself.
func (x *explorer) checkProgress() {
	const unknown, under, good = 0, 1, 2
	marks := make([]uint8, len(x.states))
	var chain []uint32
	for first := range x.states[1:] {
		chain = chain[:0]
		n := uint32(first + 1)
		for ; n != 0 && marks[n] == unknown; n = x.states[n].fair {
			marks[n] = under
			chain = append(chain, n)
		}
		if n != 0 && marks[n] == under {
			if !x.replay(x.path(n)).usurped() {
				x.fail(errCircle, x.states[n].parent, x.states[n].act)
				return
			}
			x.report.Usurped++
		}
		for _, n := range chain {
			marks[n] = good
		}
	}
}

// usurped reports whether a program has read more than was written: a changed packet has put text
// where the FIN is. Its sender believes that the FIN has arrived, its reader that nothing has ended, and
// both live: nothing in TCP tells them apart from two that have nothing to say.
func (w *world) usurped() bool {
	for i, e := range w.ends {
		if w.bent && e.read > w.ends[w.peer(i)].written {
			return true
		}
	}
	return false
}

var errCircle = errors.New("it goes round in a circle: without any further loss it comes back to the same state, and never to an end")
