package main

import (
	"bytes"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast/lab/story"
)

// The widths of text that people read: a paragraph is no wider than proseWidth,
// and what is said of a name stands below it where fewer than leastBeside columns
// are left beside it.
const (
	proseWidth  = 80
	leastBeside = 28
)

// row is a line that says something of a name: an indent, the name, and behind a
// gap what is said.
var row = regexp.MustCompile(`^( *)(\S+(?: \S+)*)(?: {2,}(\S.*))?$`)

// fitLine breaks a line that is wider than so many columns. What goes on in
// further lines stands below what is said of a name, or else two columns in when
// the line is indented itself.
func fitLine(line string, width int) string {
	m := row.FindStringSubmatch(line)
	if m == nil || story.Columns(line) <= width {
		return line
	}
	indent, name, said := len(m[1]), m[2], m[3]
	if said == "" {
		return hang(m[1], strings.Repeat(" ", indent+2*min(indent, 1)), name, width)
	}
	at := story.Columns(line) - story.Columns(said)
	if width-at < leastBeside {
		below := strings.Repeat(" ", indent+4)
		return fitLine(m[1]+name, width) + "\n" + hang(below, below, said, width)
	}
	return hang(line[:len(line)-len(said)], strings.Repeat(" ", at), said, width)
}

// hang writes text in lines of at most so many columns: first stands before the
// first line and rest before the others.
func hang(first, rest, text string, width int) string {
	lines := story.Wrap(text, max(width-story.Columns(rest), 1))
	return first + strings.Join(lines, "\n"+rest)
}

// fitText fits a text that was written for 80 columns into fewer or more: a
// paragraph is broken again, and so is what is said of a name in several lines. What
// is indented and says nothing of a name is a command line, and stays as it is.
func fitText(text string, width int) string {
	var out, open []string // open is the paragraph or the row that may go on
	close := func() {
		if len(open) > 0 {
			out = append(out, fitLine(strings.Join(open, " "), width))
		}
		open = nil
	}
	goesOn := -1 // the column of what goes on
	for _, line := range strings.Split(text, "\n") {
		words := strings.TrimLeft(line, " ")
		indent := len(line) - len(words)
		m := row.FindStringSubmatch(line)
		switch {
		case line == "":
			close()
			out = append(out, "")
		case len(open) > 0 && indent == goesOn:
			open = append(open, words)
		case indent == 0:
			close()
			open, goesOn = []string{line}, 0
		case m != nil && m[3] != "":
			close()
			open, goesOn = []string{line}, len(line)-len(m[3])
		default:
			close()
			out = append(out, line)
		}
	}
	close()
	return strings.Join(out, "\n")
}

// prose breaks what is written to a stream at its columns, line by line.
type prose struct {
	out   io.Writer
	width int
}

// Write writes whole lines.
func (p prose) Write(b []byte) (int, error) {
	lines := strings.Split(string(b), "\n")
	for i, line := range lines {
		lines[i] = fitLine(line, p.width)
	}
	if _, err := io.WriteString(p.out, strings.Join(lines, "\n")); err != nil {
		return 0, err
	}
	return len(b), nil
}

// document is for text that people read as a whole.
func (t terminal) document() io.Writer { return prose{t.Writer, t.columns()} }

// report is for lines that say how something goes. In a pipe, where programs look
// for words in them, they stay whole, unless somebody says how wide it is.
func (t terminal) report() io.Writer {
	if t.width == 0 && !columnsSet() {
		return t.Writer
	}
	return t.document()
}

// fitHelp has help fit into the terminal.
func fitHelp(root *cobra.Command) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		real := cmd.OutOrStdout()
		var b bytes.Buffer
		cmd.SetOut(&b)
		help(cmd, args)
		cmd.SetOut(real)
		width := min(newTerminal(real).columns(), proseWidth)
		io.WriteString(real, fitText(b.String(), width)) // who reads it sees what is missing
	})
}
