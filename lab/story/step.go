package story

import (
	"fmt"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// Lane is a column of a ladder, counted from the left.
type Lane int

// The lanes of a ladder that has two.
const (
	Left Lane = iota
	Right
)

// StepKind says what a step of a ladder shows.
type StepKind uint8

// The kinds of step.
const (
	Arrow  StepKind = iota // a packet crosses
	Change                 // an end enters a state
	Mark                   // something happens at one end: a timer fires
	Gap                    // what is left out
	Remark                 // what a program or the story says at one end
	Level                  // the queue of half-open connections fills or empties
)

// Landing is how an Arrow ends.
type Landing uint8

// The landings.
const (
	Taken  Landing = iota
	Lost           // the wire lost it
	Unused         // it arrived, and its receiver dropped it, whether it answered or not
)

// Step is one thing that a ladder shows, made by a Flow, Changed, Skipped or Tell.
type Step struct {
	Time clock.Time
	Kind StepKind
	// Lane is where it happens: the sender's lane of an Arrow.
	Lane Lane
	// To is the lane that an Arrow points at; of a Gap, the space between Lane
	// and To is where it is written.
	To Lane
	// From and State are the states before and after a Change.
	From, State tcp.State
	// Text is the cause of a Change, the name of a Mark, what a Gap leaves
	// out, and what became of an Arrow that is out of the ordinary.
	Text string
	// Fields are an Arrow's flags, numbers and options; none: it is no TCP.
	Fields []string
	// Flags colour an Arrow.
	Flags wire.Flags
	// End is how an Arrow ends.
	End Landing
	// Apart is a Mark of a connection whose states the lane does not tell.
	Apart bool
	// Column tells connections of a lane apart that exist at the same time.
	Column int
	// Entries and Limit are the half-open connections of a Level.
	Entries, Limit int

	// What follows is known where both ends are watched.

	// Arrives is when an Arrow reaches the other lane; 0: unknown, or never.
	Arrives clock.Time
	// Before is how many steps happen before it arrives; 0: not known.
	Before int
	// Packet is the ID in trace.Run of the packet that an Arrow is; 0: none is known.
	Packet int
	// Left is how many arrows like this one were before it and are only counted.
	Left int
	// Again is an Arrow that repeats an earlier one.
	Again bool
	// Strange is an Arrow that no end has sent, or that the wire has altered
	// or doubled.
	Strange bool
	// Cause is why a Change happens.
	Cause tcp.Cause
	// Why explains the step in a sentence: see Explain. Empty: no word of it.
	Why string
}

// Changed returns the step of an end that enters a state. Its cause may be
// empty: what is known of a peer is often only the state.
func Changed(at clock.Time, lane Lane, from, to tcp.State, cause string) Step {
	return Step{Time: at, Kind: Change, Lane: lane, From: from, State: to, Text: cause}
}

// Skipped returns the step that stands for others, which text counts.
func Skipped(at clock.Time, text string) Step {
	return Step{Time: at, Kind: Gap, To: Right, Text: text}
}

// Flow turns the events of one connection into steps, in order. It remembers
// the window scales of the handshake, so that windows are shown in bytes.
type Flow struct {
	// Us is the lane of the end whose events these are, and Peer the other one.
	Us, Peer Lane
	// Lang is the language of causes, timers and marks.
	Lang Lang

	offers map[Lane]scaleOffer
}

// scaleOffer is the window scale that an end offers in its SYN.
type scaleOffer struct {
	shift uint8
	made  bool
}

// Step returns the step that shows e.
func (f *Flow) Step(e *tcp.Event) Step {
	switch e.Kind {
	case tcp.StateChanged:
		s := Changed(e.Time, f.Us, e.From, e.State, causeText(e.Cause, f.Lang))
		s.Cause = e.Cause
		return s
	case tcp.TimerFired:
		return Step{Time: e.Time, Kind: Mark, Lane: f.Us, State: e.State, Text: timerText(e.Timer, f.Lang)}
	}
	sequence, ack := trace.Relative(e)
	f.learn(e, false)
	return f.arrow(e, sequence, ack)
}

// arrow returns the step of a segment whose numbers should be shown as these.
func (f *Flow) arrow(e *tcp.Event, sequence, ack seq.Num) Step {
	s := Step{Time: e.Time, Kind: Arrow, Lane: f.Us, To: f.Peer, Flags: e.Segment.Flags}
	if e.Kind != tcp.SegmentSent {
		s.Lane, s.To = s.To, s.Lane
	}
	s.Fields = f.fields(&s, e, sequence, ack)
	switch {
	case e.Kind == tcp.SegmentDropped:
		s.End, s.Text = Unused, dropText(e.Drop, e.Segment.Flags, f.Lang)
	case e.Retransmit:
		s.Again, s.Text = true, words.again[f.Lang]
	}
	return s
}

// learn notes the window scale that an end offers in its SYN. It counts only
// when both offer one, RFC 7323 §2.2. A SYN that somebody forges in an end's name
// does not take back what that end has offered itself: its next segments mean that.
// https://www.rfc-editor.org/rfc/rfc7323#section-2.2
func (f *Flow) learn(e *tcp.Event, forged bool) {
	from, h := f.Us, &e.Segment
	if e.Kind != tcp.SegmentSent {
		from = f.Peer
	}
	if _, known := f.offers[from]; !h.Flags.Has(wire.SYN) || forged && known {
		return
	}
	if f.offers == nil {
		f.offers = map[Lane]scaleOffer{}
	}
	f.offers[from] = scaleOffer{h.Options.WindowScale, h.Options.Has(wire.OptWindowScale)}
}

// window returns the offered window in bytes. A SYN's is never scaled.
func (f *Flow) window(from, to Lane, h *wire.TCP) int {
	if h.Flags.Has(wire.SYN) || !f.offers[from].made || !f.offers[to].made {
		return int(h.Window)
	}
	return int(h.Window) << f.offers[from].shift
}

// fields says in a few words what a segment carries. Numbers that follow from
// others are left out, and so are timestamps after the handshake: the arrow is
// to be read at a glance.
func (f *Flow) fields(arrow *Step, e *tcp.Event, sequence, ack seq.Num) []string {
	h := &e.Segment
	s := []string{fmt.Sprintf("[%v]", h.Flags), "seq " + relText(sequence)}
	if h.Flags.Has(wire.ACK) {
		s = append(s, "ack "+relText(ack))
	}
	s = append(s, fmt.Sprintf("win %d", f.window(arrow.Lane, arrow.To, h)))
	if e.Len > 0 {
		s = append(s, fmt.Sprintf("len %d", e.Len))
	}
	if h.Flags.Has(wire.URG) {
		s = append(s, fmt.Sprintf("urg %d", h.Urgent))
	}
	return append(s, bracketed(briefOptions(h, ack))...)
}

// before is how far below its stream's first number a number may lie and still
// be shown as a negative one, as those of an older connection are.
const before = 1 << 20

// relText writes a relative number.
func relText(n seq.Num) string {
	if n >= 1<<32-before {
		return fmt.Sprint(int32(n))
	}
	return fmt.Sprint(uint32(n))
}

// briefOptions returns what a SYN offers, or the SACK blocks of another segment.
func briefOptions(h *wire.TCP, ack seq.Num) []string {
	o := &h.Options
	var s []string
	if !h.Flags.Has(wire.SYN) {
		return append(briefSACK(o, h.Ack-ack), briefAuth(o)...)
	}
	if o.Has(wire.OptMSS) {
		s = append(s, fmt.Sprintf("mss %d", o.MSS))
	}
	if o.Has(wire.OptSACKPermitted) {
		s = append(s, "sack")
	}
	if o.Has(wire.OptTimestamps) {
		s = append(s, "ts")
	}
	if o.Has(wire.OptWindowScale) {
		s = append(s, fmt.Sprintf("ws %d", o.WindowScale))
	}
	switch {
	case !o.Has(wire.OptFastOpen):
	case o.FastOpen().Len() == 0:
		s = append(s, "fo")
	default:
		s = append(s, "fo cookie")
	}
	return append(s, briefAuth(o)...)
}

// briefAuth says by which key a segment is signed.
func briefAuth(o *wire.Options) []string {
	if !o.Has(wire.OptAuth) {
		return nil
	}
	return []string{fmt.Sprintf("ao %d", o.Auth().KeyID)}
}

// briefSACK returns each block as a word of its own.
func briefSACK(o *wire.Options, base seq.Num) []string {
	if !o.Has(wire.OptSACK) {
		return nil
	}
	s := []string{"sack"}
	for _, k := range o.SACK[:min(int(o.SACKBlocks), len(o.SACK))] {
		s = append(s, fmt.Sprintf("%d:%d", k.Left-base, k.Right-base))
	}
	return s
}

// bracketed puts angle brackets around a list of words.
func bracketed(words []string) []string {
	if len(words) > 0 {
		words[0] = "<" + words[0]
		words[len(words)-1] += ">"
	}
	return words
}
