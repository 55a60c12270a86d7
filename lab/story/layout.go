package story

import (
	"cmp"
	"slices"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// Distances of a picture of a ladder, in pixels.
const (
	arrowGap  = 20.0 // between two arrow ends on one lane: a label fits in
	afterMove = 10.0 // from a state's beginning to the arrow that it sends
	bandGap   = 24.0 // a state is at least so long: its name fits in
	noteLine  = 15.0
	slant     = 46.0 // of an arrow that flies as long as most
	minSlant  = 22.0
	waitGap   = 104.0 // a longer wait is broken
	breakGap  = 68.0
	eventGap  = 7.0 // between two instants, at least
)

// instant is one end of an arrow, or anything else that happens on a lane.
type instant struct {
	step    int
	time    clock.Time
	lane    Lane
	order   int // among what happens at the same time
	arrival bool
	ghost   bool // the arrival of what is lost: the place that it would have had
}

// pause is a place where time is not drawn to scale.
type pause struct {
	y    float64
	text string // how long it is, or what is left out
	gap  *Step  // what is left out: it stands between lanes
}

// tick is an instant that is written beside the ladder.
type tick struct {
	y    float64
	time clock.Time
}

// layout is where everything is. Time runs down and never back: what happens
// later is lower, on every lane. Within that it is to scale as far as the
// writing leaves it.
type layout struct {
	steps  []Step
	notes  [][]string // of every step, as lines
	extra  []float64  // room that a label asks for, above a step
	late   []float64  // how much lower a lost segment ends, so that its cross stands alone
	flight time.Duration
	amidst []bool // lanes whose notes stand where arrows go

	begin, end []float64 // y of each step; of an arrow both ends
	pauses     []pause
	ticks      []tick
	y          float64    // the lowest place in use
	lane       []column   // what came last on each lane
	now        clock.Time // of y
}

// column is the lowest of each kind on one lane; said is where the last note
// begins.
type column struct{ arrow, band, note, said float64 }

func columnAt(y float64) column { return column{y - arrowGap, y - bandGap, y - noteLine, y - noteLine} }

// place computes all places. The first step is at top or below.
func (l *layout) place(top float64) {
	n := len(l.steps)
	l.begin, l.end = make([]float64, n), make([]float64, n)
	l.pauses, l.ticks, l.y = nil, nil, top-eventGap
	for i := range l.lane {
		l.lane[i] = columnAt(top)
	}
	instants := l.instants()
	if len(instants) > 0 {
		l.now = instants[0].time
	}
	for len(instants) > 0 {
		same := 1
		for same < len(instants) && instants[same].time == instants[0].time {
			same++
		}
		l.group(instants[:same])
		instants = instants[same:]
	}
}

// instants lists what happens, in order. Where several things happen at once,
// an arrival comes before what it causes: by the number of steps that precede
// it where that is known, else because its arrow was sent before.
func (l *layout) instants() (all []instant) {
	for i := range l.steps {
		s := &l.steps[i]
		all = append(all, instant{step: i, time: s.Time, lane: s.Lane, order: 2*i + 1})
		if s.Kind != Arrow {
			continue
		}
		in := instant{step: i, time: max(s.Time, s.Arrives), lane: s.To, order: 2*i + 1, arrival: true}
		if s.Before > i {
			in.order = 2 * s.Before
		}
		if s.End == Lost && s.Arrives <= s.Time {
			in.time, in.ghost = s.Time.Add(l.flight), true
			in.order = max(in.order, l.lastArrival(all, in))
		}
		all = append(all, in)
	}
	slices.SortStableFunc(all, func(a, b instant) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.order, b.order))
	})
	return all
}

// lastArrival returns the order of what arrives last among that which was sent
// before a lost segment, on the same way and for the same instant: the lost one
// would have come next. So arrows that leave one after the other do not cross.
func (l *layout) lastArrival(all []instant, lost instant) int {
	for i := len(all) - 1; i >= 0; i-- {
		if in := &all[i]; in.arrival && in.time == lost.time && in.lane == lost.lane && l.steps[in.step].Lane == l.steps[lost.step].Lane {
			return in.order
		}
	}
	return 0
}

// group places what happens at one time.
func (l *layout) group(all []instant) {
	top := l.y + l.wait(all[0].time.Sub(l.now))
	first, low := 0.0, top
	for i, in := range all {
		y := l.instant(in, top)
		if i == 0 {
			first = y
		}
		low = max(low, y)
	}
	l.y, l.now = low, all[0].time
	ghosts := !slices.ContainsFunc(all, func(in instant) bool { return !in.ghost })
	if n := len(l.ticks); !ghosts && (n == 0 || first-l.ticks[n-1].y >= noteLine) {
		l.ticks = append(l.ticks, tick{first, l.now})
	}
}

// wait returns how much room a time takes, and notes the pause that a long one is.
func (l *layout) wait(d time.Duration) float64 {
	room := slant * float64(d) / float64(max(l.flight, 1))
	if room <= waitGap {
		return max(room, eventGap)
	}
	l.pauses = append(l.pauses, pause{y: l.y + breakGap/2 + 4, text: "+" + formatWait(d)})
	return breakGap
}

// instant places one thing, not above top.
func (l *layout) instant(in instant, top float64) float64 {
	c, s := &l.lane[in.lane], &l.steps[in.step]
	switch {
	case in.arrival:
		y := max(top, c.arrow+arrowGap, c.band+afterMove, l.begin[in.step])
		if s.Arrives > s.Time || in.ghost {
			y = max(y, l.begin[in.step]+minSlant)
		}
		y += l.late[in.step] + l.bundleRoom(s)
		l.end[in.step], c.arrow = y, y
		return y
	case s.Kind == Gap:
		return l.leftOut(in.step, top)
	}
	y := max(top, l.free(c, s.Kind)) + l.extra[in.step] + l.bundleRoom(s)
	if lines := len(l.notes[in.step]); lines > 0 {
		y = max(y, c.note+noteLine+3)
		c.note, c.said = y+noteLine*float64(lines-1), y
	}
	l.begin[in.step] = y
	switch s.Kind {
	case Arrow:
		c.arrow, l.end[in.step] = y, y
	case Change, Level:
		c.band = y
	}
	if lines := len(l.notes[in.step]); lines > 0 && l.amidst[in.lane] {
		c.arrow = max(c.arrow, y+noteLine*float64(lines)-8+l.lower(in.step))
	}
	return y
}

// bundleRoom is the room that what a bundle leaves out takes, at least: enough to be
// seen, however short the time was.
func (l *layout) bundleRoom(s *Step) float64 {
	if s.Left > 0 {
		return arrowGap
	}
	return 0
}

// free returns the highest place on a side for a step of this kind.
func (l *layout) free(c *column, k StepKind) float64 {
	switch k {
	case Arrow: // not above the call that sends it
		return max(c.arrow+arrowGap, c.band+afterMove, c.said)
	case Change, Level: // not above the call or timer that is its cause
		return max(c.arrow, c.band+bandGap, c.said)
	}
	return c.arrow
}

// lower is how far below its place a note is written: what a queue holds is
// said below the head of the arrow that fills it, where both share a space.
func (l *layout) lower(step int) float64 {
	if s := &l.steps[step]; s.Kind == Level && l.amidst[s.Lane] {
		return noteLine - 2
	}
	return 0
}

// leftOut places a gap, below all that is.
func (l *layout) leftOut(step int, top float64) float64 {
	y := top
	for _, c := range l.lane {
		y = max(y, c.arrow, c.band)
	}
	y += breakGap / 2
	l.pauses = append(l.pauses, pause{y: y, gap: &l.steps[step]})
	y += breakGap / 2
	for i := range l.lane {
		l.lane[i] = columnAt(y)
	}
	l.begin[step] = y
	return y
}

// typicalFlight returns the time that most arrows take; without any, that
// most things wait for each other.
func typicalFlight(steps []Step) time.Duration {
	var flights, waits []time.Duration
	for i := range steps {
		s := &steps[i]
		if s.Kind == Arrow && s.Arrives > s.Time {
			flights = append(flights, s.Arrives.Sub(s.Time))
		}
		if i > 0 && s.Time > steps[i-1].Time {
			waits = append(waits, s.Time.Sub(steps[i-1].Time))
		}
	}
	if len(flights) == 0 {
		flights = waits
	}
	if len(flights) == 0 {
		return time.Millisecond
	}
	slices.Sort(flights)
	return flights[len(flights)/2]
}

// formatWait writes a duration in the unit that reads best, with the digits
// that count.
func formatWait(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return d.String()
	case d < time.Millisecond:
		return trimmed(d, time.Microsecond) + " µs"
	case d < time.Second:
		return trimmed(d, time.Millisecond) + " ms"
	case d < 2*time.Minute:
		return trimmed(d, time.Second) + " s"
	}
	return trimmed(d, time.Minute) + " min"
}
