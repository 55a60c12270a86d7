package story

import (
	"strings"
	"testing"
	letters "unicode"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Every arrow of the engine's diagram has its causes, and there is no other.
func TestCausesFollowMoves(t *testing.T) {
	for from := range tcp.State(tcp.NumStates) {
		for to := range tcp.State(tcp.NumStates) {
			if got := len(Causes(from, to)) > 0; got != tcp.CanMove(from, to) {
				t.Errorf("%v to %v: causes %v, the engine says %v", from, to, got, !got)
			}
		}
	}
}

// checkSentence holds a sentence against what every one must be: there, in its
// own language, with its end, and the same section in both.
func checkSentence(t *testing.T, what string, s sentence) {
	t.Helper()
	en, zh := s[English], s[Chinese]
	if !strings.HasSuffix(en, ".") || strings.ContainsFunc(en, func(r rune) bool { return letters.Is(letters.Han, r) }) {
		t.Errorf("%s: English: %q", what, en)
	}
	if !strings.HasSuffix(zh, "。") || !strings.ContainsFunc(zh, func(r rune) bool { return letters.Is(letters.Han, r) }) {
		t.Errorf("%s: Chinese: %q", what, zh)
	}
	if a, b := sections(en), sections(zh); a != b {
		t.Errorf("%s: English names %q, Chinese %q", what, a, b)
	}
}

// sections keeps what names a part of an RFC.
func sections(s string) string {
	var found []string
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("（）()，、,。 ；", r) }) {
		if strings.HasPrefix(w, "§") {
			found = append(found, strings.TrimRight(w, ".")[:len("§")+strings.LastIndexFunc(strings.TrimRight(w, ".")[len("§"):], letters.IsDigit)+1])
		}
	}
	return strings.Join(found, " ")
}

func TestSentences(t *testing.T) {
	for s := range meanings {
		checkSentence(t, tcp.State(s).String(), meanings[s])
	}
	for c := range causeSentences {
		checkSentence(t, "cause "+tcp.Cause(c).String(), causeSentences[c])
	}
	if len(causeSentences) != int(tcp.CauseReuse)+1 || len(timerSentences) != int(tcp.TimerLife)+1 {
		t.Error("a cause or a timer has no sentence")
	}
	for i := range timerSentences {
		checkSentence(t, tcp.Timer(i).String(), timerSentences[i])
	}
	for d, s := range dropSentences {
		checkSentence(t, d.String(), s)
	}
	for m, s := range moveSentences {
		checkSentence(t, m.from.String()+" to "+m.to.String(), s)
		if !tcp.CanMove(m.from, m.to) {
			t.Errorf("a sentence for %v to %v, which never happens", m.from, m.to)
		}
	}
	for _, c := range segmentSentences {
		checkSentence(t, c.name, c.sentence)
	}
	for _, s := range []sentence{lostSentence, alteredSentence, doubledSentence, forgedSentence, otherDrop} {
		checkSentence(t, s[English], s)
	}
}

// Every kind of segment has its sentence: each case is the first that fits.
func TestExplainSegments(t *testing.T) {
	sent := func(f wire.Flags, n int, change ...func(*Moment)) *Moment {
		s := &Moment{}
		s.Kind, s.Segment.Flags, s.Len, s.Segment.Window = tcp.SegmentSent, f, n, 1000
		for _, c := range change {
			c(s)
		}
		return s
	}
	again := func(s *Moment) { s.Retransmit = true }
	for _, c := range []struct {
		name  string
		story *Moment
	}{
		{"syn", sent(wire.SYN, 0)}, {"syn", sent(wire.SYN|wire.ECE|wire.CWR, 0)}, {"syn again", sent(wire.SYN, 0, again)},
		{"syn-ack", sent(wire.SYN|wire.ACK, 0)}, {"syn-ack again", sent(wire.SYN|wire.ACK, 0, again)},
		{"rst", sent(wire.RST, 0)}, {"rst-ack", sent(wire.RST|wire.ACK, 0)},
		{"fin", sent(wire.FIN|wire.ACK, 0)}, {"fin again", sent(wire.FIN|wire.ACK, 0, again)}, {"fin with text", sent(wire.FIN|wire.PSH|wire.ACK, 9)},
		{"text", sent(wire.ACK, 9)}, {"text again", sent(wire.ACK, 9, again)}, {"urgent", sent(wire.ACK|wire.URG, 9)},
		{"ack", sent(wire.ACK, 0)},
		{"third ack", sent(wire.ACK, 0, func(s *Moment) { s.Segment.Seq, s.Segment.Ack, s.State = 1, 1, tcp.Established })},
		{"sack", sent(wire.ACK, 0, func(s *Moment) { s.Segment.Options.Set = wire.OptSACK })},
		{"shut window", sent(wire.ACK, 0, func(s *Moment) { s.Segment.Window = 0 })},
		{"window probe", sent(wire.ACK, 1, func(s *Moment) { s.Timer = tcp.TimerPersist })},
		{"keep-alive", sent(wire.ACK, 0, func(s *Moment) { s.Timer = tcp.TimerKeepAlive })},
		{"other", sent(0, 0)},
	} {
		for i := range segmentSentences {
			if segmentSentences[i].fits(c.story) {
				if segmentSentences[i].name != c.name {
					t.Errorf("%v, %d bytes: %q, want %q", c.story.Segment.Flags, c.story.Len, segmentSentences[i].name, c.name)
				}
				break
			}
		}
		for l := range Lang(numLangs) {
			if Explain(c.story, l) == "" {
				t.Errorf("%s: no sentence in language %d", c.name, l)
			}
		}
	}
}

// What a segment is for comes first, then what happens to it on its way.
func TestExplainOthers(t *testing.T) {
	other := segmentSentences[len(segmentSentences)-1].sentence
	for want, s := range map[string]*Moment{
		other[English] + " " + lostSentence[English]:               {Lost: true},
		forgedSentence[English]:                                    {Forged: true, Doubled: true},
		other[English] + " " + alteredSentence[English]:            {Altered: true},
		other[English] + " " + markedSentence[English]:             {Marked: true},
		other[English] + " " + doubledSentence[English]:            {Doubled: true},
		otherDrop[English]:                                         {Event: tcp.Event{Kind: tcp.SegmentDropped, Drop: wire.TooShort}},
		dropSentences[wire.PAWS][English]:                          {Event: tcp.Event{Kind: tcp.SegmentDropped, Drop: wire.PAWS}},
		timerSentences[tcp.TimerPersist][English]:                  {Event: tcp.Event{Kind: tcp.TimerFired, Timer: tcp.TimerPersist}},
		causeSentences[tcp.CauseSyn][English]:                      {Event: tcp.Event{Kind: tcp.StateChanged, From: tcp.Listen, State: tcp.SynReceived, Cause: tcp.CauseSyn}},
		moveSentences[move{tcp.SynSent, tcp.SynReceived}][English]: {Event: tcp.Event{Kind: tcp.StateChanged, From: tcp.SynSent, State: tcp.SynReceived, Cause: tcp.CauseSyn}},
		causeSentences[tcp.CauseReset][English]:                    {Event: tcp.Event{Kind: tcp.StateChanged, From: tcp.LastAck, State: tcp.Closed, Cause: tcp.CauseReset}},
	} {
		if got := Explain(s, English); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
