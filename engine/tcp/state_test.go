package tcp

import (
	"strings"
	"testing"
)

// Any spelling is understood, and says which state it is.
func TestParseState(t *testing.T) {
	for s := range State(NumStates) {
		for _, n := range s.Names() {
			for _, name := range []string{n, strings.ToLower(n), strings.ReplaceAll(n, "_", "-"), strings.ReplaceAll(n, "-", " ")} {
				if got, err := ParseState(name); err != nil || got != s {
					t.Errorf("%q is read as %v (%v)", name, got, err)
				}
			}
		}
	}
	for _, name := range []string{"", "SYN", "FIN-WAIT", "FIN-WAIT-3"} {
		if s, err := ParseState(name); err == nil {
			t.Errorf("%q is read as %v", name, s)
		}
	}
}

// Who misspells a state reads all names that there are.
func TestParseStateNamesAll(t *testing.T) {
	_, err := ParseState("TIME_WAI")
	for s := range State(NumStates) {
		if err == nil || !strings.Contains(err.Error(), s.String()) {
			t.Errorf("%v does not name %v", err, s)
		}
	}
}
