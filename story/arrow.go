package story

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/handfast-tcp/handfast/wire"
)

// lostAt is how far a segment comes that is lost on its way.
const lostAt = 0.74

// ends returns where the arrow of a step begins and where it points.
func (d *sketch) ends(i int) (from, to point) {
	from, to = point{leftLane, d.begin[i]}, point{rightLane, d.end[i]}
	if d.steps[i].Side == Right {
		from.x, to.x = to.x, from.x
	}
	return from, to
}

// step draws what is not text.
func (d *sketch) step(i int) {
	s := &d.steps[i]
	switch s.Kind {
	case Arrow:
		d.arrow(i)
	case Mark:
		d.timer(i)
	}
	for j, line := range d.notes[i] {
		at, a := point{noteEnd, d.begin[i] + 4 + noteLine*float64(j)}, atEnd
		if s.Side == Right {
			at.x, a = rightNote, atStart
		}
		class := "note"
		if s.Kind != Remark {
			class = "soft"
		}
		d.text(class, at, a, noteSize, line)
	}
}

// timer draws a clock on the outer edge of a lane.
func (d *sketch) timer(i int) {
	c := point{leftBand, d.begin[i]}
	if d.steps[i].Side == Right {
		c.x = rightBand + bandWidth
	}
	d.circle("mark", c, 6)
	d.path("mark", "M"+num(c.x)+" "+num(c.y-3.5)+"V"+num(c.y)+"H"+num(c.x+2.8))
}

func (d *sketch) arrow(i int) {
	s := &d.steps[i]
	from, to := d.ends(i)
	class := "wire l-" + kind(s)
	if s.Again {
		class += " again"
	}
	if !s.Lost {
		d.line(class, from, to)
		d.arrowhead("t-"+kind(s), from, to)
		return
	}
	mid := d.lostAt(i)
	if s.Arrives <= s.Time {
		d.line("wire ghost l-"+kind(s), mid, to)
	}
	d.line(class, from, mid)
	d.cross(mid)
}

// lostAt returns where a segment ends that is not used: on its way, or at the
// lane that it has reached in vain.
func (d *sketch) lostAt(i int) point {
	from, to := d.ends(i)
	if s := &d.steps[i]; s.Arrives > s.Time {
		return between(from, to, 0.985)
	}
	return between(from, to, lostAt)
}

// crossBox is the room of the cross there.
func (d *sketch) crossBox(i int) textBox {
	const r = 7.0
	p := d.lostAt(i)
	return textBox{"✗", [4]point{{p.x - r, p.y - r}, {p.x + r, p.y - r}, {p.x + r, p.y + r}, {p.x - r, p.y + r}}}
}

func between(a, b point, part float64) point {
	return point{a.x + (b.x-a.x)*part, a.y + (b.y-a.y)*part}
}

func (d *sketch) cross(at point) {
	const r = 6.0
	d.circle("paper", at, r+2)
	d.path("lit l-bad", "M"+num(at.x-r)+" "+num(at.y-r)+"L"+num(at.x+r)+" "+num(at.y+r)+
		"M"+num(at.x-r)+" "+num(at.y+r)+"L"+num(at.x+r)+" "+num(at.y-r))
}

// kind is the name of an arrow's colour.
func kind(s *Step) string {
	switch {
	case s.Flags.Has(wire.RST):
		return "rst"
	case s.Flags.Has(wire.SYN):
		return "syn"
	case s.Flags.Has(wire.FIN):
		return "fin"
	case carries(s):
		return "data"
	}
	return "ack"
}

// carries reports whether a segment has a payload.
func carries(s *Step) bool {
	for _, f := range s.Fields {
		if strings.HasPrefix(f, "len ") {
			return true
		}
	}
	return false
}

var flagNames = []struct {
	flag wire.Flags
	name string
}{{wire.SYN, "SYN"}, {wire.FIN, "FIN"}, {wire.RST, "RST"}, {wire.PSH, "PSH"}, {wire.ACK, "ACK"},
	{wire.URG, "URG"}, {wire.ECE, "ECE"}, {wire.CWR, "CWR"}, {wire.AE, "AE"}}

// flagWords writes flags as a book does.
func flagWords(f wire.Flags) string {
	var words []string
	for _, n := range flagNames {
		if f.Has(n.flag) {
			words = append(words, n.name)
		}
	}
	if len(words) == 0 {
		return "no flags"
	}
	return strings.Join(words, " ")
}

// wordings returns what may stand on an arrow, the fullest first, each with
// what it costs to choose it.
func wordings(s *Step, number int) (all [3][]span, cost [3]float64) {
	if len(s.Fields) == 0 { // it is no TCP segment
		one := []span{{s.Text, "strong t-" + kind(s)}}
		return [3][]span{one, one, one}, [3]float64{0, 9, 9}
	}
	full := s.Fields[1:]
	brief := full[:indexPrefix(full, "<")]
	shortest := slices.Clone(brief)
	if i := indexPrefix(brief, "win "); i < len(brief) && brief[i] != "win 0" {
		shortest = slices.Delete(shortest, i, i+1)
	}
	for i, fields := range [][]string{full, brief, shortest} {
		all[i] = wording(s, number, fields)
	}
	return all, [3]float64{0, 2, 2.8}
}

// indexPrefix returns where the first word stands that begins so, or len(words).
func indexPrefix(words []string, prefix string) int {
	for i, w := range words {
		if strings.HasPrefix(w, prefix) {
			return i
		}
	}
	return len(words)
}

func wording(s *Step, number int, fields []string) (spans []span) {
	if number > 0 {
		spans = append(spans, span{strconv.Itoa(number) + " ", "soft"})
	}
	spans = append(spans, span{flagWords(s.Flags), "strong t-" + kind(s)}, span{" " + strings.Join(fields, " "), ""})
	if s.Text != "" && s.Text != "lost" { // the cross says that
		class := "soft"
		if s.Lost || s.Strange {
			class = "t-bad"
		}
		spans = append(spans, span{" · " + s.Text, class})
	}
	return spans
}

// label finds a place for the label of every arrow: one where no other label
// is, and if possible no line. Arrows whose label finds none get more room,
// and settled is false.
func (d *sketch) label() (labels []label, settled bool) {
	settled = true
	var taken []textBox
	for _, p := range d.pauses {
		if p.wide {
			l := label{at: point{(leftLane + rightLane) / 2, p.y + 4}, anchor: atMiddle, size: 13, spans: []span{{text: p.text}}}
			taken = append(taken, l.box())
		}
	}
	for i := range d.steps {
		if s := &d.steps[i]; s.Kind == Arrow && s.Lost {
			taken = append(taken, d.crossBox(i))
		}
	}
	for i := range d.steps {
		if d.steps[i].Kind != Arrow {
			continue
		}
		l, ok := d.best(i, taken)
		if !ok {
			d.extra[i] += arrowGap
			settled = false
		}
		labels, taken = append(labels, l), append(taken, l.box())
	}
	return labels, settled
}

// best returns the label of a step at the best place.
func (d *sketch) best(i int, taken []textBox) (best label, ok bool) {
	cost := math.Inf(1)
	words, price := wordings(&d.steps[i], d.numbers[i])
	for w, spans := range words {
		for where := range 3 {
			l := d.along(i, where)
			l.spans = spans
			box := l.box()
			c := price[w] + float64(where) + 3*float64(d.crossed(i, &box))
			if c < cost && d.clear(&box, taken) {
				best, cost, ok = l, c, true
			}
			if best.spans == nil {
				best = l
			}
		}
	}
	return best, ok
}

func (d *sketch) clear(box *textBox, taken []textBox) bool {
	for j := range taken {
		if box.overlap(&taken[j]) {
			return false
		}
	}
	for _, q := range box.quad {
		if q.x < leftLane+2 || q.x > rightLane-2 {
			return false
		}
	}
	return true
}

// along returns an empty label above an arrow: near its sender, in the middle,
// or near its receiver.
func (d *sketch) along(i, where int) label {
	from, to := d.ends(i)
	if from.x > to.x {
		from, to = to, from
		where = 2 - where
	}
	slope := (to.y - from.y) / (to.x - from.x)
	l := label{class: "mono halo", size: labelSize, mono: true, angle: math.Atan(slope) * 180 / math.Pi}
	l.anchor = [3]anchor{atStart, atMiddle, atEnd}[where]
	x := [3]float64{from.x + 14, (from.x + to.x) / 2, to.x - 14}[where]
	dx, dy := unit(from, to)
	const above = 4.5
	l.at = point{x + above*dy, from.y + (x-from.x)*slope - above*dx}
	return l
}

// crossed counts the arrows of other steps that run through a box.
func (d *sketch) crossed(own int, box *textBox) (n int) {
	for i := range d.steps {
		if i == own || d.steps[i].Kind != Arrow {
			continue
		}
		from, to := d.ends(i)
		line := [4]point{from, to, to, from}
		if !separated(&box.quad, &line) && !separated(&line, &box.quad) {
			n++
		}
	}
	return n
}
