package story

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/tcp"
)

// Columns of a picture of a ladder, in pixels from the left.
const (
	pictureWidth = 1200.0
	margin       = 28.0
	timeEnd      = 92.0 // times end here
	noteEnd      = 228.0
	leftBand     = 244.0
	bandWidth    = 112.0
	leftLane     = leftBand + bandWidth // arrows begin here
	rightLane    = 836.0
	rightBand    = rightLane
	rightNote    = rightBand + bandWidth + 16
	noteWidth    = 116.0

	labelSize, noteSize, nameSize, sentenceSize = 11.5, 11.5, 11.5, 13.0
)

// Picture draws steps as an SVG picture of a ladder, 1200 pixels wide: an arrow
// for each segment, slanted by the time that it takes; a coloured lane with the
// states of each end; timers and calls beside the lanes. Long waits are cut
// short, where both lanes are broken.
type Picture struct {
	Title, Summary string
	// Left and Right are the heads of the lanes; they may have several lines.
	Left, Right string
	// Footer is a line below everything, and may be empty.
	Footer string
	Theme  Theme
}

// Write draws the steps. Its errors are the writer's.
func (p Picture) Write(w io.Writer, steps []Step) error {
	d := p.draw(steps)
	_, err := io.WriteString(w, d.picture(pictureWidth, d.height, p.Theme, p.Title, p.Summary))
	return err
}

// sketch is a picture of a ladder while it is drawn.
type sketch struct {
	Picture
	canvas
	layout
	numbers []int // of the steps that are explained, from 1
	top     float64
	bottom  float64 // of the lanes
	height  float64
}

// maxRounds is how often labels may ask for more room. What has no room then
// never will: its arrow is too steep for its words.
const maxRounds = 64

// draw lays the steps out, again and again until every label has its room.
func (p Picture) draw(steps []Step) *sketch {
	d := &sketch{Picture: p}
	d.steps, d.extra, d.flight = steps, make([]float64, len(steps)), typicalFlight(steps)
	d.number()
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
	for side := range 2 {
		d.bottom = max(d.bottom, d.lane[side].note+24)
		d.bands(Side(side))
	}
	d.times()
	for i := range steps {
		d.step(i)
	}
	for _, l := range labels {
		d.canvas.label(l)
	}
	d.cuts()
	d.below()
	return d
}

// number counts the steps that are explained.
func (d *sketch) number() {
	d.numbers = make([]int, len(d.steps))
	n := 0
	for i := range d.steps {
		if d.steps[i].Why != "" {
			n++
			d.numbers[i] = n
		}
	}
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
			d.notes[i] = fit(text, d.noteRoom(d.steps[i].Side), sans(noteSize))
		}
	}
}

func (d *sketch) noteRoom(side Side) float64 {
	if side == Left {
		return noteWidth
	}
	return pictureWidth - margin - rightNote
}

// note returns what stands beside a step. The cause of a change is said only
// when no arrow and no call beside it says the same.
func (d *sketch) note(i int) string {
	s := &d.steps[i]
	switch s.Kind {
	case Mark, Remark:
		return s.Text
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
	case tcp.CauseSyn, tcp.CauseSynAck, tcp.CauseAckOfSyn, tcp.CauseFin, tcp.CauseAckOfFin, tcp.CauseFinAndAck, tcp.CauseReset:
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
		if s := &d.steps[j]; s.Side == d.steps[i].Side && (s.Kind == Remark || s.Kind == Mark) {
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
		for _, line := range fit(d.Summary, pictureWidth-2*margin, sans(14)) {
			y += 19
			d.text("soft", point{margin, y - 2}, atStart, 14, line)
		}
	}
	y += 36
	left, right := strings.Split(d.Left, "\n"), strings.Split(d.Right, "\n")
	for i := range max(len(left), len(right)) {
		class, size := "strong", 14.5
		if i > 0 {
			class, size = "soft", 12
		}
		d.text(class, point{leftBand + bandWidth/2, y}, atMiddle, size, at(left, i))
		d.text(class, point{rightBand + bandWidth/2, y}, atMiddle, size, at(right, i))
		y += 17
	}
	d.top = y - 4
}

// bands draws a side's states.
func (d *sketch) bands(side Side) {
	state, known := before(d.steps, side)
	y := d.top
	for i := range d.steps {
		if s := &d.steps[i]; s.Kind == Change && s.Side == side {
			d.band(side, state, known, y, d.begin[i])
			state, known, y = s.State, true, d.begin[i]
		}
	}
	d.band(side, state, known, y, d.bottom)
}

// nameEvery is after how many pixels a long lane says its state again.
const nameEvery = 420.0

func (d *sketch) band(side Side, s tcp.State, known bool, from, to float64) {
	x := leftBand
	if side == Right {
		x = rightBand
	}
	class := family(s)
	if s == tcp.Closed {
		class += " dashed"
	}
	d.rect(class, point{x, from + 1}, bandWidth, to-from-2, 5)
	if !known {
		return
	}
	for y := from + 16; y < to-4; y += nameEvery {
		if y == from+16 || !d.paused(y) {
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
		d.line("hair", point{timeEnd + 5, t.y}, point{timeEnd + 9, t.y})
		d.text("soft", point{timeEnd, t.y + 4}, atEnd, noteSize, text)
	}
}

// cuts breaks both lanes where time is not to scale.
func (d *sketch) cuts() {
	for _, p := range d.pauses {
		for _, x := range []float64{leftBand, rightBand} {
			d.path("cut", zigzag(x-6, x+bandWidth+6, p.y))
		}
		if p.wide {
			d.text("soft note", point{(leftLane + rightLane) / 2, p.y + 4}, atMiddle, 13, p.text)
			continue
		}
		d.text("soft note", point{timeEnd, p.y + 4}, atEnd, noteSize, p.text)
	}
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
	y := d.bottom + 20
	for i := range d.steps {
		if d.numbers[i] == 0 {
			continue
		}
		y += 6
		for j, line := range fit(d.steps[i].Why, pictureWidth-2*margin-40, sans(sentenceSize)) {
			y += 18
			if j == 0 {
				d.text("soft", point{margin + 26, y}, atEnd, sentenceSize, fmt.Sprint(d.numbers[i]))
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
