package story

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/tcp"
)

// A ladder's columns: time, left state, left lane, middle, right lane, right state.
const (
	timeWidth  = 10
	stateWidth = 12 // SYN-RECEIVED
	fixedWidth = timeWidth + 1 + 2*(stateWidth+1+1)

	// DefaultWidth is the width in columns of a ladder that says nothing else,
	// and MinWidth the narrowest: names and numbers have no room in less.
	DefaultWidth = 100
	MinWidth     = 64
)

// Ladder draws what passes between two ends, one line for each step, time
// running down. Each end has a lane with its states beside it.
type Ladder struct {
	// Left and Right are the titles of the lanes; they may have several lines.
	Left, Right string
	// Width is the line's width in columns; 0 means DefaultWidth, and less
	// than MinWidth means MinWidth.
	Width int
	// ASCII draws with 7-bit characters only.
	ASCII bool
	// Color adds ANSI colours. Whether somebody can see them is the caller's
	// to know.
	Color bool
}

// Write draws the steps. Its errors are the writer's.
func (l Ladder) Write(w io.Writer, steps []Step) error {
	d := drawing{Ladder: l, glyphs: &unicode}
	if l.ASCII {
		d.glyphs = &ascii
	}
	d.middle = max(l.width(), MinWidth) - fixedWidth
	d.begin(steps)
	for i := range steps {
		d.step(&steps[i])
	}
	_, err := w.Write(d.out)
	return err
}

func (l Ladder) width() int {
	if l.Width == 0 {
		return DefaultWidth
	}
	return l.Width
}

// cell is text of one style.
type cell struct {
	text  string
	style style
}

func (c cell) width() int { return int(columns(c.text)) }

// drawing is a ladder while it is drawn.
type drawing struct {
	Ladder
	*glyphs
	out    []byte
	middle int // columns between the lanes
	state  [2]tcp.State
	known  [2]bool // a lane whose states nobody tells is a plain line
	start  clock.Time
	shown  string // time of the row above
}

// begin writes the titles and the states before the first step.
func (d *drawing) begin(steps []Step) {
	if len(steps) > 0 {
		d.start = steps[0].Time
	}
	d.titles()
	for side := range d.state {
		d.state[side], d.known[side] = before(steps, Side(side))
	}
	d.row("", d.known, d.lanes(), nil)
}

// before returns the state in which an end was before the first step: what its
// first change came from, or that of its first event of another kind.
func before(steps []Step, side Side) (s tcp.State, known bool) {
	for i := range steps {
		if p := &steps[i]; p.Side == side && p.Kind == Change {
			return p.From, true
		} else if p.Side == side && p.Kind == Mark {
			return p.State, true
		}
	}
	return tcp.Closed, false
}

func (d *drawing) titles() {
	left, right := strings.Split(d.Left, "\n"), strings.Split(d.Right, "\n")
	inner := timeWidth + 1 + stateWidth + 1
	for i := range max(len(left), len(right)) {
		l, r := cell{at(left, i), bold}, cell{at(right, i), bold}
		if i > 0 {
			l.style, r.style = dim, dim
		}
		d.pad(inner + 1 - l.width())
		d.paint(l)
		used := max(inner+1, l.width())
		d.pad(min(inner+1+d.middle, d.middle+fixedWidth-r.width()) - used)
		d.paint(r)
		d.newline()
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

func (d *drawing) step(s *Step) {
	switch s.Kind {
	case Arrow:
		d.arrow(s)
	case Change:
		d.change(s)
	case Mark:
		d.beside(s.Time, s.Side, cell{d.timer, cyan}, s.Text)
	case Gap:
		d.skip(s)
	case Remark:
		d.aside(s)
	}
	d.why(s)
}

// change draws a state's beginning: a dot on the lane, the name outside, the
// cause inside.
func (d *drawing) change(s *Step) {
	d.state[s.Side] = s.State
	d.beside(s.Time, s.Side, cell{d.dot, stateStyle(s.State)}, s.Text)
}

// beside draws a mark on a lane, its text at the lane's inner side, and the
// lane's state at the outer.
func (d *drawing) beside(t clock.Time, side Side, mark cell, text string) {
	var named [2]bool
	named[side] = d.known[side]
	lanes := d.lanes()
	lanes[side] = mark
	for i, line := range wrap(strings.Fields(text), d.middle-2, d.middle-2) {
		c := cell{" " + line, dim}
		if side == Right {
			c.text = strings.Repeat(" ", d.middle-1-utf8.RuneCountInString(line)) + line
		}
		if i > 0 {
			named, lanes = [2]bool{}, d.lanes()
		}
		d.row(d.clock(t), named, lanes, []cell{c})
	}
}

// skip draws a gap: the lanes go on, and the text stands in the middle.
func (d *drawing) skip(s *Step) {
	lanes := d.lanes()
	for i := range lanes {
		lanes[i].text = d.gap
	}
	d.shown = ""
	for _, line := range wrap(strings.Fields(s.Text), d.middle-2, d.middle-2) {
		indent := (d.middle - utf8.RuneCountInString(line)) / 2
		d.row("", [2]bool{}, lanes, []cell{{strings.Repeat(" ", indent) + line, dim}})
	}
}

// arrow draws a segment: flags and numbers on the shaft, and what finds no room
// there below it.
func (d *drawing) arrow(s *Step) {
	words := s.Fields
	if s.Text != "" {
		words = append(words[:len(words):len(words)], "("+s.Text+")")
	}
	lines := wrap(words, d.middle-6, d.middle-4)
	d.row(d.clock(s.Time), [2]bool{}, d.lanes(), d.shaft(s, lines[0]))
	for _, line := range lines[1:] {
		d.row("", [2]bool{}, d.lanes(), []cell{{"   " + line, segmentStyle(s)}})
	}
}

// shaft returns an arrow's cells, exactly as wide as the middle.
func (d *drawing) shaft(s *Step, text string) []cell {
	look := segmentStyle(s)
	label := cell{" " + text + " ", look}
	dashes := d.middle - 3 - label.width()
	head := cell{d.head[s.Side.Other()], look}
	if s.Lost {
		head.text = d.lost
	}
	if s.Side == Left {
		return []cell{d.line(2), label, d.line(dashes), head}
	}
	return []cell{head, d.line(1), label, d.line(dashes + 1)}
}

// why writes the sentence that explains a step, between the lanes.
func (d *drawing) why(s *Step) {
	if s.Why == "" {
		return
	}
	for _, line := range fit(s.Why, float64(d.middle-8), columns) {
		d.row("", [2]bool{}, d.lanes(), []cell{{"      " + line, cyan}})
	}
}

// aside writes what a program or the story says, without a mark.
func (d *drawing) aside(s *Step) {
	for _, line := range fit(d.says+" "+s.Text, float64(d.middle-2), columns) {
		c := cell{" " + line, blue}
		if s.Side == Right {
			c.text = strings.Repeat(" ", d.middle-1-c.width()+1) + line
		}
		d.row(d.clock(s.Time), [2]bool{}, d.lanes(), []cell{c})
	}
}

// columns is how wide a text is on a terminal: a Chinese character takes two.
func columns(s string) (n float64) {
	for _, r := range s {
		n++
		if r >= wideRunes {
			n++
		}
	}
	return n
}

func (d *drawing) line(n int) cell { return cell{strings.Repeat(d.dash, n), dim} }

// wrap joins words with spaces to lines of at most first columns, and rest
// columns from the second line on. It returns at least one line. A word that
// is wider than a line is cut.
func wrap(words []string, first, rest int) []string {
	lines := []string{""}
	room := first
	for _, w := range words {
		line := &lines[len(lines)-1]
		switch {
		case *line == "":
			*line = cut(w, room)
		case utf8.RuneCountInString(*line)+1+utf8.RuneCountInString(w) <= room:
			*line += " " + w
		default:
			room = rest
			lines = append(lines, cut(w, room))
		}
	}
	return lines
}

func cut(w string, n int) string {
	if r := []rune(w); len(r) > n {
		return string(r[:n])
	}
	return w
}

// lanes returns each lane as its end's state draws it.
func (d *drawing) lanes() (l [2]cell) {
	for i, s := range d.state {
		l[i] = cell{d.lane[s], stateStyle(s)}
		if !d.known[i] {
			l[i] = cell{d.lane[tcp.CloseWait], dim}
		}
	}
	return l
}

// clock returns the time to print beside a row: nothing when the row above
// has the same.
func (d *drawing) clock(t clock.Time) string {
	s := fmt.Sprintf("%.6f", t.Sub(d.start).Seconds())
	if s == d.shown {
		return ""
	}
	d.shown = s
	return s
}

// row writes one line. named says beside which lanes the state is written.
func (d *drawing) row(time string, named [2]bool, lanes [2]cell, middle []cell) {
	var names [2]cell
	for i := range names {
		if named[i] {
			names[i] = cell{d.state[i].String(), stateStyle(d.state[i])}
		}
	}
	d.pad(timeWidth - len(time))
	d.paint(cell{time, dim})
	d.pad(1 + stateWidth - names[Left].width())
	d.paint(names[Left])
	d.pad(1)
	d.paint(lanes[Left])
	room := d.middle
	for _, c := range middle {
		d.paint(c)
		room -= c.width()
	}
	d.pad(room)
	d.paint(lanes[Right])
	d.pad(1)
	d.paint(names[Right])
	d.newline()
}

func (d *drawing) pad(n int) {
	for range n {
		d.out = append(d.out, ' ')
	}
}

func (d *drawing) paint(c cell) {
	if !d.Color || c.style == plain || strings.TrimSpace(c.text) == "" {
		d.out = append(d.out, c.text...)
		return
	}
	d.out = fmt.Appendf(d.out, "\x1b[%sm%s\x1b[0m", c.style, c.text)
}

// newline ends a row; spaces at its end are dropped.
func (d *drawing) newline() {
	for len(d.out) > 0 && d.out[len(d.out)-1] == ' ' {
		d.out = d.out[:len(d.out)-1]
	}
	d.out = append(d.out, '\n')
}
