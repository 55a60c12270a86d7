package lab

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// word is one word of a line: where it is, and whether it stood in quotes.
type word struct {
	text   string
	col    int // 1 is the first column, counted in characters
	quoted bool
}

// lineReader reads one line of a scenario, word by word.
type lineReader struct {
	name  string
	line  int
	end   int // the column behind the line
	words []word
	text  string
}

// SyntaxError is an error in the text of a scenario, with its place.
type SyntaxError struct {
	File      string
	Line, Col int // both count from 1; columns are characters
	Text      string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.Text)
}

// newLineReader splits a line into words. Text in double quotes is one word,
// and # begins a remark.
func newLineReader(name string, line int, text string) (*lineReader, error) {
	l := &lineReader{name: name, line: line, text: text}
	rest, col := text, 1
	for {
		trimmed := strings.TrimLeft(rest, " \t")
		col += utf8.RuneCountInString(rest) - utf8.RuneCountInString(trimmed)
		rest = trimmed
		if rest == "" || rest[0] == '#' {
			l.end = col
			return l, nil
		}
		w := word{col: col}
		n := strings.IndexAny(rest, " \t")
		if n < 0 {
			n = len(rest)
		}
		if w.text = rest[:n]; rest[0] == '"' {
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, &SyntaxError{name, line, col, "the quotation mark is never closed"}
			}
			w.text, _ = strconv.Unquote(quoted)
			w.quoted, n = true, len(quoted)
		}
		l.words = append(l.words, w)
		col += utf8.RuneCountInString(rest[:n])
		rest = rest[n:]
	}
}

func (l *lineReader) at(w word, format string, args ...any) error {
	return &SyntaxError{l.name, l.line, w.col, fmt.Sprintf(format, args...)}
}

// done fails when words are left.
func (l *lineReader) done() error {
	if w, ok := l.peek(); ok {
		return l.at(w, "%q is too much here", w.text)
	}
	return nil
}

func (l *lineReader) peek() (word, bool) {
	if len(l.words) == 0 {
		return word{col: l.end}, false
	}
	return l.words[0], true
}

func (l *lineReader) skip() { l.words = l.words[1:] }

// next returns the next word; what says what it should be.
func (l *lineReader) next(what string) (word, error) {
	w, ok := l.peek()
	if !ok {
		return w, l.at(w, "%s is missing", what)
	}
	l.skip()
	return w, nil
}

// accept skips the next word if it is this one. In quotes it is somebody's text, whatever it
// says.
func (l *lineReader) accept(text string) bool {
	w, ok := l.peek()
	if ok && w.text == text && !w.quoted {
		l.skip()
		return true
	}
	return false
}

// expect skips the next word, which has to be one of these.
func (l *lineReader) expect(texts ...string) (string, error) {
	what := strings.Join(texts, " or ")
	w, err := l.next(what)
	if err != nil {
		return "", err
	}
	for _, t := range texts {
		if w.text == t {
			return t, nil
		}
	}
	return "", l.at(w, "%q: %s is expected here", w.text, what)
}

func (l *lineReader) number(what string) (int64, error) {
	w, err := l.next(what)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(w.text, 10, 64)
	if err != nil {
		return 0, l.at(w, "%q is not a number: %s is expected here", w.text, what)
	}
	return n, nil
}

// int is a number that is not negative and not huge: an int of 32 bits holds it.
func (l *lineReader) int(what string) (int, error) {
	w, _ := l.peek()
	n, err := l.number(what)
	if err == nil && (n < 0 || n > 1<<30) {
		err = l.at(w, "%d is out of range: %s is expected here", n, what)
	}
	return int(n), err
}

func (l *lineReader) port() (uint16, error) {
	w, _ := l.peek()
	n, err := l.int("a port")
	if err == nil && (n < 1 || n > 65535) {
		err = l.at(w, "%d is not a port", n)
	}
	return uint16(n), err
}

func (l *lineReader) duration(what string) (time.Duration, error) {
	w, err := l.next(what)
	if err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(w.text)
	if err != nil || d < 0 {
		return 0, l.at(w, "%q is not a duration: %s, as in 200ms or 1.5s, is expected here", w.text, what)
	}
	return d, nil
}

func (l *lineReader) probability(what string) (float64, error) {
	w, err := l.next(what)
	if err != nil {
		return 0, err
	}
	p, err := strconv.ParseFloat(w.text, 64)
	if err != nil || p < 0 || p > 1 {
		return 0, l.at(w, "%q is not a probability from 0 to 1", w.text)
	}
	return p, nil
}

// ordinal reads 1st, 2nd, 3rd, 4th.
func ordinal(s string) (int, bool) {
	for _, suffix := range []string{"st", "nd", "rd", "th"} {
		if digits, ok := strings.CutSuffix(s, suffix); ok {
			n, err := strconv.Atoi(digits)
			return n, err == nil && n > 0
		}
	}
	return 0, false
}
