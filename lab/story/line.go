package story

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// line is a row of characters, each in its style.
type line struct {
	cells []cell
	used  int // columns up to the last that is written
}

// cell is a column; the second one of a wide character has no text.
type cell struct {
	text  string
	style style
	taken bool // by a text, be it with a space
}

// put writes text from a column on, over what stands there.
func (l *line) put(at int, text string, look style) {
	at = max(at, 0)
	for len(text) > 0 {
		_, n := utf8.DecodeRuneInString(text)
		for width := int(columns(text[:n])); width > 0; width-- {
			for len(l.cells) <= at {
				l.cells = append(l.cells, cell{text: " "})
			}
			l.cells[at] = cell{"", look, true}
			at++
		}
		l.cells[at-int(columns(text[:n]))].text = text[:n]
		text = text[n:]
	}
	l.used = max(l.used, at)
}

func (l *line) empty(at int) bool { return at >= len(l.cells) || !l.cells[at].taken }

// appendTo writes the line; spaces at its end are dropped.
func (l *line) appendTo(b []byte, color bool) []byte {
	end := len(l.cells)
	for end > 0 && l.cells[end-1].text == " " {
		end--
	}
	for from := 0; from < end; {
		to := from + 1
		for to < end && l.cells[to].style == l.cells[from].style {
			to++
		}
		b = appendStyled(b, l.cells[from:to], color)
		from = to
	}
	return append(b, '\n')
}

// appendStyled writes cells of one style.
func appendStyled(b []byte, cells []cell, color bool) []byte {
	var text strings.Builder
	for _, c := range cells {
		text.WriteString(c.text)
	}
	if look := cells[0].style; color && look != plain && strings.TrimSpace(text.String()) != "" {
		return fmt.Appendf(b, "\x1b[%sm%s\x1b[0m", look, text.String())
	}
	return append(b, text.String()...)
}
