package script

import (
	"strconv"
	"strings"
)

// ShellLine is a command of a shell block: its words, and where each stands.
type ShellLine struct {
	Pos    Pos
	Words  []string
	At     []Pos
	OrElse bool // || stands behind it: the next command is for where this one fails
}

// shell reads a block between backticks: commands by lines or semicolons. A backslash at the
// end of a line joins it with the next.
func (r *reader) shell() *Shell {
	r.space()
	at := r.at
	s := &Shell{Pos: r.here()}
	r.at++
	end := strings.IndexByte(r.text[r.at:], '`')
	if end < 0 {
		r.failAt(s.Pos, "this shell block has no end: it ends with `")
	}
	end += r.at
	for r.at = at + 1; r.at < end; {
		s.addLine(r, end)
	}
	r.at = end + 1
	return s
}

// addLine reads one command, up to the end of the block at most.
func (s *Shell) addLine(r *reader, end int) {
	var l ShellLine
	for r.at < end {
		switch c := r.text[r.at]; {
		case strings.HasPrefix(r.text[r.at:end], "\\\n"):
			r.at += 2
		case c == ' ' || c == '\t' || c == '\r':
			r.at++
		case c == '\n' || c == ';':
			r.at++
			s.keep(l)
			return
		case strings.HasPrefix(r.text[r.at:end], "&&"):
			r.at += 2
			s.keep(l)
			return
		case strings.HasPrefix(r.text[r.at:end], "||"):
			r.at += 2
			l.OrElse = true
			s.keep(l)
			return
		case c == '#':
			r.run(func(c byte) bool { return c != '\n' && c != '`' })
		default:
			if len(l.Words) == 0 {
				l.Pos = r.here()
			}
			l.At = append(l.At, r.here())
			l.Words = append(l.Words, r.shellWord(end))
		}
	}
	s.keep(l)
}

func (s *Shell) keep(l ShellLine) {
	if len(l.Words) > 0 {
		s.Lines = append(s.Lines, l)
	}
}

// shellWord reads a word, of which parts may be quoted.
func (r *reader) shellWord(end int) string {
	var b strings.Builder
	for quote := byte(0); r.at < end; r.at++ {
		c := r.text[r.at]
		switch {
		case strings.HasPrefix(r.text[r.at:end], "\\\n"):
			if quote == 0 {
				return b.String()
			}
			r.at++
		case strings.HasPrefix(r.text[r.at:end], "$(("):
			b.WriteString(r.arithmetic(end))
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
		case c == '"' || c == '\'':
			quote = c
		case strings.IndexByte(" \t\r\n;", c) >= 0:
			return b.String()
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// arithmetic reads $((...)) up to its last parenthesis, and returns what it comes to.
func (r *reader) arithmetic(end int) string {
	at := r.here()
	n := strings.Index(r.text[r.at:end], "))")
	if n < 0 {
		r.failAt(at, "this sum has no end: it ends with ))")
	}
	in := &reader{name: r.name, text: r.text[:r.at+n], at: r.at + len("$(("), lines: r.lines, starts: r.starts, python: true}
	s := Statement{value: in.expression()}
	v, _, err := s.Eval(func(string) (any, bool) { return nil, false })
	sum, ok := v.(float64)
	if err != nil || !ok || !in.end() {
		r.failAt(at, "a sum has numbers, + - * / and parentheses")
	}
	r.at += n + 1
	return strconv.FormatFloat(sum, 'f', -1, 64)
}
