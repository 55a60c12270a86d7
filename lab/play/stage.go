package play

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/netem"
	"github.com/handfast-tcp/handfast/lab/story"
)

// Request asks for something. Do says what: "list", "play", "picture", "states".
type Request struct {
	Do string `json:"do"`
	// Name is that of a scenario that comes with the lab, and Text one of one's own,
	// which is played in its place. Faults are lines of a scenario that are added
	// to it.
	Name   string   `json:"name"`
	Text   string   `json:"text,omitempty"`
	Faults []string `json:"faults,omitempty"`
	Settings
	Lang  string `json:"lang"`  // "en", "zh"
	Theme string `json:"theme"` // of a picture: "auto", "light", "dark", "print", "bare"
	// Explain has a picture say why each thing happens.
	Explain bool `json:"explain,omitempty"`
	// Upto is the number of the last frame that a state diagram tells of; negative: all.
	Upto int `json:"upto,omitempty"`
}

// Settings change how a scenario runs: see lab.Options.
type Settings struct {
	Seed       uint64  `json:"seed"`
	Loss       float64 `json:"loss,omitempty"`
	Reorder    float64 `json:"reorder,omitempty"`
	Delay      float64 `json:"delay,omitempty"` // in milliseconds
	Rate       uint64  `json:"rate,omitempty"`  // in bits per second
	HalfOpen   int     `json:"halfOpen,omitempty"`
	Cookies    string  `json:"cookies,omitempty"`
	Congestion string  `json:"congestion,omitempty"`
}

// Answer answers a Request. What was not asked for is empty.
type Answer struct {
	// Mistake is why there is nothing else.
	Mistake *Mistake `json:"mistake,omitempty"`

	List  *List   `json:"list,omitempty"`  // to "list"
	Scene *Scene  `json:"scene,omitempty"` // to "play"
	SVG   *string `json:"svg,omitempty"`   // to "picture" and "states"
}

// Mistake is an error in what was asked for.
type Mistake struct {
	Line int    `json:"line,omitempty"` // of the text, from 1; 0: not of the text
	Col  int    `json:"col,omitempty"`
	Text string `json:"text"`
}

// List is what a page has to know before anything is played.
type List struct {
	Scenarios  []lab.Info          `json:"scenarios"`
	Congestion []string            `json:"congestion"`
	Moves      [][2]string         `json:"moves"`    // of the state diagram
	Meanings   map[string][]string `json:"meanings"` // of each state, in each language
	Family     map[string]string   `json:"family"`   // of each state: see story.Reel
	Light      string              `json:"light"`    // style sheets of pictures
	Dark       string              `json:"dark"`
}

// Scene is a run as a page shows it.
type Scene struct {
	Title   string         `json:"title"`
	Summary string         `json:"summary"`
	See     []Source       `json:"see"`
	Tries   []Try          `json:"tries,omitempty"`
	Source  string         `json:"source"` // the scenario, without the faults of the request
	Footer  string         `json:"footer"`
	Failed  []string       `json:"failed,omitempty"` // expectations that did not come out
	Aims    map[int]string `json:"aims"`
	Cast    Cast           `json:"cast"`
	Reel    story.Reel     `json:"reel"`
}

// Stage plays what is asked for. It keeps the last run.
type Stage struct {
	last   Request
	source string
	result *lab.Result
	frames []story.Frame // of result; nil: not drawn yet
}

// Do answers a request, both as JSON.
func (s *Stage) Do(request []byte) []byte {
	var q Request
	a := Answer{}
	err := json.Unmarshal(request, &q)
	if err == nil {
		a, err = s.Answer(&q)
	}
	if err != nil {
		a = Answer{Mistake: mistake(err)}
	}
	out, err := json.Marshal(&a)
	if err != nil {
		panic(err) // all of it can be written
	}
	return out
}

func mistake(err error) *Mistake {
	var s *lab.SyntaxError
	if errors.As(err, &s) {
		return &Mistake{s.Line, s.Col, s.Text}
	}
	return &Mistake{Text: err.Error()}
}

// Answer answers a request. Its errors are those of the scenario's text, a
// lab.SyntaxError each, and those of settings.
func (s *Stage) Answer(q *Request) (a Answer, err error) {
	lang, err := story.ParseLang(q.Lang)
	if err != nil {
		return a, err
	}
	if q.Do == "list" {
		a.List = list()
		return a, nil
	}
	if err := s.run(q); err != nil {
		return a, err
	}
	t := story.Tell(&s.result.Run, story.TellOptions{Lang: lang, Explain: q.Explain || q.Do == "play"})
	switch q.Do {
	case "play":
		a.Scene, err = s.play(t, lang)
	case "picture":
		a.SVG, err = s.picture(q, t, lang)
	case "states":
		a.SVG, err = s.states(q, t, lang)
	default:
		err = fmt.Errorf("%q is not known: list, play, picture, states", q.Do)
	}
	return a, err
}

// run plays what is asked for, unless it was the last that was.
func (s *Stage) run(q *Request) error {
	if s.result != nil && s.last.same(q) {
		return nil
	}
	s.result = nil
	if err := q.Settings.check(); err != nil {
		return err
	}
	scenario, source, err := q.scenario()
	if err != nil {
		return err
	}
	r, err := scenario.Run(q.options())
	if err != nil {
		return err
	}
	s.last, s.source, s.result, s.frames = *q, source, r, nil
	s.last.Faults = slices.Clone(q.Faults)
	return nil
}

// same reports whether two requests are of one run.
func (q *Request) same(o *Request) bool {
	return q.Name == o.Name && q.Text == o.Text && slices.Equal(q.Faults, o.Faults) && q.Settings == o.Settings
}

// scenario loads what the request names, with its faults. Of a scenario of the lab the
// outcome that stands in its file is left out: faults make another one.
func (q *Request) scenario() (s *lab.Scenario, source string, err error) {
	source = q.Text
	if source == "" {
		if s, err = lab.Find(q.Name); err != nil {
			return nil, "", err
		}
		source = s.Source()
	}
	if len(q.Faults) > 0 || s == nil {
		s, err = lab.Load(q.Name+".txt", strings.NewReader(Broken(source, q.Faults)))
	}
	return s, source, err
}

// Broken is a scenario with faults of one's own below it.
func Broken(source string, faults []string) string {
	if len(faults) == 0 {
		return source
	}
	if above, _, ok := strings.Cut("\n"+source, "\n----"); ok {
		source = above[1:] + "\n"
	}
	return strings.TrimRight(source, "\n") + "\n\n" + strings.Join(faults, "\n") + "\n"
}

// check refuses what the command's flags do not take, either: a link may say anything.
func (s *Settings) check() error {
	for _, c := range []struct {
		name        string
		value, most float64
	}{{"loss", s.Loss, 1}, {"reorder", s.Reorder, 1}, {"delay", s.Delay, float64(time.Hour / time.Millisecond)},
		{"rate", float64(s.Rate), netem.MaxRate}, {"half-open", float64(s.HalfOpen), 1 << 20}} {
		if c.value < 0 || c.value > c.most {
			return fmt.Errorf("%s is %v; it may be 0 to %v", c.name, c.value, c.most)
		}
	}
	return nil
}

func (s *Settings) options() lab.Options {
	return lab.Options{Seed: s.Seed, Loss: s.Loss, Reorder: s.Reorder, Delay: time.Duration(s.Delay * float64(time.Millisecond)),
		Rate: s.Rate, HalfOpen: s.HalfOpen, Cookies: s.Cookies, Congestion: s.Congestion}
}

func list() *List {
	l := &List{Scenarios: lab.Scenarios(), Congestion: cc.Names(), Meanings: map[string][]string{}, Family: story.Families(),
		Light: story.Light.CSS(), Dark: story.Dark.CSS()}
	for from := range tcp.State(tcp.NumStates) {
		l.Meanings[from.String()] = []string{story.Meaning(from, story.English), story.Meaning(from, story.Chinese)}
		for to := range tcp.State(tcp.NumStates) {
			if tcp.CanMove(from, to) {
				l.Moves = append(l.Moves, [2]string{from.String(), to.String()})
			}
		}
	}
	return l
}

func (s *Stage) play(t *story.Telling, l story.Lang) (*Scene, error) {
	r := s.result
	title, summary := Words(r.Scenario, l)
	run := PageRun(r, t, l, title)
	scene := &Scene{Title: title, Summary: summary, See: Sources(r.Scenario, l), Source: s.source, Footer: run.Footer,
		Aims: Aims(&r.Run), Cast: castOf(r), Reel: run.Reel(l)}
	for _, f := range r.Failed {
		scene.Failed = append(scene.Failed, story.FailureText(f, l))
	}
	s.frames = scene.Reel.Frames
	var err error
	scene.Tries, err = TriesOf(r.Scenario, l)
	return scene, err
}

var themes = map[string]story.Theme{"": story.Auto, "auto": story.Auto, "light": story.Light, "dark": story.Dark, "print": story.Print, "bare": story.Bare}

func (s *Stage) picture(q *Request, t *story.Telling, l story.Lang) (*string, error) {
	var b bytes.Buffer
	err := Picture(s.result, t, l, themes[q.Theme]).Write(&b, t.Steps)
	text := b.String()
	return &text, err
}

// upto is a telling of what has begun at a frame.
func (s *Stage) upto(frame int, t *story.Telling, l story.Lang) *story.Telling {
	if s.frames == nil {
		run := PageRun(s.result, t, l, "")
		s.frames = run.Reel(l).Frames
	}
	begun := map[int]bool{}
	for _, f := range s.frames[:min(frame+1, len(s.frames))] {
		begun[f.Step] = begun[f.Step] || !f.Arrival
	}
	past := *t
	past.Steps = nil
	for i := range t.Steps {
		if begun[i] {
			past.Steps = append(past.Steps, t.Steps[i])
		}
	}
	return &past
}

// states draws the state diagram as it is lit up to a frame.
func (s *Stage) states(q *Request, t *story.Telling, l story.Lang) (*string, error) {
	d := Diagram(s.result, t, l, themes[q.Theme])
	if q.Upto >= 0 {
		d.Paths = s.upto(q.Upto, t, l).Paths(s.result.Start)
	}
	var b bytes.Buffer
	err := d.Write(&b)
	text := b.String()
	return &text, err
}
