package story

import (
	"fmt"
	"time"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// A bundle is a flight of segments that differ by their numbers only: a round of
// slow start has dozens, and a page that shows each shows nothing else. The first
// two and the last are drawn, and the last says how many were before it.
const (
	bundleLong  = 9 // shorter flights are shown whole
	bundleFirst = 2
)

// bundle leaves out of each lane's flights what is like its neighbours, and counts it.
func (t *teller) bundle() {
	b := bundler{steps: t.steps, pause: typicalFlight(t.steps) / 2, flights: map[Lane][]int{}, drop: map[int]bool{}}
	for i := range t.steps {
		switch s := &t.steps[i]; {
		case t.crowd[i]: // counted elsewhere
		case s.Kind == Arrow && s.ordinary():
			b.join(i)
		default: // whatever else happens at an end may follow from what came before it
			b.end(s.Lane)
		}
	}
	for lane := range b.flights {
		b.end(lane)
	}
	for i, n := range b.left {
		t.steps[i].Left, t.steps[i].Text = n, fmt.Sprintf(words.bundle[t.Lang], n)
	}
	t.keep(func(i int) bool { return !b.drop[i] })
}

// ordinary reports whether an arrow is of those that a flight is full of: data or a
// bare ACK that arrives and is taken, with nothing to tell but its numbers.
func (s *Step) ordinary() bool {
	return s.End == Taken && s.Text == "" && !s.Again && !s.Strange && s.Arrives > s.Time &&
		s.Flags&^wire.PSH == wire.ACK && indexPrefix(s.Fields, "<") == len(s.Fields)
}

// bundler finds flights.
type bundler struct {
	steps   []Step
	pause   time.Duration  // that ends a flight
	flights map[Lane][]int // of each sender, the steps of the one that is not over
	drop    map[int]bool
	left    map[int]int // of the last step of a bundle, how many were dropped before it
}

// join adds an arrow to its sender's flight, or begins another.
func (b *bundler) join(i int) {
	s := &b.steps[i]
	if f := b.flights[s.Lane]; len(f) > 0 {
		last := &b.steps[f[len(f)-1]]
		same := s.To == last.To && kind(s) == kind(last) && s.Why == last.Why
		if !same || s.Time.Sub(last.Time) > b.pause || s.Arrives < last.Arrives {
			b.end(s.Lane)
		}
	}
	b.flights[s.Lane] = append(b.flights[s.Lane], i)
}

// end ends a lane's flight, and drops the middle of a long one.
func (b *bundler) end(lane Lane) {
	f := b.flights[lane]
	delete(b.flights, lane)
	if len(f) < bundleLong {
		return
	}
	middle := f[bundleFirst : len(f)-1]
	for _, i := range middle {
		b.drop[i] = true
	}
	if b.left == nil {
		b.left = map[int]int{}
	}
	b.left[f[len(f)-1]] = len(middle)
}

// bundled shades what lies between the last arrow of a bundle and the one above it.
func (d *sketch) bundled(i int) {
	s := &d.steps[i]
	for j := i - 1; j >= 0; j-- {
		if b := &d.steps[j]; b.Kind == Arrow && b.Lane == s.Lane && b.To == s.To {
			from, to := d.ends(j)
			lowFrom, lowTo := d.ends(i)
			d.path("bundle t-"+kind(s), "M"+num(from.x)+" "+num(from.y)+"L"+num(to.x)+" "+num(to.y)+
				"L"+num(lowTo.x)+" "+num(lowTo.y)+"L"+num(lowFrom.x)+" "+num(lowFrom.y)+"Z")
			return
		}
	}
}
