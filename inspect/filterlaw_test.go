package inspect

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// expression is a filter in words, and what it says of each of the samples.
type expression struct {
	text  string
	tight bool // binds at least as tightly as not
	match []bool
}

// randomExpression joins conditions, whose meaning is asked one by one.
func randomExpression(t *testing.T, r *rand.Rand, depth int) expression {
	if depth == 0 {
		conditions := []string{"sport = :80", "dport >= :50001", "src 10.0.0.0/8", "dst fd77::/16", "dport != :0", "sport = :443"}
		e := expression{text: conditions[r.IntN(len(conditions))], tight: true, match: make([]bool, len(samples()))}
		for _, i := range chosen(t, "state all "+e.text, ShowAll) {
			e.match[i] = true
		}
		return e
	}
	a := randomExpression(t, r, depth-1)
	if !a.tight {
		a.text = "( " + a.text + " )"
	}
	word := []string{"not", "and", "", "or"}[r.IntN(4)]
	if word == "not" {
		for i := range a.match {
			a.match[i] = !a.match[i]
		}
		return expression{"not " + a.text, true, a.match}
	}
	b := randomExpression(t, r, depth-1)
	if !b.tight {
		b.text = "( " + b.text + " )"
	}
	for i := range a.match {
		if word == "or" {
			a.match[i] = a.match[i] || b.match[i]
		} else {
			a.match[i] = a.match[i] && b.match[i]
		}
	}
	return expression{a.text + " " + word + " " + b.text, false, a.match}
}

// A filter of any shape chooses what its conditions choose, joined by its words.
func TestFilterObeysLogic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	for range 1000 {
		e := randomExpression(t, r, 1+r.IntN(3))
		var want []int
		for i, m := range e.match {
			if m {
				want = append(want, i)
			}
		}
		if got := chosen(t, "state all "+e.text, ShowAll); !slices.Equal(got, want) {
			t.Fatalf("%q: %v, want %v", e.text, got, want)
		}
	}
}
