package story

import (
	"fmt"
	"io"
	"strings"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// FigureWidth is how many columns a Figure takes.
const FigureWidth = figureCols

// Figure draws the state diagram as text, in FigureWidth columns.
type Figure struct {
	// Lit are states whose names are marked; the rest of the figure steps back.
	Lit   []tcp.State
	ASCII bool
	Color bool
	Lang  Lang
}

// The directions in which a line leaves a cell.
const (
	up uint8 = 1 << iota
	down
	toLeft
	toRight
)

// lineGlyphs are the characters of a cell by the directions in which lines
// leave it.
var lineGlyphs = [16]string{
	up: "│", down: "│", up | down: "│", toLeft: "─", toRight: "─", toLeft | toRight: "─",
	down | toRight: "╭", down | toLeft: "╮", up | toRight: "╰", up | toLeft: "╯",
	up | down | toRight: "├", up | down | toLeft: "┤", toLeft | toRight | down: "┬", toLeft | toRight | up: "┴",
	up | down | toLeft | toRight: "┼",
}

var asciiLines = strings.NewReplacer("│", "|", "─", "-", "╭", "+", "╮", "+", "╰", "+", "╯", "+",
	"├", "+", "┤", "+", "┬", "+", "┴", "+", "┼", "+", "▲", "^", "▼", "v", "◀", "<", "▶", ">", "✗", "x", "┌", "+", "┐", "+", "└", "+", "┘", "+")

// grid is the figure while it is drawn.
type grid [figureRows][figureCols]struct {
	text  string
	lines uint8
	style style
}

// Write draws the figure. Its errors are the writer's.
func (f Figure) Write(w io.Writer) error {
	var g grid
	for _, r := range drawnRoutes() {
		g.line(r)
		g.words(r, f.Lang)
	}
	for _, b := range allBoxes() {
		g.box(b, f.look(b.State))
	}
	g.put(cellAt{1, 40}, "✗", plain)
	g.put(cellAt{3, 40}, stubText[f.Lang], dim)
	var out strings.Builder
	for i := range g {
		out.WriteString(strings.TrimRight(g.row(i, f.Color), " "))
		out.WriteByte('\n')
	}
	text := strings.TrimRight(out.String(), "\n") + "\n"
	if f.ASCII {
		text = asciiLines.Replace(text)
	}
	_, err := io.WriteString(w, text)
	return err
}

func (f Figure) look(s tcp.State) style {
	if len(f.Lit) == 0 {
		return stateStyle(s)
	}
	for _, lit := range f.Lit {
		if s == lit {
			return reverse
		}
	}
	return dim
}

func (g *grid) put(at cellAt, text string, look style) {
	col := at.col
	for _, r := range text {
		c := &g[at.row][col]
		c.text, c.style = string(r), look
		col++
		if columns(string(r)) > 1 {
			g[at.row][col].text = beside
			col++
		}
	}
}

// beside is the second column of a wide character.
const beside = "\x00"

// line draws a route and its head.
func (g *grid) line(r *route) {
	for i := 1; i < len(r.points); i++ {
		g.part(r.points[i-1], r.points[i])
	}
	last := len(r.points) - 1
	from, to := r.points[last-1], r.points[last]
	head := headOf(from, to)
	if r.stub {
		head = "✗"
	} else if from.row == to.row { // just outside the box
		to.col -= direction(to.col - from.col)
	}
	g.put(to, head, plain)
}

func headOf(from, to cellAt) string {
	switch {
	case to.row > from.row:
		return "▼"
	case to.row < from.row:
		return "▲"
	case to.col > from.col:
		return "▶"
	}
	return "◀"
}

func direction(d int) int {
	switch {
	case d > 0:
		return 1
	case d < 0:
		return -1
	}
	return 0
}

// part draws a straight part.
func (g *grid) part(from, to cellAt) {
	dc, dr := direction(to.col-from.col), direction(to.row-from.row)
	ahead, back := toRight, toLeft
	switch {
	case dc < 0:
		ahead, back = toLeft, toRight
	case dr > 0:
		ahead, back = down, up
	case dr < 0:
		ahead, back = up, down
	}
	for at := from; at != to; at = (cellAt{at.col + dc, at.row + dr}) {
		g[at.row][at.col].lines |= ahead
		g[at.row+dr][at.col+dc].lines |= back
	}
}

func (g *grid) words(r *route, l Lang) {
	for i, line := range strings.Split(r.text(l), "\n") {
		at, n := r.at, int(columns(line))
		at.row += i
		switch r.anchor {
		case atEnd:
			at.col -= n - 1
		case atMiddle:
			at.col -= n / 2
		}
		g.put(at, line, dim)
	}
}

// box draws a state's box over what leads to it, but keeps the heads of
// arrows that enter from above and below.
func (g *grid) box(b box, look style) {
	const inner = boxCols - 2
	name := b.String()
	left := (inner - len(name)) / 2
	name = strings.Repeat(" ", left) + name + strings.Repeat(" ", inner-left-len(name))
	edge := look
	if look == reverse {
		edge = bold
	}
	at := cellAt{b.at.col - boxCols/2, b.at.row - 1}
	g.border(at, "┌"+strings.Repeat("─", inner)+"┐", edge)
	at.row++
	g.put(at, "│", edge)
	g.put(cellAt{at.col + 1, at.row}, name, look)
	g.put(cellAt{at.col + boxCols - 1, at.row}, "│", edge)
	at.row++
	g.border(at, "└"+strings.Repeat("─", inner)+"┘", edge)
}

// border draws a border and shows where arrows leave and enter.
func (g *grid) border(at cellAt, text string, look style) {
	for i, r := range []rune(text) {
		c := &g[at.row][at.col+i]
		switch {
		case c.text == "▼" || c.text == "▲":
		case c.lines&up != 0:
			c.text, c.style = "┴", look
		case c.lines&down != 0:
			c.text, c.style = "┬", look
		default:
			c.text, c.style = string(r), look
		}
	}
}

// row returns one line, with colours or without.
func (g *grid) row(i int, color bool) string {
	var b strings.Builder
	now := plain
	for j := range g[i] {
		c := &g[i][j]
		text := c.text
		if text == "" {
			text = lineGlyphs[c.lines]
		}
		switch text {
		case "":
			text = " "
		case beside:
			continue
		}
		if color && c.style != now {
			b.WriteString("\x1b[0m")
			if c.style != plain {
				fmt.Fprintf(&b, "\x1b[%sm", c.style)
			}
			now = c.style
		}
		b.WriteString(text)
	}
	if now != plain {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}
