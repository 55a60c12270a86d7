package story

import (
	"fmt"

	"github.com/handfast-tcp/handfast/engine/clock"
)

// crowdShown is how many steps of strangers are shown before the rest is
// counted: a flood would bury everything else.
const crowdShown = 4

// folded returns the steps, with a gap in the place of what is only counted.
// Of the queue's levels in it the last is kept.
func (t *teller) folded() []Step {
	drop, gaps := make([]bool, len(t.steps)), map[int]Step{}
	for from := 0; from < len(t.steps); from++ {
		to := from
		for to < len(t.steps) && t.crowd[to] {
			to++
		}
		if to-from > crowdShown+2 {
			t.fold(from+crowdShown, to, drop, gaps)
		}
		from = max(from, to)
	}
	var out []Step
	kept := make([]int, len(t.steps)+1)
	for i := range t.steps {
		kept[i] = len(out)
		if g, ok := gaps[i]; ok {
			out = append(out, g)
		}
		if !drop[i] {
			out = append(out, t.steps[i])
		}
	}
	kept[len(t.steps)] = len(out)
	for i := range out {
		out[i].Before = kept[t.ahead(out[i].Before, out[i].Arrives, gaps)]
	}
	return out
}

// ahead returns what precedes an arrival: nothing of what is only counted, when
// that begins at the same instant.
func (t *teller) ahead(before int, arrives clock.Time, gaps map[int]Step) int {
	for from, g := range gaps {
		if from < before && g.Time == arrives {
			return from
		}
	}
	return before
}

// fold marks steps as counted, and makes the gap that counts them.
func (t *teller) fold(from, to int, drop []bool, gaps map[int]Step) {
	packets, timers, level := 0, 0, -1
	for i := from; i < to; i++ {
		drop[i] = true
		switch t.steps[i].Kind {
		case Arrow:
			packets++
		case Mark:
			timers++
		case Level:
			level = i
		}
	}
	if level >= 0 {
		drop[level] = false
	}
	last := Lane(len(t.cast.members) - 1)
	text := fmt.Sprintf(words.flood[t.Lang], packets)
	if packets == 0 {
		text = fmt.Sprintf(words.timers[t.Lang], timers)
	}
	gaps[from] = Step{Time: t.steps[from].Time, Kind: Gap, Lane: last - 1, To: last, Text: text}
}
