package play

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/story"
	"github.com/handfast-tcp/handfast/lab/trace"
)

func ask(t *testing.T, s *Stage, q Request) Answer {
	t.Helper()
	text, err := json.Marshal(&q)
	if err != nil {
		t.Fatal(err)
	}
	var a Answer
	if err := json.Unmarshal(s.Do(text), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// Of every scenario a page gets all that it shows: a picture, what happens from moment to
// moment, and the state diagram that fills with them.
func TestScenes(t *testing.T) {
	var s Stage
	for _, info := range ask(t, &s, Request{Do: "list", Lang: "en"}).List.Scenarios {
		for _, lang := range []string{"en", "zh"} {
			q := Request{Do: "play", Name: info.Name, Lang: lang, Settings: Settings{Seed: 1}}
			scene := ask(t, &s, q).Scene
			if scene == nil || len(scene.Reel.Frames) < 5 || len(scene.Reel.Ends) == 0 || len(scene.Failed) > 0 {
				t.Fatalf("%s: %+v", info.Name, scene)
			}
			if scene.Cast.Server == "" && scene.Cast.Client == "" || len(scene.See) == 0 || !strings.HasPrefix(scene.Reel.Picture, "<svg") || strings.Contains(scene.Reel.Picture, "<style") {
				t.Errorf("%s: %+v %+v", info.Name, scene.Cast, scene.See)
			}
			q.Do, q.Theme = "states", "bare"
			last := len(scene.Reel.Frames) - 1
			var lit []int
			for _, q.Upto = range []int{0, last / 2, last} {
				lit = append(lit, strings.Count(*ask(t, &s, q).SVG, `class="inverse`))
			}
			if q.Upto = -1; lit[0] > lit[1] || lit[1] > lit[2] || strings.Count(*ask(t, &s, q).SVG, `class="inverse`) != lit[2] {
				t.Errorf("%s: arrows of the diagram that are lit: %v", info.Name, lit)
			}
		}
	}
}

// What a page steps through is the picture, in parts: without the groups it is the same.
func TestReelIsThePicture(t *testing.T) {
	part := regexp.MustCompile(`</?g[^>]*>|<clipPath.*?</clipPath>|<use class="faint"[^>]*>`)
	style := regexp.MustCompile(`(?s)<style>.*?</style>`)
	bare := func(text string) string {
		return strings.Join(strings.Fields(style.ReplaceAllString(part.ReplaceAllString(text, ""), "")), " ")
	}
	for _, info := range lab.Scenarios() {
		s, err := lab.Find(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Run(lab.Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		telling := story.Tell(&r.Run, story.TellOptions{})
		run := PageRun(r, telling, story.English, info.Title)
		var want bytes.Buffer
		p := story.Picture{Lanes: telling.Lanes}
		if err := p.Write(&want, telling.Steps); err != nil {
			t.Fatal(err)
		}
		run.Title, run.Summary = "", ""
		if got := run.Reel(story.English).Picture; bare(got) != bare(want.String()) {
			t.Errorf("%s: the parts are not the picture", info.Name)
		}
	}
}

// The picture of a request is the run's, with all settings, and without what was
// played before.
func TestPictures(t *testing.T) {
	var s Stage
	for _, set := range []Settings{{Seed: 1}, {Seed: 7, Loss: 0.1, Reorder: 0.2, Delay: 30, Rate: 1e6, HalfOpen: 3, Cookies: "always", Congestion: "reno"}} {
		for _, name := range []string{"fast-retransmit", "syn-flood"} {
			got := ask(t, &s, Request{Do: "picture", Name: name, Lang: "zh", Settings: set, Explain: true}).SVG
			found, err := lab.Find(name)
			if err != nil {
				t.Fatal(err)
			}
			r, err := found.Run(set.options())
			if err != nil {
				t.Fatal(err)
			}
			telling := story.Tell(&r.Run, story.TellOptions{Lang: story.Chinese, Explain: true})
			var want bytes.Buffer
			if err := Picture(r, telling, story.Chinese, story.Auto).Write(&want, telling.Steps); err != nil {
				t.Fatal(err)
			}
			if got == nil || *got != want.String() {
				t.Errorf("%s, %+v: another picture", name, set)
			}
		}
	}
}

// A rule with the name that a packet is given means that packet: the run is the same up to
// it, and it is the one that is lost.
func TestAims(t *testing.T) {
	aimed := 0
	for _, info := range lab.Scenarios() {
		s, err := lab.Find(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Run(lab.Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		aims := Aims(&r.Run)
		ids := slices.Collect(func(yield func(int) bool) {
			for i := 1; i < len(r.Packets)+1; i += 1 + len(r.Packets)/8 {
				if aims[i] != "" && !yield(i) {
					return
				}
			}
		})
		for _, id := range ids {
			aimed++
			q := Request{Name: info.Name, Faults: []string{"lose " + aims[id]}}
			broken, _, err := q.scenario()
			if err != nil {
				t.Fatalf("%s: %v", info.Name, err)
			}
			b, err := broken.Run(lab.Options{Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			checkAim(t, info.Name+": "+aims[id], id, &r.Run, &b.Run)
		}
	}
	if aimed < 150 {
		t.Errorf("only %d packets were aimed at", aimed)
	}
}

func checkAim(t *testing.T, name string, id int, whole, broken *trace.Run) {
	t.Helper()
	for i := range id {
		a, b := &whole.Packets[i], &broken.Packets[i]
		if a.Time != b.Time || a.From != b.From || !bytes.Equal(a.Data, b.Data) {
			t.Errorf("%s: packet %d is another one", name, i+1)
		}
		if i+1 == id && !b.Lost {
			t.Errorf("%s: it was not lost", name)
		}
		if i+1 < id && a.Lost && !b.Lost {
			t.Errorf("%s: packet %d is no longer lost", name, i+1)
		}
	}
}

// A mistake has its place, in the text and in the faults below it; what was asked for before
// is not shown in its stead.
func TestMistakes(t *testing.T) {
	var s Stage
	ask(t, &s, Request{Do: "play", Name: "four-way-close", Lang: "en"})
	for _, c := range []struct {
		q         Request
		line, col int
		text      string
	}{
		{Request{Text: "host a\nhost b\nloose cannon"}, 3, 1, `"loose" is not a statement`},
		{Request{Name: "four-way-close", Faults: []string{"lose the last one"}}, -1, 10, `"last": which one?`},
		{Request{Name: "no-such"}, 0, 0, "no scenario is called"},
		{Request{Name: "four-way-close", Settings: Settings{Congestion: "hope"}}, 0, 0, "no congestion control"},
		{Request{Text: "host a\nwire rate 1x"}, 2, 11, ""},
		{Request{Name: "four-way-close", Settings: Settings{Loss: 1.5}}, 0, 0, "loss is 1.5; it may be 0 to 1"},
		{Request{Name: "four-way-close", Settings: Settings{Reorder: -1}}, 0, 0, "reorder is -1"},
		{Request{Name: "four-way-close", Settings: Settings{Delay: 1e12}}, 0, 0, "delay is"},
		{Request{Name: "four-way-close", Settings: Settings{HalfOpen: -5}}, 0, 0, "half-open is -5"},
		{Request{Name: "four-way-close", Settings: Settings{Rate: 1 << 60}}, 0, 0, "rate is"},
		{Request{Name: "four-way-close", Settings: Settings{Cookies: "perhaps"}}, 0, 0, "off, auto or always"},
	} {
		c.q.Do, c.q.Lang = "play", "en"
		a := ask(t, &s, c.q)
		if m := a.Mistake; m == nil || a.Scene != nil || c.line >= 0 && m.Line != c.line || m.Col != c.col || !strings.Contains(m.Text, c.text) {
			t.Errorf("%+v: %+v", c.q, m)
		}
	}
	for _, bad := range []string{"", "{", `{"do":"dance","name":"four-way-close","lang":"en"}`, `{"do":"list","lang":"tlh"}`} {
		var a Answer
		if err := json.Unmarshal(s.Do([]byte(bad)), &a); err != nil || a.Mistake == nil {
			t.Errorf("%q: %+v %v", bad, a, err)
		}
	}
}

// Every scenario has something to try, in both languages, and it makes another run of it.
func TestTries(t *testing.T) {
	for _, info := range lab.Scenarios() {
		s, err := lab.Find(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := s.Run(lab.Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		tries, err := TriesOf(s, story.English)
		if err != nil || len(tries) == 0 {
			t.Errorf("%s: %d tries, %v", info.Name, len(tries), err)
		}
		for i, try := range tries {
			q := Request{Name: info.Name, Settings: Settings{Seed: 1}}
			if try.Settings != nil {
				q.Settings = *try.Settings
			} else {
				q.Faults = []string{try.Fault}
			}
			if s.Tries[i].TextZH == s.Tries[i].Text {
				t.Errorf("%s: %q is not said in Chinese", info.Name, try.Text)
			}
			changed, _, err := q.scenario()
			if err != nil {
				t.Errorf("%s: %v", info.Name, err)
				continue
			}
			r, err := changed.Run(q.options())
			if err != nil {
				t.Errorf("%s: %v", info.Name, err)
			} else if r.Text() == plain.Text() {
				t.Errorf("%s: %s changes nothing", info.Name, s.Tries[i].With)
			}
		}
	}
}

// What is read about is a link to its section.
func TestSources(t *testing.T) {
	for see, want := range map[string]string{
		"RFC 4987; the defences":                 "[RFC 4987](rfc4987); the defences",
		"RFC 9293 §3.3.2 (SYN-RECEIVED), §3.8.3": "[RFC 9293 §3.3.2](rfc9293#section-3.3.2) (SYN-RECEIVED), [§3.8.3](rfc9293#section-3.8.3)",
		"RFC 9293 §3.6: \"Close\"":               "[RFC 9293 §3.6](rfc9293#section-3.6): \"Close\"",
		"draft-ietf-ccwg-bbr §5.6.2":             "draft-ietf-ccwg-bbr §5.6.2",
		"":                                       "",
	} {
		got := ""
		for _, s := range sources(see) {
			if s.URL == "" {
				got += s.Text
				continue
			}
			got += "[" + s.Text + "](" + strings.TrimPrefix(s.URL, "https://www.rfc-editor.org/rfc/") + ")"
		}
		if got != want {
			t.Errorf("%q: %s", see, got)
		}
	}
}

// Every fault that a page offers can be said of any scenario with two ends, and what its
// cast is told to do happens.
func TestCast(t *testing.T) {
	for name, want := range map[string]Cast{
		"three-way-handshake": {"client", "server", "80", "attacker"}, "withheld-third-ack": {"", "server", "80", "attacker"},
		"syn-flood": {"client", "server", "80", "attacker2"},
	} {
		var s Stage
		if got := ask(t, &s, Request{Do: "play", Name: name, Lang: "en"}).Scene.Cast; got != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
