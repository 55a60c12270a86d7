package story_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/story"
)

func tell(t *testing.T, s *lab.Scenario, o story.TellOptions) *story.Telling {
	t.Helper()
	r, err := s.Run(lab.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return story.Tell(&r.Run, o)
}

func find(t *testing.T, name string) *lab.Scenario {
	t.Helper()
	s, err := lab.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func load(t *testing.T, text string) *lab.Scenario {
	t.Helper()
	s, err := lab.Load("own.txt", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A column of a lane tells of one connection at a time: it enters each state
// from the one that it is in. A restart of its host is the only jump.
func TestStatesOfALaneAreOneConnections(t *testing.T) {
	for _, info := range lab.Scenarios() {
		now := map[string]tcp.State{}
		for _, s := range tell(t, find(t, info.Name), story.TellOptions{}).Steps {
			if s.Kind != story.Change {
				continue
			}
			key := fmt.Sprintf("lane %d, column %d", s.Lane, s.Column)
			if was, ok := now[key]; ok && was != s.From && was != tcp.Closed && was != tcp.Listen {
				t.Errorf("%s, %s: %v -> %v while it shows %v", info.Name, key, s.From, s.State, was)
			}
			now[key] = s.State
		}
	}
}

// What arrives stands before what it causes, and after what was there before.
func TestArrivalsComeInOrder(t *testing.T) {
	for _, info := range lab.Scenarios() {
		steps := tell(t, find(t, info.Name), story.TellOptions{}).Steps
		for i, s := range steps {
			switch {
			case s.Kind != story.Arrow || s.Arrives == 0 || s.End == story.Lost:
			case s.Before <= i || s.Before > len(steps):
				t.Errorf("%s: step %d (%v) arrives before step %d of %d", info.Name, i, s.Fields, s.Before, len(steps))
			case s.Before < len(steps) && steps[s.Before].Time < s.Arrives:
				t.Errorf("%s: step %d arrives at %v, before step %d at %v", info.Name, i, s.Arrives, s.Before, steps[s.Before].Time)
			}
		}
	}
}

// Old numbers are seen to be old.
func TestNumbersKeepTheirBase(t *testing.T) {
	has := func(steps []story.Step, words ...string) bool {
		return slices.ContainsFunc(steps, func(s story.Step) bool {
			text := strings.Join(s.Fields, " ")
			return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
		})
	}
	old := tell(t, find(t, "old-duplicate-syn"), story.TellOptions{}).Steps
	for _, words := range [][]string{{"[S]", "seq -10"}, {"[S.]", "ack -9"}, {"[R]", "seq -9"}, {"[S.]", "ack 1 "}} {
		if !has(old, words...) {
			t.Errorf("no segment has %q", words)
		}
	}
	crashed := tell(t, load(t, `
host client
host server
server:
    listen 80
    accept as c
    read -> 5 bytes "hello"
client:
    connect server 80 from 1000
    write "hello"
    at 1s
    reboot
    connect server 80 from 1000
limit 10s
`), story.TellOptions{}).Steps
	if !has(crashed, "[R]", "seq 6") {
		t.Error("the RST that ends the old connection does not read seq 6")
	}
}

// Attackers have a lane of their own. Their packets are counted, the queue's
// fill is shown, and the listener's lane tells of the honest client only.
func TestFloodHasItsOwnLane(t *testing.T) {
	told := tell(t, find(t, "syn-flood-cookies"), story.TellOptions{})
	var titles []string
	for _, l := range told.Lanes {
		title, _, _ := strings.Cut(l.Title, "\n")
		titles = append(titles, title)
	}
	if got := strings.Join(titles, " "); got != "client server attacker" {
		t.Errorf("the lanes are %s", got)
	}
	counted, filled := false, false
	for _, s := range told.Steps {
		counted = counted || s.Kind == story.Gap && strings.Contains(s.Text, "more packets")
		filled = filled || s.Kind == story.Level && s.Entries == s.Limit
		if s.Kind == story.Arrow && s.Lane == 2 && s.To != 1 {
			t.Errorf("an attacker's packet goes to lane %d", s.To)
		}
		if s.Kind == story.Change && s.Lane == 1 && s.Column != 0 {
			t.Errorf("a second connection: %v", s)
		}
	}
	if !counted || !filled {
		t.Errorf("counted: %v, filled: %v", counted, filled)
	}
}

// Two connections of a host at the same time stand side by side.
func TestConnectionsSideBySide(t *testing.T) {
	told := tell(t, load(t, `
host client
host server
server:
    listen 80
    accept as a
    accept as b
client one:
    connect server 80
client two:
    connect server 80
limit 1s
`), story.TellOptions{})
	columns := map[story.Lane]int{}
	for _, s := range told.Steps {
		columns[s.Lane] = max(columns[s.Lane], s.Column+1)
	}
	if columns[0] != 2 || columns[1] != 2 {
		t.Errorf("columns: %v", columns)
	}
}

// A Chinese page has no English in its marks.
func TestChineseIsChinese(t *testing.T) {
	english := regexp.MustCompile(`[a-z]{3,}`)
	for _, info := range lab.Scenarios() {
		told := tell(t, find(t, info.Name), story.TellOptions{Lang: story.Chinese, Explain: true})
		for _, s := range told.Steps {
			if s.Kind != story.Remark && len(s.Fields)+int(s.Kind) > 0 && english.MatchString(s.Text) {
				t.Errorf("%s: %q", info.Name, s.Text)
			}
		}
		for _, line := range story.Legend(told.Steps, story.Chinese, false, 80) {
			if english.MatchString(line) {
				t.Errorf("%s: %q", info.Name, line)
			}
		}
	}
}

// What is hidden is not there, and what lies outside the time that is asked for
// neither.
func TestHideAndCrop(t *testing.T) {
	s := find(t, "four-way-close")
	all := tell(t, s, story.TellOptions{}).Steps
	last := all[len(all)-1].Time.Sub(all[0].Time)
	for _, p := range tell(t, s, story.TellOptions{Hide: []string{story.HideWindow, story.HideOptions}, From: last / 2}).Steps {
		if text := strings.Join(p.Fields, " "); strings.Contains(text, "win ") || strings.Contains(text, "<") {
			t.Errorf("%q is shown", text)
		}
		if p.Time < all[0].Time.Add(last/2) {
			t.Errorf("a step at %v is shown", p.Time)
		}
	}
}
