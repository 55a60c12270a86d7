package script

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// node computes a part of an expression.
type node func(e *evaluation) any

// evaluation is one computation of an expression.
type evaluation struct {
	names Names
	asked []string // what the names were, for who reads of a failure
}

// evalError ends a computation.
type evalError struct{ Phrase }

func (e evalError) Error() string { return e.String() }

func stop(format string, args ...any) { panic(evalError{Say(format, args...)}) }

func truth(b bool) any {
	if b {
		return 1.0
	}
	return 0.0
}

// expression reads a whole expression: or, and, not bind the least, as in Python.
func (r *reader) expression() node {
	a := r.conjunction()
	for r.takeWord("or") {
		left, right := a, r.conjunction()
		a = func(e *evaluation) any {
			if v := left(e); True(v) {
				return v
			}
			return right(e)
		}
	}
	return a
}

func (r *reader) conjunction() node {
	a := r.negation()
	for r.takeWord("and") {
		left, right := a, r.negation()
		a = func(e *evaluation) any {
			if v := left(e); !True(v) {
				return v
			}
			return right(e)
		}
	}
	return a
}

func (r *reader) negation() node {
	if r.takeWord("not") {
		a := r.negation()
		return func(e *evaluation) any { return truth(!True(a(e))) }
	}
	return r.comparison()
}

var comparisons = []string{"==", "!=", "<=", ">=", "<>", "<", ">"}

// comparison reads a chain: 1 < a <= 2 is 1 < a and a <= 2.
func (r *reader) comparison() node {
	first := r.sum(0)
	type step struct {
		op    string
		right node
	}
	var chain []step
	for {
		op := ""
		switch {
		case r.takeWord("in"):
			op = "in"
		default:
			if i := slices.IndexFunc(comparisons, r.take); i >= 0 {
				op = comparisons[i]
			}
		}
		if op == "" {
			break
		}
		chain = append(chain, step{op, r.sum(0)})
	}
	if chain == nil {
		return first
	}
	return func(e *evaluation) any {
		left := first(e)
		for _, s := range chain {
			right := s.right(e)
			if !compare(s.op, left, right) {
				return 0.0
			}
			left = right
		}
		return 1.0
	}
}

func compare(op string, a, b any) bool {
	if op == "in" {
		list, ok := b.([]any)
		if !ok {
			stop("what stands behind in is no list")
		}
		return slices.ContainsFunc(list, func(v any) bool { return equal(a, v) })
	}
	switch op {
	case "==":
		return equal(a, b)
	case "!=", "<>":
		return !equal(a, b)
	}
	x, y := number(a), number(b)
	switch op {
	case "<":
		return x < y
	case "<=":
		return x <= y
	case ">":
		return x > y
	}
	return x >= y
}

func equal(a, b any) bool {
	s, ok1 := a.(string)
	t, ok2 := b.(string)
	if ok1 || ok2 {
		return ok1 && ok2 && s == t
	}
	return number(a) == number(b)
}

func number(v any) float64 {
	f, ok := v.(float64)
	if !ok {
		stop("%v is not a number", v)
	}
	return f
}

// operators are those of two numbers, the ones that bind the least first. Longer ones stand
// before those that they begin with.
var operators = [][]string{{"|"}, {"^"}, {"&"}, {"<<", ">>"}, {"+", "-"}, {"//", "*", "/", "%"}}

// sum reads what operators of a level or above join.
func (r *reader) sum(level int) node {
	if level == len(operators) {
		return r.signed()
	}
	a := r.sum(level + 1)
	for {
		op := r.operator(level)
		if op == "" {
			return a
		}
		left, right := a, r.sum(level+1)
		a = func(e *evaluation) any { return compute(op, number(left(e)), number(right(e))) }
	}
}

// operator reads an operator of a level, or nothing.
func (r *reader) operator(level int) string {
	for _, op := range operators[level] {
		if r.take(op) {
			return op
		}
	}
	return ""
}

func compute(op string, a, b float64) any {
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "|":
		return float64(int64(a) | int64(b))
	case "^":
		return float64(int64(a) ^ int64(b))
	case "&":
		return float64(int64(a) & int64(b))
	case "<<":
		return float64(int64(a) << uint(b))
	case ">>":
		return float64(int64(a) >> uint(b))
	}
	if b == 0 {
		stop("a division by zero")
	}
	switch op {
	case "/":
		return a / b
	case "%":
		return a - b*math.Floor(a/b)
	}
	return math.Floor(a / b)
}

func (r *reader) signed() node {
	switch {
	case r.take("-"):
		a := r.signed()
		return func(e *evaluation) any { return -number(a(e)) }
	case r.take("~"):
		a := r.signed()
		return func(e *evaluation) any { return float64(^int64(number(a(e)))) }
	case r.take("+"):
		return r.signed()
	}
	return r.atom()
}

// atom reads a number, a text, a name, a function's call, or what stands in parentheses.
func (r *reader) atom() node {
	r.space()
	at := r.here()
	switch {
	case r.take("("):
		return r.list(")")
	case r.take("["):
		return r.list("]")
	case r.next(`"`), r.next("'"):
		return r.textAtom()
	case r.at < len(r.text) && (isDigit(r.text[r.at]) || r.dotDigit()):
		return r.numberAtom(at)
	}
	w := r.word()
	if w == "" {
		r.failAt(at, "an expression goes on here with a number, a name or a parenthesis, and not with %s", r.found())
	}
	if r.take("(") {
		return r.function(at, w)
	}
	return func(e *evaluation) any {
		v, ok := e.names(w)
		if !ok {
			stop("there is no %s", w)
		}
		if _, known := Constants[w]; !known {
			e.asked = append(e.asked, fmt.Sprintf("%s is %v", w, v))
		}
		return v
	}
}

// list reads what stands in parentheses or brackets: one alone is itself in parentheses.
func (r *reader) list(end string) node {
	var items []node
	comma := end == "]"
	for !r.take(end) {
		items = append(items, r.expression())
		if r.take(",") {
			comma = true
		} else if !r.next(end) {
			r.fail("%s is missing, before %s", end, r.found())
		}
	}
	if !comma && len(items) == 1 {
		return items[0]
	}
	return func(e *evaluation) any {
		var all []any
		for _, i := range items {
			all = append(all, i(e))
		}
		return all
	}
}

func (r *reader) textAtom() node {
	quote := r.text[r.at]
	end := strings.IndexByte(r.text[r.at+1:], quote)
	if end < 0 {
		r.fail("this text has no end")
	}
	s := r.text[r.at+1 : r.at+1+end]
	r.at += end + 2
	return func(*evaluation) any { return s }
}

func (r *reader) numberAtom(at Pos) node {
	from := r.at
	r.run(func(c byte) bool { return isNamed(c) || c == '.' })
	text := r.text[from:r.at]
	f, err := strconv.ParseFloat(text, 64)
	if n, err2 := strconv.ParseInt(text, 0, 64); err2 == nil {
		f, err = float64(n), nil
	}
	if err != nil {
		r.failAt(at, "%q is not a number", text)
	}
	return func(*evaluation) any { return f }
}

var functions = map[string]func(args []float64) float64{
	"abs":   func(a []float64) float64 { return math.Abs(a[0]) },
	"int":   func(a []float64) float64 { return math.Trunc(a[0]) },
	"float": func(a []float64) float64 { return a[0] },
	"round": func(a []float64) float64 { return math.RoundToEven(a[0]) },
	"min":   func(a []float64) float64 { return slices.Min(a) },
	"max":   func(a []float64) float64 { return slices.Max(a) },
}

func (r *reader) function(at Pos, name string) node {
	f, ok := functions[name]
	if !ok {
		known := sortedKeys(functions)
		r.failAt(at, "%q is no function: there are %s%s", name, strings.Join(known, ", "), nearest(name, known))
	}
	var args []node
	for !r.take(")") {
		args = append(args, r.expression())
		if !r.take(",") && !r.next(")") {
			r.fail(") is missing, before %s", r.found())
		}
	}
	if len(args) == 0 {
		r.failAt(at, "%s needs a number", name)
	}
	return func(e *evaluation) any {
		var numbers []float64
		for _, a := range args {
			numbers = append(numbers, number(a(e)))
		}
		return f(numbers)
	}
}
