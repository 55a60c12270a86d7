package story

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// Path is the way of one end of a connection through the state diagram.
type Path struct {
	Name  string
	Moves []Step     // of kind Change
	Start clock.Time // what the times of the moves count from; 0: the first of them
}

// PathOf returns the way of the first connection of a lane.
func PathOf(name string, lane Lane, steps []Step) Path {
	p := Path{Name: name}
	for i := range steps {
		if s := &steps[i]; s.Kind == Change && s.Lane == lane && s.Column == 0 {
			p.Moves = append(p.Moves, *s)
		}
	}
	return p
}

// Diagram draws the state diagram of TCP as an SVG picture, at most
// 1200 pixels wide, from the engine's own table of moves. Up to two paths are lit and listed.
type Diagram struct {
	Title, Summary string
	Paths          []Path
	Theme          Theme
	Lang           Lang
}

// The grid in pixels.
const (
	gridX, gridY = 87.1, 104.0 // of cell 0, 0
	cellX, cellY = 9.3, 19.0
	panelX       = 944.0
	diagramText  = 12.0
	bubbleRadius = 8.5
)

func (c cellAt) point() point {
	return point{gridX + cellX*float64(c.col), gridY + cellY*float64(c.row)}
}

// Write draws the diagram. Its errors are the writer's.
func (d Diagram) Write(w io.Writer) error {
	width := pictureWidth
	if len(d.Paths) == 0 {
		width = panelX + margin
	}
	c, height := d.draw(width)
	_, err := io.WriteString(w, c.picture(width, height, d.Theme, d.Title, d.Summary))
	return err
}

func (d Diagram) draw(width float64) (c *canvas, height float64) {
	c = &canvas{}
	paths := d.Paths[:min(len(d.Paths), 2)]
	c.text("strong", point{margin, 44}, atStart, 21, d.Title)
	for i, line := range summaryLines(d.Summary, width) { // there is room for two
		c.text("soft", point{margin, 68 + 18*float64(i)}, atStart, 14, line)
	}
	a, b := cellAt{-5, 25}.point(), cellAt{53, 36}.point()
	c.border(a, b, point{a.x + 12, b.y - 8}, atStart, activeFrame[d.Lang])
	a, b = cellAt{60, 25}.point(), cellAt{90, 36}.point()
	c.border(a, b, point{b.x - 12, b.y - 8}, atEnd, otherFrame[d.Lang])
	for _, r := range drawnRoutes() {
		c.route(r, "edge", "spot")
	}
	for i := range paths {
		c.light(i, &paths[i], c.passage)
	}
	for i := range paths {
		c.light(i, &paths[i], c.numbered)
	}
	for _, b := range allBoxes() {
		c.box(b)
	}
	for _, r := range drawnRoutes() {
		c.words(r, d.Lang)
	}
	c.legend(cellAt{-3, 40}, d.Lang)
	height = c.panel(paths)
	return c, max(height, gridY+cellY*figureRows+20)
}

// border draws a border round one way to close.
func (c *canvas) border(from, to, at point, a anchor, title string) {
	c.rect("frame", from, to.x-from.x, to.y-from.y, 9)
	c.text("soft note", at, a, diagramText, title)
}

func (c *canvas) box(b box) {
	const width, height = 126.0, 36.0
	p := b.at.point()
	class := family(b.State)
	if b.State == tcp.Closed {
		class += " dashed"
	}
	c.rect("paper", point{p.x - width/2, p.y - height/2}, width, height, 7)
	c.rect(class, point{p.x - width/2, p.y - height/2}, width, height, 7)
	c.text("strong on-"+family(b.State), point{p.x, p.y + 4.5}, atMiddle, 13, b.String())
}

// route draws an arrow with rounded corners; a stub ends in a cross.
func (c *canvas) route(r *route, class, head string) {
	points := make([]point, len(r.points))
	for i, g := range r.points {
		points[i] = g.point()
	}
	last := len(points) - 1
	end := points[last]
	if !r.stub {
		dx, dy := unit(points[last-1], end)
		points[last] = point{end.x - 6*dx, end.y - 6*dy}
	}
	c.path(class, rounded(points))
	if r.stub {
		const arm = 4.0
		c.path(class, fmt.Sprintf("M%s %sL%s %sM%s %sL%s %s", num(end.x-arm), num(end.y-arm), num(end.x+arm), num(end.y+arm),
			num(end.x-arm), num(end.y+arm), num(end.x+arm), num(end.y-arm)))
		return
	}
	c.arrowhead(head, points[last-1], end)
}

// rounded returns the path through points, its corners rounded.
func rounded(points []point) string {
	const radius = 7.0
	var b strings.Builder
	fmt.Fprintf(&b, "M%s %s", num(points[0].x), num(points[0].y))
	for i := 1; i < len(points)-1; i++ {
		p := points[i]
		inX, inY := unit(points[i-1], p)
		outX, outY := unit(p, points[i+1])
		fmt.Fprintf(&b, "L%s %sQ%s %s %s %s", num(p.x-radius*inX), num(p.y-radius*inY),
			num(p.x), num(p.y), num(p.x+radius*outX), num(p.y+radius*outY))
	}
	last := points[len(points)-1]
	fmt.Fprintf(&b, "L%s %s", num(last.x), num(last.y))
	return b.String()
}

// words writes an arrow's event and action.
func (c *canvas) words(r *route, lang Lang) {
	p := r.at.point()
	a := r.anchor
	if a == "" {
		a = atStart
	}
	if !r.below {
		p.y += 8
	}
	for i, line := range strings.Split(r.text(lang), "\n") {
		if line == "" {
			continue
		}
		event, action, _ := strings.Cut(line, "/")
		spans := []span{{text: event}}
		if action != "" {
			spans = append(spans, span{"/" + action, "soft"})
		}
		c.label(label{at: point{p.x, p.y + float64(i)*cellY*0.85}, class: "halo", anchor: a, size: diagramText, spans: spans})
	}
}

// pathClasses are the colours of the two paths.
var pathClasses = [2]struct{ line, text string }{{"lit l-one", "t-one"}, {"lit second l-two", "t-two"}}

// light calls draw for each arrow that a path passes.
func (c *canvas) light(path int, p *Path, draw func(r *route, path, passage, number int)) {
	seen := map[move]int{}
	for i := range p.Moves {
		m := move{p.Moves[i].From, p.Moves[i].State}
		for _, r := range drawnRoutes() {
			if r.move == m {
				draw(r, path, seen[m], i+1)
			}
		}
		seen[m]++
	}
}

func (c *canvas) passage(r *route, path, _, _ int) {
	c.route(r, pathClasses[path].line, pathClasses[path].text)
}

func (c *canvas) numbered(r *route, path, passage, number int) {
	c.bubble(pathClasses[path].text, r.middle(path, passage), number)
}

// middle returns where on its longest part a number stands; every path and
// every passage has its own place.
func (r *route) middle(path, passage int) point {
	var from, to point
	for i := 1; i < len(r.points); i++ {
		a, b := r.points[i-1].point(), r.points[i].point()
		if math.Hypot(a.x-b.x, a.y-b.y) > math.Hypot(from.x-to.x, from.y-to.y) {
			from, to = a, b
		}
	}
	dx, dy := unit(from, to)
	mid := between(from, to, 0.5)
	shift := (float64(path) - 0.5 + 2*float64(passage)) * (2*bubbleRadius + 3)
	if len(r.points) == 2 && r.stub {
		shift = 26 + float64(path+2*passage)*2*bubbleRadius
	}
	return point{mid.x + shift*dx, mid.y + shift*dy}
}

func (c *canvas) bubble(class string, at point, n int) {
	c.circle("paper", at, bubbleRadius+1.5)
	c.circle(class, at, bubbleRadius)
	text := fmt.Sprint(n)
	c.add(`<text class="inverse strong" x="%s" y="%s" font-size="10.5" text-anchor="middle">%s</text>`, num(at.x), num(at.y+3.8), text)
}

func (c *canvas) legend(at cellAt, l Lang) {
	p := at.point()
	const arm = 4.0
	c.path("edge", fmt.Sprintf("M%s %sL%s %sM%s %sL%s %s", num(p.x-arm), num(p.y-arm), num(p.x+arm), num(p.y+arm),
		num(p.x-arm), num(p.y+arm), num(p.x+arm), num(p.y-arm)))
	c.text("soft", point{p.x + 12, p.y + 4}, atStart, diagramText, stubText[l])
}

// panel lists the paths and returns how far down it goes.
func (c *canvas) panel(paths []Path) float64 {
	y := gridY
	for i := range paths {
		p := &paths[i]
		c.line(pathClasses[i].line, point{panelX, y - 4}, point{panelX + 24, y - 4})
		c.text("strong "+pathClasses[i].text, point{panelX + 32, y}, atStart, 14, p.Name)
		y += 22
		start := p.Start
		if start == 0 && len(p.Moves) > 0 {
			start = p.Moves[0].Time
		}
		for n := range p.Moves {
			y = c.listed(pathClasses[i].text, y, n+1, &p.Moves[n], start)
		}
		y += 26
	}
	return y
}

// listed writes one move of a path: its number, the state, and why.
func (c *canvas) listed(class string, y float64, n int, s *Step, start clock.Time) float64 {
	c.bubble(class, point{panelX + bubbleRadius, y - 4}, n)
	c.text("strong on-"+family(s.State), point{panelX + 26, y}, atStart, diagramText, s.State.String())
	if d := s.Time.Sub(start); d > 0 {
		c.text("soft", point{pictureWidth - margin, y}, atEnd, 11, "+"+formatWait(d))
	}
	for _, line := range fit(s.Text, pictureWidth-margin-panelX-26, sans(11)) {
		y += 14
		c.text("soft", point{panelX + 26, y}, atStart, 11, line)
	}
	return y + 21
}
