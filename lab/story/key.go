package story

import "strings"

// The key of a picture: what its signs mean, those that occur in it.

// sign is a sign of a picture and what it means.
type sign struct {
	name string // of the test that looks whether each sign has its meaning
	sentence
	in   func(d *sketch) bool
	draw func(c *canvas, from, to point)
}

// signs are those that say something that no word beside them says.
var signs = []sign{
	{"lost", sentence{"lost: never arrives", "丢失：永不到达"}, hasArrow(func(s *Step) bool { return s.End == Lost }),
		func(c *canvas, from, to point) {
			c.line("wire l-ack", from, between(from, to, 0.6))
			c.cross(between(from, to, 0.7))
		}},
	{"unused", sentence{"arrives, is not taken", "到达，但未被采用"}, hasArrow(func(s *Step) bool { return s.End == Unused }),
		func(c *canvas, from, to point) {
			c.line("wire l-ack", from, between(from, to, 0.75))
			c.arrowhead("hollow l-bad", from, to)
		}},
	{"again", sentence{"sent again", "重发"}, hasArrow(func(s *Step) bool { return s.Again }),
		func(c *canvas, from, to point) {
			c.line("wire l-ack again", from, to)
			c.arrowhead("t-ack", from, to)
		}},
	{"bundle", sentence{"more like these, counted and not drawn", "更多同类报文段，只计数，未画出"}, hasArrow(func(s *Step) bool { return s.Left > 0 }),
		func(c *canvas, from, to point) {
			c.path("bundle t-ack", "M"+num(from.x)+" "+num(from.y-6)+"H"+num(to.x)+"V"+num(from.y+5)+"H"+num(from.x)+"Z")
			c.line("wire l-ack", point{from.x, from.y - 6}, point{to.x, from.y - 6})
			c.line("wire l-ack", point{from.x, from.y + 5}, point{to.x, from.y + 5})
		}},
	{"timer", sentence{"a timer fires", "定时器触发"}, func(d *sketch) bool { return d.has(Mark) },
		func(c *canvas, from, to point) { c.clockFace(between(from, to, 0.5)) }},
	{"pause", sentence{"not to scale: time is left out", "不按比例：略去一段时间"}, func(d *sketch) bool { return len(d.pauses) > 0 },
		func(c *canvas, from, to point) { c.path("cut", zigzag(from.x, to.x, from.y)) }},
	{"gauge", sentence{"how full the queue of half-open connections is", "半连接队列占用的程度"}, func(d *sketch) bool { return d.has(Level) },
		func(c *canvas, from, to point) {
			c.rect("closed", point{from.x, from.y - 6}, to.x-from.x, 12, 3)
			c.rect("opening", point{from.x, from.y - 6}, (to.x-from.x)*0.6, 12, 0)
		}},
	{"shortened", sentence{"shortened to fit", "因空间不足而省略"}, func(d *sketch) bool { return d.shortened },
		func(c *canvas, from, to point) {
			c.text("mono", point{from.x + 12, from.y + 4}, atStart, labelSize, "…")
		}},
}

func hasArrow(is func(*Step) bool) func(*sketch) bool {
	return func(d *sketch) bool {
		for i := range d.steps {
			if s := &d.steps[i]; s.Kind == Arrow && is(s) {
				return true
			}
		}
		return false
	}
}

// has reports whether a step of this kind is drawn.
func (d *sketch) has(k StepKind) bool {
	for i := range d.steps {
		if d.steps[i].Kind == k {
			return true
		}
	}
	return false
}

// key draws the key below y, and returns how far down it goes.
func (d *sketch) key(y float64) float64 {
	const wide, gap, line = 34.0, 26.0, 22.0
	x, first := margin, true
	for i := range signs {
		s := &signs[i]
		if !s.in(d) {
			continue
		}
		width := wide + 8 + textWidth(s.sentence[d.Lang], noteSize, false)
		if first || x+width > d.width-margin {
			x, y = margin, y+line
		}
		first = false
		s.draw(&d.canvas, point{x, y - 4}, point{x + wide, y - 4})
		d.text("soft", point{x + wide + 8, y}, atStart, noteSize, s.sentence[d.Lang])
		x += width + gap
	}
	return y
}

// isShortened reports whether a label leaves something out.
func isShortened(l *label) bool {
	for _, s := range l.spans {
		if strings.HasSuffix(s.text, "…") {
			return true
		}
	}
	return false
}
