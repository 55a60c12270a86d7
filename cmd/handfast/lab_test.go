package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/story"
	"github.com/handfast-tcp/handfast/tcp"
	"github.com/handfast-tcp/handfast/trace"
	"github.com/handfast-tcp/handfast/wire"
)

// Each change of state in any scenario has a cause that 'handfast states' lists.
func TestScenariosMoveForKnownCauses(t *testing.T) {
	for _, s := range lab.Scenarios() {
		v := viewOf(t, s.Name, labOptions{})
		for i := range v.result.Events {
			e := &v.result.Events[i]
			if e.Class == trace.Engine && e.Kind == tcp.StateChanged && !slices.Contains(story.Causes(e.From, e.State), e.Cause) {
				t.Errorf("%s: %v to %v: %v", s.Name, e.From, e.State, e.Cause)
			}
		}
	}
}

// Each step of each scenario is explained, in the language asked for.
func TestScenariosAreExplained(t *testing.T) {
	for _, s := range lab.Scenarios() {
		for _, lang := range []string{"en", "zh"} {
			v := viewOf(t, s.Name, labOptions{explain: true, lang: lang})
			for i := range v.steps {
				p := &v.steps[i]
				if p.Kind == story.Gap || p.Kind == story.Remark || strings.HasSuffix(p.Text, "copy") {
					continue
				}
				chinese := strings.ContainsFunc(p.Why, func(r rune) bool { return unicode.Is(unicode.Han, r) })
				if p.Why == "" || chinese != (lang == "zh") {
					t.Errorf("%s: step %d (%v): %q", s.Name, i, p.Fields, p.Why)
				}
			}
		}
	}
}

// A lossy wire makes long ladders; they too must stay readable.
func pictureOptions() map[string]labOptions {
	return map[string]labOptions{
		"plain":     {},
		"explained": {explain: true, lang: "zh"},
		"lossy":     {Options: lab.Options{Loss: 0.15, Reorder: 0.1}},
	}
}

// No text of any picture of any scenario covers another or leaves the picture.
func TestScenarioPictures(t *testing.T) {
	for _, s := range lab.Scenarios() {
		for kind, o := range pictureOptions() {
			v := viewOf(t, s.Name, o)
			checkTexts(t, s.Name+", "+kind, svgOf(t, v.picture(story.Auto), v.steps))
			checkTexts(t, s.Name+", "+kind+", states", svgOf(t, v.diagram(story.Light), nil))
		}
	}
}

func svgOf(t *testing.T, p any, steps []story.Step) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch p := p.(type) {
	case story.Picture:
		err = p.Write(&b, steps)
	case story.Diagram:
		err = p.Write(&b)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// textAt is a text of a picture and the space that it takes, turned back.
type textAt struct {
	text                     string
	x, y, width, size, angle float64
}

// checkTexts reads a picture as a browser does and looks for texts that meet.
func checkTexts(t *testing.T, name string, svg []byte) {
	t.Helper()
	texts, height, err := readTexts(svg)
	if err != nil || len(texts) == 0 {
		t.Fatalf("%s: %d texts, %v", name, len(texts), err)
	}
	for i := range texts {
		a := &texts[i]
		if a.x < 0 || a.x+a.width > 1200 || a.y > height {
			t.Errorf("%s: %q leaves the picture", name, a.text)
		}
		for j := range texts[:i] {
			if b := &texts[j]; a.meets(b) {
				t.Errorf("%s: %q covers %q", name, a.text, b.text)
			}
		}
	}
}

func readTexts(svg []byte) (texts []textAt, height float64, err error) {
	d := xml.NewDecoder(bytes.NewReader(svg))
	inside := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts, height, nil
		} else if err != nil {
			return nil, 0, err
		}
		switch e := token.(type) {
		case xml.StartElement:
			switch e.Name.Local {
			case "svg":
				height = number(e, "height")
			case "text":
				inside = true
				texts = append(texts, textAt{x: number(e, "x"), y: number(e, "y"), size: number(e, "font-size")})
				texts[len(texts)-1].turn(e)
			}
		case xml.EndElement:
			if e.Name.Local == "text" {
				inside = false
				texts[len(texts)-1].anchored()
			}
		case xml.CharData:
			if inside {
				texts[len(texts)-1].text += string(e)
			}
		}
	}
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func number(e xml.StartElement, name string) float64 {
	v, err := strconv.ParseFloat(attribute(e, name), 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

// turn notes the angle, and in width the anchor until the text is known.
func (a *textAt) turn(e xml.StartElement) {
	if r, ok := strings.CutPrefix(attribute(e, "transform"), "rotate("); ok {
		fmt.Sscan(strings.Fields(r)[0], &a.angle)
	}
	a.width = map[string]float64{"middle": 0.5, "end": 1}[attribute(e, "text-anchor")]
}

// anchored computes the width, with the widths of common fonts, and moves the
// place to the text's beginning.
func (a *textAt) anchored() {
	part := a.width
	a.width = 0
	for _, r := range a.text {
		if r >= 0x2e80 {
			a.width += a.size
			continue
		}
		a.width += 0.55 * a.size
	}
	sin, cos := math.Sincos(a.angle * math.Pi / 180)
	a.x, a.y = a.x-part*a.width*cos, a.y-part*a.width*sin
}

// meets compares points along both texts: two texts meet where points of their
// middle lines are nearer than a line is high.
func (a *textAt) meets(b *textAt) bool {
	near := 0.36 * (a.size + b.size)
	if reach := math.Max(a.width, b.width) + near; math.Abs(a.x-b.x) > reach || math.Abs(a.y-b.y) > reach {
		return false
	}
	for _, p := range a.points() {
		for _, q := range b.points() {
			if math.Abs(p[0]-q[0]) < near/2 && math.Abs(p[1]-q[1]) < near {
				return true
			}
		}
	}
	return false
}

func (a *textAt) points() (all [][2]float64) {
	sin, cos := math.Sincos(a.angle * math.Pi / 180)
	for along := a.size / 3; along < a.width; along += a.size / 3 {
		all = append(all, [2]float64{a.x + along*cos + a.size/3*sin, a.y + along*sin - a.size/3*cos})
	}
	return all
}

// Every event of a run is a line of JSON, and every packet's fate is there.
func TestScenarioJSON(t *testing.T) {
	v := viewOf(t, "three-way-handshake-lost-syn", labOptions{explain: true, lang: "en"})
	var b bytes.Buffer
	if err := v.json(&b); err != nil {
		t.Fatal(err)
	}
	lines, lost := 0, 0
	for line := range bytes.Lines(b.Bytes()) {
		var e struct{ Class, Fate, Why string }
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		lines++
		if e.Class == "wire" && e.Fate == "lost" && strings.Contains(e.Why, "The wire loses") {
			lost++
		}
	}
	if lines != len(v.result.Events) || lost != 1 {
		t.Errorf("%d lines for %d events; %d losses", lines, len(v.result.Events), lost)
	}
}

// A flood of strangers is counted, not drawn.
func TestCrowdIsCounted(t *testing.T) {
	client, server := trace.Host{Name: "client", Address: "10.0.0.1"}, trace.Host{Name: "server", Address: "10.0.0.3"}
	r := &lab.Result{Run: trace.Run{Hosts: []trace.Host{client, {Name: "attacker", Address: "10.0.0.2", Scripted: true}, server}}}
	for i := range 50 {
		r.Packets = append(r.Packets, trace.Packet{ID: i + 1, From: "attacker", To: "server", Arrivals: []trace.Arrival{{Time: 2}}})
		r.Events = append(r.Events, trace.Event{Host: "attacker", Peer: "server", Class: trace.Scripted, Packet: i + 1,
			Event: tcp.Event{Time: 1, Kind: tcp.SegmentSent, Segment: wire.TCP{Flags: wire.SYN}}})
	}
	v := newView(r, &labOptions{})
	if len(v.steps) != crowdShown+1 {
		t.Fatalf("%d steps", len(v.steps))
	}
	if last := v.steps[crowdShown]; last.Kind != story.Gap || last.Text != "46 more steps like these, of attacker" {
		t.Errorf("the last step is %v", last)
	}
	if v.left.Name != "client" || v.right.Name != "server" {
		t.Errorf("the lanes are those of %s and %s", v.left.Name, v.right.Name)
	}
}
