package story

import (
	"fmt"
	"strings"
)

// LeastWidth is the width in columns of a list at least. A ladder for which there
// is no room is written as one: an entry for each step, which goes on in further
// lines as need be.
const LeastWidth = 32

const listTime = 10 // columns of the time and the space behind it

// list is a ladder while it is written as a list.
type list struct {
	*drawing
	width int
	names []string // of the lanes
}

func (d *drawing) list() *list {
	return &list{d, max(d.Width, LeastWidth), laneNames(d.Lanes)}
}

// laneNames returns the first line of each title, and the whole where that does
// not tell them apart.
func laneNames(heads []Head) []string {
	names, count := make([]string, len(heads)), map[string]int{}
	for i := range heads {
		names[i], _, _ = strings.Cut(heads[i].Title, "\n")
		count[names[i]]++
	}
	for i := range heads {
		switch {
		case names[i] == "":
			names[i] = fmt.Sprintf("(%d)", i+1)
		case count[names[i]] > 1:
			names[i] = strings.ReplaceAll(heads[i].Title, "\n", " ")
		}
	}
	return names
}

// write writes the lanes, each with the state that it begins in, and the steps.
func (l *list) write(steps []Step) {
	for i := range l.Lanes {
		text := strings.Join(strings.Fields(l.Lanes[i].Title), " ")
		if l.known[i] {
			text = strings.TrimSpace(text + " " + l.dot + " " + l.state[i].String())
		}
		l.entry("", text, stateStyle(l.state[i]))
	}
	for i := range steps {
		l.step(&steps[i], l.numbers[i])
	}
}

func (l *list) step(s *Step, number int) {
	head, look := l.names[s.Lane], plain
	switch s.Kind {
	case Arrow:
		look = segmentStyle(s)
		head += " " + l.dash + l.headOf(&Step{Lane: 0, To: 1, End: s.End}) + " " + l.names[s.To] + ": " + strings.Join(arrowWords(s, 0), " ")
	case Change:
		l.state[s.Lane], look = s.State, stateStyle(s.State)
		head = suffixed(head+" "+l.dot+" "+s.State.String(), s.Text)
	case Mark:
		look = cyan
		head += " " + l.timer + " " + s.Text
	case Level:
		head += ": " + strings.Join(l.level(s), " ")
	case Gap:
		head, l.shown = l.gap+" "+s.Text, ""
	case Remark:
		head, look = head+" "+l.says+" "+s.Text, blue
	}
	if number > 0 {
		head += fmt.Sprintf(" [%d]", number)
	}
	l.entry(l.listClock(s), head, look)
	if number > l.said {
		l.said = number
		l.entry("", fmt.Sprintf("  [%d] %s", number, s.Why), cyan)
	}
}

func suffixed(text, more string) string {
	if more == "" {
		return text
	}
	return text + ": " + more
}

// listClock returns the time of a step, to its microsecond, unless the one above
// has the same.
func (l *list) listClock(s *Step) string {
	if s.Kind == Gap {
		return ""
	}
	return l.clock(s.Time)
}

// entry writes a step: the time, and the text beside it.
func (l *list) entry(time, text string, look style) {
	indent := len(text) - len(strings.TrimLeft(text, " "))
	for i, line := range Wrap(strings.TrimLeft(text, " "), l.width-listTime-indent-2) {
		at := listTime + indent
		if i > 0 {
			at += 2
		}
		l.line.put(0, time, dim)
		l.line.put(at, line, look)
		l.newline()
		time = ""
	}
}
