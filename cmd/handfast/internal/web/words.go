package web

import (
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/story"
)

// text is the same in both languages, as the page has it: English, Chinese.
type text [len(languages)]string

// verdict is one of the detector, or a reason of it.
func verdict(english string) (t text) {
	for i, l := range languages {
		t[i] = say.Verdict(english, l)
	}
	return t
}

// causeText is why a state changed.
func causeText(c tcp.Cause) (t text) {
	for i, l := range languages {
		t[i] = story.CauseName(c, l)
	}
	return t
}
