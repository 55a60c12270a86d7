package trace

import (
	"fmt"
	"strings"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Text writes events as lines in tcpdump's form. The zero value is ready to use.
type Text struct {
	// Start is the instant that is printed as 0.
	Start clock.Time
	// Absolute keeps sequence numbers as on the wire. Otherwise they are
	// counted from each stream's SYN, which is 0 (tcpdump -S and not).
	Absolute bool
}

// Append appends the event as one line, without a newline: the time in
// seconds, then what happened.
func (t *Text) Append(b []byte, e *tcp.Event) []byte {
	b = fmt.Appendf(b, "%.6f ", e.Time.Sub(t.Start).Seconds())
	switch e.Kind {
	case tcp.StateChanged:
		return t.appendChange(b, e)
	case tcp.TimerFired:
		return fmt.Appendf(appendTuple(b, e.Tuple), "timer %v in %v", e.Timer, e.State)
	}
	return t.appendSegment(b, e)
}

func (t *Text) appendChange(b []byte, e *tcp.Event) []byte {
	b = fmt.Appendf(appendTuple(b, e.Tuple), "state %v -> %v", e.From, e.State)
	if e.Cause != tcp.CauseNone {
		b = fmt.Appendf(b, " (%v)", e.Cause)
	}
	return b
}

func (t *Text) appendSegment(b []byte, e *tcp.Event) []byte {
	tuple := e.Tuple
	if e.Kind != tcp.SegmentSent {
		tuple = tuple.Reverse()
	}
	b = appendTuple(b, tuple)
	b = t.appendHeader(b, e)
	if e.Retransmit {
		b = append(b, " (retransmission)"...)
	}
	if e.Kind == tcp.SegmentDropped {
		b = fmt.Appendf(b, " (dropped: %v)", e.Drop)
	}
	return b
}

// appendTuple writes addresses as tcpdump does: the port after another dot.
func appendTuple(b []byte, t wire.Tuple) []byte {
	family := "IP6"
	if t.Local.Is4() {
		family = "IP"
	}
	return fmt.Appendf(b, "%s %v.%d > %v.%d: ", family, t.Local, t.LocalPort, t.Remote, t.RemotePort)
}

// appendHeader prints a sequence number where tcpdump does: where it means
// something.
func (t *Text) appendHeader(b []byte, e *tcp.Event) []byte {
	s := &e.Segment
	sequence, ack := Relative(e)
	if t.Absolute {
		sequence, ack = s.Seq, s.Ack
	}
	b = fmt.Appendf(b, "Flags [%v]", s.Flags)
	switch {
	case e.Len > 0:
		b = fmt.Appendf(b, ", seq %d:%d", sequence, sequence.Add(seq.Size(e.Len)))
	case s.Flags&(wire.SYN|wire.FIN|wire.RST) != 0:
		b = fmt.Appendf(b, ", seq %d", sequence)
	}
	if s.Flags.Has(wire.ACK) {
		b = fmt.Appendf(b, ", ack %d", ack)
	}
	b = fmt.Appendf(b, ", win %d", s.Window)
	if s.Flags.Has(wire.URG) {
		b = fmt.Appendf(b, ", urg %d", s.Urgent)
	}
	if s.Options.Set != 0 {
		b = fmt.Appendf(b, ", options [%s]", strings.Join(options(&s.Options, s.Ack-ack), ","))
	}
	return fmt.Appendf(b, ", length %d", e.Len)
}

// options returns each option as tcpdump spells it; SACK blocks are counted
// from base, the stream that the ACK is about.
func options(o *wire.Options, base seq.Num) []string {
	var s []string
	if o.Has(wire.OptMSS) {
		s = append(s, fmt.Sprintf("mss %d", o.MSS))
	}
	if o.Has(wire.OptSACKPermitted) {
		s = append(s, "sackOK")
	}
	if o.Has(wire.OptTimestamps) {
		s = append(s, fmt.Sprintf("TS val %d ecr %d", o.TSVal, o.TSEcr))
	}
	if o.Has(wire.OptWindowScale) {
		s = append(s, fmt.Sprintf("wscale %d", o.WindowScale))
	}
	if o.Has(wire.OptUserTimeout) {
		s = append(s, o.UserTimeout.String())
	}
	if o.Has(wire.OptAccECN) {
		s = append(s, o.AccECNString())
	}
	if o.Has(wire.OptFastOpen) {
		s = append(s, o.FastOpenString())
	}
	if o.Has(wire.OptAuth) {
		a := o.Auth()
		s = append(s, fmt.Sprintf("ao keyid %d rnextkeyid %d", a.KeyID, a.NextKeyID))
	}
	if o.Has(wire.OptSACK) {
		s = append(s, sack(o, base))
	}
	return s
}

func sack(o *wire.Options, base seq.Num) string {
	var b strings.Builder
	fmt.Fprintf(&b, "sack %d ", o.SACKBlocks)
	for _, k := range o.SACK[:min(int(o.SACKBlocks), len(o.SACK))] {
		fmt.Fprintf(&b, "{%d:%d}", k.Left-base, k.Right-base)
	}
	return b.String()
}
