package script

import "strings"

// hash reads what begins with #: a comment, unless it is one of #ifdef NAME, #ifndef NAME, #else
// and #endif. What is between them is played where the name has been told (ParseWith). Public
// scripts tell so what a standard has and what a kernel does.
func (r *reader) hash() {
	at := r.here()
	words := strings.Fields(r.run(func(c byte) bool { return c != '\n' }))
	switch d := words[0]; {
	case (d == "#ifdef" || d == "#ifndef") && len(words) > 1:
		if _, told := r.words[words[1]]; told != (d == "#ifdef") {
			r.branch(at, d, true)
		}
	case d == "#else": // the branch that was played ends here
		r.branch(at, d, false)
	}
}

// branch skips what is not played, up to the #endif, or to the #else before it.
func (r *reader) branch(at Pos, from string, orElse bool) {
	for depth := 0; r.at < len(r.text); {
		r.skipTo("\n", 0)
		line := strings.TrimSpace(r.run(func(c byte) bool { return c != '\n' }))
		switch {
		case strings.HasPrefix(line, "#if"):
			depth++
		case strings.HasPrefix(line, "#else") && depth == 0 && orElse:
			return
		case strings.HasPrefix(line, "#endif"):
			if depth--; depth < 0 {
				return
			}
		}
	}
	r.failAt(at, "this %s has no #endif", from)
}
