// Package oracle judges an implementation of TCP from outside: by what it puts
// on the wire, by what its programs see, and by what a segment made of a
// connection. It knows nothing of the engine: the parser is its own, so that a
// fault in how the engine reads or writes a header is not in both.
//
// [Wire] watches the packets of one host, [Streams] the programs at both ends of
// connections, [Relation] holds what a segment did to a connection against RFC 9293
// §3.10.7. Each is a plain value, without a function or a pointer to anything
// outside, that has to be told what happens and answers with an error, a
// [*Fault], when a rule is broken. None of them holds anybody up: after a fault
// they go on with what is there.
//
// The rules have the names that docs/RELIABILITY.md lists.
package oracle

import "fmt"

// Fault is a rule that was broken.
type Fault struct {
	Rule   string // its name, as in docs/RELIABILITY.md
	Text   string // what was seen, as the end of a sentence
	Source string // where the rule stands: an RFC's section
}

func (f *Fault) Error() string { return fmt.Sprintf("%s: %s (%s)", f.Rule, f.Text, f.Source) }

// fault returns a broken rule as an error.
func fault(rule, source, format string, args ...any) error {
	return &Fault{Rule: rule, Source: source, Text: fmt.Sprintf(format, args...)}
}
