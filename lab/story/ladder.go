package story

import (
	"fmt"
	"io"
	"strings"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// Columns of a ladder: time, the left lane's state, and from there lanes and
// the spaces between them; each further lane has its state to the right.
const (
	timeWidth  = 10
	stateWidth = 12 // SYN-RECEIVED
	firstLane  = timeWidth + 1 + stateWidth + 1

	// DefaultWidth is the width in columns of a ladder that says nothing else,
	// and MinWidth the narrowest with two lanes: names and numbers have no room
	// in less. Each further lane needs MinLane more, or MinPlain when no state is
	// told of it.
	DefaultWidth = 100
	MinWidth     = 64
	MinLane      = 32
	MinPlain     = 16
)

// Head is the top of a lane.
type Head struct {
	// Title may have several lines.
	Title string
	// Plain is a lane of which no state is told.
	Plain bool
	// Listens is a lane that is in LISTEN as long as no step says otherwise.
	Listens bool
	// Told is a lane of which every state is told: without a step it is in CLOSED.
	Told bool
}

// enough returns heads for all lanes of steps, at least two.
func enough(heads []Head, steps []Step) []Head {
	n := max(len(heads), 2)
	for i := range steps {
		n = max(n, int(steps[i].Lane)+1, int(steps[i].To)+1)
	}
	return append(heads[:len(heads):len(heads)], make([]Head, n-len(heads))...)
}

// Ladder draws what passes between two ends or more, one line for each step,
// time running down. Each end has a lane with its states beside it.
type Ladder struct {
	// Lanes are the ends, left to right. Those that steps need and nobody names
	// are there without a title.
	Lanes []Head
	// Width is the line's width in columns; 0 means DefaultWidth. Where lanes have
	// no room beside each other, what passes is written as a list.
	Width int
	// ASCII draws with 7-bit characters only.
	ASCII bool
	// Color adds ANSI colours. Whether somebody can see them is the caller's
	// to know.
	Color bool
}

// Write draws the steps. Its errors are the writer's.
func (l Ladder) Write(w io.Writer, steps []Step) error {
	d := newDrawing(l, steps)
	if d.Width < d.Narrowest() {
		d.list().write(steps)
		_, err := w.Write(d.out)
		return err
	}
	d.titles()
	d.row("", d.known)
	for i := range steps {
		d.step(&steps[i], d.numbers[i])
	}
	_, err := w.Write(d.out)
	return err
}

// Narrowest returns the least width, in columns, in which the lanes have room
// beside each other.
func (l *Ladder) Narrowest() int {
	width := MinWidth - 2*MinLane
	for i := range l.Lanes {
		if l.Lanes[i].Plain {
			width += MinPlain
		} else {
			width += MinLane
		}
	}
	return max(width, MinWidth)
}

// drawing is a ladder while it is drawn.
type drawing struct {
	Ladder
	*glyphs
	out   []byte
	line  line
	at    []int // column of each lane
	space int   // columns between two lanes, states not counted
	state []tcp.State
	known []bool // a lane whose states nobody tells is a plain line
	start clock.Time
	shown string // time of the row above

	numbers []int // of the sentence that explains a step; 0: none
	said    int   // sentences so far: each is written once
}

func newDrawing(l Ladder, steps []Step) *drawing {
	l.Lanes = enough(l.Lanes, steps)
	d := &drawing{Ladder: l, glyphs: &unicode}
	if l.ASCII {
		d.glyphs = &ascii
	}
	if len(steps) > 0 {
		d.start = steps[0].Time
	}
	d.numbers, _ = sentencesOf(steps)
	d.columns()
	for i := range d.Lanes {
		s, known := initial(steps, Lane(i), &d.Lanes[i])
		d.state, d.known = append(d.state, s), append(d.known, known && !d.Lanes[i].Plain)
	}
	return d
}

// columns places the lanes.
func (d *drawing) columns() {
	if d.Width == 0 {
		d.Width = DefaultWidth
	}
	n := len(d.Lanes)
	fixed := firstLane + n
	for i := range d.Lanes[1:] {
		fixed += d.stateRoom(Lane(i + 1))
	}
	d.space = (d.Width - fixed) / (n - 1)
	at := firstLane
	for i := range d.Lanes {
		d.at = append(d.at, at)
		at += 1 + d.space
		if i > 0 {
			at += d.stateRoom(Lane(i))
		}
	}
}

// stateRoom is how many columns a lane's state takes.
func (d *drawing) stateRoom(l Lane) int {
	if d.Lanes[l].Plain {
		return 0
	}
	return 1 + stateWidth
}

// inside returns the first column of the space to the right of a lane, behind
// its state.
func (d *drawing) inside(l Lane) int {
	if l == 0 {
		return d.at[0] + 1
	}
	return d.at[l] + 1 + d.stateRoom(l)
}

// initial returns the state in which an end was before the first step: what its
// first change came from, or that of its first event of another kind. Without
// any it is what its head says.
func initial(steps []Step, lane Lane, h *Head) (s tcp.State, known bool) {
	for i := range steps {
		if p := &steps[i]; p.Lane == lane && p.Kind == Change {
			return p.From, true
		} else if p.Lane == lane && p.Kind == Mark && !p.Apart {
			return p.State, true
		}
	}
	if h.Listens {
		return tcp.Listen, true
	}
	return tcp.Closed, h.Told
}

func (d *drawing) titles() {
	heads := make([][]string, len(d.Lanes))
	most := 0
	for i := range d.Lanes {
		heads[i] = strings.Split(d.Lanes[i].Title, "\n")
		most = max(most, len(heads[i]))
	}
	for row := range most {
		look := bold
		if row > 0 {
			look = dim
		}
		for i, h := range heads {
			text := at(h, row)
			d.line.put(d.titleColumn(i, int(columns(text))), text, look)
		}
		d.newline()
	}
}

// titleColumn returns where a title begins: it ends at the first lane, and
// begins at the others as far as the page reaches.
func (d *drawing) titleColumn(lane, width int) int {
	switch {
	case lane == 0:
		return max(d.at[0]+1-width, 0)
	case lane == len(d.at)-1:
		end := d.at[lane] + 1 + d.stateRoom(Lane(lane))
		return max(min(d.at[lane], end-width), d.line.used+1)
	}
	return max(d.at[lane], d.line.used+1)
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// step draws a step; number is that of the sentence that explains it.
func (d *drawing) step(s *Step, number int) {
	text := strings.Fields(s.Text)
	if number > 0 {
		text = append([]string{fmt.Sprint(number)}, text...)
	}
	switch s.Kind {
	case Arrow:
		d.arrow(s, number)
	case Change:
		d.state[s.Lane] = s.State
		d.beside(s, d.dot, stateStyle(s.State), text)
	case Mark:
		d.beside(s, d.timer, cyan, text)
	case Level:
		d.beside(s, d.lane[d.state[s.Lane]], stateStyle(d.state[s.Lane]), d.level(s))
	case Gap:
		d.skip(s)
	case Remark:
		d.aside(s)
	}
	if number > d.said {
		d.said = number
		d.why(s, number)
	}
}

// levelCells is how many entries of a queue are drawn one by one.
const levelCells = 8

// level draws the queue of half-open connections: its places and their number.
func (d *drawing) level(s *Step) []string {
	count := fmt.Sprintf("%s %d", s.Text, s.Entries)
	if s.Limit == 0 || s.Limit > levelCells {
		return []string{count}
	}
	cells := strings.Repeat(d.taken, s.Entries) + strings.Repeat(d.free, max(s.Limit-s.Entries, 0))
	return []string{cells, fmt.Sprintf("%s/%d", count, s.Limit)}
}

// beside draws a mark on a lane, text inside, and the lane's state outside.
func (d *drawing) beside(s *Step, mark string, look style, text []string) {
	named := make([]bool, len(d.Lanes))
	named[s.Lane] = d.known[s.Lane] && s.Kind != Level && !s.Apart
	for i, line := range wrap(text, d.space-2, d.space-2) {
		d.within(s.Lane, line, dim)
		if i == 0 {
			d.line.put(d.at[s.Lane], mark, look)
			d.row(d.clock(s.Time), named)
			continue
		}
		d.row("", nil)
	}
}

// within writes text in the space beside a lane: at its left end, or for the
// last lane at its right end.
func (d *drawing) within(l Lane, text string, look style) {
	if last := Lane(len(d.at) - 1); l == last {
		d.line.put(d.at[l]-1-int(columns(text)), text, look)
		return
	}
	d.line.put(d.inside(l)+1, text, look)
}

// skip draws a gap: the lanes go on, and the text stands in the middle.
func (d *drawing) skip(s *Step) {
	from, to := min(s.Lane, s.To), max(s.Lane, s.To)
	d.shown = ""
	for _, line := range wrap(strings.Fields(s.Text), d.space-2, d.space-2) {
		for i := range d.at {
			d.line.put(d.at[i], d.gap, stateStyle(d.state[i]))
		}
		room := d.at[to] - d.inside(from)
		d.line.put(d.inside(from)+(room-int(columns(line)))/2, line, dim)
		d.row("", nil)
	}
}

// arrow draws a segment: flags and numbers on the shaft, and what finds no room
// there below it.
func (d *drawing) arrow(s *Step, number int) {
	words := arrowWords(s, number)
	left, right := min(s.Lane, s.To), max(s.Lane, s.To)
	shaft := d.at[right] - d.at[left] - 1
	first, look := d.at[left]+1, segmentStyle(s)
	for i, text := range wrap(words, shaft-6, shaft-4) {
		if i > 0 {
			d.line.put(first+3, text, look)
			d.row("", nil)
			continue
		}
		d.line.put(first, strings.Repeat(d.dash, shaft), dim)
		if s.To == right {
			d.line.put(first+2, " "+text+" ", look)
			d.line.put(first+shaft-1, d.headOf(s), look)
		} else {
			d.line.put(first, d.headOf(s), look)
			d.line.put(first+2, " "+text+" ", look)
		}
		d.row(d.clock(s.Time), nil)
	}
}

// arrowWords returns what stands on an arrow.
func arrowWords(s *Step, number int) (words []string) {
	if number > 0 {
		words = append(words, fmt.Sprint(number))
	}
	switch {
	case len(s.Fields) == 0: // it is no TCP segment
		return append(words, strings.Fields(s.Text)...)
	case s.Text == "":
		return append(words, s.Fields...)
	}
	return append(append(words, s.Fields...), "("+s.Text+")")
}

// headOf returns the point of an arrow: filled when the segment is used, hollow
// when it arrives and is not, a cross when the wire loses it.
func (d *drawing) headOf(s *Step) string {
	toRight := 0
	if s.To > s.Lane {
		toRight = 1
	}
	switch s.End {
	case Lost:
		return d.lost
	case Unused:
		return d.hollow[toRight]
	}
	return d.head[toRight]
}

// why writes the sentence that explains a step, between the lanes.
func (d *drawing) why(s *Step, number int) {
	lane := s.Lane
	if s.Kind == Arrow {
		lane = min(s.Lane, s.To)
	}
	lane = min(lane, Lane(len(d.at)-2))
	for i, line := range fit(s.Why, float64(d.space-8), columns) {
		if i == 0 {
			d.line.put(d.inside(lane)+3, fmt.Sprint(number), cyan)
		}
		d.line.put(d.inside(lane)+6, line, cyan)
		d.row("", nil)
	}
}

// aside writes what a program or the story says, without a mark.
func (d *drawing) aside(s *Step) {
	for _, line := range fit(d.says+" "+s.Text, float64(d.space-2), columns) {
		d.within(s.Lane, line, blue)
		d.row(d.clock(s.Time), nil)
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

// wrap joins words with spaces to lines of at most first columns, and rest
// columns from the second line on. It returns at least one line. What is wider
// than a line is broken at its spaces, and a word that is wider is cut.
func wrap(words []string, first, rest int) []string {
	lines := []string{""}
	room := first
	for _, w := range broken(words, rest) {
		line := &lines[len(lines)-1]
		switch {
		case *line == "":
			*line = cut(w, room)
		case int(columns(*line)+1+columns(w)) <= room:
			*line += " " + w
		default:
			room = rest
			lines = append(lines, cut(w, room))
		}
	}
	return lines
}

// broken breaks those words that are several and wider than a line.
func broken(words []string, width int) (all []string) {
	for _, w := range words {
		if int(columns(w)) <= width {
			all = append(all, w)
			continue
		}
		for _, piece := range breakable(w) {
			all = append(all, strings.TrimRight(piece, " "))
		}
	}
	return all
}

func cut(w string, n int) string {
	for i, r := range w {
		if n -= int(columns(string(r))); n < 0 {
			return w[:i]
		}
	}
	return w
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

// row ends a line with the time, the lanes where nothing else stands, and the
// states of the lanes that are named.
func (d *drawing) row(time string, named []bool) {
	d.line.put(timeWidth-len(time), time, dim)
	for i, s := range d.state {
		lane, look := d.lane[s], stateStyle(s)
		if !d.known[i] {
			lane, look = d.lane[tcp.CloseWait], dim
		}
		if d.line.empty(d.at[i]) {
			d.line.put(d.at[i], lane, look)
		}
		if named == nil || !named[i] {
			continue
		}
		name := s.String()
		if i == 0 {
			d.line.put(d.at[0]-1-len(name), name, look)
		} else {
			d.line.put(d.at[i]+2, name, look)
		}
	}
	d.newline()
}

func (d *drawing) newline() {
	d.out = d.line.appendTo(d.out, d.Color)
	d.line = line{cells: d.line.cells[:0]}
}
