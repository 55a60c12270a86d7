package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/story"
	"github.com/handfast-tcp/handfast/tcp"
	"github.com/handfast-tcp/handfast/trace"
	"github.com/handfast-tcp/handfast/wire"
)

// view is a run of the lab as somebody looks at it: two ends and what passes
// between them. When there are more than two hosts, the one that is spoken to
// has the right lane, and all others share the left one.
type view struct {
	result  *lab.Result
	options *labOptions
	left    trace.Host // of the left lane, the one whose states are shown
	right   trace.Host
	fates   map[int]*fate
	flows   map[wire.Tuple]*story.Flow
	fired   map[string]tcp.Event // each host's last timer
	steps   []story.Step
	crowd   crowd
}

// fate is what became of a packet.
type fate struct {
	lost, altered, doubled bool
	drops                  []wire.Drop // one for each copy that arrived
	text                   string
}

func newView(r *lab.Result, o *labOptions) *view {
	v := &view{result: r, options: o, fates: map[int]*fate{}, flows: map[wire.Tuple]*story.Flow{}, fired: map[string]tcp.Event{}}
	v.cast()
	for i := range r.Events {
		v.note(&r.Events[i])
	}
	for i := range r.Events {
		v.event(&r.Events[i])
	}
	v.disperse()
	return v
}

// cast chooses who has a lane.
func (v *view) cast() {
	var hosts []trace.Host
	for _, h := range v.result.Hosts {
		if !h.Router {
			hosts = append(hosts, h)
		}
	}
	server := hosts[len(hosts)-1].Name
	if p := v.result.Packets; len(p) > 0 && p[0].To != "" && len(hosts) > 2 {
		server = p[0].To
	}
	chosen := false
	for _, h := range hosts {
		switch {
		case h.Name == server:
			v.right = h
		case !chosen && (!h.Scripted || v.left.Name == ""):
			v.left, chosen = h, !h.Scripted
		}
	}
}

func (v *view) side(host string) story.Side {
	if host == v.right.Name {
		return story.Right
	}
	return story.Left
}

func (v *view) fate(packet int) *fate {
	if v.fates[packet] == nil {
		v.fates[packet] = &fate{}
	}
	return v.fates[packet]
}

// note remembers what becomes of packets, which is known later than they are sent.
func (v *view) note(e *trace.Event) {
	if e.Packet == 0 {
		return
	}
	f := v.fate(e.Packet)
	switch {
	case e.Fate == trace.Lost || e.Fate == trace.TooBig:
		f.lost, f.text = true, e.Fate.String()
	case e.Fate == trace.Corrupted:
		f.altered = true
	case e.Fate == trace.Duplicated:
		f.doubled = true
	case e.Fate == trace.Refused:
		f.drops = append(f.drops, e.Drop)
	case e.Class == trace.Engine && e.Kind == tcp.SegmentReceived, e.Class == trace.Engine && e.Kind == tcp.SegmentDropped:
		f.drops = append(f.drops, e.Drop)
	}
}

// drop returns why a copy of a packet was not used.
func (f *fate) drop(n int) wire.Drop {
	if n < len(f.drops) {
		return f.drops[n]
	}
	return wire.None
}

// event adds the steps that show an event.
func (v *view) event(e *trace.Event) {
	switch e.Class {
	case trace.Call, trace.Outcome, trace.Note:
		v.remark(e)
		return
	case trace.Wire:
		v.wire(e)
		return
	}
	switch e.Kind {
	case tcp.SegmentSent:
		v.arrows(e)
	case tcp.StateChanged, tcp.TimerFired:
		v.fired[e.Host] = e.Event
		s := v.flow(e).Step(&e.Event)
		s.Why = v.why(&story.Story{Event: e.Event})
		if e.Host == v.left.Name || e.Host == v.right.Name {
			v.add(e, s)
		}
	}
}

// remark shows what a program does. What a script sends and wants needs no
// words: there is an arrow for it.
func (v *view) remark(e *trace.Event) {
	text := e.Text
	verb, _, _ := strings.Cut(text, " ")
	switch {
	case e.Class != trace.Note && v.scripted(e.Host) && (verb == "send" || verb == "want"):
		return
	case e.Host != v.left.Name && e.Host != v.right.Name:
		text = e.Host + ": " + text
	}
	v.add(e, story.Step{Time: e.Time, Kind: story.Remark, Side: v.side(e.Host), Text: text})
	if e.Class == trace.Call && text == "reboot" {
		s := story.Changed(e.Time, v.side(e.Host), v.last(e.Host), tcp.Closed, "all forgotten")
		s.Why = v.why(&story.Story{Event: tcp.Event{Kind: tcp.StateChanged, State: tcp.Closed}})
		v.add(e, s)
	}
}

func (v *view) scripted(host string) bool {
	return slices.ContainsFunc(v.result.Hosts, func(h trace.Host) bool { return h.Name == host && h.Scripted })
}

// last returns the state that a host's lane shows.
func (v *view) last(host string) tcp.State {
	for _, s := range slices.Backward(v.steps) {
		if s.Kind == story.Change && s.Side == v.side(host) {
			return s.State
		}
	}
	return tcp.Closed
}

// wire shows what nobody sent, and ICMP messages. Other fates are on the arrows.
func (v *view) wire(e *trace.Event) {
	switch e.Fate {
	case trace.Forged:
		v.arrows(e)
	case trace.ICMPArrived:
		v.add(e, story.Step{Time: e.Time, Kind: story.Remark, Side: v.side(e.Host), Text: e.Text})
	}
}

// flow returns the connection's memory, with the lane of the event's host set.
func (v *view) flow(e *trace.Event) *story.Flow {
	key := e.Tuple
	if v.side(e.Host) == story.Right {
		key = key.Reverse()
	}
	if v.flows[key] == nil {
		v.flows[key] = &story.Flow{}
	}
	v.flows[key].Us = v.side(e.Host)
	return v.flows[key]
}

// arrows adds an arrow for each copy of a segment.
func (v *view) arrows(e *trace.Event) {
	if e.Packet == 0 || e.Packet > len(v.result.Packets) {
		return
	}
	p, f := &v.result.Packets[e.Packet-1], v.fate(e.Packet)
	sent := e.Event
	sent.Kind = tcp.SegmentSent
	step := v.flow(e).Step(&sent)
	stranger := e.Host != v.left.Name && e.Host != v.right.Name
	if stranger {
		step.Text = join(step.Text, "from "+e.Host)
	}
	story := story.Story{Event: sent, Lost: f.lost, Altered: f.altered, Doubled: f.doubled, Forged: p.Forged}
	if t := v.fired[e.Host]; t.Kind == tcp.TimerFired && t.Time == e.Time {
		story.Timer = t.Timer
	}
	step.Why, step.Strange = v.why(&story), p.Forged
	if p.Forged && !stranger {
		step.Text = join(step.Text, "not sent now")
	}
	if f.altered {
		step.Text = join(step.Text, "corrupted")
	}
	if len(p.Arrivals) == 0 {
		step.Lost, step.Text = true, join(step.Text, f.text)
		v.add(e, step)
		return
	}
	for n, a := range p.Arrivals {
		v.add(e, v.copy(step, n, a.Time, f))
	}
}

// copy returns the arrow of a copy of a segment.
func (v *view) copy(s story.Step, n int, at clock.Time, f *fate) story.Step {
	s.Arrives = at
	if n > 0 {
		s.Why, s.Strange, s.Text = "", true, join(s.Text, "copy")
	}
	if d := f.drop(n); d != wire.None {
		s.Lost, s.Text = true, join(s.Text, d.String())
		dropped := story.Story{Event: tcp.Event{Kind: tcp.SegmentDropped, Drop: d}}
		s.Why = strings.TrimSpace(s.Why + " " + v.why(&dropped))
	}
	return s
}

func join(words ...string) string {
	var all []string
	for _, w := range words {
		if w != "" {
			all = append(all, w)
		}
	}
	return strings.Join(all, ", ")
}

func (v *view) why(s *story.Story) string {
	if !v.options.explain {
		return ""
	}
	return story.Explain(s, v.options.language())
}

// crowd collects steps of third hosts: a flood would bury everything else.
type crowd struct {
	waiting []story.Step
	hosts   map[string]bool
}

// crowdShown is how many steps of a crowd are shown before the rest is counted.
const crowdShown = 4

// add appends a step, or lets it wait when it is one of a crowd.
func (v *view) add(e *trace.Event, s story.Step) {
	if third := v.third(e); third != "" {
		if v.crowd.hosts == nil {
			v.crowd.hosts = map[string]bool{}
		}
		v.crowd.hosts[third] = true
		v.crowd.waiting = append(v.crowd.waiting, s)
		return
	}
	v.disperse()
	v.steps = append(v.steps, s)
}

// third returns the host without a lane that an event is about, or "".
func (v *view) third(e *trace.Event) string {
	for _, h := range []string{e.Host, e.Peer} {
		if h != "" && h != v.left.Name && h != v.right.Name {
			return h
		}
	}
	if far := e.Tuple.Remote; e.Class == trace.Engine && far != (wire.Addr{}) && far.String() != v.left.Address && far.String() != v.right.Address {
		return "others"
	}
	return ""
}

// disperse shows the first of a crowd and counts the rest.
func (v *view) disperse() {
	c := &v.crowd
	if rest := len(c.waiting) - crowdShown; rest > 2 {
		v.steps = append(v.steps, c.waiting[:crowdShown]...)
		names := slices.Sorted(maps.Keys(c.hosts))
		last := c.waiting[len(c.waiting)-1].Time
		v.steps = append(v.steps, story.Skipped(last, fmt.Sprintf("%d more steps like these, of %s", rest, strings.Join(names, " and "))))
	} else {
		v.steps = append(v.steps, c.waiting...)
	}
	v.crowd = crowd{}
}

// heads returns the titles of the lanes.
func (v *view) heads() (left, right string) {
	title := func(h trace.Host) string {
		if h.Scripted {
			return h.Name + "\n" + h.Address + ", scripted"
		}
		return h.Name + "\n" + h.Address
	}
	return title(v.left), title(v.right)
}

func (v *view) summary() string {
	if v.options.language() == story.Chinese {
		return v.result.Scenario.SummaryZH
	}
	return v.result.Scenario.Summary
}

func (v *view) picture(t story.Theme) story.Picture {
	left, right := v.heads()
	return story.Picture{Title: v.result.Scenario.Name, Summary: v.summary(), Left: left, Right: right, Theme: t,
		Footer: fmt.Sprintf("handfast lab %s --seed %d · sequence numbers count from each SYN, windows are in bytes", v.result.Scenario.Name, v.result.Seed)}
}

func (v *view) diagram(t story.Theme) story.Diagram {
	return story.Diagram{Title: v.result.Scenario.Name, Summary: v.summary(), Theme: t, Paths: []story.Path{
		story.PathOf(v.left.Name, story.Left, v.steps), story.PathOf(v.right.Name, story.Right, v.steps)}}
}

// json writes every event of every host, shown or not.
func (v *view) json(w io.Writer) error {
	var b []byte
	for i := range v.result.Events {
		e := &v.result.Events[i]
		why := ""
		if e.IsTCP() {
			why = v.why(&story.Story{Event: e.Event, Lost: e.Fate == trace.Lost, Altered: e.Fate == trace.Corrupted,
				Doubled: e.Fate == trace.Duplicated, Forged: e.Fate == trace.Forged})
		}
		b = append(trace.AppendJSON(b, e, v.result.Start, why), '\n')
	}
	_, err := w.Write(b)
	return err
}
