package top

import (
	"strings"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/story"
)

// style is how text looks, as numbers of ECMA-48's SGR: those that each terminal has,
// light or dark.
type style string

const (
	plain  style = ""
	bold   style = "1"
	faint  style = "2"
	chosen style = "7"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	blue   style = "34"
	purple style = "35"
	cyan   style = "36"
	alarm  style = "1;31"
)

// paint returns text in a style. What is chosen is reversed also where no colour is wanted.
func (m *Model) paint(s style, text string) string {
	if s == plain || !m.Color && s != chosen || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// stateStyle is the colour of a state, as the ladder has it.
func stateStyle(s tcp.State) style {
	switch s {
	case tcp.Established:
		return green
	case tcp.SynSent, tcp.SynReceived:
		return yellow
	case tcp.FinWait1, tcp.FinWait2, tcp.Closing:
		return blue
	case tcp.CloseWait, tcp.LastAck:
		return purple
	case tcp.Listen:
		return cyan
	}
	return faint
}

// fit returns text in exactly so many columns: cut with an ellipsis, or filled up.
func fit(text string, columns int) string {
	if columns <= 0 {
		return ""
	}
	if n := story.Columns(text); n <= columns {
		return text + strings.Repeat(" ", columns-n)
	}
	var b strings.Builder
	room := columns - 1
	for _, r := range text {
		w := story.Columns(string(r))
		if w > room {
			break
		}
		b.WriteRune(r)
		room -= w
	}
	return b.String() + "…" + strings.Repeat(" ", room)
}

// fitRight is fit for numbers, which end where the column does.
func fitRight(text string, columns int) string {
	if n := story.Columns(text); n < columns {
		return strings.Repeat(" ", columns-n) + text
	}
	return fit(text, columns)
}
