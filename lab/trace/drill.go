package trace

import (
	"fmt"
	"io"
	"strings"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// WriteDrill writes what the TCP of one host of a run saw and did, in
// packetdrill's notation, under lines of comment. Calls and state changes are
// comments: their meaning is not packetdrill's. Why says in the language of the reader
// why a state has changed, or which timer has fired; nil: in English. Its errors are
// the writer's.
func WriteDrill(w io.Writer, r *Run, host string, why func(*tcp.Event) string, comments ...string) error {
	if why == nil {
		why = whyInEnglish
	}
	var b strings.Builder
	for _, c := range comments {
		fmt.Fprintf(&b, "// %s\n", c)
	}
	b.WriteByte('\n')
	d := drillWriter{out: &b, last: r.Start, why: why}
	for i := range r.Events {
		if e := &r.Events[i]; e.Host == host {
			d.event(e)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// drillWriter writes each line's time as what passed since the last segment.
type drillWriter struct {
	out  *strings.Builder
	last clock.Time
	why  func(*tcp.Event) string
}

func whyInEnglish(e *tcp.Event) string {
	if e.Kind == tcp.TimerFired {
		return e.Timer.String() + " timer"
	}
	return e.Cause.String()
}

func (d *drillWriter) event(e *Event) {
	switch {
	case e.Class == Call:
		fmt.Fprintf(d.out, "// %s\n", e.Text)
	case e.Class != Engine:
	case e.Kind == tcp.StateChanged:
		fmt.Fprintf(d.out, "//   %v -> %v: %s\n", e.From, e.State, d.why(&e.Event))
	case e.Kind == tcp.TimerFired:
		fmt.Fprintf(d.out, "//   %s\n", d.why(&e.Event))
	default:
		d.segment(&e.Event)
	}
}

func (d *drillWriter) segment(e *tcp.Event) {
	h := &e.Segment
	own, far, way := seq.Num(e.ISS), seq.Num(e.IRS), ">"
	if e.Kind != tcp.SegmentSent {
		own, far, way = far, own, "<"
	}
	if h.Flags.Has(wire.SYN) {
		own = h.Seq
	}
	first := h.Seq - own
	fmt.Fprintf(d.out, "%+.6f %s %v %d:%d(%d)", e.Time.Sub(d.last).Seconds(), way, h.Flags, first, first.Add(seq.Size(e.Len)), e.Len)
	if h.Flags.Has(wire.ACK) {
		fmt.Fprintf(d.out, " ack %d", h.Ack-far)
	}
	fmt.Fprintf(d.out, " win %d", h.Window)
	if h.Flags.Has(wire.URG) {
		fmt.Fprintf(d.out, " urg %d", h.Urgent)
	}
	if o := drillOptions(&h.Options, far); o != "" {
		fmt.Fprintf(d.out, " <%s>", o)
	}
	d.out.WriteByte('\n')
	d.last = e.Time
}

// drillOptions writes options as packetdrill does, with the padding that puts
// them on the boundaries where Linux has them.
func drillOptions(o *wire.Options, far seq.Num) string {
	var s []string
	add := func(has wire.OptionSet, format string, args ...any) {
		if o.Has(has) {
			s = append(s, fmt.Sprintf(format, args...))
		}
	}
	add(wire.OptMSS, "mss %d", o.MSS)
	add(wire.OptSACKPermitted, "sackOK")
	if o.Has(wire.OptTimestamps) && !o.Has(wire.OptSACKPermitted) {
		s = append(s, "nop", "nop")
	}
	add(wire.OptTimestamps, "TS val %d ecr %d", o.TSVal, o.TSEcr)
	add(wire.OptWindowScale, "nop,wscale %d", o.WindowScale)
	if o.Has(wire.OptUserTimeout) {
		s = append(s, o.UserTimeout.String())
	}
	if o.Has(wire.OptAccECN) {
		for range o.AccECN.Size() - 2 - 3*o.AccECN.Count() {
			s = append(s, "nop")
		}
		s = append(s, o.AccECNString())
	}
	if o.Has(wire.OptSACK) {
		blocks := []string{"nop,nop,sack"}
		for _, k := range o.SACK[:min(int(o.SACKBlocks), len(o.SACK))] {
			blocks = append(blocks, fmt.Sprintf("%d:%d", k.Left-far, k.Right-far))
		}
		s = append(s, strings.Join(blocks, " "))
	}
	return strings.Join(s, ",")
}
