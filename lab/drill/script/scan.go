package script

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error is a mistake in a script: where, what, and what would be right.
type Error struct {
	File    string
	Pos     Pos
	Message Phrase
	Source  string // the line
}

// Error returns two lines more, where the source is known: the line and a mark below the place.
func (e *Error) Error() string { return e.at(e.Message.String()) }

// Chinese is Error in Chinese.
func (e *Error) Chinese() string { return e.at(e.Message.Chinese()) }

func (e *Error) at(message string) string {
	text := fmt.Sprintf("%s:%d:%d: %s", e.File, e.Pos.Line, e.Pos.Col, message)
	if e.Source == "" {
		return text
	}
	return fmt.Sprintf("%s\n  %s\n  %s^", text, strings.ReplaceAll(e.Source, "\t", " "), strings.Repeat(" ", e.Pos.Col-1))
}

// reader walks through a script. A mistake ends the reading: it panics with an *Error,
// which Parse returns.
type reader struct {
	name   string
	text   string
	at     int
	lines  []string
	starts []int             // of lines
	python bool              // // is a division here, and no comment
	words  map[string]string // see ParseWith
	bsd    bool              // see Script.BSD
	tail   int               // where the latest blanks begin,
	head   int               // and end
}

func newReader(name, text string) *reader {
	r := &reader{name: name, text: text, lines: strings.Split(text, "\n")}
	at := 0
	for _, l := range r.lines {
		r.starts = append(r.starts, at)
		at += len(l) + 1
	}
	return r
}

// pos returns the place of a byte.
func (r *reader) pos(at int) Pos {
	line := len(r.starts) - 1
	for r.starts[line] > at {
		line--
	}
	return Pos{line + 1, utf8.RuneCountInString(r.text[r.starts[line]:at]) + 1}
}

func (r *reader) here() Pos { return r.pos(r.at) }

// failAt ends the reading with a mistake at a place.
func (r *reader) failAt(p Pos, format string, args ...any) {
	e := &Error{File: r.name, Pos: p, Message: Say(format, args...)}
	if p.Line <= len(r.lines) {
		e.Source = strings.TrimRight(r.lines[p.Line-1], "\r")
	}
	panic(e)
}

func (r *reader) fail(format string, args ...any) { r.failAt(r.here(), format, args...) }

// caught makes an error of a mistake.
func caught(err *error) {
	switch e := recover().(type) {
	case nil:
	case *Error:
		*err = e
	default:
		panic(e)
	}
}

// space skips blanks and comments, and notes where they began.
func (r *reader) space() {
	from := r.at
	if r.blanks(); r.at > from {
		r.tail, r.head = from, r.at
	}
}

// missing is where something is missing that should stand before what comes: behind the last
// line, where a new one begins.
func (r *reader) missing() Pos {
	r.space()
	if r.head == r.at && strings.Contains(r.text[r.tail:r.at], "\n") {
		return r.pos(r.tail)
	}
	return r.here()
}

func (r *reader) blanks() {
	for r.at < len(r.text) {
		rest := r.text[r.at:]
		switch {
		case strings.ContainsRune(" \t\r\n", rune(rest[0])):
			r.at++
		case r.python && strings.HasPrefix(rest, "\\\n"):
			r.at += 2 // a line that goes on
		case rest[0] == '#' && !r.python:
			r.hash()
		case strings.HasPrefix(rest, "//") && !r.python, rest[0] == '#':
			r.skipTo("\n", 0)
		case strings.HasPrefix(rest, "/*") && !r.python:
			r.skipTo("*/", 2)
		default:
			return
		}
	}
}

// skipTo goes behind the next end, or to the end of the text where there is none.
func (r *reader) skipTo(end string, from int) {
	i := strings.Index(r.text[r.at+from:], end)
	switch {
	case i >= 0:
		r.at += from + i + len(end)
	case end == "\n":
		r.at = len(r.text)
	default:
		r.fail("this comment has no end: it ends with %s", end)
	}
}

// end reports whether nothing but blanks and comments is left.
func (r *reader) end() bool {
	r.space()
	return r.at == len(r.text)
}

// next reports whether the text goes on with s, after blanks.
func (r *reader) next(s string) bool {
	r.space()
	return strings.HasPrefix(r.text[r.at:], s)
}

// take reads s if the text goes on with it.
func (r *reader) take(s string) bool {
	if !r.next(s) {
		return false
	}
	r.at += len(s)
	return true
}

// want reads s, or fails.
func (r *reader) want(s, what string) {
	if !r.take(s) {
		r.failAt(r.missing(), "%s is missing %s, before %s", s, what, r.found())
	}
}

// run reads the characters that are of a kind.
func (r *reader) run(is func(c byte) bool) string {
	from := r.at
	for r.at < len(r.text) && is(r.text[r.at]) {
		r.at++
	}
	return r.text[from:r.at]
}

// name reads a name, or nothing.
func (r *reader) word() string {
	r.space()
	if r.at < len(r.text) && isDigit(r.text[r.at]) {
		return ""
	}
	return r.run(isNamed)
}

// peekWord returns the name that comes next, without reading it.
func (r *reader) peekWord() string {
	r.space()
	at := r.at
	defer func() { r.at = at }()
	return r.word()
}

// takeWord reads a whole name if it is w.
func (r *reader) takeWord(w string) bool {
	if r.peekWord() != w {
		return false
	}
	return r.take(w)
}

// found names what stands where something else was expected.
func (r *reader) found() string {
	r.space()
	if r.at == len(r.text) {
		return "the end of the script"
	}
	rest := r.text[r.at:]
	if i := strings.IndexAny(rest, " \t\r\n"); i > 0 {
		rest = rest[:i]
	}
	if len(rest) > 30 {
		rest = rest[:30] + "…"
	}
	return fmt.Sprintf("%q", rest)
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
func isNamed(c byte) bool  { return isLetter(c) || isDigit(c) }

// nearest returns the known word that one of few typing mistakes lies between, as
// "; did you mean …", or nothing.
func nearest(word string, known []string) Phrase {
	best, least := "", max(2, len(word)/3)+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return Phrase{}
	}
	return Say("; did you mean %s?", best)
}

// distance is how many characters differ, are missing, or are too many.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last, row[j+1] = row[j+1], min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// Nearest returns "; did you mean …?" where one of the names of a table is close to a word, or
// nothing.
func Nearest[V any](word string, table map[string]V) Phrase { return nearest(word, sortedKeys(table)) }

// meant returns what a word stands for, as who plays the script has said.
func (r *reader) meant(w string) string {
	if m, ok := r.words[w]; ok {
		return m
	}
	return w
}

// defineHint says of a word that looks like a name left open how it is told.
func defineHint(w string) Phrase {
	if w != strings.ToUpper(w) {
		return Phrase{}
	}
	return Say("; a name that a script leaves open is told by --define %s=...", w)
}
