package story

import (
	"fmt"

	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/seq"
	"github.com/handfast-tcp/handfast/tcp"
	"github.com/handfast-tcp/handfast/trace"
	"github.com/handfast-tcp/handfast/wire"
)

// Side is one of a ladder's two lanes.
type Side uint8

// The lanes.
const (
	Left Side = iota
	Right
)

// Other returns the lane across.
func (s Side) Other() Side { return 1 - s }

// StepKind says what a step of a ladder shows.
type StepKind uint8

// The kinds of step.
const (
	Arrow  StepKind = iota // a segment crosses
	Change                 // an end enters a state
	Mark                   // something happens at one end: a timer fires
	Gap                    // what is left out
	Remark                 // what a program or the story says at one end
)

// Step is one thing that a ladder shows, made by a Flow, Changed or Skipped.
type Step struct {
	Time clock.Time
	Kind StepKind
	// Side is the sender's lane of an Arrow, and otherwise the lane where it
	// happens.
	Side Side
	// From and State are the states before and after a Change.
	From, State tcp.State
	// Text is the cause of a Change, the name of a Mark, what a Gap leaves
	// out, and what became of an Arrow that is out of the ordinary.
	Text string
	// Fields are an Arrow's flags, numbers and options.
	Fields []string
	// Flags colour an Arrow.
	Flags wire.Flags
	// Lost is an Arrow that its receiver did not use.
	Lost bool

	// What follows is known where both ends are watched.

	// Arrives is when an Arrow reaches the other lane; 0: unknown, or never.
	Arrives clock.Time
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
func Changed(at clock.Time, side Side, from, to tcp.State, cause string) Step {
	return Step{Time: at, Kind: Change, Side: side, From: from, State: to, Text: cause}
}

// Skipped returns the step that stands for others, which text counts.
func Skipped(at clock.Time, text string) Step {
	return Step{Time: at, Kind: Gap, Text: text}
}

// Flow turns the events of one connection into steps, in order. It remembers
// the window scales of the handshake, so that windows are shown in bytes.
type Flow struct {
	// Us is the lane of the end whose events these are.
	Us Side

	scale   [2]uint8
	offered [2]bool
}

// Step returns the step that shows e.
func (f *Flow) Step(e *tcp.Event) Step {
	switch e.Kind {
	case tcp.StateChanged:
		s := Changed(e.Time, f.Us, e.From, e.State, e.Cause.String())
		s.Cause = e.Cause
		return s
	case tcp.TimerFired:
		return Step{Time: e.Time, Kind: Mark, Side: f.Us, State: e.State, Text: e.Timer.String() + " timer"}
	}
	return f.arrow(e)
}

func (f *Flow) arrow(e *tcp.Event) Step {
	s := Step{Time: e.Time, Kind: Arrow, Side: f.Us, Flags: e.Segment.Flags}
	if e.Kind != tcp.SegmentSent {
		s.Side = f.Us.Other()
	}
	f.learn(s.Side, &e.Segment)
	s.Fields = f.fields(s.Side, e)
	switch {
	case e.Kind == tcp.SegmentDropped:
		s.Lost, s.Text = true, e.Drop.String()
	case e.Retransmit:
		s.Again, s.Text = true, "again"
	}
	return s
}

// learn notes the window scale that an end offers in its SYN. It counts only
// when both offer one, RFC 7323 §2.2.
// https://www.rfc-editor.org/rfc/rfc7323#section-2.2
func (f *Flow) learn(from Side, h *wire.TCP) {
	if h.Flags.Has(wire.SYN) {
		f.offered[from] = h.Options.Has(wire.OptWindowScale)
		f.scale[from] = h.Options.WindowScale
	}
}

// window returns the offered window in bytes. A SYN's is never scaled.
func (f *Flow) window(from Side, h *wire.TCP) int {
	if h.Flags.Has(wire.SYN) || !f.offered[Left] || !f.offered[Right] {
		return int(h.Window)
	}
	return int(h.Window) << f.scale[from]
}

// fields says in a few words what a segment carries. Numbers that follow from
// others are left out, and so are timestamps after the handshake: the arrow is
// to be read at a glance.
func (f *Flow) fields(from Side, e *tcp.Event) []string {
	h := &e.Segment
	sequence, ack := trace.Relative(e)
	s := []string{fmt.Sprintf("[%v]", h.Flags), "seq " + relText(sequence)}
	if h.Flags.Has(wire.ACK) {
		s = append(s, "ack "+relText(ack))
	}
	s = append(s, fmt.Sprintf("win %d", f.window(from, h)))
	if e.Len > 0 {
		s = append(s, fmt.Sprintf("len %d", e.Len))
	}
	if h.Flags.Has(wire.URG) {
		s = append(s, fmt.Sprintf("urg %d", h.Urgent))
	}
	return append(s, bracketed(briefOptions(h, ack))...)
}

// relText writes a relative number. One that lies just before its stream's
// first, as those of an older connection may, is negative.
func relText(n seq.Num) string {
	if n >= 1<<32-1<<20 {
		return fmt.Sprint(int32(n))
	}
	return fmt.Sprint(uint32(n))
}

// briefOptions returns what a SYN offers, or the SACK blocks of another segment.
func briefOptions(h *wire.TCP, ack seq.Num) []string {
	o := &h.Options
	var s []string
	if !h.Flags.Has(wire.SYN) {
		return briefSACK(o, h.Ack-ack)
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
	return s
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
