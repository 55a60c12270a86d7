package lab

import (
	"fmt"
	"strings"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// expectation is what has to be true of a run when it is over.
type expectation struct {
	line  int
	text  string
	check func(*World) string // what is not so; "": it is
}

// expectation reads one of
//
//	expect HOST ends STATE
//	expect HOST passes STATE STATE …
//	expect HOST never is STATE
//	expect HOST drops "reason"
//	expect [no | N | at least N | at most N] segment(s) from HOST [to HOST] [with …] [since T]
func (p *parser) expectation(l *lineReader) (err error) {
	e := expectation{line: l.line, text: strings.TrimSpace(l.text[:min(l.byteEnd(), len(l.text))])}
	if w, ok := l.peek(); ok && p.hasHost(w.text) {
		l.skip()
		e.check, err = l.ofHost(w.text)
	} else {
		e.check, err = p.ofSegments(l)
	}
	p.expects = append(p.expects, e)
	return err
}

func (l *lineReader) ofHost(name string) (func(*World) string, error) {
	verb, err := l.expect("ends", "passes", "never", "drops")
	if err != nil {
		return nil, err
	}
	if verb == "drops" {
		w, err := l.next("a reason")
		return func(r *World) string { return r.record.dropped(name, w.text) }, err
	}
	if verb == "never" {
		if _, err := l.expect("is"); err != nil {
			return nil, err
		}
	}
	first, err := l.state()
	if err != nil {
		return nil, err
	}
	states := []tcp.State{first}
	for _, more := l.peek(); more && verb == "passes"; _, more = l.peek() {
		s, err := l.state()
		if err != nil {
			return nil, err
		}
		states = append(states, s)
	}
	return func(w *World) string { return w.record.checkStates(name, verb, states) }, nil
}

// checkStates holds a host's changes of state against an expectation. Those that are wanted
// must come in their order; others may come between them.
func (r *record) checkStates(name, verb string, want []tcp.State) string {
	var seen []tcp.State
	for i := range r.events {
		if e := &r.events[i]; e.Host == name && e.Class == trace.Engine && e.Kind == tcp.StateChanged {
			seen = append(seen, e.State)
		}
	}
	last := tcp.Closed
	if len(seen) > 0 {
		last = seen[len(seen)-1]
	}
	left := want
	for _, s := range seen {
		if len(left) > 0 && s == left[0] {
			left = left[1:]
		}
	}
	switch {
	case verb == "ends" && last != want[0]:
		return fmt.Sprintf("%s ends in %v", name, last)
	case verb == "passes" && len(left) > 0:
		return fmt.Sprintf("%s was in %v, in this order: %v is missing", name, seen, left[0])
	case verb == "never" && len(left) == 0:
		return fmt.Sprintf("%s was in %v", name, want[0])
	}
	return ""
}

// dropped looks for a segment that a host dropped for a reason. When there is none it tells
// the reasons that there were, which is mostly what one wants to know next.
func (r *record) dropped(name, reason string) string {
	var other []string
	for i := range r.events {
		e := &r.events[i]
		if e.Host != name || e.Drop == wire.None {
			continue
		}
		if e.Drop.String() == reason {
			return ""
		}
		other = append(other, e.Drop.String())
	}
	return fmt.Sprintf("%s drops for: %s", name, strings.Join(other, ", "))
}

// ofSegments reads a number of segments.
func (p *parser) ofSegments(l *lineReader) (func(*World) string, error) {
	least, most := 0, 0
	switch {
	case l.accept("no"):
	case l.accept("at"):
		which, err := l.expect("least", "most")
		if err != nil {
			return nil, err
		}
		n, err := l.int("a number of segments")
		if err != nil {
			return nil, err
		}
		if most = n; which == "least" {
			least, most = n, 1<<30
		}
	default:
		n, err := l.int("a host, or a number of segments,")
		if err != nil {
			return nil, err
		}
		least, most = n, n
	}
	if _, err := l.expect("segment", "segments"); err != nil {
		return nil, err
	}
	t, err := p.pattern(l)
	return func(w *World) string {
		if n := t.count(w); n < least || n > most {
			return "found " + plural(n, "such segment")
		}
		return ""
	}, err
}

// count counts the segments that were sent and match. A pattern may look at the world's time,
// so that time is what it was at each of them, and afterwards what it is.
func (t *pattern) count(w *World) (n int) {
	r := &w.record
	now := w.now
	defer func() { w.now = now }()
	for i := range r.packets {
		k := &r.packets[i]
		p := parcel{data: k.Data, from: w.node(k.From), to: w.node(k.To), forged: k.Forged}
		var ip wire.IP
		if wire.ParseIP(k.Data, &ip) == wire.None {
			p.parse(&ip)
		}
		w.now = k.Time
		if t.matches(&p, r) {
			n++
		}
	}
	return n
}
