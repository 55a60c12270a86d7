package story

import (
	"fmt"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// Frame is one position of a page's slider: something begins, or a segment
// arrives.
type Frame struct {
	Step    int    `json:"step"` // -1: before anything happens
	Arrival bool   `json:"arrival,omitempty"`
	Packet  int    `json:"packet,omitempty"` // that leaves or arrives: the ID in trace.Run; 0: none
	Y       string `json:"y"`                // how far down the picture it is
	At      string `json:"at"`               // since the run began, in nanoseconds
	Time    string `json:"time"`             // the same as people read it
	States  string `json:"states"`           // of each lane, between bars; several connections of a lane between spaces
	Level   int    `json:"level,omitempty"`  // half-open connections that are kept
	Text    string `json:"text"`
	Why     string `json:"why,omitempty"`
}

// beginning is what a page shows before anything happens.
var beginning = sentence{"Before anything happens", "一切开始之前"}

// frames returns what happens in a picture, in order; steps are its own, with
// their sentences.
func (d *sketch) frames(steps []Step) []Frame {
	states := make([][]string, len(d.Lanes))
	for i := range d.Lanes {
		if s, known := d.initial(Lane(i), 0); known && !d.Lanes[i].Plain {
			states[i] = []string{s.String()}
		}
	}
	all := []Frame{{Step: -1, Y: num(d.top), At: "-1", Time: "0", States: statesText(states), Text: beginning[d.Lang]}}
	level, low := 0, d.top
	for _, in := range d.instants() {
		s := &steps[in.step]
		if in.ghost {
			continue // nothing happens there
		}
		y := d.begin[in.step]
		if in.arrival {
			y = d.end[in.step]
		}
		low = max(low, y)
		switch s.Kind {
		case Change:
			states[s.Lane] = replaced(states[s.Lane], s)
		case Level:
			level = s.Entries
		}
		since := in.time.Sub(steps[0].Time)
		m := Frame{Step: in.step, Arrival: in.arrival, Packet: s.Packet, Y: num(low), At: fmt.Sprint(int64(since)), Time: sinceText(since),
			States: statesText(states), Level: level, Text: d.tells(s, in.arrival)}
		if !in.arrival {
			m.Why = s.Why
		}
		all = append(all, m)
	}
	return all
}

// sinceText writes a time since the run began.
func sinceText(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	return formatWait(d)
}

// replaced returns a lane's states when one of its connections changes. A
// connection that is gone makes room, unless it is the lane's only one.
func replaced(states []string, s *Step) []string {
	for len(states) <= s.Column {
		states = append(states, "")
	}
	states[s.Column] = s.State.String()
	for len(states) > 1 && (states[len(states)-1] == tcp.Closed.String() || states[len(states)-1] == "") {
		states = states[:len(states)-1]
	}
	return states
}

func statesText(states [][]string) string {
	lanes := make([]string, len(states))
	for i, s := range states {
		lanes[i] = strings.Join(s, " ")
	}
	return strings.Join(lanes, "|")
}

// tells says in a line what happens.
func (d *sketch) tells(s *Step, arrival bool) string {
	who, colon := d.nameOf(s.Lane), [numLangs]string{": ", "："}[d.Lang]
	switch s.Kind {
	case Gap:
		return s.Text
	case Change:
		text := fmt.Sprintf("%s%s%v → %v", who, colon, s.From, s.State)
		if s.Text != "" {
			text += words.comma[d.Lang] + s.Text
		}
		return text
	case Level:
		return who + colon + levelText(s)
	case Arrow:
		return d.tellsArrow(s, arrival)
	}
	return who + colon + s.Text
}

// tellsArrow says that a segment leaves, or that it arrives.
func (d *sketch) tellsArrow(s *Step, arrival bool) string {
	what := s.Text
	if len(s.Fields) > 0 {
		what = flagWords(s.Flags) + " " + strings.Join(s.Fields[1:], " ")
		if s.Text != "" {
			what += " · " + s.Text
		}
	}
	way := fmt.Sprintf("%s → %s", d.nameOf(s.Lane), d.nameOf(s.To))
	said := [numLangs][2]string{{"leaves: ", "arrives: "}, {"发出：", "到达："}}[d.Lang]
	if arrival {
		return way + " " + said[1] + what
	}
	return way + " " + said[0] + what
}

// nameOf is a lane's name: the first line of its title.
func (d *sketch) nameOf(l Lane) string {
	name, _, _ := strings.Cut(d.Lanes[l].Title, "\n")
	return name
}
