package lab

import (
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/ao"
	"github.com/handfast-tcp/handfast/engine/clock"
)

// Scenario is a story for the lab: who there is, what the programs do, what
// the wire does, and what is expected to come of it. The package's
// documentation has its language.
type Scenario struct {
	Name               string
	Title, TitleZH     string // a few words each; Title is Name when the file gives none
	Summary, SummaryZH string // one line each
	See, SeeZH         string // where to read about it
	Tries              []Try  // what a reader may want to change

	limit    time.Duration
	hosts    []hostLine
	wires    []wireLine
	programs []program
	rules    []rule
	deeds    []deed
	expects  []expectation
	text     string // what it says above the outcome
	outcome  string // what stands below the line of dashes
}

// Try is a change that shows more of a scenario, and what to look for.
type Try struct {
	// With is settings, as "loss=0.2 cookies=off", by the names that the command's flags
	// have; or a line for the scenario, as "lose the 1st segment from client".
	With         string
	Text, TextZH string
}

// IsSettings reports whether With is settings, and no line.
func (t *Try) IsSettings() bool { return strings.Contains(t.With, "=") }

// hostLine is a host, as its line describes it.
type hostLine struct {
	HostConfig
	noDelay bool // for every connection of its programs
	noQuick bool // delayed ACKs from the first segment on
	keys    []ao.Key
}

// wireLine changes the wire in one direction, or all wires.
type wireLine struct {
	from, to string // "": all
	change   func(*WireConfig)
}

// program is what one program on a host does.
type program struct {
	host, title string
	line        int
	steps       []step
}

// step is one line of a program.
type step struct {
	line  int
	text  string              // the call, as it is written
	run   func(*actor) string // says what it gave
	quiet bool                // no call: it only waits or remarks, or what it gives says all
	want  string              // what it has to give
	wants bool
}

// deed is something that happens to the world at a time or on a condition.
type deed struct {
	line int
	when condition
	do   func(w *World)
}

// condition is what a line waits for.
type condition struct {
	at    time.Duration     // since the start
	holds func(*World) bool // nil: it is a matter of time
}

// ready returns the condition as Proc.Wait takes it.
func (c condition) ready(w *World) (func() bool, clock.Time) {
	if c.holds == nil {
		return func() bool { return false }, start.Add(c.at)
	}
	return func() bool { return c.holds(w) }, clock.Never
}

// Source is the text of the scenario, without the outcome that may stand below it.
func (s *Scenario) Source() string { return s.text }

const outcomeLine = "----"

// split cuts a file in what is above the line of dashes and what is below.
func split(text string) (above, below string) {
	at := 0
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == outcomeLine {
			return text[:at], text[at+len(line):]
		}
		at += len(line)
	}
	return text, ""
}
