package script

import (
	"strings"
)

// Code is what stands between %{ and }%: statements of a small language of expressions that
// look like Python's.
type Code struct {
	Pos        Pos
	Statements []Statement
}

// Statement is an assertion or an assignment.
type Statement struct {
	Pos   Pos
	Text  string // of the expression, as it is written
	Set   string // the variable that gets the value; empty: an assertion
	value node
}

// code reads a block. What prints is read and forgotten.
func (r *reader) code() *Code {
	r.space()
	c := &Code{Pos: r.here()}
	r.want("%{", "before assertions")
	end := strings.Index(r.text[r.at:], "}%")
	if end < 0 {
		r.failAt(c.Pos, "this block of assertions has no end: it ends with }%%")
	}
	end += r.at
	// A reader of its own ends where the block does, and knows places as this one.
	in := &reader{name: r.name, text: r.text[:end], at: r.at, lines: r.lines, starts: r.starts, python: true}
	for !in.end() {
		in.statement(c)
	}
	r.at = end + 2
	return c
}

func (r *reader) statement(c *Code) {
	if r.take(";") {
		return
	}
	at, from := r.here(), r.at
	w := r.peekWord()
	switch {
	case w == "print":
		r.skipStatement()
		return
	case w == "assert":
		r.word()
		r.space()
		from = r.at
		s := Statement{Pos: at, value: r.expression()}
		if r.next("=") {
			r.fail("a comparison is written with ==: = gives a name a value")
		}
		s.Text = strings.TrimSpace(r.text[from:r.at])
		if r.takeOnLine(",") {
			r.skipStatement() // what Python would print
		}
		c.Statements = append(c.Statements, s)
	case w == "import" || w == "def" || w == "if" || w == "for" || w == "while" || w == "from":
		r.failAt(at, "%s is Python: here are assertions (assert tcpi_cwnd == 10), assignments (x = tcpi_cwnd) and print", w)
	default:
		name := r.word()
		if name == "" || r.next("==") || !r.take("=") {
			r.failAt(at, "a statement is assert EXPRESSION, NAME = EXPRESSION or print; this is %q", strings.TrimSpace(strings.SplitN(r.text[from:], "\n", 2)[0]))
		}
		r.space()
		from = r.at
		s := Statement{Pos: at, Set: name, value: r.expression()}
		s.Text = strings.TrimSpace(r.text[from:r.at])
		c.Statements = append(c.Statements, s)
	}
}

// takeOnLine is take that does not go to the next line.
func (r *reader) takeOnLine(s string) bool {
	at := r.at
	r.run(func(c byte) bool { return c == ' ' || c == '\t' })
	if strings.HasPrefix(r.text[r.at:], s) {
		r.at += len(s)
		return true
	}
	r.at = at
	return false
}

// skipStatement goes to the end of the line, or of the parentheses that are open there.
func (r *reader) skipStatement() {
	depth := 0
	for quote := byte(0); r.at < len(r.text); r.at++ {
		c := r.text[r.at]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth--
		case depth <= 0 && (c == '\n' || c == ';'):
			return
		}
	}
}

// Names are what a block can ask for: a connection's fields (tcpi_…), constants, and what it
// has been told.
type Names func(name string) (value any, ok bool)

// Eval computes the value of a statement: a float64, a string or a list ([]any), and in words
// what of the names it asked for was what. Its errors say what could not be computed.
func (s *Statement) Eval(names Names) (value any, asked string, err error) {
	e := &evaluation{names: names}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case evalError:
			err = r
		default:
			panic(r)
		}
	}()
	value = s.value(e)
	return value, strings.Join(e.asked, ", "), nil
}

// True reports whether a value counts as true.
func True(v any) bool {
	switch v := v.(type) {
	case float64:
		return v != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	}
	return false
}
