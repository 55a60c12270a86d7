package explore

import (
	"fmt"
	"slices"
	"strings"
)

// Path is a way from the beginning of a rung to one of its states. As text it can be
// played again: see ParsePath.
type Path []act

var kindText = [...]string{call: "call", deliver: "deliver", pass: "pass", drop: "drop", duplicate: "duplicate", mutate: "mutate", together: "together", twice: "twice"}

// String writes each act as a word and the place that it means: "call 0" is the next
// call of the first end's program, "deliver 1" has the second of the packets under way
// arrive, "together 1" has it arrive in one batch with what happens next, "mutate 0.3" changes
// the first one in the fourth way, "pass" lets time pass to the next deadline.
func (p Path) String() string {
	words := make([]string, len(p))
	for i, a := range p {
		switch a.kind {
		case pass:
			words[i] = "pass"
		case mutate:
			words[i] = fmt.Sprintf("mutate %d.%d", a.at, a.how)
		default:
			words[i] = fmt.Sprintf("%s %d", kindText[a.kind], a.at)
		}
	}
	return strings.Join(words, ", ")
}

// ParsePath reads what String writes.
func ParsePath(s string) (p Path, err error) {
	for _, word := range strings.Split(s, ",") {
		name, place, _ := strings.Cut(strings.TrimSpace(word), " ")
		a := act{}
		for k, text := range kindText {
			if text == name && text != "" {
				a.kind = actKind(k)
			}
		}
		switch a.kind {
		case nothing:
			return nil, fmt.Errorf("%q is nothing that can happen: say call, deliver, together, twice, drop, duplicate or mutate with a number behind it, or pass", word)
		case pass:
		case mutate:
			_, err = fmt.Sscanf(place, "%d.%d", &a.at, &a.how)
		default:
			_, err = fmt.Sscanf(place, "%d", &a.at)
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %s needs a number, as in %q", word, name, kindText[a.kind]+" 0")
		}
		p = append(p, a)
	}
	return p, nil
}

// most is how many states shorten looks at with one budget.
const most = 30_000

// shorten finds a short way to something wrong. It explores again, now what is near the
// beginning first, with as little going wrong as will do: then there is little to look
// at, and the way tells nothing that is beside the point.
func (x *explorer) shorten() {
	for _, b := range x.rung.Budget.upTo() {
		for reorder := 1; reorder <= x.rung.Reorder; reorder++ {
			r := *x.rung
			r.Budget, r.Reorder = b, reorder
			y := newExplorer(&r)
			if y.nearestFirst(); y.report.Err != nil {
				x.report.Err, x.report.Path, x.report.Budget = y.report.Err, y.report.Path, b
				return
			}
		}
	}
}

// upTo returns all budgets that are no larger, the smallest first.
func (b Budget) upTo() (all []Budget) {
	for d := range b.Drop + 1 {
		for u := range b.Duplicate + 1 {
			for e := range b.Early + 1 {
				for m := range b.Mutate + 1 {
					for g := range b.Together + 1 {
						all = append(all, Budget{Drop: d, Duplicate: u, Early: e, Mutate: m, Together: g})
					}
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Budget) int { return a.sum() - b.sum() })
	return all
}

func (b Budget) sum() int {
	return int(b.Drop) + int(b.Duplicate) + int(b.Early) + int(b.Mutate) + int(b.Together)
}

// nearestFirst explores in the order of the distance from the beginning. Worlds are made
// again from their ways, since all that wait for their turn would not fit into memory.
func (x *explorer) nearestFirst() {
	w := newWorld(x.rung, false)
	x.seen.number(w.print(x.printer))
	x.states = append(x.states, state{})
	for n := uint32(1); int(n) < len(x.states) && len(x.states) < most; n++ {
		w := x.replay(x.path(n))
		for _, a := range w.choices(x.rung) {
			next := w.step(x, a)
			err := next.wrong
			if err == nil && next.fair(x.rung).kind == nothing {
				err = next.over(x.rung)
			}
			if err != nil {
				x.fail(err, n, a)
				return
			}
			if _, isNew := x.seen.number(next.print(x.printer)); isNew {
				x.states = append(x.states, state{parent: n, act: a})
			}
			x.copier.recycle(next.made)
		}
		x.copier.recycle(w.made)
	}
}

// replay returns the world at the end of a path.
func (x *explorer) replay(p Path) *world {
	w := newWorld(x.rung, false)
	for _, a := range p {
		next := w.step(x, a)
		next.keep(w)
		w = next
	}
	return w
}
