package story

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// lostAt is how far a segment comes that is lost on its way.
const lostAt = 0.84

// ends returns where the arrow of a step begins and where it points.
func (d *sketch) ends(i int) (from, to point) {
	s := &d.steps[i]
	a, b := &d.tracks[s.Lane], &d.tracks[s.To]
	if s.Lane < s.To {
		return point{a.right(), d.begin[i]}, point{b.left, d.end[i]}
	}
	return point{a.left, d.begin[i]}, point{b.right(), d.end[i]}
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
	for _, l := range d.noteLabels(i) {
		d.canvas.label(l)
	}
}

// noteLabels returns what stands beside a lane at a step.
func (d *sketch) noteLabels(i int) (all []label) {
	s := &d.steps[i]
	x, a := d.noteAt(s.Lane)
	class := "note halo"
	if s.Kind != Remark {
		class = "soft halo"
	}
	for j, line := range d.notes[i] {
		all = append(all, label{at: point{x, d.begin[i] + 4 + d.lower(i) + noteLine*float64(j)}, class: class, anchor: a, size: noteSize, spans: []span{{text: line}}})
	}
	return all
}

// timer draws a clock on the edge of a lane where its notes are.
func (d *sketch) timer(i int) {
	lane := d.steps[i].Lane
	c := point{d.tracks[lane].left, d.begin[i]}
	if lane > 0 {
		c.x = d.tracks[lane].right()
	}
	d.clockFace(c)
}

// clockFace draws a small clock.
func (c *canvas) clockFace(at point) {
	c.circle("mark", at, 6)
	c.path("mark", "M"+num(at.x)+" "+num(at.y-3.5)+"V"+num(at.y)+"H"+num(at.x+2.8))
}

func (d *sketch) arrow(i int) {
	s := &d.steps[i]
	if s.Left > 0 {
		d.bundled(i)
	}
	from, to := d.ends(i)
	class := "wire l-" + kind(s)
	if s.Again {
		class += " again"
	}
	switch s.End {
	case Taken:
		d.line(class, from, to)
		d.arrowhead("t-"+kind(s), from, to)
		return
	case Unused:
		d.line(class, from, between(from, to, 1-9/math.Hypot(to.x-from.x, to.y-from.y)))
		d.arrowhead("hollow l-bad", from, to)
		return
	}
	mid := d.lostAt(i)
	if s.Arrives <= s.Time {
		d.line("wire ghost l-"+kind(s), mid, to)
	}
	d.line(class, from, mid)
	d.cross(mid)
}

// lostAt returns where a segment ends that the wire loses: on its way, or at
// the router that stopped it.
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

func (c *canvas) cross(at point) {
	const r = 6.0
	c.circle("paper", at, r+2)
	c.path("lit l-bad", "M"+num(at.x-r)+" "+num(at.y-r)+"L"+num(at.x+r)+" "+num(at.y+r)+
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

// wordings returns what may stand on an arrow, the fullest first. What is left
// out for lack of room leaves a mark.
func wordings(s *Step, number int) [][]span {
	if len(s.Fields) == 0 { // it is no TCP segment
		return [][]span{{{s.Text, "strong t-" + kind(s)}}}
	}
	full := s.Fields[1:]
	options := indexPrefix(full, "<")
	brief := full[:options]
	shorter := [][]string{brief, withoutWindow(brief)}
	if options < len(full) && full[options] == sackWord { // of an ACK with a hole that is what it says
		windowless := withoutWindow(full)
		ack := windowless[indexPrefix(windowless, "ack "):]
		shorter = slices.Insert(shorter, 0, windowless, ack, firstBlock(ack))
	}
	all := [][]span{wording(s, number, full)}
	for _, fields := range shorter {
		if len(fields) < len(full) {
			all = append(all, wording(s, number, append(fields[:len(fields):len(fields)], "…")))
		}
	}
	return all
}

// sackWord stands before the SACK blocks of an ACK, a word each.
const sackWord = "<sack"

// firstBlock leaves of SACK blocks, which stand last, the first: it is the latest.
func firstBlock(fields []string) []string {
	first := slices.Index(fields, sackWord) + 1
	if len(fields)-first < 2 {
		return fields
	}
	return append(fields[:first+1:first+1], "…>")
}

// withoutWindow leaves out the window, unless it is shut.
func withoutWindow(fields []string) []string {
	if i := indexPrefix(fields, "win "); i < len(fields) && fields[i] != "win 0" {
		return slices.Delete(slices.Clone(fields), i, i+1)
	}
	return fields
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

// mark returns what is out of the ordinary with a segment. That it is lost its
// cross says.
func mark(s *Step) string {
	text := s.Text
	for l, lost := range words.lost {
		text = strings.TrimSuffix(strings.TrimSuffix(text, lost), words.comma[l])
	}
	return text
}

func wording(s *Step, number int, fields []string) (spans []span) {
	if number > 0 {
		spans = append(spans, span{strconv.Itoa(number) + " ", "soft"})
	}
	spans = append(spans, span{flagWords(s.Flags), "strong t-" + kind(s)}, span{" " + strings.Join(fields, " "), ""})
	if text := mark(s); text != "" {
		class := "soft"
		if s.End != Taken || s.Strange {
			class = "t-bad"
		}
		spans = append(spans, span{" · " + text, class})
	}
	return spans
}

// mostExtra is how much room an arrow gets for its label. What has no place then
// is too steep for its words, and stands where it may meet others.
const mostExtra = 60 * arrowGap

// A cross that stands on another arrow would say that this one is lost, too: its
// own arrow ends lower then, by steps and at most by so much.
const lateStep, mostLate = 8.0, 80.0

// label finds a place for the label of every arrow: one where no other label
// is, and if possible no line. Arrows whose label finds none get more room,
// and settled is false.
func (d *sketch) label() (labels []label, settled bool) {
	settled = true
	var taken []textBox
	for _, p := range d.pauses {
		if p.gap != nil {
			l := d.gapLabel(p)
			taken = append(taken, l.box())
		}
	}
	for i := range d.steps {
		if s := &d.steps[i]; s.Kind == Arrow && s.End == Lost {
			cross := d.crossBox(i)
			taken = append(taken, cross)
			if d.late[i] < mostLate && d.crossed(i, &cross) > 0 {
				d.late[i] += lateStep
				settled = false
			}
		}
		if d.amidst(d.steps[i].Lane) {
			for _, l := range d.noteLabels(i) {
				taken = append(taken, l.box())
			}
		}
	}
	for i := range d.steps {
		if d.steps[i].Kind != Arrow {
			continue
		}
		l, ok := d.best(i, taken)
		if !ok && d.extra[i] < mostExtra {
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
	for w, spans := range wordings(&d.steps[i], d.numbers[i]) {
		if w > 0 && d.extra[i] < mostExtra && saysLess(&d.steps[i], spans) {
			break // there can be more room
		}
		for n, where := range places {
			l := d.along(i, where)
			l.spans = spans
			box := l.box()
			c := 4*float64(w) + float64(n)/2 + 3*float64(d.crossed(i, &box))
			if c < cost && d.clear(i, &box, taken) {
				best, cost, ok = l, c, true
			}
			if best.spans == nil || !ok {
				best = l
			}
		}
	}
	return best, ok
}

// saysLess reports whether a wording leaves out what the segment is sent for: the
// SACK blocks of an ACK with a hole.
func saysLess(s *Step, spans []span) bool {
	if !slices.Contains(s.Fields, sackWord) {
		return false
	}
	return !slices.ContainsFunc(spans, func(p span) bool { return strings.Contains(p.text, sackWord) })
}

// clear reports whether a label of a step stands free, between its lanes.
func (d *sketch) clear(i int, box *textBox, taken []textBox) bool {
	for j := range taken {
		if box.overlap(&taken[j]) {
			return false
		}
	}
	s := &d.steps[i]
	left, right := d.tracks[min(s.Lane, s.To)].right(), d.tracks[max(s.Lane, s.To)].left
	for _, q := range box.quad {
		if q.x < left+2 || q.x > right-2 {
			return false
		}
	}
	return true
}

// places are where on its arrow a label may stand, the best first: near the
// sender, in the middle, near the receiver, and between.
var places = []float64{0, 0.5, 1, 0.25, 0.75, 0.35, 0.65}

// along returns an empty label above an arrow, at a part of its way.
func (d *sketch) along(i int, where float64) label {
	from, to := d.ends(i)
	if from.x > to.x {
		from, to = to, from
		where = 1 - where
	}
	slope := (to.y - from.y) / (to.x - from.x)
	l := label{class: "mono halo", size: labelSize, mono: true, angle: math.Atan(slope) * 180 / math.Pi}
	x := from.x + 14 + (to.x-from.x-28)*where
	switch where {
	case 0:
		l.anchor = atStart
	case 1:
		l.anchor = atEnd
	default:
		l.anchor = atMiddle
	}
	dx, dy := unit(from, to)
	const above = 4.5
	l.at = point{x + above*dy, from.y + (x-from.x)*slope - above*dx}
	return l
}

// crossed counts the arrows of other steps that run through a box.
func (d *sketch) crossed(own int, box *textBox) (n int) {
	top, bottom := box.reach()
	for i := range d.steps {
		if i == own || d.steps[i].Kind != Arrow || d.end[i] < top || d.begin[i] > bottom {
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
