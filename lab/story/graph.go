package story

import (
	"io"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Graph draws time-sequence graphs, as tcptrace has them for xplot: what one end sends
// stands over time at the numbers of its stream, with what the other end acknowledges
// below it and the window that it offers above. A slope is a rate.
// https://www.tcptrace.org/manual/node12_tf.html
type Graph struct {
	Title, Summary, Footer string
	Start, End             clock.Time
	Theme                  Theme
	Lang                   Lang

	streams []graphed // one below the other
}

// graphed is what one end sends, and what the other tells of it.
type graphed struct {
	title   string
	sent    []sent
	told    []told
	gap     [2]clock.Time // a time without packets on record
	missing string        // says why
}

// sent is a segment that the end sends.
type sent struct {
	time       clock.Time
	first, end int64
	kind       byte
	flags      wire.Flags
}

// told is what a segment of the other end says.
type told struct {
	time      clock.Time
	ack, edge int64
	shut      bool
	blocks    [][2]int64
}

// The kinds of segments that are sent, by the letters that stand at them.
const (
	SentNew       = 0
	SentFast      = 'R' // again, as the peer has told of a gap
	SentTimeout   = 'T' // again, as a timer has fired
	SentSpurious  = 'D' // again, although the peer had it
	SentOvertaken = 'O' // late: a later one came first
	SentProbe     = 'P' // of a window or of an idle connection
)

// Stream begins the graph of what one end sends: what is added afterwards belongs to it.
// Numbers count bytes, and are not cut to 32 bits.
func (g *Graph) Stream(title string) { g.streams = append(g.streams, graphed{title: title}) }

// Sent adds a segment that the end sends, from its first number to behind its last; kind
// is SentNew, SentFast and so on.
func (g *Graph) Sent(t clock.Time, first, end int64, kind byte, f wire.Flags) {
	s := &g.streams[len(g.streams)-1]
	s.sent = append(s.sent, sent{t, first, end, kind, f})
}

// Told adds what a segment of the other end says: all before ack has come, and the blocks
// of SACK; the window ends at edge, and shut says that it has just become empty.
func (g *Graph) Told(t clock.Time, ack, edge int64, shut bool, blocks [][2]int64) {
	s := &g.streams[len(g.streams)-1]
	s.told = append(s.told, told{t, ack, edge, shut, blocks})
}

// Missing notes that nothing is known of what was between two times, and says what.
func (g *Graph) Missing(from, to clock.Time, what string) {
	s := &g.streams[len(g.streams)-1]
	s.gap, s.missing = [2]clock.Time{from, to}, what
}

const (
	graphWidth = 1200.0
	graphLeft  = 96.0
	graphRight = 36.0
	plotHeight = 400.0
	noPlot     = 24.0 // the height of what says that there is nothing
	plotGap    = 96.0
	tickSize   = 11.5
)

// graphCSS is what a graph has beside the classes of all pictures. Kinds are told apart
// by their strokes and letters, too, for those who see no colours and for paper.
const graphCSS = `.g-sent,.g-again,.g-sack,.g-ack,.g-edge{fill:none;stroke-linecap:butt}
.g-sent{stroke-width:1.4}
.g-again{stroke-width:2.6}
.g-sack{stroke-width:2.2;stroke-opacity:.55}
.g-ack{stroke-width:1.3;stroke-opacity:1}
.g-edge{stroke-width:1.2;stroke-dasharray:6 3}
.g-gap{stroke-width:1;stroke-dasharray:2 4}
.g-grid{stroke-width:.7}
`

// Write draws the graph. Its errors are the writer's.
func (g *Graph) Write(w io.Writer) error {
	d := g.draw()
	_, err := io.WriteString(w, d.frame(graphWidth, d.height, g.Title, g.Summary, d.style()))
	return err
}

func (g *plots) style() string {
	style := g.Theme.style()
	return style[:len(style)-len("</style>")] + graphCSS + "</style>"
}

// plots is a graph while it is drawn.
type plots struct {
	Graph
	canvas
	height float64
	used   [numSigns]bool
}

func (g *Graph) draw() *plots {
	d := &plots{Graph: *g}
	y := 44.0
	d.text("strong", point{margin, y}, atStart, 21, g.Title)
	for _, line := range summaryLines(g.Summary, graphWidth) {
		y += 21
		d.text("soft", point{margin, y}, atStart, 14, line)
	}
	y += 44
	for i := range g.streams {
		p := d.plot(&g.streams[i], y)
		p.draw()
		y = p.bottom + plotGap
		if p.empty() {
			y -= 40
		}
	}
	y = d.legend(y - 32)
	if g.Footer != "" {
		for _, line := range summaryLines(g.Footer, graphWidth) {
			y += 20
			d.text("soft", point{margin, y}, atStart, 12.5, line)
		}
	}
	d.height = y + 28
	return d
}

// graphSign is what a graph draws.
type graphSign uint8

const (
	signSent graphSign = iota
	signAck
	signEdge
	signSACK
	signFast
	signTimeout
	signSpurious
	signOvertaken
	signProbe
	signShut
	numSigns
)

// graphSigns are how each looks, the letter that stands at it, and what it means. The colour
// is a class of css.
var graphSigns = [numSigns]struct {
	class, letter string
	meaning       sentence
}{
	signSent:      {"g-sent l-data", "", sentence{"a segment, from its first byte to its last", "一个报文段，从首字节到末字节"}},
	signAck:       {"g-ack open", "", sentence{"acknowledged", "已确认"}},
	signEdge:      {"g-edge l-syn", "", sentence{"the end of the window, unless above the picture", "窗口右边界（超出图的部分不画）"}},
	signSACK:      {"g-sack l-fin", "", sentence{"acknowledged by SACK, behind a gap", "由 SACK 确认（缺口之后）"}},
	signFast:      {"g-again l-rst", "R", sentence{"sent again: the other end has told of a gap", "重传：对端已报告缺口"}},
	signTimeout:   {"g-again l-rst", "T", sentence{"sent again by a timer", "超时重传"}},
	signSpurious:  {"g-again l-rst", "D", sentence{"sent again, although it had come", "多余的重传：对端早已收到"}},
	signOvertaken: {"g-again l-syn", "O", sentence{"out of order: a later one came first", "乱序：后发的先到"}},
	signProbe:     {"g-again l-syn", "P", sentence{"a probe", "探测"}},
	signShut:      {"", "Z", sentence{"the window is shut", "窗口为零"}},
}

// legend says what the graphSigns mean, those that occur, in two columns.
func (d *plots) legend(y float64) float64 {
	column, row := 0, y
	for s, used := range d.used {
		if !used {
			continue
		}
		at := point{margin + float64(column)*(graphWidth-2*margin)/3, row}
		sample := &graphSigns[s]
		switch middle := at.y - 4; {
		case sample.class == "":
		case graphSign(s) == signAck || graphSign(s) == signEdge:
			d.line(sample.class, point{at.x, middle}, point{at.x + 22, middle})
		default:
			d.line(sample.class, point{at.x + 4, middle - 7}, point{at.x + 4, middle + 7})
		}
		d.text("strong", point{at.x + 10, at.y}, atStart, 12.5, sample.letter)
		d.text("", point{at.x + 30, at.y}, atStart, 12.5, sample.meaning[d.Lang])
		if column++; column == 3 {
			column, row = 0, row+22
		}
	}
	if column == 0 {
		row -= 22
	}
	return row + 8
}

// nothingSent stands in place of a plot, and timeAxis below each.
var (
	nothingSent = sentence{"no data was sent this way", "这个方向没有发送数据"}
	timeAxis    = sentence{"since the first packet", "距第一个包"}
)

// flagMark is the word that stands at a segment with flags.
func flagMark(f wire.Flags) string {
	switch {
	case f.Has(wire.RST):
		return "RST"
	case f.Has(wire.SYN):
		return "SYN"
	case f.Has(wire.FIN):
		return "FIN"
	}
	return ""
}
