package story

import (
	"github.com/handfast-tcp/handfast/tcp"
	"github.com/handfast-tcp/handfast/wire"
)

// Story is what a sentence is chosen by: one event, and what became of it.
type Story struct {
	tcp.Event
	// Lost, Doubled, Altered and Forged are a segment's fate on the wire.
	Lost, Doubled, Altered, Forged bool
}

// Explain says in a sentence why the event happens and which section of which
// RFC asks for it, and in another what the wire did to a segment.
func Explain(s *Story, l Lang) string {
	switch s.Kind {
	case tcp.StateChanged:
		return becauseOf(s)[l]
	case tcp.TimerFired:
		return timerSentences[s.Timer][l]
	case tcp.SegmentDropped:
		return dropSentence(s.Drop)[l]
	}
	return segmentSentence(s)[l]
}

func becauseOf(s *Story) sentence {
	if special, ok := moveSentences[move{s.From, s.State}]; ok && s.Cause < tcp.CauseAbort {
		return special
	}
	return causeSentences[s.Cause]
}

func dropSentence(d wire.Drop) sentence {
	if s, ok := dropSentences[d]; ok {
		return s
	}
	return otherDrop
}

// segmentSentence says what a segment is for, and then what the wire does to it.
func segmentSentence(s *Story) sentence {
	if s.Forged {
		return forgedSentence
	}
	own := sentence{}
	for i := range segmentSentences {
		if c := &segmentSentences[i]; c.fits(s) {
			own = c.sentence
			break
		}
	}
	switch {
	case s.Lost:
		return own.and(lostSentence)
	case s.Altered:
		return own.and(alteredSentence)
	case s.Doubled:
		return own.and(doubledSentence)
	}
	return own
}

// and joins two sentences; Chinese needs no space between them.
func (s sentence) and(more sentence) sentence {
	return sentence{s[English] + " " + more[English], s[Chinese] + more[Chinese]}
}

// segmentCase is a kind of segment and what is to be said of it.
type segmentCase struct {
	name     string
	has, not wire.Flags
	again    bool
	when     func(*Story) bool // nil: always
	sentence
}

func (c *segmentCase) fits(s *Story) bool {
	f := s.Segment.Flags
	return f.Has(c.has) && f&c.not == 0 && (!c.again || s.Retransmit) && (c.when == nil || c.when(s))
}

func hasText(s *Story) bool    { return s.Len > 0 }
func hasSACK(s *Story) bool    { return s.Segment.Options.Has(wire.OptSACK) }
func shutWindow(s *Story) bool { return s.Segment.Window == 0 }

// keepsAlive reports whether a segment asks for an answer without saying anything
// new: an empty one just before what is expected (RFC 9293 §3.8.4).
func keepsAlive(s *Story) bool {
	return s.Timer == tcp.TimerKeepAlive && s.Len <= 1
}

func probesWindow(s *Story) bool { return s.Timer == tcp.TimerPersist && s.Len <= 1 }
