package top

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/lab/story"
)

// The least screen that shows something worth looking at.
const (
	minWidth  = 60
	minHeight = 12
)

// rows is how many connections have room.
func (m *Model) rows() int { return max(m.Height-headLines-2, 1) }

// Frame returns the screen: Height lines, none wider than Width.
func (m *Model) Frame() string {
	switch {
	case m.Width < minWidth || m.Height < minHeight:
		return fit(fmt.Sprintf(words.small[m.Lang], minWidth, minHeight), m.Width)
	case m.beat == nil && m.err != nil:
		return say.Error(m.err, m.Lang)
	case m.beat == nil:
		return words.firstLook[m.Lang]
	}
	var lines []string
	if m.open != nil {
		lines = m.near()
	} else {
		lines = append(m.head(), m.table(m.rows())...)
	}
	return strings.Join(m.filled(lines), "\n")
}

// filled puts the line of keys at the bottom.
func (m *Model) filled(lines []string) []string {
	lines = lines[:min(len(lines), m.Height-1)]
	for len(lines) < m.Height-1 {
		lines = append(lines, "")
	}
	return append(lines, m.keys())
}

// keys says what may be typed, and how many connections have no room.
func (m *Model) keys() string {
	text := words.openKeys[m.Lang]
	if m.open == nil {
		if text = words.listKeys[m.Lang]; story.Columns(text) > m.Width {
			text = words.listKeysShort[m.Lang]
		}
		if below := len(m.shown) - m.offset - m.rows() + m.beat.Omitted; below > 0 {
			more := "  " + fmt.Sprintf(words.more[m.Lang], below)
			if story.Columns(text+more) <= m.Width {
				text = fit(text, m.Width-story.Columns(more)) + more
			}
		}
	}
	return m.paint(faint, fit(text, m.Width))
}

var escape = regexp.MustCompile("\x1b\\[[0-9;]*m")

// columnsOf is how wide text is, its colours left out.
func columnsOf(text string) int { return story.Columns(escape.ReplaceAllString(text, "")) }

// Still returns the list as plain text to keep: without keys and without a cursor.
func (m *Model) Still() string {
	if m.beat == nil {
		return ""
	}
	m.Color, m.chosen = false, 0
	lines := append(m.head(), m.table(m.Height-headLines-1)...)
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \u2800")
	}
	return strings.Join(lines, "\n") + "\n"
}
