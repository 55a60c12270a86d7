package story

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// Measures of a picture of a ladder, in pixels.
const (
	pictureWidth = 1200.0 // with two lanes
	margin       = 28.0
	timeEnd      = 92.0 // times end here
	leftBand     = 244.0
	bandWidth    = 112.0
	plainWidth   = 14.0
	levelWidth   = 34.0 // of the gauge of a queue, beside the states
	space        = 480.0
	narrowSpace  = 430.0 // between lanes when there are more than two
	noteGap      = 16.0
	noteWidth    = 116.0

	labelSize, noteSize, nameSize, sentenceSize = 11.5, 11.5, 11.5, 13.0
)

// Picture draws steps as an SVG picture of a ladder, 1200 pixels wide with two
// lanes: an arrow for each segment, slanted by the time that it takes; a
// coloured lane with the states of each end; timers and calls beside the lanes.
// Long waits are cut short, where the lanes are broken.
type Picture struct {
	Title, Summary string
	// Lanes are the ends, left to right: see Ladder.
	Lanes []Head
	// Footer is a line below everything, and may be empty.
	Footer string
	Theme  Theme
	Lang   Lang

	// parts makes the parts of the picture groups that a script can tell apart;
	// it is what the names of its elements begin with.
	parts string
}

// Write draws the steps. Its errors are the writer's.
func (p Picture) Write(w io.Writer, steps []Step) error {
	d := p.draw(steps)
	_, err := io.WriteString(w, d.picture(d.width, d.height, p.Theme, p.Title, p.Summary))
	return err
}

// track is the place of a lane.
type track struct {
	left    float64
	columns int  // connections side by side
	plain   bool // no states are told
	level   bool // a gauge of half-open connections stands beside the states
}

func (t *track) states() float64 {
	if t.plain {
		return plainWidth
	}
	return bandWidth * float64(t.columns)
}

func (t *track) right() float64 {
	if t.level {
		return t.left + t.states() + levelWidth
	}
	return t.left + t.states()
}

func (t *track) middle() float64 { return (t.left + t.right()) / 2 }

// sketch is a picture of a ladder while it is drawn.
type sketch struct {
	Picture
	canvas
	layout
	tracks  []track
	width   float64
	numbers []int // of the sentence that explains a step, from 1; 0: none
	said    []string
	// shortened says that a label leaves something out.
	shortened bool
	top       float64
	bottom    float64 // of the lanes
	height    float64
}

// maxRounds is how often labels may ask for more room. What has no room then
// never will: its arrow is too steep for its words.
const maxRounds = 64

// draw lays the steps out, again and again until every label has its room.
func (p Picture) draw(steps []Step) *sketch {
	p.Lanes = enough(p.Lanes, steps)
	d := &sketch{Picture: p}
	d.steps, d.extra, d.late, d.flight = steps, make([]float64, len(steps)), make([]float64, len(steps)), typicalFlight(steps)
	d.layTracks()
	d.numbers, d.said = sentencesOf(steps)
	d.writeNotes()
	d.heading()
	var labels []label
	for round, settled := 0, false; !settled && round < maxRounds; round++ {
		d.place(d.top + bandGap + 8)
		labels, settled = d.label()
	}
	d.bottom = d.y + 40
	for i := range steps {
		d.bottom = max(d.bottom, d.end[i]+24)
	}
	for i := range d.tracks {
		d.bottom = max(d.bottom, d.layout.lane[i].note+24)
	}
	d.paint(labels)
	return d
}

// paint draws all that has its place; labels are those of the arrows.
func (d *sketch) paint(labels []label) {
	d.lanes()
	d.times()
	for i := range d.steps {
		d.part(fmt.Sprintf(`data-i="%d"`, i), func() { d.step(i) })
	}
	for i := range d.steps { // over all arrows
		if d.steps[i].Kind == Arrow {
			d.shortened = d.shortened || isShortened(&labels[0])
			d.part(fmt.Sprintf(`data-i="%d"`, i), func() { d.canvas.label(labels[0]) })
			labels = labels[1:]
		}
	}
	d.cuts()
	d.below()
}

// part draws a part of the picture, as a group if it has parts.
func (d *sketch) part(attributes string, draw func()) {
	if d.parts == "" {
		draw()
		return
	}
	d.add("<g %s>", attributes)
	draw()
	d.add("</g>")
}

// lanes draws the states and gauges of all lanes. Where a script shows the past
// only, it changes the height of a clip; what is to come is faint below it.
func (d *sketch) lanes() {
	if d.parts != "" {
		d.add(`<clipPath class="clip" id="%s-clip"><rect width="100%%" height="100%%"/></clipPath>`, d.parts)
		d.add(`<use class="faint" href="#%s-lanes"/>`, d.parts)
	}
	d.part(`clip-path="url(#`+d.parts+`-clip)"`, func() {
		d.part(`id="`+d.parts+`-lanes"`, func() {
			for i := range d.tracks {
				d.bands(Lane(i))
				d.gauge(Lane(i))
			}
		})
	})
}

// layTracks places the lanes.
func (d *sketch) layTracks() {
	gap, x := space, leftBand
	if len(d.Lanes) > 2 {
		gap = narrowSpace
	}
	for i := range d.Lanes {
		t := track{left: x, columns: 1, plain: d.Lanes[i].Plain}
		for j := range d.steps {
			if s := &d.steps[j]; s.Lane == Lane(i) {
				t.columns = max(t.columns, s.Column+1)
				t.level = t.level || s.Kind == Level
			}
		}
		d.tracks = append(d.tracks, t)
		x = t.right() + gap
	}
	d.layout.lane = make([]column, len(d.tracks))
	for i := range d.tracks {
		d.layout.amidst = append(d.layout.amidst, d.amidst(Lane(i)))
	}
	d.width = d.tracks[len(d.tracks)-1].right() + pictureWidth - leftBand - 2*bandWidth - space
}

// amidst reports whether a lane has others on both sides: its notes stand among
// arrows.
func (d *sketch) amidst(l Lane) bool { return l > 0 && int(l) < len(d.tracks)-1 }

// noteAt returns where a lane's notes stand: outside, or to its right.
func (d *sketch) noteAt(l Lane) (x float64, a anchor) {
	if l == 0 {
		return d.tracks[0].left - noteGap, atEnd
	}
	return d.tracks[l].right() + noteGap, atStart
}

// writeNotes decides what stands beside the lanes.
func (d *sketch) writeNotes() {
	d.notes = make([][]string, len(d.steps))
	for i := range d.steps {
		text := d.note(i)
		if n := d.numbers[i]; n > 0 && d.steps[i].Kind != Arrow {
			text = strings.TrimSpace(fmt.Sprintf("%d  %s", n, text))
		}
		if text != "" {
			d.notes[i] = fit(boundNumbers(text, noteWidth), d.noteRoom(d.steps[i].Lane), sans(noteSize))
		}
	}
}

func (d *sketch) noteRoom(l Lane) float64 {
	switch {
	case l == 0:
		return noteWidth
	case d.amidst(l):
		return noteWidth + 2*noteGap
	}
	return d.width - margin - d.tracks[l].right() - noteGap
}

// note returns what stands beside a step. The cause of a change is said only
// when no arrow and no call beside it says the same.
func (d *sketch) note(i int) string {
	s := &d.steps[i]
	switch s.Kind {
	case Mark, Remark:
		return s.Text
	case Level:
		return levelText(s)
	case Change:
		if !arrives(s.Cause) && !d.calledAt(i) {
			return s.Text
		}
	}
	return ""
}

// arrives reports whether a segment is the cause.
func arrives(c tcp.Cause) bool {
	switch c {
	case tcp.CauseSyn, tcp.CauseSynAck, tcp.CauseAckOfSyn, tcp.CauseFin, tcp.CauseAckOfFin, tcp.CauseFinAndAck, tcp.CauseReset, tcp.CauseRefused:
		return true
	}
	return false
}

// saidByCall are the causes that a call or a timer has just told.
var saidByCall = map[tcp.Cause]bool{tcp.CauseNone: true, tcp.CauseActiveOpen: true, tcp.CausePassiveOpen: true,
	tcp.CauseClose: true, tcp.CauseAbort: true, tcp.CauseTimeWaitOver: true, tcp.CauseFinWait2Over: true}

// calledAt reports whether a call or a timer stands just before a step.
func (d *sketch) calledAt(i int) bool {
	for j := i - 1; j >= 0 && d.steps[j].Time == d.steps[i].Time; j-- {
		if s := &d.steps[j]; s.Lane == d.steps[i].Lane && (s.Kind == Remark || s.Kind == Mark) {
			return saidByCall[d.steps[i].Cause]
		}
	}
	return false
}

// heading writes the title and the names of the ends, and says where the lanes begin.
func (d *sketch) heading() {
	y := 44.0
	if d.Title != "" {
		d.text("strong", point{margin, y}, atStart, 21, d.Title)
		y += 10
	}
	if d.Summary != "" {
		for _, line := range summaryLines(d.Summary, d.width) {
			y += 19
			d.text("soft", point{margin, y - 2}, atStart, 14, line)
		}
	}
	y += 36
	for i := range d.tracks {
		at := point{d.tracks[i].middle(), y}
		for j, line := range strings.Split(d.Lanes[i].Title, "\n") {
			class, size := "strong", 14.5
			if j > 0 {
				class, size = "soft", 12
			}
			d.text(class, at, atMiddle, size, line)
			at.y += 17
		}
		d.top = max(d.top, at.y)
	}
	y = d.top
	d.top = y - 4
}

// summaryLines breaks a summary for a picture of that width. Letters of a reader's
// font may be wider than ours.
func summaryLines(text string, width float64) []string {
	return fit(text, 0.9*(width-2*margin), sans(14))
}

// bands draws a lane's states, a column for each of the connections that exist
// at the same time.
func (d *sketch) bands(lane Lane) {
	t := &d.tracks[lane]
	if t.plain {
		d.rect("closed", point{t.left, d.top + 1}, plainWidth, d.bottom-d.top-2, 5)
		return
	}
	for column := range t.columns {
		x := t.left + bandWidth*float64(column)
		state, known := d.initial(lane, column)
		y := d.top
		for i := range d.steps {
			if s := &d.steps[i]; s.Kind == Change && s.Lane == lane && s.Column == column {
				d.band(x, state, known, y, d.begin[i])
				state, known, y = s.State, true, d.begin[i]
			}
		}
		d.band(x, state, known, y, d.bottom)
	}
}

// initial returns the first state of a lane's column.
func (d *sketch) initial(lane Lane, column int) (tcp.State, bool) {
	if column == 0 {
		return initial(d.steps, lane, &d.Lanes[lane])
	}
	return tcp.Closed, false
}

// gauge draws how full the queue of half-open connections is, from step to step.
func (d *sketch) gauge(lane Lane) {
	t := &d.tracks[lane]
	if !t.level {
		return
	}
	x, y, last := t.left+t.states()+4, d.top, Step{}
	const width = levelWidth - 8
	d.rect("closed", point{x, d.top + 1}, width, d.bottom-d.top-2, 3)
	fill := func(to float64) {
		if last.Entries > 0 {
			part := min(float64(last.Entries)/float64(max(last.Limit, last.Entries, 1)), 1)
			d.rect("opening", point{x, y}, width*part, to-y, 0)
		}
	}
	for i := range d.steps {
		if s := &d.steps[i]; s.Kind == Level && s.Lane == lane {
			fill(d.begin[i])
			y, last = d.begin[i], *s
		}
	}
	fill(d.bottom - 1)
}

// levelText says how full a queue is.
func levelText(s *Step) string {
	if s.Limit == 0 || s.Limit > 99 {
		return fmt.Sprintf("%s %d", s.Text, s.Entries)
	}
	return fmt.Sprintf("%s %d/%d", s.Text, s.Entries, s.Limit)
}

// nameEvery is after how many pixels a long lane says its state again.
const nameEvery = 420.0

func (d *sketch) band(x float64, s tcp.State, known bool, from, to float64) {
	class := family(s)
	if s == tcp.Closed {
		class += " dashed"
	}
	d.rect(class, point{x, from + 1}, bandWidth, to-from-2, 5)
	if !known {
		return
	}
	const clear = 44 // of the band's end, and of the next name
	for y := from + 16; y < to-4; y += nameEvery {
		if y == from+16 || y < to-clear && !d.paused(y) {
			d.text("strong on-"+family(s), point{x + bandWidth/2, y}, atMiddle, nameSize, s.String())
		}
	}
}

// paused reports whether the lanes are broken at y.
func (d *sketch) paused(y float64) bool {
	for _, p := range d.pauses {
		if math.Abs(p.y-y) < 24 {
			return true
		}
	}
	return false
}

func (d *sketch) times() {
	shown := ""
	for _, t := range d.ticks {
		since := t.time.Sub(d.steps[0].Time)
		text := formatWait(since)
		switch {
		case since == 0:
			text = "0"
		case text == shown && since < time.Second:
			continue // what is between is not worth a number
		case text == shown:
			text = fmt.Sprintf("%.6f s", since.Seconds())
		default:
			shown = text
		}
		d.part(`data-y="`+num(t.y)+`"`, func() {
			d.line("hair", point{timeEnd + 5, t.y}, point{timeEnd + 9, t.y})
			d.text("soft", point{timeEnd, t.y + 4}, atEnd, noteSize, text)
		})
	}
}

// cuts breaks the lanes where time is not to scale.
func (d *sketch) cuts() {
	for _, p := range d.pauses {
		d.part(`data-y="`+num(p.y)+`"`, func() { d.cut(p) })
	}
}

func (d *sketch) cut(p pause) {
	for i := range d.tracks {
		d.path("cut", zigzag(d.tracks[i].left-6, d.tracks[i].right()+6, p.y))
	}
	if p.gap != nil {
		d.canvas.label(d.gapLabel(p))
		return
	}
	d.text("soft note", point{timeEnd, p.y + 4}, atEnd, noteSize, p.text)
}

// gapLabel returns what stands between the lanes where something is left out.
func (d *sketch) gapLabel(p pause) label {
	from, to := d.tracks[min(p.gap.Lane, p.gap.To)].right(), d.tracks[max(p.gap.Lane, p.gap.To)].left
	return label{at: point{(from + to) / 2, p.y + 4}, class: "soft note halo", anchor: atMiddle, size: 13, spans: []span{{text: p.gap.Text}}}
}

// zigzag returns the outline of a torn strip.
func zigzag(left, right, y float64) string {
	const teeth, half, depth = 10, 4.0, 3.0
	var b strings.Builder
	step := (right - left) / teeth
	side := func(y float64, from, to int, op string) {
		for i := from; i != to; {
			fmt.Fprintf(&b, "%s%s %s", op, num(left+float64(i)*step), num(y+depth*float64(i%2*2-1)))
			op = "L"
			if from < to {
				i++
			} else {
				i--
			}
		}
	}
	side(y-half, 0, teeth+1, "M")
	side(y+half, teeth, -1, "L")
	return b.String() + "Z"
}

// below writes the sentences and the footer.
func (d *sketch) below() {
	y := d.key(d.bottom+12) + 8
	for n, sentence := range d.said {
		y += 6
		for j, line := range fit(sentence, d.width-2*margin-40, sans(sentenceSize)) {
			y += 18
			if j == 0 {
				d.text("soft", point{margin + 26, y}, atEnd, sentenceSize, fmt.Sprint(n+1))
			}
			d.text("", point{margin + 40, y}, atStart, sentenceSize, line)
		}
	}
	if d.Footer != "" {
		y += 34
		d.text("soft", point{margin, y}, atStart, 12, d.Footer)
	}
	d.height = math.Ceil(y + 24)
}

// trimmed writes d in units with up to three digits behind the point, without
// zeros at the end.
func trimmed(d, unit time.Duration) string {
	s := fmt.Sprintf("%.3f", float64(d)/float64(unit))
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}
