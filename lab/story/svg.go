package story

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// canvas collects the elements of an SVG picture. Coordinates are in CSS
// pixels; they are written with at most one digit behind the point, so that
// the same picture is the same bytes on every machine.
type canvas struct {
	body  strings.Builder
	boxes []textBox // of all texts, for the test that none covers another
}

// point is a place on the canvas.
type point struct{ x, y float64 }

// textBox is the space that a text takes: four corners, in order around it.
type textBox struct {
	text string
	quad [4]point
}

func (c *canvas) add(format string, args ...any) {
	fmt.Fprintf(&c.body, format+"\n", args...)
}

// num writes a coordinate.
func num(v float64) string {
	s := fmt.Sprintf("%.1f", math.Round(v*10)/10)
	return strings.TrimSuffix(strings.Replace(s, "-0.0", "0", 1), ".0")
}

var xmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func (c *canvas) line(class string, from, to point) {
	c.add(`<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`, class, num(from.x), num(from.y), num(to.x), num(to.y))
}

func (c *canvas) rect(class string, at point, width, height, radius float64) {
	c.add(`<rect class="%s" x="%s" y="%s" width="%s" height="%s" rx="%s"/>`,
		class, num(at.x), num(at.y), num(width), num(height), num(radius))
}

func (c *canvas) circle(class string, at point, radius float64) {
	c.add(`<circle class="%s" cx="%s" cy="%s" r="%s"/>`, class, num(at.x), num(at.y), num(radius))
}

func (c *canvas) path(class, d string) { c.add(`<path class="%s" d="%s"/>`, class, d) }

// arrowhead draws a filled head whose point is at to, on a line that comes
// from from.
func (c *canvas) arrowhead(class string, from, to point) {
	const long, half = 9.0, 3.6
	dx, dy := unit(from, to)
	back := point{to.x - long*dx, to.y - long*dy}
	c.path(class, fmt.Sprintf("M%s %sL%s %sL%s %sZ", num(to.x), num(to.y),
		num(back.x-half*dy), num(back.y+half*dx), num(back.x+half*dy), num(back.y-half*dx)))
}

func unit(from, to point) (dx, dy float64) {
	dx, dy = to.x-from.x, to.y-from.y
	if n := math.Hypot(dx, dy); n > 0 {
		return dx / n, dy / n
	}
	return 1, 0
}

// anchor is which end of a text its place names.
type anchor string

const (
	atStart  anchor = "start"
	atMiddle anchor = "middle"
	atEnd    anchor = "end"
)

// label is a text and how it is set. Its place is on the base line.
type label struct {
	at     point
	class  string
	anchor anchor
	size   float64 // of the font, in pixels
	mono   bool
	angle  float64 // degrees, clockwise, round the place
	spans  []span
}

// span is a piece of a text in a class of its own.
type span struct{ text, class string }

func (l *label) width() (w float64) {
	for _, s := range l.spans {
		w += textWidth(s.text, l.size, l.mono)
	}
	return w
}

// box returns the space that the label takes.
func (l *label) box() textBox {
	b := textBox{}
	left := 0.0
	switch l.anchor {
	case atMiddle:
		left = -l.width() / 2
	case atEnd:
		left = -l.width()
	}
	for _, s := range l.spans {
		b.text += s.text
	}
	sin, cos := math.Sincos(l.angle * math.Pi / 180)
	top, bottom, right := -0.78*l.size, 0.22*l.size, left+l.width()
	for i, p := range [4]point{{left, top}, {right, top}, {right, bottom}, {left, bottom}} {
		b.quad[i] = point{l.at.x + p.x*cos - p.y*sin, l.at.y + p.x*sin + p.y*cos}
	}
	return b
}

// label draws a text and notes its box.
func (c *canvas) label(l label) {
	c.boxes = append(c.boxes, l.box())
	turn := ""
	if math.Abs(l.angle) >= 0.05 {
		turn = fmt.Sprintf(` transform="rotate(%.2f %s %s)"`, l.angle, num(l.at.x), num(l.at.y))
	}
	var text strings.Builder
	for _, s := range l.spans {
		if s.class == "" {
			text.WriteString(xmlEscaper.Replace(s.text))
			continue
		}
		fmt.Fprintf(&text, `<tspan class="%s">%s</tspan>`, s.class, xmlEscaper.Replace(s.text))
	}
	anchor := ""
	if l.anchor != atStart {
		anchor = fmt.Sprintf(` text-anchor="%s"`, l.anchor)
	}
	c.add(`<text class="%s" x="%s" y="%s" font-size="%s"%s%s xml:space="preserve">%s</text>`,
		l.class, num(l.at.x), num(l.at.y), num(l.size), anchor, turn, text.String())
}

// text draws plain text.
func (c *canvas) text(class string, at point, a anchor, size float64, s string) {
	c.label(label{at: at, class: class, anchor: a, size: size, spans: []span{{text: s}}})
}

// textWidth estimates, rather too much than too little, how wide a text is:
// the font it will be drawn with is unknown.
func textWidth(s string, size float64, mono bool) float64 {
	w := 0.0
	for _, r := range s {
		w += runeWidth(r, mono)
	}
	return w * size
}

// runeWidth is in units of the font's size.
func runeWidth(r rune, mono bool) float64 {
	switch {
	case r >= wideRunes:
		return 1
	case mono:
		return 0.605
	case strings.ContainsRune("iljtfrI.,:;'|!()[] \u00a0", r):
		return 0.38
	case strings.ContainsRune("mwMW@%→—", r):
		return 0.95
	case r >= 'A' && r <= 'Z':
		return 0.7
	}
	return 0.625
}

// wideRunes is where Chinese begins in Unicode, nearly: what comes from here on
// is as wide as it is high.
const wideRunes = 0x2e80

// measure returns how wide a text is.
type measure func(string) float64

// sans measures text in the proportional font of this size.
func sans(size float64) measure {
	return func(s string) float64 { return textWidth(s, size, false) }
}

// fit breaks text into lines that are at most so wide. Chinese breaks between
// any two characters, other text at spaces.
func fit(text string, width float64, m measure) []string {
	lines := []string{""}
	for _, w := range breakable(text) {
		line := &lines[len(lines)-1]
		if *line != "" && m(*line+strings.TrimRight(w, " ")) > width {
			*line = strings.TrimRight(*line, " ")
			lines = append(lines, "")
			line = &lines[len(lines)-1]
		}
		*line += w
	}
	return lines
}

// breakable cuts text into the pieces between which a line may end.
func breakable(text string) (pieces []string) {
	start, runes := 0, []rune(text)
	for i, r := range runes {
		last := i == len(runes)-1
		if last || r == ' ' || (r >= wideRunes || runes[i+1] >= wideRunes) && !noBreak(r, runes[i+1]) {
			pieces = append(pieces, string(runes[start:i+1]))
			start = i + 1
		}
	}
	return pieces
}

// boundNumbers binds a number to the word before it, as in "cwnd 10", so that no line
// of a note begins with one; what is wider than a line stays apart.
func boundNumbers(text string, width float64) string {
	words := strings.Split(text, " ")
	for i := 1; i < len(words); i++ {
		if pair := words[i-1] + "\u00a0" + words[i]; words[i] != "" && words[i][0] >= '0' && words[i][0] <= '9' && textWidth(pair, noteSize, false) <= width {
			words[i-1], words = pair, slices.Delete(words, i, i+1)
			i--
		}
	}
	return strings.Join(words, " ")
}

// noBreak reports whether Chinese typography keeps two characters together.
func noBreak(a, b rune) bool {
	return strings.ContainsRune("，。；：、）」", b) || strings.ContainsRune("（「", a)
}

// overlap reports whether two boxes share an area: they do when no side of
// either separates them.
func (b *textBox) overlap(o *textBox) bool {
	top, bottom := b.reach()
	if high, low := o.reach(); low < top || high > bottom {
		return false // most are: it is quickly seen
	}
	return !separated(&b.quad, &o.quad) && !separated(&o.quad, &b.quad)
}

// reach returns the highest and the lowest y of a box.
func (b *textBox) reach() (top, bottom float64) {
	q := &b.quad
	return min(q[0].y, q[1].y, q[2].y, q[3].y), max(q[0].y, q[1].y, q[2].y, q[3].y)
}

func separated(a, b *[4]point) bool {
	for i := range a {
		p, q := a[i], a[(i+1)%4]
		normal := point{p.y - q.y, q.x - p.x}
		if normal == (point{}) {
			continue // a side without length
		}
		aLow, aHigh := project(a, normal)
		bLow, bHigh := project(b, normal)
		const touching = 1e-9
		if aHigh <= bLow+touching || bHigh <= aLow+touching {
			return true
		}
	}
	return false
}

func project(q *[4]point, on point) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, p := range q {
		v := p.x*on.x + p.y*on.y
		low, high = min(low, v), max(high, v)
	}
	return low, high
}
