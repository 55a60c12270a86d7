package story

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// scene is a run of a scenario, and its picture.
type scene struct {
	name string
	run  *lab.Result
	*sketch
}

// scenes are the pictures of all scenarios, as they are and over a bad wire.
var scenes = sync.OnceValue(func() (all []scene) {
	for _, s := range lab.Scenarios() {
		for kind, opts := range map[string]lab.Options{"": {Seed: 1}, ", lossy": {Seed: 1, Loss: 0.15, Reorder: 0.1}} {
			r := played(s.Name, opts)
			told := Tell(&r.Run, TellOptions{})
			p := Picture{Title: s.Title, Summary: s.Summary, Lanes: told.Lanes, Footer: "."}
			all = append(all, scene{s.Name + kind, r, p.draw(told.Steps)})
		}
	}
	return all
})

func played(name string, o lab.Options) *lab.Result {
	s, err := lab.Find(name)
	if err != nil {
		panic(err)
	}
	r, err := s.Run(o)
	if err != nil {
		panic(err)
	}
	return r
}

// Every scenario's picture can be printed on a page: at twice as high as wide its
// letters are 1.4 mm high on A4, about the smallest that people read.
func TestScenesFitAPage(t *testing.T) {
	for _, d := range scenes() {
		if !strings.HasSuffix(d.name, ", lossy") && d.height > 2*d.width {
			t.Errorf("%s is %.0f pixels wide and %.0f high", d.name, d.width, d.height)
		}
	}
}

// A SYN that is forged in an end's name changes nothing of what the end's own
// segments mean: in every scenario the windows of a connection are shown by one
// scale from beginning to end.
func TestScenesScaleWindowsAlike(t *testing.T) {
	for _, d := range scenes() {
		shown := map[Lane]int{} // of each end, the largest window after the handshake
		for i := range d.steps {
			if s := &d.steps[i]; s.Kind == Arrow && s.Flags&(wire.SYN|wire.RST) == 0 {
				w := indexPrefix(s.Fields, "win ")
				var n int
				if w == len(s.Fields) {
					continue
				}
				fmt.Sscanf(s.Fields[w], "win %d", &n)
				shown[s.Lane] = max(shown[s.Lane], n)
			}
		}
		for lane, most := range shown {
			if host := &d.run.Hosts[lane]; most > 0 && most <= 512 && !host.Scripted {
				t.Errorf("%s: no window of %s is larger than %d: it is not scaled", d.name, host.Name, most)
			}
		}
	}
}

// A note does not tear a name and its number apart, where a line has room for both.
func TestNotesKeepNumbersWithTheirNames(t *testing.T) {
	for _, d := range scenes() {
		for i, lines := range d.notes {
			for j, l := range lines[min(1, len(lines)):] {
				before, number := lines[j][strings.LastIndex(lines[j], " ")+1:], strings.Fields(l)[0]
				if l[0] >= '0' && l[0] <= '9' && textWidth(before+" "+number, noteSize, false) <= noteWidth {
					t.Errorf("%s: a line of %q begins with a number: %q", d.name, d.note(i), l)
				}
			}
		}
	}
}

// In no picture of any scenario does a text cover another text or the point of
// an arrow, nor does a cross stand on another arrow as if that one were lost.
func TestScenesAreLegible(t *testing.T) {
	for _, d := range scenes() {
		checkBoxes(t, d.name, d.boxes, d.width, d.height)
		for i := range d.steps {
			s := &d.steps[i]
			if s.Kind != Arrow {
				continue
			}
			if s.End == Lost {
				if cross := d.crossBox(i); d.crossed(i, &cross) > 0 && d.late[i] < mostLate {
					t.Errorf("%s: the cross of step %d (%v) stands on another arrow", d.name, i, s.Fields)
				}
				continue
			}
			d.checkFree(t, d.boxes, i, 7)
			for j := range d.steps {
				for _, l := range d.noteLabels(j) {
					d.checkFree(t, []textBox{l.box()}, i, 30)
				}
			}
		}
	}
}

// checkFree looks for texts on the last pixels of an arrow.
func (d *scene) checkFree(t *testing.T, texts []textBox, step int, pixels float64) {
	t.Helper()
	head := d.headBox(step, pixels)
	for i := range texts {
		if texts[i].overlap(&head) {
			t.Errorf("%s: %q covers the point of step %d (%v)", d.name, texts[i].text, step, d.steps[step].Fields)
		}
	}
}

// headBox is the room of an arrow's point, except for what is above it, where its
// own label may begin.
func (d *sketch) headBox(i int, pixels float64) textBox {
	from, to := d.ends(i)
	dx, dy := unit(from, to)
	back := point{to.x - pixels*dx, to.y - pixels*dy}
	return textBox{"", [4]point{{back.x, back.y - 1}, {to.x, to.y - 1}, {to.x, to.y + 3}, {back.x, back.y + 3}}}
}

// What is sent first and is to arrive first is drawn so, lost or not: arrows of
// one direction do not cross unless one overtakes the other.
func TestScenesKeepTheOrder(t *testing.T) {
	for _, d := range scenes() {
		for j := range d.steps {
			for i := range j {
				a, b := &d.steps[i], &d.steps[j]
				if a.Kind != Arrow || b.Kind != Arrow || a.Lane != b.Lane || a.To != b.To || d.late[i] > 0 {
					continue
				}
				if d.due(i) <= d.due(j) && d.end[i] > d.end[j] {
					t.Errorf("%s: step %d (%v) is drawn to arrive after step %d (%v)", d.name, i, a.Fields, j, b.Fields)
				}
			}
		}
	}
}

// due is when a segment arrives, or would have if the wire had not lost it.
func (d *sketch) due(i int) int64 {
	if s := &d.steps[i]; s.Arrives > s.Time {
		return int64(s.Arrives)
	} else if s.End == Lost {
		return int64(s.Time.Add(d.flight))
	}
	return int64(d.steps[i].Time)
}

// A state that a segment brings about begins where that segment arrives, and a
// timer stands where its connection is.
func TestScenesPutStatesAtTheirCauses(t *testing.T) {
	for _, d := range scenes() {
		for i := range d.steps {
			s := &d.steps[i]
			if s.Kind != Change || !arrives(s.Cause) && s.Cause != tcp.CauseReuse {
				continue
			}
			below := math.Inf(1)
			for j := range d.steps {
				if a := &d.steps[j]; a.Kind == Arrow && a.To == s.Lane && a.Arrives == s.Time && a.End != Lost && d.end[j] <= d.begin[i] {
					below = min(below, d.begin[i]-d.end[j])
				}
			}
			if below > bandGap+noteLine {
				t.Errorf("%s: step %d, to %v for %v, stands %.0f pixels below what arrives", d.name, i, s.State, s.Cause, below)
			}
		}
	}
}

// A lane tells every change of state of its host, one after the other: each
// begins where the last one ended. A listener's new connection begins in LISTEN.
func TestScenesTellEveryState(t *testing.T) {
	for _, d := range scenes() {
		last := map[[2]int]tcp.State{}
		changes := 0
		for i := range d.steps {
			s := &d.steps[i]
			if s.Kind != Change {
				continue
			}
			changes++
			column := [2]int{int(s.Lane), s.Column}
			if was, known := last[column]; known && was != s.From && !(was == tcp.Closed && s.From == tcp.Listen) {
				t.Errorf("%s: step %d leads from %v, but %v was the last", d.name, i, s.From, was)
			}
			last[column] = s.State
		}
		if changes == 0 {
			t.Errorf("%s: no change of state", d.name)
		}
	}
}

// The gauge shows at the end what the queue holds at the end.
func TestScenesEndWithTheRightLevel(t *testing.T) {
	for _, d := range scenes() {
		want, got := map[string]int{}, map[Lane]int{}
		for i := range d.run.Events {
			if e := &d.run.Events[i]; e.Class == trace.Engine {
				want[e.Host] = e.HalfOpen
			}
		}
		c := newCast(&d.run.Run)
		for i := range d.steps {
			if s := &d.steps[i]; s.Kind == Level {
				got[s.Lane] = s.Entries
			}
		}
		for host, n := range want {
			if c.strangers && got[c.lane(host)] != n {
				t.Errorf("%s: the gauge of %s ends at %d, the queue at %d", d.name, host, got[c.lane(host)], n)
			}
		}
	}
}

// Every sign of a picture is in its key, and nothing else.
func TestScenesHaveAKey(t *testing.T) {
	marks := map[string]func(body string) bool{
		"lost":   func(b string) bool { return strings.Contains(b, `class="lit l-bad"`) },
		"unused": func(b string) bool { return strings.Contains(b, "hollow") },
		"again":  func(b string) bool { return strings.Contains(b, ` again"`) },
		"bundle": func(b string) bool { return strings.Contains(b, `class="bundle`) },
		"timer":  func(b string) bool { return strings.Contains(b, `<circle class="mark"`) },
		"pause":  func(b string) bool { return strings.Contains(b, `class="cut"`) },
		"gauge":  func(b string) bool { return strings.Contains(b, words.halfOpen[English]) },
		"shortened": func(b string) bool {
			return strings.Contains(b, "…")
		},
	}
	for i := range signs {
		if marks[signs[i].name] == nil {
			t.Errorf("the test does not know %q", signs[i].name)
		}
	}
	for _, d := range scenes() {
		texts := []string{}
		for i := range d.boxes {
			texts = append(texts, d.boxes[i].text)
		}
		for i := range signs {
			s := &signs[i]
			keyed := slices.Contains(texts, s.sentence[English])
			if drawn := marks[s.name](d.body.String()); drawn != keyed {
				t.Errorf("%s: %s: drawn %v, in the key %v", d.name, s.name, drawn, keyed)
			}
		}
	}
}

// Every packet has its arrow, or is counted.
func TestScenesShowEveryPacket(t *testing.T) {
	for _, d := range scenes() {
		shown := 0
		for i := range d.steps {
			var n int
			switch s := &d.steps[i]; {
			case s.Kind == Arrow && !strings.Contains(s.Text, words.copied[English]):
				shown += 1 + s.Left
			case s.Kind == Gap:
				if _, err := fmt.Sscanf(s.Text, words.flood[English], &n); err == nil {
					shown += n
				}
			}
		}
		if shown != len(d.run.Packets) {
			t.Errorf("%s: %d packets are shown or counted, %d were sent", d.name, shown, len(d.run.Packets))
		}
	}
}

// What a program's call or a timer brings about is not drawn above it.
func TestScenesPutEffectsBelowCalls(t *testing.T) {
	for _, d := range scenes() {
		for i := range d.steps {
			if len(d.notes[i]) == 0 {
				continue
			}
			a := &d.steps[i]
			for j := i + 1; j < len(d.steps) && d.steps[j].Time == a.Time; j++ {
				if b := &d.steps[j]; b.Lane == a.Lane && (b.Kind == Change || b.Kind == Arrow) && d.begin[j] < d.begin[i] {
					t.Errorf("%s: step %d (%v, %v) is drawn above step %d (%s)", d.name, j, b.Fields, b.State, i, a.Text)
				}
			}
		}
	}
}

// What is drawn is the run: every change of state and every timer of the hosts
// that have a lane of their own, at its time, and every copy of a packet that
// arrives, when it does. Of a bundle as many are missing as it says.
func TestScenesAreTheRun(t *testing.T) {
	bundles := 0
	for _, d := range scenes() {
		c, want, got := newCast(&d.run.Run), map[string]int{}, map[string]int{}
		inBundles := 0
		for i := range d.run.Events {
			e := &d.run.Events[i]
			switch {
			case e.Class != trace.Engine || c.strange(e):
			case e.Kind == tcp.StateChanged:
				want[fmt.Sprint(e.Time, c.lane(e.Host), e.From, e.State)]++
			case e.Kind == tcp.TimerFired:
				want[fmt.Sprint(e.Time, c.lane(e.Host), timerText(e.Timer, English))]++
			}
		}
		for i := range d.run.Packets {
			if p := &d.run.Packets[i]; !c.counted(c.lane(p.From)) && !c.counted(c.lane(p.To)) {
				for _, a := range p.Arrivals {
					want[fmt.Sprint(p.Time, c.lane(p.From), a.Time)]++
				}
			}
		}
		for i := range d.steps {
			switch s := &d.steps[i]; {
			case s.Kind == Change && s.Text != words.restarted[English] && s.Cause != tcp.CausePassiveOpen:
				got[fmt.Sprint(s.Time, s.Lane, s.From, s.State)]++
			case s.Kind == Mark && !s.Apart:
				got[fmt.Sprint(s.Time, s.Lane, s.Text)]++
			case s.Kind == Arrow && s.End != Lost && !c.counted(s.Lane) && !c.counted(s.To):
				got[fmt.Sprint(s.Time, s.Lane, s.Arrives)]++
				inBundles += s.Left
			}
		}
		bundles += inBundles
		for i := range d.steps {
			inBundles -= d.leaveOut(i, want, got)
		}
		if inBundles != 0 {
			t.Errorf("%s: %d more arrows are counted than are missing", d.name, inBundles)
		}
		for what, n := range want {
			if got[what] != n {
				t.Errorf("%s: %s: %d in the run, %d in the picture", d.name, what, n, got[what])
			}
			delete(got, what)
		}
		for what := range got {
			t.Errorf("%s: %s is in the picture only", d.name, what)
		}
	}
	if bundles == 0 {
		t.Error("no scene has a bundle")
	}
}

// leaveOut takes those arrows out of want that a bundle ending with step i stands for,
// and returns how many it found: they leave and arrive between the arrow above and it.
func (d *scene) leaveOut(i int, want, got map[string]int) (n int) {
	last := &d.steps[i]
	if last.Left == 0 {
		return 0
	}
	above := i - 1
	for d.steps[above].Kind != Arrow || d.steps[above].Lane != last.Lane {
		above--
	}
	for j := range d.run.Packets {
		p := &d.run.Packets[j]
		for _, a := range p.Arrivals {
			what := fmt.Sprint(p.Time, last.Lane, a.Time)
			inside := p.Time >= d.steps[above].Time && p.Time <= last.Time && a.Time >= d.steps[above].Arrives && a.Time <= last.Arrives
			if inside && want[what] > got[what] {
				want[what]--
				n++
			}
		}
	}
	return n
}
