package lab

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// pattern is a description of segments: from whom, to whom, with what.
type pattern struct {
	from, to string // to "": anybody
	with     []func(*parcel, *record) bool
	after    time.Duration // since the start
}

// rule is what the wire does with some segments.
type rule struct {
	line        int
	action      string
	first, last int // which of those that match; last 0: all from first on
	pattern
	by    time.Duration
	until condition
	ack   *seq.Num // duplicate: the copy's acknowledgement number is changed to this
}

// rule reads: ACTION the 2nd segment from HOST [to HOST] [with ...] [after T] [by D] [until C].
func (p *parser) rule(l *lineReader, action string) (err error) {
	r := rule{line: l.line, action: action, first: 1}
	if err := r.which(l); err != nil {
		return err
	}
	if r.pattern, err = p.pattern(l); err != nil {
		return err
	}
	switch action {
	case "delay", "duplicate":
		if action == "duplicate" && !l.accept("after") || action == "delay" && !l.accept("by") {
			w, _ := l.peek()
			return l.at(w, "by how much? (delay … by D, duplicate … after D)")
		}
		if r.by, err = l.duration("a time"); err == nil && action == "duplicate" && l.accept("with") {
			err = r.newAck(l)
		}
	case "hold":
		if _, err = l.expect("until"); err == nil {
			r.until, err = p.condition(l)
		}
	}
	p.rules = append(p.rules, r)
	return err
}

// newAck reads: with ack N.
func (r *rule) newAck(l *lineReader) error {
	if _, err := l.expect("ack"); err != nil {
		return err
	}
	n, err := l.number("an acknowledgement number")
	ack := seq.Num(n)
	r.ack = &ack
	return err
}

// which reads "the 2nd segment", "the 2nd to 4th segments" or "every segment".
func (r *rule) which(l *lineReader) error {
	w, err := l.next("which segment")
	if err != nil {
		return err
	}
	if w.text == "every" {
		_, err = l.expect("segment")
		return err
	}
	if w.text == "the" {
		if w, err = l.next("1st, 2nd, 3rd"); err != nil {
			return err
		}
	}
	n, ok := ordinal(w.text)
	if !ok {
		return l.at(w, "%q: which one? (the 1st, the 2nd to 4th, every)", w.text)
	}
	r.first, r.last = n, n
	if l.accept("to") {
		if w, err = l.next("an ordinal"); err != nil {
			return err
		}
		if r.last, ok = ordinal(w.text); !ok || r.last < n {
			return l.at(w, "%q: up to which one?", w.text)
		}
	}
	_, err = l.expect("segment", "segments")
	return err
}

// pattern reads: from HOST [to HOST] [with A and B] [after T].
func (p *parser) pattern(l *lineReader) (t pattern, err error) {
	if _, err = l.expect("from"); err != nil {
		return t, err
	}
	if t.from, err = p.host(l); err != nil {
		return t, err
	}
	if l.accept("to") {
		if t.to, err = p.host(l); err != nil {
			return t, err
		}
	}
	if l.accept("with") {
		for more := true; more; more = l.accept("and") {
			test, err := l.property()
			if err != nil {
				return t, err
			}
			t.with = append(t.with, test)
		}
	}
	if l.accept("since") {
		t.after, err = l.duration("a time since the start")
	}
	return t, err
}

// property reads one thing that can be said of a segment.
func (l *lineReader) property() (func(*parcel, *record) bool, error) {
	w, err := l.next("what the segment has: SYN, SYN-ACK, FIN, RST, ACK, URG, ECE, CWR, data, seq N or ack N")
	if err != nil {
		return nil, err
	}
	has := func(f wire.Flags) func(*parcel, *record) bool {
		return func(p *parcel, _ *record) bool { return p.tcp.Flags.Has(f) }
	}
	switch w.text {
	case "SYN":
		return func(p *parcel, _ *record) bool { return p.tcp.Flags&(wire.SYN|wire.ACK) == wire.SYN }, nil
	case "SYN-ACK":
		return has(wire.SYN | wire.ACK), nil
	case "FIN":
		return has(wire.FIN), nil
	case "RST":
		return has(wire.RST), nil
	case "URG":
		return has(wire.URG), nil
	case "ECE":
		return has(wire.ECE), nil
	case "CWR":
		return has(wire.CWR), nil
	case "ACK": // and nothing else
		return func(p *parcel, _ *record) bool {
			return p.tcp.Flags&^(wire.ECE|wire.CWR|wire.AE) == wire.ACK && p.len == 0
		}, nil
	case "data":
		return func(p *parcel, _ *record) bool { return p.len > 0 }, nil
	case "seq", "ack":
		n, err := l.number("a number that counts from the stream's first")
		return func(p *parcel, r *record) bool { return p.number(r, w.text) == seq.Num(n) }, err
	}
	return nil, l.at(w, "%q: SYN, SYN-ACK, FIN, RST, ACK, URG, ECE, CWR, data, seq N or ack N is expected here", w.text)
}

// number is the segment's sequence or acknowledgement number, as people count.
func (p *parcel) number(r *record, which string) seq.Num {
	if which == "seq" {
		return p.tcp.Seq - r.isns[p.direction()]
	}
	return p.tcp.Ack - r.isns[p.direction().reverse()]
}

// matches reports whether the pattern describes the parcel. Forged packets are nobody's: a
// rule for the 2nd segment from a host counts that host's own.
func (t *pattern) matches(p *parcel, r *record) bool {
	if p.tcp == nil || p.forged || p.from.Name != t.from || t.to != "" && p.peer() != t.to {
		return false
	}
	if r.world.now < start.Add(t.after) {
		return false
	}
	for _, has := range t.with {
		if !has(p, r) {
			return false
		}
	}
	return true
}

// judge asks all rules about a parcel; counts are theirs, and not in the rules, because a
// scenario may be played more than once.
func (s *Scenario) judge(w *World, counts []int) func(*parcel) verdict {
	return func(p *parcel) (v verdict) {
		for i := range s.rules {
			r := &s.rules[i]
			if !r.matches(p, &w.record) {
				continue
			}
			if counts[i]++; counts[i] >= r.first && (r.last == 0 || counts[i] <= r.last) {
				r.apply(w, p, &v)
			}
		}
		return v
	}
}

// apply adds what the rule does to the verdict. What comes later, a copy or what is held
// back, comes of no segment that is lost, whichever rule says so.
func (r *rule) apply(w *World, p *parcel, v *verdict) {
	switch r.action {
	case "lose":
		v.lose = true
	case "corrupt":
		v.corrupt = true
	case "mark":
		v.mark = true
	case "delay":
		v.delay += r.by
	case "duplicate":
		if r.ack == nil {
			v.copies = append(v.copies, r.by)
			break
		}
		w.record.fate(p, trace.Duplicated, fmt.Sprintf("the copy comes %v later, its ACK fitted", r.by))
		w.when(condition{at: w.now.Add(r.by).Sub(start)}, func() {
			if v.lose {
				return
			}
			ack := w.record.isns[p.direction().reverse()] + *r.ack
			w.enter(w.link(p.from, p.to), p, p.acknowledging(ack))
		})
	case "hold":
		v.hold = true
		w.record.fate(p, trace.Delayed, "held back")
		w.when(r.until, func() {
			if !v.lose {
				w.enter(w.link(p.from, p.to), p, p.data)
			}
		})
	}
}

// acknowledging returns the parcel's packet with another acknowledgement number.
func (p *parcel) acknowledging(ack seq.Num) []byte {
	h := *p.tcp
	h.Ack = ack
	return packet(p.direction(), &h, p.data[len(p.data)-p.len:])
}

// when does something as soon as a condition holds: as a program of nobody's, so that what
// happens to the world waits like all else.
func (w *World) when(c condition, do func()) {
	p := newProc(w, nil, "", func(p *Proc) {
		ready, until := c.ready(w)
		p.Wait(ready, until)
		do()
	})
	p.background = true
	w.procs = append(w.procs, p)
}

// state reads the name of a state, in the RFC's spelling.
func (l *lineReader) state() (tcp.State, error) {
	w, err := l.next("a state")
	if err != nil {
		return 0, err
	}
	for s := range tcp.State(tcp.NumStates) {
		if s.String() == strings.ToUpper(w.text) {
			return s, nil
		}
	}
	return 0, l.at(w, "%q is not a state", w.text)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
