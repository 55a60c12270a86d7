package tcp

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// seenMoves are the arrows of the state diagram that this run of the tests has
// gone along.
var seenMoves [NumStates]uint16

func sawMove(from, to State) { seenMoves[from] |= 1 << to }

func sawMoves(events []Event) {
	for _, e := range events {
		if e.Kind == StateChanged {
			sawMove(e.From, e.State)
		}
	}
}

// TestMain wants every arrow of the state diagram to be used by some test,
// when all tests run.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && wholeRun() {
		code = reportMoves()
	}
	os.Exit(code)
}

// wholeRun reports whether no flag leaves tests out.
func wholeRun() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz", "test.fuzzworker"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != f.DefValue {
			return false
		}
	}
	return true
}

func reportMoves() (code int) {
	for from := range State(NumStates) {
		for to := range State(NumStates) {
			if CanMove(from, to) && seenMoves[from]&(1<<to) == 0 {
				fmt.Printf("no test goes from %v to %v\n", from, to)
				code = 1
			}
		}
	}
	return code
}
