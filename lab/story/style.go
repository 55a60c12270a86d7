package story

import (
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// glyphs are the characters a ladder is drawn with; each is one column wide.
type glyphs struct {
	dash, dot, lost, timer, gap, says string
	head, hollow                      [2]string // of an arrow to the left, to the right
	taken, free                       string    // places of a queue
	lane                              [tcp.NumStates]string
}

// A lane is nothing while the connection does not exist, dotted while it opens
// or lingers, heavy while data may flow both ways, thin while it closes.
func lanes(none, dotted, heavy, thin string) (l [tcp.NumStates]string) {
	for s := range l {
		switch st := tcp.State(s); {
		case st == tcp.Closed:
			l[s] = none
		case st == tcp.Established:
			l[s] = heavy
		case st < tcp.Established || st == tcp.TimeWait:
			l[s] = dotted
		default:
			l[s] = thin
		}
	}
	return l
}

var unicode = glyphs{
	dash: "─", dot: "●", lost: "✗", timer: "◷", gap: "⋮", says: "»",
	head: [2]string{"◀", "▶"}, hollow: [2]string{"◁", "▷"}, taken: "▮", free: "▯",
	lane: lanes("╵", "┊", "┃", "│"),
}

var ascii = glyphs{
	dash: "-", dot: "*", lost: "x", timer: "@", gap: ":", says: ">",
	head: [2]string{"<", ">"}, hollow: [2]string{"(", ")"}, taken: "#", free: ".",
	lane: lanes(".", ":", "#", "|"),
}

// style is how a piece of text is coloured: an ANSI SGR parameter.
type style string

const (
	plain   style = ""
	bold    style = "1"
	dim     style = "2"
	red     style = "31"
	green   style = "32"
	yellow  style = "33"
	blue    style = "34"
	magenta style = "35"
	cyan    style = "36"
	reverse style = "7"
)

// stateStyle is green for open, yellow for on the way up, magenta for on the
// way down.
func stateStyle(s tcp.State) style {
	switch {
	case s == tcp.Closed:
		return dim
	case s == tcp.Listen:
		return blue
	case s < tcp.Established:
		return yellow
	case s == tcp.Established:
		return green
	case s == tcp.TimeWait:
		return cyan
	}
	return magenta
}

func segmentStyle(s *Step) style {
	switch {
	case s.Flags.Has(wire.RST) || s.End != Taken:
		return red
	case s.Flags.Has(wire.SYN):
		return yellow
	case s.Flags.Has(wire.FIN):
		return magenta
	}
	return plain
}
