package story

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// TellOptions say how a run is told.
type TellOptions struct {
	Lang Lang
	// Explain adds a sentence to each step.
	Explain bool
	// From and Until bound what is shown, in time since the run began; an Until
	// of 0 is its end.
	From, Until time.Duration
	// Hide leaves fields out of arrows: HideWindow, HideOptions.
	Hide []string
}

// The fields that TellOptions.Hide knows.
const (
	HideWindow  = "win"
	HideOptions = "options"
)

// Telling is a run as people look at it: lanes, and what happens on them.
type Telling struct {
	Lanes []Head
	Steps []Step

	names []string // of the lanes
}

// Tell turns a run into steps. The hosts that talk to each other have a lane
// each. Those that send in other names, as attackers do, share the last one, and
// only the first of their packets are shown: the rest is counted.
func Tell(r *trace.Run, o TellOptions) *Telling {
	t := &teller{run: r, TellOptions: o, cast: newCast(r), numbers: newNumbers(),
		fates: fatesOf(r), flows: map[wire.Tuple]*Flow{}, fired: map[string]tcp.Event{}, calls: map[string][]string{}, columns: newColumns()}
	for i := range r.Events {
		t.event(&r.Events[i])
	}
	t.crop()
	t.bundle()
	return &Telling{Lanes: t.cast.heads(o.Lang), Steps: t.folded(), names: t.cast.names()}
}

// Paths returns the ways of the ends through the state diagram.
func (t *Telling) Paths(start clock.Time) (all []Path) {
	for i := range t.Lanes {
		if !t.Lanes[i].Plain {
			p := PathOf(t.names[i], Lane(i), t.Steps)
			p.Start = start
			all = append(all, p)
		}
	}
	return all
}

// teller is what Tell knows while it tells.
type teller struct {
	TellOptions
	run     *trace.Run
	cast    *cast
	numbers *numbers
	fates   map[int]*fate
	flows   map[wire.Tuple]*Flow
	fired   map[string]tcp.Event // each host's last timer
	columns *columnsOf
	calls   map[string][]string // of each host's programs, so far
	levels  map[string]int      // of each host's queue, as last shown
	sent    map[sending]bool
	steps   []Step
	crowd   []bool        // which steps are a stranger's
	flying  map[int][]int // of each packet, the steps of copies that have not arrived
}

// sending is a segment as its sender means it: to see whether it did before.
type sending struct {
	flow  wire.Tuple
	flags wire.Flags
}

// event adds the steps that show an event.
func (t *teller) event(e *trace.Event) {
	switch e.Class {
	case trace.Call, trace.Outcome, trace.Note:
		t.remark(e)
		return
	case trace.Wire:
		t.wire(e)
		return
	}
	switch e.Kind {
	case tcp.SegmentSent:
		t.arrows(e)
	case tcp.SegmentReceived, tcp.SegmentDropped:
		t.arrived(e)
	case tcp.StateChanged:
		t.changed(e)
	case tcp.TimerFired:
		t.fired[e.Host] = e.Event
		s := t.flow(e).Step(&e.Event)
		s.Why, s.Apart = t.why(&Moment{Event: e.Event}), t.cast.strange(e)
		t.add(s, s.Apart)
	}
	t.level(e)
}

// add appends a step; crowd says that it is about somebody who is only counted.
func (t *teller) add(s Step, crowd bool) {
	t.steps = append(t.steps, s)
	t.crowd = append(t.crowd, crowd)
}

// changed shows that a connection enters a state. The states of strangers'
// connections are told by how full the queue of half-open ones is.
func (t *teller) changed(e *trace.Event) {
	t.fired[e.Host] = tcp.Event{}
	if e.Cause == tcp.CauseReuse {
		t.land(e.Time, t.cast.lane(e.Host)) // the change is told before the SYN that is its cause
	}
	if !t.cast.strange(e) {
		s := t.flow(e).Step(&e.Event)
		s.Column = t.columns.of(e)
		if s.Column > 0 {
			s.Text = fmt.Sprintf("(%d) %s", s.Column+1, s.Text)
		}
		s.Why = t.why(&Moment{Event: e.Event})
		t.add(s, false)
	}
}

// land notes that a packet has reached a lane that nobody has told of yet.
func (t *teller) land(now clock.Time, lane Lane) {
	for i := range t.steps {
		if s := &t.steps[i]; s.Kind == Arrow && s.To == lane && s.Arrives == now && s.Before == 0 {
			s.Before = len(t.steps)
			return
		}
	}
}

// level shows how full the queue of half-open connections is, when that changes:
// after any event, as entries are also forgotten without one of their own.
func (t *teller) level(e *trace.Event) {
	limit := t.run.Hosts[t.cast.index(e.Host)].HalfOpen
	if !t.cast.strangers || limit == 0 || t.levels[e.Host] == e.HalfOpen {
		return
	}
	if t.levels == nil {
		t.levels = map[string]int{}
	}
	t.levels[e.Host] = e.HalfOpen
	t.add(Step{Time: e.Time, Kind: Level, Lane: t.cast.lane(e.Host), Text: words.halfOpen[t.Lang], Entries: e.HalfOpen, Limit: limit}, true)
}

// remark shows what a program does. What a script sends and wants needs no
// words: there is an arrow for it.
func (t *teller) remark(e *trace.Event) {
	verb, _, _ := strings.Cut(e.Text, " ")
	if e.Class != trace.Note && t.cast.scripted(e.Host) && (verb == "send" || verb == "want") {
		return
	}
	lane, text := t.cast.lane(e.Host), t.remarked(e)
	if t.cast.shared(lane) {
		text = e.Host + ": " + text
	}
	t.add(Step{Time: e.Time, Kind: Remark, Lane: lane, Text: text}, false)
	switch {
	case e.Class != trace.Call:
	case verb == "reboot":
		t.reboot(e, lane)
	case verb == "listen" && !t.cast.shared(lane):
		t.listens(e, lane)
	}
}

// remarked returns what a call, its outcome or a note says.
func (t *teller) remarked(e *trace.Event) string {
	switch {
	case e.Class == trace.Note && t.Lang == Chinese && e.TextZH != "":
		return e.TextZH
	case e.Class == trace.Call:
		t.calls[e.Host] = append(t.calls[e.Host], e.Text)
	case e.Class == trace.Outcome:
		for _, call := range slices.Backward(t.calls[e.Host]) {
			if gave, ok := strings.CutPrefix(e.Text, call+": "); ok {
				return outcomeText(call, gave, t.Lang)
			}
		}
	}
	return e.Text
}

// listens shows that a host whose connection is gone listens again.
func (t *teller) listens(e *trace.Event, lane Lane) {
	if state, known := t.lastStates(lane)[0]; known && state == tcp.Closed {
		s := Changed(e.Time, lane, tcp.Closed, tcp.Listen, causeText(tcp.CausePassiveOpen, t.Lang))
		s.Cause = tcp.CausePassiveOpen
		s.Why = t.why(&Moment{Event: tcp.Event{Kind: tcp.StateChanged, From: tcp.Closed, State: tcp.Listen, Cause: s.Cause}})
		t.add(s, false)
	}
}

// reboot ends what a host's lane shows.
func (t *teller) reboot(e *trace.Event, lane Lane) {
	for column, state := range t.lastStates(lane) {
		if state == tcp.Closed {
			continue
		}
		s := Changed(e.Time, lane, state, tcp.Closed, words.restarted[t.Lang])
		s.Column = column
		s.Why = t.why(&Moment{Event: tcp.Event{Kind: tcp.StateChanged, State: tcp.Closed}})
		t.add(s, false)
	}
	t.columns.forget(e.Host)
}

// lastStates returns the state that each column of a lane shows.
func (t *teller) lastStates(lane Lane) map[int]tcp.State {
	last := map[int]tcp.State{}
	for i := range t.steps {
		if s := &t.steps[i]; s.Kind == Change && s.Lane == lane {
			last[s.Column] = s.State
		}
	}
	return last
}

// wire shows what nobody sent, and ICMP messages. Other fates are on the arrows.
func (t *teller) wire(e *trace.Event) {
	switch e.Fate {
	case trace.Forged:
		t.arrows(e)
	case trace.ICMPSent:
		t.message(e)
	case trace.ICMPArrived, trace.Refused:
		t.arrived(e)
	}
}

// message shows an ICMP message as an arrow.
func (t *teller) message(e *trace.Event) {
	s := Step{Time: e.Time, Kind: Arrow, Lane: t.cast.lane(e.Host), To: t.cast.lane(e.Peer), Text: messageText(e.Text, t.Lang)}
	if s.Lane == s.To {
		s.Kind = Remark
		t.add(s, false)
		return
	}
	t.copies(s, &t.run.Packets[e.Packet-1], t.cast.strange(e))
}

// flow returns the connection's memory, with the lane of the event's host set.
func (t *teller) flow(e *trace.Event) *Flow {
	us := t.cast.lane(e.Host)
	peer := t.cast.laneOf(e.Tuple.Remote, us)
	key := e.Tuple
	if peer < us {
		key = key.Reverse()
	}
	if t.flows[key] == nil {
		t.flows[key] = &Flow{Lang: t.Lang}
	}
	f := t.flows[key]
	f.Us, f.Peer = us, peer
	return f
}

// arrows adds an arrow for each copy of a segment.
func (t *teller) arrows(e *trace.Event) {
	if e.Packet == 0 || e.Packet > len(t.run.Packets) {
		return
	}
	p, f := &t.run.Packets[e.Packet-1], t.fates[e.Packet]
	sent := e.Event
	sent.Kind = tcp.SegmentSent
	sequence, ack := t.numbers.relative(e, p.Forged)
	flow := t.flow(e)
	flow.learn(&sent, p.Forged)
	step := flow.arrow(&sent, sequence, ack)
	step.Fields = t.visible(step.Fields)
	t.firstOfItsKind(&step, e)
	moment := Moment{Event: sent, Lost: f.lost, Nobody: f.reason == noSuchHost, Altered: f.altered, Doubled: f.doubled, Marked: f.marked, Forged: p.Forged}
	if fired := t.fired[e.Host]; fired.Kind == tcp.TimerFired && fired.Time == e.Time {
		moment.Timer = fired.Timer
	}
	step.Why, step.Strange = t.why(&moment), p.Forged
	if p.Forged && !t.cast.counted(step.Lane) {
		step.Text = t.join(step.Text, words.forged[t.Lang])
	}
	if f.altered {
		step.Text = t.join(step.Text, words.corrupted[t.Lang])
	}
	if f.marked {
		step.Text = t.join(step.Text, words.marked[t.Lang])
	}
	t.copies(step, p, t.cast.strange(e))
}

// firstOfItsKind takes the mark of a repetition off a segment that was never
// sent before: the SYN-ACK of a simultaneous open repeats a SYN only.
func (t *teller) firstOfItsKind(s *Step, e *trace.Event) {
	if t.sent == nil {
		t.sent = map[sending]bool{}
	}
	k := sending{e.Tuple, e.Segment.Flags & (wire.SYN | wire.ACK)}
	if s.Again && e.Segment.Flags.Has(wire.SYN|wire.ACK) && !t.sent[k] {
		s.Again, s.Text = false, ""
	}
	t.sent[k] = true
}

// visible leaves out what TellOptions hides.
func (t *teller) visible(fields []string) []string {
	if slices.Contains(t.Hide, HideOptions) {
		fields = fields[:indexPrefix(fields, "<")]
	}
	if i := indexPrefix(fields, "win "); i < len(fields) && slices.Contains(t.Hide, HideWindow) && fields[i] != "win 0" {
		fields = slices.Delete(slices.Clone(fields), i, i+1)
	}
	return fields
}

// copies adds the arrows of a packet: one for each copy that arrives, or one
// that ends on its way.
func (t *teller) copies(s Step, p *trace.Packet, crowd bool) {
	f := t.fates[p.ID]
	s.Packet = p.ID
	if len(p.Arrivals) == 0 {
		s.End, s.Text = Lost, t.join(s.Text, f.word(t.Lang))
		if router, at := t.cast.router, f.tooBig; at > 0 && router >= 0 {
			s.To, s.Arrives = router, at
		}
		t.add(s, crowd)
		return
	}
	for n, a := range p.Arrivals {
		s := s
		s.Arrives = a.Time
		if n > 0 {
			s.Why, s.Strange, s.Text = "", true, t.join(s.Text, words.copied[t.Lang])
		}
		if d := f.drop(n); d != wire.None {
			s.End, s.Text = Unused, t.join(s.Text, dropText(d, s.Flags, t.Lang))
			s.Why = strings.TrimSpace(s.Why + words.space[t.Lang] + t.why(&Moment{Event: tcp.Event{Kind: tcp.SegmentDropped, Drop: d}}))
		}
		if t.flying == nil {
			t.flying = map[int][]int{}
		}
		t.flying[p.ID] = append(t.flying[p.ID], len(t.steps))
		t.add(s, crowd)
	}
}

// arrived notes what has happened before a packet arrives.
func (t *teller) arrived(e *trace.Event) {
	delete(t.fired, e.Host)
	for n, i := range t.flying[e.Packet] {
		if s := &t.steps[i]; s.Arrives == e.Time {
			if s.Before == 0 {
				s.Before = len(t.steps)
			}
			t.flying[e.Packet] = slices.Delete(t.flying[e.Packet], n, n+1)
			return
		}
	}
}

// join joins marks.
func (t *teller) join(marks ...string) string {
	return strings.Join(slices.DeleteFunc(marks, func(w string) bool { return w == "" }), words.comma[t.Lang])
}

func (t *teller) why(m *Moment) string {
	if !t.Explain {
		return ""
	}
	return Explain(m, t.Lang)
}

// crop leaves out what lies before From and behind Until.
func (t *teller) crop() {
	until := t.run.End
	if t.Until > 0 {
		until = t.run.Start.Add(t.Until)
	}
	from := t.run.Start.Add(t.From)
	t.keep(func(i int) bool { return t.steps[i].Time >= from && t.steps[i].Time <= until })
}

// keep drops the steps that are not to be kept, and counts again what precedes
// the arrivals.
func (t *teller) keep(wanted func(i int) bool) {
	kept := make([]int, len(t.steps)+1) // of those before a step
	steps, crowd := []Step(nil), []bool(nil)
	for i := range t.steps {
		kept[i] = len(steps)
		if wanted(i) {
			steps, crowd = append(steps, t.steps[i]), append(crowd, t.crowd[i])
		}
	}
	kept[len(t.steps)] = len(steps)
	for i := range steps {
		steps[i].Before = kept[steps[i].Before]
	}
	t.steps, t.crowd = steps, crowd
}
