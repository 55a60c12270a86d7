package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/play"
	"github.com/handfast-tcp/handfast/lab/story"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// Each change of state in any scenario has a cause that 'handfast states' lists.
func TestScenariosMoveForKnownCauses(t *testing.T) {
	for _, s := range lab.Scenarios() {
		r := resultOf(t, s.Name, lab.Options{})
		for i := range r.Events {
			e := &r.Events[i]
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
			o := labOptions{explain: true, lang: language(lang)}
			v := story.Tell(&resultOf(t, s.Name, lab.Options{}).Run, o.tell())
			for i := range v.Steps {
				p := &v.Steps[i]
				if p.Kind != story.Arrow && p.Kind != story.Change && p.Kind != story.Mark || len(p.Fields) == 0 && p.Kind == story.Arrow || strings.HasSuffix(p.Text, "copy") || strings.HasSuffix(p.Text, "副本") || strings.Contains(p.Text, "副本，") {
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
			r := resultOf(t, s.Name, o.Options)
			v := story.Tell(&r.Run, o.tell())
			checkTexts(t, s.Name+", "+kind, svgOf(t, o.picture(r, v), v.Steps))
			checkTexts(t, s.Name+", "+kind+", states", svgOf(t, play.Diagram(r, v, o.language(), o.colours()), nil))
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

// The picture in the README is the one that the command draws.
func TestPictureOfReadme(t *testing.T) {
	o := labOptions{lang: "en", theme: "auto"}
	r := resultOf(t, "simultaneous-close", lab.Options{Seed: 1})
	v := story.Tell(&r.Run, o.tell())
	const file = "../../docs/book/images/simultaneous-close.svg"
	shown, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(shown, svgOf(t, o.picture(r, v), v.Steps)) {
		t.Errorf("%s is old: handfast lab simultaneous-close --format svg --out it", file)
	}
}

// textAt is a text of a picture and the space that it takes, turned back.
type textAt struct {
	text                     string
	x, y, width, size, angle float64
	points                   [][2]float64 // along its middle line
	least, most              [2]float64   // of points
}

// checkTexts reads a picture as a browser does and looks for texts that meet.
func checkTexts(t *testing.T, name string, svg []byte) {
	t.Helper()
	texts, width, height, err := readTexts(svg)
	if err != nil || len(texts) == 0 {
		t.Fatalf("%s: %d texts, %v", name, len(texts), err)
	}
	for i := range texts {
		a := &texts[i]
		if a.x < 0 || a.x+a.width > width || a.y > height {
			t.Errorf("%s: %q leaves the picture", name, a.text)
		}
		for j := range texts[:i] {
			if b := &texts[j]; a.meets(b) {
				t.Errorf("%s: %q covers %q", name, a.text, b.text)
			}
		}
	}
}

func readTexts(svg []byte) (texts []textAt, width, height float64, err error) {
	d := xml.NewDecoder(bytes.NewReader(svg))
	inside := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts, width, height, nil
		} else if err != nil {
			return nil, 0, 0, err
		}
		switch e := token.(type) {
		case xml.StartElement:
			switch e.Name.Local {
			case "svg":
				width, height = number(e, "width"), number(e, "height")
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
	a.least, a.most = [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{math.Inf(-1), math.Inf(-1)}
	for along := a.size / 3; along < a.width; along += a.size / 3 {
		p := [2]float64{a.x + along*cos + a.size/3*sin, a.y + along*sin - a.size/3*cos}
		a.points = append(a.points, p)
		for i, v := range p {
			a.least[i], a.most[i] = min(a.least[i], v), max(a.most[i], v)
		}
	}
}

// meets compares points along both texts: two texts meet where points of their
// middle lines are nearer than a line is high.
func (a *textAt) meets(b *textAt) bool {
	near := 0.36 * (a.size + b.size)
	for i := range a.least { // most texts are far from each other
		if a.least[i]-b.most[i] >= near || b.least[i]-a.most[i] >= near {
			return false
		}
	}
	for _, p := range a.points {
		for _, q := range b.points {
			if math.Abs(p[0]-q[0]) < near/2 && math.Abs(p[1]-q[1]) < near {
				return true
			}
		}
	}
	return false
}

// Every event of a run is a line of JSON, and every packet's fate is there.
func TestScenarioJSON(t *testing.T) {
	r := resultOf(t, "three-way-handshake-lost-syn", lab.Options{})
	var b bytes.Buffer
	if err := story.WriteJSON(&b, &r.Run, story.TellOptions{Explain: true}); err != nil {
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
	if lines != len(r.Events) || lost != 1 {
		t.Errorf("%d lines for %d events; %d losses", lines, len(r.Events), lost)
	}
}
