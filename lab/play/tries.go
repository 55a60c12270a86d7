package play

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/story"
)

// Try is what a reader may want to change in a scenario: to Settings, or by a Fault.
type Try struct {
	Text     string    `json:"text"`
	Settings *Settings `json:"settings,omitempty"`
	Fault    string    `json:"fault,omitempty"`
}

// TriesOf returns what a scenario has of that. The error names a setting that there is not.
func TriesOf(s *lab.Scenario, l story.Lang) (all []Try, err error) {
	for i := range s.Tries {
		t := &s.Tries[i]
		out := Try{Text: t.Text}
		if l == story.Chinese {
			out.Text = t.TextZH
		}
		if !t.IsSettings() {
			out.Fault = t.With
			all = append(all, out)
			continue
		}
		out.Settings = &Settings{Seed: 1}
		for _, w := range strings.Fields(t.With) {
			key, value, _ := strings.Cut(w, "=")
			if err := out.Settings.set(key, value); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", s.Name, w, err)
			}
		}
		all = append(all, out)
	}
	return all, nil
}

// set changes one setting, by the name that its flag has.
func (s *Settings) set(key, value string) (err error) {
	switch key {
	case "loss":
		s.Loss, err = strconv.ParseFloat(value, 64)
	case "reorder":
		s.Reorder, err = strconv.ParseFloat(value, 64)
	case "delay":
		var d time.Duration
		d, err = time.ParseDuration(value)
		s.Delay = float64(d) / float64(time.Millisecond)
	case "rate":
		number, ok := strings.CutSuffix(value, "mbit")
		if !ok {
			return fmt.Errorf("%q: a number of mbit", value)
		}
		var mbit float64
		mbit, err = strconv.ParseFloat(number, 64)
		s.Rate = uint64(mbit * 1e6)
	case "half-open":
		s.HalfOpen, err = strconv.Atoi(value)
	case "cookies":
		s.Cookies = value
	case "congestion":
		s.Congestion = value
	default:
		err = fmt.Errorf("no setting is called %q", key)
	}
	return err
}
