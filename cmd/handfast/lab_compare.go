package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/play"
	"github.com/handfast-tcp/handfast/lab/story"
)

// comparable are the formats that show two runs beside each other.
var comparable = []string{"text", "svg", "html", "json"}

// played is a run, and how it came about.
type played struct {
	*lab.Result
	with     lab.Options
	name     string
	settings []string // those of --beside
}

// upToTwo refuses a third scenario.
func upToTwo(_ *cobra.Command, args []string) error {
	if len(args) > 2 {
		return usagef(say.Text{"lab compares two scenarios, and there is a third: %q", "lab 比较两个场景，这里却有第三个：%q"}, args[2])
	}
	return nil
}

// compares reports whether two runs are wanted, and refuses what cannot be.
func (o *labOptions) compares(args []string) (bool, error) {
	two := len(args) == 2 || len(o.beside) > 0
	switch {
	case len(o.beside) > 0 && len(args) != 1:
		return false, usagef(say.Text{"--beside plays one scenario twice: give one name", "--beside 把一个场景运行两次：请只写一个名称"})
	case two && !slices.Contains(comparable, o.format):
		return false, usagef(say.Text{"--format %s shows one run; two are shown as %s", "--format %s 只显示一次运行；两次运行可用 %s"}, o.format, strings.Join(comparable, ", "))
	}
	return two, nil
}

// compare plays two scenarios, or one with two settings, and shows both.
func (o *labOptions) compare(args []string) error {
	plans := []played{{name: args[0], with: o.Options}, {name: args[len(args)-1], with: o.Options}}
	if len(o.beside) > 0 {
		if err := o.set(&plans[1]); err != nil {
			return err
		}
	}
	for i := range plans {
		p := &plans[i]
		s, err := o.find(p.name)
		if err != nil {
			return err
		}
		if p.Result, err = s.Run(p.with); err != nil {
			return err
		}
	}
	err := o.writeOut(func(w io.Writer) error { return o.showBoth(w, plans) })
	for i := range plans {
		if err == nil {
			err = o.judge(plans[i].Result, &plans[i].with)
		}
	}
	return err
}

// set gives the second run the settings of --beside: they are flags without
// their dashes.
func (o *labOptions) set(p *played) error {
	f := pflag.NewFlagSet("beside", pflag.ContinueOnError)
	settingFlags(f, &p.with)
	p.with = o.Options // the flags have set their defaults
	for _, key := range slices.Sorted(maps.Keys(o.beside)) {
		if f.Lookup(key) == nil {
			var known []string
			f.VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
			return usagef(say.Text{"--beside %s: there is no such setting; known are %s", "--beside %s：没有这项设置；可用的有 %s"}, key, strings.Join(known, ", "))
		}
		if err := f.Set(key, o.beside[key]); err != nil {
			return usagef(say.Text{"--beside %s=%s: %v", "--beside %s=%s：%v"}, key, o.beside[key], err)
		}
		p.settings = append(p.settings, key+" "+o.beside[key])
	}
	changed := *o
	changed.Options = p.with
	return changed.check()
}

// title is what a run is called beside another one.
func (o *labOptions) title(p *played) string {
	title, _ := o.words(p.Scenario)
	if len(p.settings) > 0 {
		title += " (" + strings.Join(p.settings, ", ") + ")"
	}
	return title
}

func (o *labOptions) showBoth(w io.Writer, runs []played) error {
	if o.format == "json" {
		return o.jsonBoth(w, runs)
	}
	differences := story.Compare(o.language(), &runs[0].Run, &runs[1].Run)
	switch o.format {
	case "svg":
		c := story.Comparison{Title: o.titles(runs), Differences: differences, Theme: o.colours()}
		for i := range runs {
			t := story.Tell(&runs[i].Run, o.tell())
			p := o.picture(runs[i].Result, t)
			p.Title = o.title(&runs[i])
			c.Sides = append(c.Sides, story.Side{Picture: p, Steps: t.Steps})
		}
		return c.Write(w)
	case "html":
		p := story.Page{Title: o.titles(runs), Differences: differences, Theme: o.colours(), Lang: o.language()}
		for i := range runs {
			p.Runs = append(p.Runs, o.pageRun(runs[i].Result, o.title(&runs[i])))
		}
		return p.Write(w)
	}
	return o.textBoth(w, runs, differences)
}

func (o *labOptions) titles(runs []played) string {
	return o.title(&runs[0]) + " | " + o.title(&runs[1])
}

var differenceWords = say.Text{"What is different", "不同之处"}

// textBoth draws both ladders beside each other where there is room for them, and
// else one below the other.
func (o *labOptions) textBoth(w io.Writer, runs []played, differences []story.Difference) error {
	var tellings []*story.Telling
	narrowest := 0
	for i := range runs {
		t := story.Tell(&runs[i].Run, o.tell())
		tellings, narrowest = append(tellings, t), max(narrowest, (&story.Ladder{Lanes: t.Lanes}).Narrowest())
	}
	sides := func(width int) (all []string, err error) {
		for i, t := range tellings {
			var b bytes.Buffer
			narrow := *o
			narrow.width = width
			if err := narrow.ladder(&b, runs[i].Result, o.title(&runs[i]), t); err != nil {
				return nil, err
			}
			all = append(all, b.String())
		}
		return all, nil
	}
	wide := o.allColumns()
	all, err := sides(max(min((wide-3)/2, maxWidth), narrowest)) // lists are not set beside each other
	if err != nil {
		return err
	}
	gap := " │ "
	if o.ascii {
		gap = " | "
	}
	text, ok := story.Beside(all[0], gap, all[1], wide)
	if !ok {
		if all, err = sides(o.columns()); err != nil {
			return err
		}
		text = all[0] + "\n\n" + all[1]
	}
	titles := []string{o.title(&runs[0]), o.title(&runs[1])}
	_, err = fmt.Fprintf(w, "%s\n%s\n%s", text, differenceWords[o.language()], story.DifferencesTable(titles, differences, o.columns()))
	return err
}

// jsonBoth writes an array of both runs.
func (o *labOptions) jsonBoth(w io.Writer, runs []played) error {
	type run struct {
		Scenario string            `json:"scenario"`
		Seed     uint64            `json:"seed"`
		Settings []string          `json:"settings,omitempty"`
		Failed   []string          `json:"failed,omitempty"`
		Events   []json.RawMessage `json:"events"`
	}
	var all []run
	for i := range runs {
		r := &runs[i]
		var b bytes.Buffer
		if err := story.WriteJSON(&b, &r.Run, o.tell()); err != nil {
			return err
		}
		out := run{Scenario: r.Scenario.Name, Seed: r.Seed, Settings: r.settings, Failed: r.Failed}
		for line := range bytes.Lines(b.Bytes()) {
			out.Events = append(out.Events, bytes.TrimSpace(line))
		}
		all = append(all, out)
	}
	return json.NewEncoder(w).Encode(all)
}

// page is one run as a page of HTML.
func (o *labOptions) page(r *lab.Result) story.Page {
	title, summary := o.words(r.Scenario)
	return story.Page{Title: title, Summary: summary, Theme: o.colours(), Lang: o.language(), Runs: []story.PageRun{o.pageRun(r, title)}}
}

func (o *labOptions) pageRun(r *lab.Result, title string) story.PageRun {
	tell := o.tell()
	tell.Explain = true // a page has room for it
	return play.PageRun(r, story.Tell(&r.Run, tell), o.language(), title)
}
