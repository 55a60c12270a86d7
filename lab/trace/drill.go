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

// WriteDrill writes what one host of a run saw and did as a packetdrill script, under lines
// of comment: the calls of its programs, the segments that came and those that left. State
// changes are comments, and so are calls that scripts do not have, or that a host makes for
// several connections: such a script plays what it can. Why says in the language of the
// reader why a state has changed, or which timer has fired; nil: in English. Its errors are
// the writer's.
func WriteDrill(w io.Writer, r *Run, host string, why func(*tcp.Event) string, comments ...string) error {
	if why == nil {
		why = whyInEnglish
	}
	var b strings.Builder
	for _, c := range comments {
		fmt.Fprintf(&b, "// %s\n", c)
	}
	d := drillWriter{out: &b, last: r.Start, why: why, events: eventsOf(r, host), packets: r.Packets}
	d.settings()
	b.WriteByte('\n')
	for i, e := range d.events {
		d.event(i, e)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// eventsOf returns what happened on a host.
func eventsOf(r *Run, host string) (all []*Event) {
	for i := range r.Events {
		if e := &r.Events[i]; e.Host == host {
			all = append(all, e)
		}
	}
	return all
}

// drillWriter writes each line's time as what passed since the last line.
type drillWriter struct {
	out     *strings.Builder
	last    clock.Time
	why     func(*tcp.Event) string
	events  []*Event
	packets []Packet
	calls   drillCalls
}

func whyInEnglish(e *tcp.Event) string {
	if e.Kind == tcp.TimerFired {
		return e.Timer.String() + " timer"
	}
	return e.Cause.String()
}

func (d *drillWriter) event(i int, e *Event) {
	switch {
	case e.Class == Call:
		d.call(i, e)
	case e.Class != Engine:
	case e.Kind == tcp.StateChanged:
		fmt.Fprintf(d.out, "//   %v -> %v: %s\n", e.From, e.State, d.why(&e.Event))
		d.accepts(e)
	case e.Kind == tcp.TimerFired:
		fmt.Fprintf(d.out, "//   %s\n", d.why(&e.Event))
	default:
		d.segment(&e.Event, d.mark(e))
	}
}

// mark is what a script says of the ECN bits of a segment, where they say anything.
func (d *drillWriter) mark(e *Event) string {
	if e.Packet < 1 || e.Packet > len(d.packets) {
		return ""
	}
	p := &d.packets[e.Packet-1]
	data := p.Data
	for _, a := range p.Arrivals {
		if e.Kind != tcp.SegmentSent && a.Time == e.Time {
			data = a.Data
		}
	}
	var ip wire.IP
	if wire.ParseQuotedIP(data, &ip) != wire.None {
		return ""
	}
	return [...]string{"", "[ect1] ", "[ect0] ", "[ce] "}[ip.ECN()]
}

// line writes a line that happens at an instant.
func (d *drillWriter) line(at clock.Time, format string, args ...any) {
	fmt.Fprintf(d.out, "%+.6f %s\n", at.Sub(d.last).Seconds(), fmt.Sprintf(format, args...))
	d.last = at
}

func (d *drillWriter) segment(e *tcp.Event, mark string) {
	h := &e.Segment
	own, far, way := seq.Num(e.ISS), seq.Num(e.IRS), ">"
	if e.Kind != tcp.SegmentSent {
		own, far, way = far, own, "<"
	}
	if h.Flags.Has(wire.SYN) {
		own = h.Seq
	}
	first := h.Seq - own
	b := &strings.Builder{}
	fmt.Fprintf(b, "%s %s%s%s %d:%d(%d)", way, mark, d.ports(e), strings.ReplaceAll(h.Flags.String(), "e", "A"), first, first.Add(seq.Size(e.Len)), e.Len)
	if h.Flags.Has(wire.ACK) {
		fmt.Fprintf(b, " ack %d", h.Ack-far)
	}
	// The window that we offer depends on when the program reads, which a script says only
	// roughly: it is a remark.
	if e.Kind != tcp.SegmentSent {
		fmt.Fprintf(b, " win %d", h.Window)
	}
	if h.Flags.Has(wire.URG) {
		fmt.Fprintf(b, " urg %d", h.Urgent)
	}
	if o := drillOptions(&h.Options, far); o != "" {
		fmt.Fprintf(b, " <%s>", o)
	}
	if e.Kind == tcp.SegmentSent {
		fmt.Fprintf(b, " // win %d", h.Window)
	}
	d.line(e.Time, "%s", b)
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
	if o.Has(wire.OptSACKPermitted) && !o.Has(wire.OptTimestamps) {
		s = append(s, "nop", "nop")
	}
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
	if o.Has(wire.OptFastOpen) {
		s = append(s, o.FastOpenString())
		cookie := o.FastOpen()
		pad := cookie.Size() - 2 - cookie.Len()
		if o.FastOpenExperiment() {
			pad = -cookie.Len() & 3
		}
		for range pad {
			s = append(s, "nop")
		}
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
