package script

import (
	"strconv"
	"strings"
	"time"
)

// Parse reads a script; name is the file's, for errors. Every error is an *Error.
func Parse(name, text string) (s *Script, err error) { return ParseWith(name, text, nil) }

// ParseWith is Parse for a script in which names stand for what words say: values of calls
// and of options, codes of ICMP. Public scripts leave such names open.
func ParseWith(name, text string, words map[string]string) (s *Script, err error) {
	r := newReader(name, text)
	r.words, r.bsd = words, strings.Contains(text, "net.inet.")
	defer caught(&err)
	s = &Script{Name: name, BSD: r.bsd, lines: r.lines}
	s.Options = r.options()
	for !r.end() {
		s.Events = append(s.Events, r.event())
	}
	return s, nil
}

// Line returns a line of the file, without the blanks around it.
func (s *Script) Line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	return strings.TrimSpace(s.lines[n-1])
}

// Remarks returns the remarks that mention a word, without their slashes: such as what a
// script says of Linux.
func (s *Script) Remarks(word string) (lines []string) {
	for _, l := range s.lines {
		if text, ok := strings.CutPrefix(strings.TrimSpace(l), "//"); ok && strings.Contains(text, word) {
			lines = append(lines, strings.TrimSpace(text))
		}
	}
	return lines
}

// Title returns what the first comment says.
func (s *Script) Title() string {
	for n := range s.lines {
		if t, ok := strings.CutPrefix(s.Line(n+1), "//"); ok && strings.TrimSpace(t) != "" {
			return strings.TrimSpace(t)
		}
	}
	return ""
}

// Fail makes an error at a place of the script.
func (s *Script) Fail(p Pos, message Phrase) *Error {
	e := &Error{File: s.Name, Pos: p, Message: message}
	if p.Line >= 1 && p.Line <= len(s.lines) {
		e.Source = strings.TrimRight(s.lines[p.Line-1], "\r")
	}
	return e
}

// options reads the lines at the top that begin with --.
func (r *reader) options() (all []Setting) {
	for r.next("--") {
		p := r.here()
		line := r.run(func(c byte) bool { return c != '\n' })
		for _, word := range strings.Fields(line) {
			if strings.HasPrefix(word, "//") {
				break
			}
			name, value, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
			all = append(all, Setting{p, name, value})
		}
	}
	return all
}

// event reads one event with its time.
func (r *reader) event() Event {
	r.space()
	e := Event{Pos: r.here()}
	if r.next("`") {
		e.Shell = r.shell() // without a time: at once
		return e
	}
	if r.next("--") {
		r.fail("options like %s stand at the top of a script, before its first event", r.found())
	}
	end := r.when(&e.When)
	switch {
	case r.next("<"), r.next(">"):
		e.Packet = r.packet()
	case r.next("`"):
		e.Shell = r.shell()
	case r.next("%{"):
		e.Code = r.code()
	case r.peekWord() != "":
		e.Call = r.call()
		e.Call.End = end
		return e
	default:
		r.fail("what happens here? A packet begins with < or >, a call with its name, an assertion with %%{, a shell command with `; this is %s", r.found())
	}
	if end >= 0 {
		r.failAt(e.Pos, "only calls take a time to return: a...b")
	}
	return e
}

const times = "a time is +.1 (since the event before), 1.5 (since the start), * (any), +.1~+.2 or 1.0~1.2 (a range)"

// when reads a time, and behind ... when a call returns; less than 0: it does not say.
func (r *reader) when(w *When) (end time.Duration) {
	r.space()
	if r.take("*") {
		w.Mode = Anytime
		return -1
	}
	if r.take("+") {
		w.Mode = Relative
	} else {
		w.Mode = Absolute
	}
	w.At = r.seconds()
	w.Until = w.At
	if r.at < len(r.text) && r.text[r.at] == '-' {
		r.fail("a range is written with ~: +.1~+.2 or 1.0~1.2")
	}
	if r.take("~") {
		r.space()
		p := r.here()
		if plus := r.take("+"); plus != (w.Mode == Relative) {
			r.failAt(p, "both ends of a range are written alike: +.1~+.2 or 1.0~1.2")
		}
		if w.Until = r.seconds(); w.Until < w.At {
			r.failAt(p, "the range ends before it begins")
		}
	}
	if !r.take("...") {
		return -1
	}
	p := r.here()
	if end = r.seconds(); end < w.At {
		r.failAt(p, "the call returns before it begins: behind ... stands when it returns, by the same clock")
	}
	return end
}

// seconds reads 1, 1.5 or .5.
func (r *reader) seconds() time.Duration {
	r.space()
	p := r.here()
	text := r.run(isDigit)
	if r.dotDigit() {
		r.at++
		text += "." + r.run(isDigit)
	}
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case text != "" && r.dotDigit():
		r.failAt(p, "%q is not a time: %s", text+"."+r.text[r.at+1:r.at+2]+"…", times)
	case text != "" && r.at < len(r.text) && isLetter(r.text[r.at]):
		r.fail("a time has no unit: 1 is a second, .001 a millisecond, .000001 a microsecond")
	case text == "":
		if r.take(";") {
			r.failAt(p, "an event ends with its line, without ;")
		}
		r.failAt(p, "%s is not a time: %s", r.found(), times)
	case err != nil || f > 1e8:
		r.failAt(p, "%s seconds are too many", text)
	}
	// Microseconds, as the language has them: a float of 0.0001 is not one exactly.
	return time.Duration(f*1e6+.5) * time.Microsecond
}

// dotDigit reports whether a fraction follows, and not an ellipsis.
func (r *reader) dotDigit() bool {
	return r.at+1 < len(r.text) && r.text[r.at] == '.' && isDigit(r.text[r.at+1])
}

// number reads an integer, decimal or hexadecimal, with a sign or without.
func (r *reader) number(what string, least, most int64) int64 {
	r.space()
	p, from := r.here(), r.at
	if r.at < len(r.text) && r.text[r.at] == '-' {
		r.at++
	}
	r.run(isNamed)
	n, err := strconv.ParseInt(r.text[from:r.at], 0, 64)
	if err != nil {
		r.at = from
		r.failAt(p, "%s is missing: here is %s", what, r.found())
	}
	if n < least || n > most {
		r.failAt(p, "%s is from %d to %d, and not %d", what, least, most, n)
	}
	return n
}
