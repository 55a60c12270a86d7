package story

import (
	"fmt"
	"strings"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// plot is the graph of one stream while it is drawn.
type plot struct {
	*plots
	*graphed
	x, y        axis
	top, bottom float64
	paths       [numSigns]strokes
	marks       []textBox
}

// strokes are the lines of one graphSign: one path for all.
type strokes struct {
	strings.Builder
	last [3]string // x, top and bottom of the last, which need not be drawn again
}

func (d *plots) plot(s *graphed, top float64) *plot {
	p := &plot{plots: d, graphed: s, top: top, bottom: top + plotHeight}
	p.x = timeAxisOf(d.End.Sub(d.Start), graphLeft, graphWidth-graphRight)
	sent, edge := int64(1), int64(0)
	for i := range s.sent {
		sent = max(sent, s.sent[i].end)
	}
	for i := range s.told {
		sent, edge = max(sent, s.told[i].ack), max(edge, s.told[i].edge)
	}
	if sent <= 1 {
		p.bottom = top + noPlot
	}
	// A window far above all that was sent would press that to the ground.
	p.y = axis{most: min(max(1.04*float64(sent), float64(edge)*1.02), 1.5*float64(sent)), from: p.bottom, to: p.top + 6}
	return p
}

// empty reports whether nothing but flags was sent.
func (p *plot) empty() bool { return p.bottom == p.top+noPlot }

func (p *plot) draw() {
	p.text("strong", point{graphLeft, p.top - 12}, atStart, 14.5, p.title)
	if p.empty() {
		p.text("soft", point{graphLeft, p.top + 12}, atStart, 13, nothingSent[p.Lang])
		return
	}
	p.grid()
	p.shade()
	p.steps(signEdge, func(t *told) int64 { return t.edge })
	p.steps(signAck, func(t *told) int64 { return t.ack })
	for i := range p.told {
		for _, b := range p.told[i].blocks {
			p.stroke(signSACK, p.told[i].time, b[0], b[1])
		}
	}
	for i := range p.sent {
		p.segment(&p.sent[i])
	}
	for s := range p.paths {
		if p.paths[s].Len() > 0 {
			p.path(graphSigns[s].class, p.paths[s].String())
			p.used[s] = true
		}
	}
	p.letters()
}

// grid draws the axes with their ticks.
func (p *plot) grid() {
	for _, t := range p.y.ticks(8, byteUnits) {
		y := p.y.at(t.value)
		p.line("hair g-grid", point{graphLeft, y}, point{graphWidth - graphRight, y})
		p.text("soft", point{graphLeft - 8, y + 4}, atEnd, tickSize, t.name)
	}
	for _, t := range p.x.ticks(12, timeUnits) {
		x := p.x.at(t.value)
		p.line("hair g-grid", point{x, p.top}, point{x, p.bottom})
		p.text("soft", point{x, p.bottom + 18}, atMiddle, tickSize, t.name)
	}
	p.line("edge", point{graphLeft, p.bottom}, point{graphWidth - graphRight, p.bottom})
	p.line("edge", point{graphLeft, p.top}, point{graphLeft, p.bottom})
	p.text("soft", point{graphWidth - graphRight, p.bottom + 36}, atEnd, tickSize, timeAxis[p.Lang])
}

// shade shades the time without packets on record.
func (p *plot) shade() {
	if p.gap[1] <= p.gap[0] {
		return
	}
	from, to := p.when(p.gap[0]), p.when(p.gap[1])
	p.rect("closed", point{from, p.top}, max(to-from, 1), p.bottom-p.top, 0)
	if w := textWidth(p.missing, tickSize, false); w < to-from {
		l := label{at: point{(from + to) / 2, p.top + 18}, class: "soft", anchor: atMiddle, size: tickSize, spans: []span{{text: p.missing}}}
		p.marks = append(p.marks, l.box())
		p.label(l)
	}
}

func (p *plot) when(t clock.Time) float64 { return p.x.at(float64(t.Sub(p.Start))) }

// acrossGap reports whether the time without packets on record lies between two others.
func (p *plot) acrossGap(a, b clock.Time) bool {
	return p.gap[1] > p.gap[0] && a <= p.gap[0] && b >= p.gap[1]
}

// steps draws a line that goes up when something is told. What lies above the picture
// is left out.
func (p *plot) steps(s graphSign, value func(*told) int64) {
	var b strings.Builder
	var x, y string
	open := false
	for i := range p.told {
		t := &p.told[i]
		v := float64(value(t))
		newX, newY := num(p.when(t.time)), num(p.y.at(v))
		switch {
		case v > p.y.most || v < 0:
			if open {
				fmt.Fprintf(&b, "H%s", newX)
			}
			open = false
			continue
		case !open || p.acrossGap(p.told[i-1].time, t.time):
			fmt.Fprintf(&b, "M%s %s", newX, newY)
		case newX != x && newY != y:
			fmt.Fprintf(&b, "H%sV%s", newX, newY)
		case newY != y:
			fmt.Fprintf(&b, "V%s", newY)
		default:
			if i < len(p.told)-1 {
				continue
			}
			fmt.Fprintf(&b, "H%s", newX)
		}
		open, x, y = true, newX, newY
	}
	if b.Len() > 0 {
		p.used[s] = true
		p.path(graphSigns[s].class, b.String())
	}
}

// signOf is how a kind of segment is drawn.
func signOf(kind byte) graphSign {
	for s := range numSigns {
		if l := graphSigns[s].letter; kind != SentNew && l == string(rune(kind)) {
			return s
		}
	}
	return signSent
}

func (p *plot) segment(s *sent) {
	if s.end > s.first {
		p.stroke(signOf(s.kind), s.time, s.first, s.end)
	}
}

// stroke draws a range of numbers at a time, with a foot at each end where it is high
// enough for that.
func (p *plot) stroke(s graphSign, t clock.Time, first, end int64) {
	const foot = 2.2
	low, high := p.y.at(float64(max(first, 0))), p.y.at(min(float64(end), p.y.most))
	x := p.when(t)
	if low-high < 1 {
		low, high = (low+high)/2+0.5, (low+high)/2-0.5
	}
	b := &p.paths[s]
	now := [3]string{num(x), num(high), num(low)}
	if now == b.last {
		return
	}
	b.last = now
	fmt.Fprintf(b, "M%s %sV%s", now[0], now[2], now[1])
	if low-high > 6 && s != signSACK {
		fmt.Fprintf(b, "M%s %sh%sM%s %sh%s", num(x-foot), now[1], num(2*foot), num(x-foot), now[2], num(2*foot))
	}
}

// letters stand at what is odd: those of flags first, then of what was sent again, as
// far as there is room. A letter that is left out has its stroke all the same.
func (p *plot) letters() {
	for i := range p.sent {
		s := &p.sent[i]
		if text := flagMark(s.flags); text != "" && (s.kind == SentNew || s.flags.Has(wire.RST)) {
			p.letter(text, point{p.when(s.time), p.y.at(float64(s.end)) - 6}, true)
		}
	}
	for i := range p.told {
		if t := &p.told[i]; t.shut {
			p.used[signShut] = true
			p.letter(graphSigns[signShut].letter, point{p.when(t.time), p.y.at(min(float64(t.edge), p.y.most)) - 6}, false)
		}
	}
	for i := range p.sent {
		if s := &p.sent[i]; s.kind != SentNew {
			p.letter(string(rune(s.kind)), point{p.when(s.time), p.y.at(float64(s.end)) - 5}, false)
		}
	}
}

// letter draws one if there is room, and one of a flag wherever there is some near by.
func (p *plot) letter(text string, at point, near bool) {
	const size = 11.0
	for try := range 3 {
		x := max(at.x, graphLeft+textWidth(text, size, false)/2+4)
		l := label{at: point{x, at.y - float64(try)*(size+1)}, class: "strong halo", anchor: atMiddle, size: size, spans: []span{{text: text}}}
		box := l.box()
		if top, _ := box.reach(); top < p.top || try > 0 && !near {
			return
		}
		free := true
		for i := range p.marks {
			free = free && !box.overlap(&p.marks[i])
		}
		if free {
			p.marks = append(p.marks, box)
			p.label(l)
			return
		}
	}
}
