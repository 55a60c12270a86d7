package story

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// Difference is something that is not the same in several runs: its name, and
// what it is in each of them, in the order of the runs.
type Difference struct {
	Name   string
	Values []string
}

// Compare names what is different between runs: where each host's last
// connection ends and what states it passes, when it was established, how many
// packets were sent, lost, repeated and not taken, how much data they carried,
// and how long it all took. What is the same in all runs is left out.
func Compare(l Lang, runs ...*trace.Run) (all []Difference) {
	var tallies []*tally
	var hosts []string
	for _, r := range runs {
		tallies = append(tallies, tallied(r))
		for i := range r.Hosts {
			if h := &r.Hosts[i]; !h.Router && !h.Scripted && !slices.Contains(hosts, h.Name) {
				hosts = append(hosts, h.Name)
			}
		}
	}
	row := func(name string, value func(*tally) string) {
		d := Difference{Name: name}
		for _, t := range tallies {
			d.Values = append(d.Values, cmp.Or(value(t), "-"))
		}
		if slices.ContainsFunc(d.Values, func(v string) bool { return v != d.Values[0] }) {
			all = append(all, d)
		}
	}
	for _, h := range hosts {
		row(fmt.Sprintf(compared.ends[l], h), func(t *tally) string { return t.ends(h) })
		row(fmt.Sprintf(compared.passes[l], h), func(t *tally) string { return strings.Join(t.passed[h], " ") })
		row(fmt.Sprintf(compared.open[l], h), func(t *tally) string { return t.open[h] })
	}
	for _, c := range []struct {
		name  sentence
		value func(*tally) int
	}{
		{compared.packets, func(t *tally) int { return t.packets }},
		{compared.bytes, func(t *tally) int { return t.bytes }},
		{compared.lost, func(t *tally) int { return t.lost }},
		{compared.again, func(t *tally) int { return t.again }},
		{compared.unused, func(t *tally) int { return t.unused }},
		{compared.halfOpen, func(t *tally) int { return t.halfOpen }},
	} {
		row(c.name[l], func(t *tally) string { return fmt.Sprint(c.value(t)) })
	}
	row(compared.time[l], func(t *tally) string { return sinceText(t.last.Sub(t.first)) })
	return all
}

// compared are the names of what is compared.
var compared = struct {
	ends, passes, open, packets, bytes, lost, again, unused, halfOpen, time sentence
}{
	ends:     sentence{"%s ends in", "%s 终止于"},
	passes:   sentence{"%s passes", "%s 经过"},
	open:     sentence{"%s: ESTABLISHED after", "%s：进入 ESTABLISHED 的时间"},
	packets:  sentence{"packets", "报文数"},
	bytes:    sentence{"bytes of data in them", "其中的数据字节"},
	lost:     sentence{"of them lost", "其中丢失"},
	again:    sentence{"sent again", "重发"},
	unused:   sentence{"arrived, not taken", "到达，但未被采用"},
	halfOpen: sentence{"half-open, at most", "半连接，最多"},
	time:     sentence{"time until the last event", "到最后一个事件的时间"},
}

// tally counts what happens in a run.
type tally struct {
	cast        *cast
	first, last clock.Time
	passed      map[string][]string // states of each host
	open        map[string]string   // when its first connection was established

	packets, bytes, lost, again, unused, halfOpen int
}

func tallied(r *trace.Run) *tally {
	t := &tally{cast: newCast(r), first: r.Start, last: r.Start, passed: map[string][]string{}, open: map[string]string{}, packets: len(r.Packets)}
	for i := range r.Packets {
		if r.Packets[i].Lost {
			t.lost++
		}
	}
	for i := range r.Events {
		t.event(&r.Events[i])
	}
	return t
}

func (t *tally) event(e *trace.Event) {
	t.last = max(t.last, e.Time)
	t.halfOpen = max(t.halfOpen, e.HalfOpen)
	switch {
	case !e.IsTCP():
	case e.Kind == tcp.SegmentSent && e.Class != trace.Wire || e.Fate == trace.Forged:
		t.bytes += e.Len
		if e.Retransmit {
			t.again++
		}
	case e.Class == trace.Wire:
	case e.Kind == tcp.SegmentDropped:
		t.unused++
	case e.Kind == tcp.StateChanged:
		t.changed(e)
	}
}

// changed notes a state, but not those of the connections of strangers: a host
// under a flood would pass little else.
func (t *tally) changed(e *trace.Event) {
	if t.cast.strange(e) {
		return
	}
	passed := t.passed[e.Host]
	t.passed[e.Host] = append(passed, e.State.String())
	if e.State == tcp.Established && t.open[e.Host] == "" {
		t.open[e.Host] = sinceText(e.Time.Sub(t.first))
	}
}

func (t *tally) ends(host string) string {
	if p := t.passed[host]; len(p) > 0 {
		return p[len(p)-1]
	}
	if t.cast.listens(host) {
		return tcp.Listen.String()
	}
	return ""
}
