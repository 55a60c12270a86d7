package script

import (
	"strconv"
	"strings"
)

// call reads a system call and what it gives: bind(3, ..., ...) = 0.
func (r *reader) call() *Call {
	from := r.at
	at := r.here()
	c := &Call{Name: r.word(), End: -1}
	if !r.take("(") {
		r.failAt(at, "what is %q? A call has its arguments in parentheses; a packet begins with < or >", c.Name)
	}
	if !contains(Calls, c.Name) {
		meant := nearest(c.Name, Calls)
		if meant.None() {
			meant = Say("; the calls are %s", strings.Join(Calls, ", "))
		}
		r.failAt(at, "unknown call %q%s", c.Name, meant)
	}
	for !r.take(")") {
		c.Args = append(c.Args, r.value())
		if !r.take(",") && !r.next(")") {
			r.failAt(r.missing(), "arguments are separated by commas and end with a parenthesis; here is %s", r.found())
		}
	}
	r.want("=", "and what the call gives")
	if w := r.peekWord(); Errnos[w] != 0 {
		r.fail("a call that fails gives -1: = -1 %s", w)
	}
	c.Result = r.value()
	r.outcome(c)
	c.Text = strings.Join(strings.Fields(r.text[from:r.at]), " ")
	return c
}

// outcome reads the name of an error, and what stands in parentheses, which says it again.
func (r *reader) outcome(c *Call) {
	r.space()
	at := r.here()
	if w := r.peekWord(); w != "" && w[0] == 'E' && w == strings.ToUpper(w) {
		if _, ok := Errnos[w]; !ok {
			known := sortedKeys(Errnos)
			r.failAt(at, "%q is no error's name%s", w, nearest(w, known))
		}
		c.Errno = r.word()
		if c.Result.Number >= 0 {
			r.failAt(at, "a call that fails gives -1: = -1 %s", c.Errno)
		}
	}
	if r.take("(") {
		for depth := 1; depth > 0; r.at++ {
			if r.at == len(r.text) || r.text[r.at] == '\n' {
				r.failAt(at, "the remark in parentheses has no end")
			}
			switch r.text[r.at] {
			case '(':
				depth++
			case ')':
				depth--
			}
		}
	}
}

// value reads an argument.
func (r *reader) value() Value {
	r.space()
	v := Value{Pos: r.here()}
	switch {
	case r.take("..."):
		return v
	case r.take("["):
		v.Kind = List
		r.items(&v, "]")
	case r.take("{"):
		v.Kind = Struct
		r.items(&v, "}")
	case r.next(`"`):
		v.Kind, v.Text = Text, r.quoted()
	default:
		r.flagsOrNumber(&v)
	}
	return v
}

// items reads a list or a struct up to its end.
func (r *reader) items(v *Value, end string) {
	for !r.take(end) {
		name := ""
		at := r.at
		if w := r.word(); w != "" {
			if r.next("(") && v.Kind == Struct { // msg_name(...)=, msg_iov(1)=
				r.skipParentheses()
			}
			if r.next("=") && !r.next("==") {
				r.take("=")
				name = w
			} else {
				r.at = at
			}
		}
		v.Items, v.Names = append(v.Items, r.value()), append(v.Names, name)
		if !r.take(",") && !r.next(end) {
			r.failAt(r.missing(), "items are separated by commas and end with %s; here is %s", end, r.found())
		}
	}
}

func (r *reader) skipParentheses() {
	if i := strings.IndexByte(r.text[r.at:], ')'); i >= 0 {
		r.at += i + 1
	}
}

// quoted reads a text in double quotes.
func (r *reader) quoted() string {
	text, err := strconv.QuotedPrefix(r.text[r.at:])
	if err != nil {
		r.fail("this text has no end, or an escape that there is not")
	}
	s, _ := strconv.Unquote(text)
	r.at += len(text)
	return s
}

// flagsOrNumber reads a number, a name, several of them joined by |, or htons(8080).
func (r *reader) flagsOrNumber(v *Value) {
	from := r.at
	v.Kind = Number
	for {
		n, done := r.term(v)
		if done {
			return
		}
		v.Number |= n
		if !r.take("|") {
			break
		}
	}
	v.Text = strings.TrimSpace(r.text[from:r.at])
}

// term reads a number or a name; done: it was a function, and v is complete.
func (r *reader) term(v *Value) (n int64, done bool) {
	r.space()
	at := r.here()
	w := r.word()
	switch {
	case w == "":
		n = r.number("a value (a number, a name, ... for anything)", -1<<63, 1<<63-1)
		return n, false
	case r.take("("):
		v.Kind, v.Text = Function, w
		r.items(v, ")")
		if w == "htons" && len(v.Items) == 1 {
			v.Kind, v.Number = Number, v.Items[0].Number
		}
		return 0, true
	case contains(structNames, w):
		return 0, false
	}
	w = r.meant(w)
	n, ok := Constants[w]
	if !ok {
		number, err := strconv.ParseInt(w, 0, 64)
		if err != nil {
			meant := nearest(w, sortedKeys(Constants))
			if meant.None() {
				meant = defineHint(w)
			}
			r.failAt(at, "%q is no name that is known here%s", w, meant)
		}
		n = number
	}
	return n, false
}

// structNames are words that stand for themselves.
var structNames = []string{"NULL", "null"}

func contains(all []string, w string) bool {
	for _, a := range all {
		if a == w {
			return true
		}
	}
	return false
}
