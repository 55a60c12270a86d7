package story

import (
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Moment is what a sentence is chosen by: one event, and what became of it.
type Moment struct {
	tcp.Event
	// Lost, Doubled, Altered, Marked and Forged are a segment's fate on the wire.
	Lost, Doubled, Altered, Marked, Forged bool
	// Nobody is a loss because no host has the address.
	Nobody bool
}

// Explain says in a sentence why the event happens and which section of which
// RFC asks for it, and in another what the wire did to a segment.
func Explain(s *Moment, l Lang) string {
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

func becauseOf(s *Moment) sentence {
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
func segmentSentence(s *Moment) sentence {
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
	for _, more := range []sentence{ecnSentence(s), fastSentence(s)} {
		if more[English] != "" {
			own = own.and(more)
		}
	}
	switch {
	case s.Nobody:
		return own.and(nobodySentence)
	case s.Lost:
		return own.and(lostSentence)
	case s.Altered:
		return own.and(alteredSentence)
	case s.Doubled:
		return own.and(doubledSentence)
	case s.Marked:
		return own.and(markedSentence)
	}
	return own
}

// fastSentence says what Fast Open adds to a segment.
func fastSentence(s *Moment) sentence {
	f, o := s.Segment.Flags, &s.Segment.Options
	has, cookie := o.Has(wire.OptFastOpen), o.FastOpen().Len() > 0
	switch {
	case !f.Has(wire.SYN):
		return sentence{}
	case f.Has(wire.ACK) && has && cookie:
		return givesCookieSentence
	case f.Has(wire.ACK):
		return sentence{}
	case has && cookie && s.Len > 0:
		return showsCookieSentence
	case has && !cookie:
		return asksCookieSentence
	}
	return sentence{}
}

// ecnSentence says what the flags of ECN add to a segment.
func ecnSentence(s *Moment) sentence {
	f := s.Segment.Flags
	switch {
	case f.Has(wire.SYN | wire.ACEMask):
		return asksAccECNSentence
	case f.Has(wire.SYN|wire.ACK) && f.ACE() > 1:
		return agreesAccECNSentence
	case s.ACE && f&(wire.SYN|wire.RST) == 0:
		return countSentence(s)
	case f.Has(wire.SYN | wire.ECE | wire.CWR):
		return asksECNSentence
	case f.Has(wire.SYN | wire.ACK | wire.ECE):
		return agreesECNSentence
	case f&(wire.SYN|wire.RST) != 0:
		return sentence{}
	case f.Has(wire.CWR):
		return reducedSentence
	case f.Has(wire.ECE):
		return echoSentence
	}
	return sentence{}
}

// countSentence says what the flags of AccECN tell: in the handshake's last ACK how the
// SYN-ACK was marked, and then how many marks there were, if there were any.
func countSentence(s *Moment) sentence {
	own, far := s.ISS, s.IRS
	if s.Kind != tcp.SegmentSent {
		own, far = far, own
	}
	switch {
	case s.Len == 0 && uint32(s.Segment.Seq)-own == 1 && uint32(s.Segment.Ack)-far == 1:
		return reflectionSentence
	case s.Segment.Flags.ACE() != 5:
		return marksSentence
	}
	return sentence{}
}

// and joins two sentences; Chinese needs no space between them.
func (s sentence) and(more sentence) sentence {
	return sentence{s[English] + words.space[English] + more[English], s[Chinese] + words.space[Chinese] + more[Chinese]}
}

// segmentCase is a kind of segment and its explanation.
type segmentCase struct {
	name     string
	has, not wire.Flags
	again    bool
	when     func(*Moment) bool // nil: always
	sentence
}

func (c *segmentCase) fits(s *Moment) bool {
	f := s.Segment.Flags
	return f.Has(c.has) && f&c.not == 0 && (!c.again || s.Retransmit) && (c.when == nil || c.when(s))
}

func hasText(s *Moment) bool    { return s.Len > 0 }
func hasSACK(s *Moment) bool    { return s.Segment.Options.Has(wire.OptSACK) }
func shutWindow(s *Moment) bool { return s.Segment.Window == 0 }

// keepsAlive reports whether a segment asks for an answer without saying anything
// new: an empty one just before what is expected (RFC 9293 §3.8.4).
func keepsAlive(s *Moment) bool {
	return s.Timer == tcp.TimerKeepAlive && s.Len <= 1
}

func probesWindow(s *Moment) bool { return s.Timer == tcp.TimerPersist && s.Len <= 1 }

// sentencesOf numbers the sentences of steps, from 1, each once: a step has its
// number, or 0 without a sentence.
func sentencesOf(steps []Step) (numbers []int, sentences []string) {
	known := map[string]int{}
	for i := range steps {
		why := steps[i].Why
		if why != "" && known[why] == 0 {
			sentences = append(sentences, why)
			known[why] = len(sentences)
		}
		numbers = append(numbers, known[why])
	}
	return numbers, sentences
}
