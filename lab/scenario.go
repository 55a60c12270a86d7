package lab

import (
	"fmt"
	"strings"

	"github.com/handfast-tcp/handfast/clock"
)

// Scenario is a story for the lab: who there is, what the programs do, what
// the wire does, and what is expected to come of it.
type Scenario struct {
	Name               string
	Summary, SummaryZH string
}

func parse(name, text string) (*Scenario, error) {
	s := &Scenario{Name: strings.TrimSuffix(name, ".txt")}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		switch {
		case ok && key == "summary":
			s.Summary = strings.TrimSpace(value)
		case ok && key == "summary-zh":
			s.SummaryZH = strings.TrimSpace(value)
		}
	}
	if s.Summary == "" {
		return nil, fmt.Errorf("%s:1:1: a scenario has a summary", name)
	}
	return s, nil
}

// start is when a world begins: not 0, which some clocks read as "never was".
const start = clock.Time(1e9)

// Run plays the scenario. It fails only when it cannot run at all; what did
// not come out as expected is in Result.Failed.
func (s *Scenario) Run(o Options) (*Result, error) {
	if o.Cookies != "" && o.Cookies != "off" {
		return nil, fmt.Errorf("cookies %q: the engine has no SYN cookies yet", o.Cookies)
	}
	return &Result{Scenario: s, Seed: o.Seed, Start: start, End: start}, nil
}
