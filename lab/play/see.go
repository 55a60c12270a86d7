package play

import (
	"regexp"

	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/story"
)

// Source is a part of what a scenario says of where to read about it.
type Source struct {
	Text string `json:"text"`
	URL  string `json:"url,omitempty"` // of a section of an RFC; "": the text is only text
}

var rfcSection = regexp.MustCompile(`RFC (\d+)(?: §([\d.]*\d))?|§([\d.]*\d)`)

// Sources says where to read about a scenario.
func Sources(s *lab.Scenario, l story.Lang) []Source {
	if l == story.Chinese {
		return sources(s.SeeZH)
	}
	return sources(s.See)
}

// sources splits a scenario's line "see" into parts, of which those that name an RFC, or a
// section of the one before, lead there.
func sources(see string) (all []Source) {
	at, rfc := 0, ""
	for _, m := range rfcSection.FindAllStringSubmatchIndex(see, -1) {
		section := ""
		for _, g := range []int{4, 6} {
			if m[g] >= 0 {
				section = "#section-" + see[m[g]:m[g+1]]
			}
		}
		if m[2] >= 0 {
			rfc = see[m[2]:m[3]]
		}
		if rfc == "" {
			continue
		}
		if m[0] > at {
			all = append(all, Source{Text: see[at:m[0]]})
		}
		all = append(all, Source{see[m[0]:m[1]], "https://www.rfc-editor.org/rfc/rfc" + rfc + section})
		at = m[1]
	}
	if at < len(see) {
		all = append(all, Source{Text: see[at:]})
	}
	return all
}
