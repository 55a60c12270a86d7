package lab

import (
	"fmt"
	"strings"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// Text returns the run as the lines that stand below the line of dashes in a
// scenario's file: time in seconds, host, what happened. Segments are in the
// notation in which scenarios write them, their numbers counted from the first
// of each stream; #N is the packet.
func (r *Result) Text() string {
	width := 0
	for _, h := range r.Hosts {
		width = max(width, len(h.Name))
	}
	var b strings.Builder
	for i := range r.Events {
		e := &r.Events[i]
		fmt.Fprintf(&b, "%10.6f %-*s %s\n", e.Time.Sub(r.Start).Seconds(), width, e.Host, line(e))
	}
	for _, f := range r.Failed {
		fmt.Fprintf(&b, "FAILED: %s\n", f)
	}
	return b.String()
}

func line(e *trace.Event) string {
	switch e.Class {
	case trace.Call:
		return e.Text
	case trace.Outcome:
		return "  " + e.Text
	case trace.Note:
		return "# " + e.Text
	case trace.Wire:
		return fateLine(e)
	}
	switch e.Kind {
	case tcp.StateChanged:
		return fmt.Sprintf("  %v -> %v: %v", e.From, e.State, e.Cause)
	case tcp.TimerFired:
		return fmt.Sprintf("  %v timer fires", e.Timer)
	}
	return segmentLine(e)
}

func segmentLine(e *trace.Event) string {
	if e.Kind == tcp.SegmentSent {
		again := ""
		if e.Retransmit {
			again = " (again)"
		}
		return fmt.Sprintf("  -> #%d %s%s", e.Packet, describe(&e.Segment, e.Len, e.ISS, e.IRS, false), again)
	}
	s := fmt.Sprintf("  <- #%d %s", e.Packet, describe(&e.Segment, e.Len, e.IRS, e.ISS, true))
	if e.Kind == tcp.SegmentDropped {
		s += fmt.Sprintf(" (dropped: %v)", e.Drop)
	}
	return s
}

func fateLine(e *trace.Event) string {
	switch e.Fate {
	case trace.Forged:
		return fmt.Sprintf("  forged -> #%d %s", e.Packet, describe(&e.Segment, e.Len, e.ISS, e.IRS, false))
	case trace.ICMPSent:
		return fmt.Sprintf("  -> #%d %s", e.Packet, e.Text)
	case trace.ICMPArrived:
		return fmt.Sprintf("  <- #%d %s", e.Packet, e.Text)
	case trace.Refused:
		return fmt.Sprintf("  <- #%d refused: %v", e.Packet, e.Drop)
	}
	if e.Text != "" {
		return fmt.Sprintf("  ~~ #%d %v (%s)", e.Packet, e.Fate, e.Text)
	}
	return fmt.Sprintf("  ~~ #%d %v", e.Packet, e.Fate)
}
