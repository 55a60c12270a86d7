package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/drill"
	"github.com/handfast-tcp/handfast/lab/drill/script"
	"github.com/handfast-tcp/handfast/lab/play"
	"github.com/handfast-tcp/handfast/lab/story"
	"github.com/handfast-tcp/handfast/lab/trace"
)

const labHelp = `Hosts with real engines at both ends of a wire, in virtual time: a scenario is
played in a moment, however long it takes, and the same seed gives the same
bytes on every machine.

Without a name it lists the scenarios. With a name, or the path of your own
scenario file, it plays it and shows what happened:

  text     a ladder: time runs down, segments cross between the two lanes
  svg      the same as a picture
  html     a page that steps through it: slider, arrow keys, a sentence for each step
  states   the state diagram with the ways of both ends lit, as a picture
  json     every event as a line of JSON
  pcapng   the packets, for Wireshark; state changes are comments
  drill    what one end sees and does, as a packetdrill script for handfast drill

Two names, or one and --beside, are played and shown beside each other, with
what is different: as text, svg, html, or a JSON array of both.

It ends with code 1 when something that the scenario expects did not come.`

var (
	labFormats  = []string{"text", "svg", "html", "states", "json", "pcapng", "drill"}
	cookieModes = []string{"off", "auto", "always"}
	themes      = []string{"auto", "light", "dark", "print"}
	hideable    = []string{story.HideWindow, story.HideOptions}
)

type labOptions struct {
	lab.Options
	format, out, theme string
	lang               language
	explain, ascii     bool
	from, until        time.Duration
	hide               []string
	width              int
	beside             map[string]string
	book               string

	streams
}

func newLab() *cobra.Command {
	var o labOptions
	cmd := &cobra.Command{
		Use:   "lab [NAME | FILE] [NAME | FILE]",
		Short: "See a handshake, a close, a lost ACK, step by step",
		Long:  labHelp,
		Example: `  handfast lab
  handfast lab three-way-handshake --explain
  handfast lab lost-last-ack --format svg --out lost-last-ack.svg
  handfast lab zero-window --format html --out zero-window.html
  handfast lab syn-flood syn-flood-cookies
  handfast lab syn-flood --beside cookies=auto
  handfast lab my.txt --loss 0.1 --seed 7`,
		Args: upToTwo,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.streams = streamsOf(cmd)
			if err := o.check(); err != nil {
				return err
			}
			two, err := o.compares(args)
			switch {
			case err != nil:
				return err
			case o.book != "":
				return o.writeBook(args)
			case two:
				return o.compare(args)
			case len(args) == 0:
				return o.list()
			}
			return o.run(args[0])
		},
	}
	o.addFlags(cmd.Flags())
	return cmd
}

func (o *labOptions) addFlags(f *pflag.FlagSet) {
	settingFlags(f, &o.Options)
	f.StringToStringVar(&o.beside, "beside", nil, "play it once more, with these `settings`, and show both: cookies=auto,half-open=64")
	f.Lookup("beside").DefValue = "" // pflag would print that it is empty
	f.StringVar(&o.format, "format", "text", "what to show: "+strings.Join(labFormats, ", "))
	f.StringVar(&o.book, "book", "", "write a page for each scenario, in English and Chinese, to this `folder`")
	f.StringVar(&o.out, "out", "", "write to this `file`")
	f.BoolVar(&o.explain, "explain", false, "add a sentence to each step: why, and where it is written")
	o.lang = "en"
	f.Var(&o.lang, "lang", "language of the sentences: en, zh")
	f.StringVar(&o.theme, "theme", "auto", "colours of pictures: "+strings.Join(themes, ", "))
	f.DurationVar(&o.from, "from", 0, "leave out what happens before this time")
	f.DurationVar(&o.until, "until", 0, "leave out what happens after this time (default: nothing)")
	f.StringSliceVar(&o.hide, "hide", nil, "leave these fields out: "+strings.Join(hideable, ", "))
	f.IntVar(&o.width, "width", 0, "columns of the text (default: the terminal's, $COLUMNS, or 80)")
	f.BoolVar(&o.ascii, "ascii", false, "draw with ASCII characters only")
}

// settingFlags are those that change how a scenario runs.
func settingFlags(f *pflag.FlagSet, o *lab.Options) {
	f.Uint64Var(&o.Seed, "seed", 1, "where all chance comes from")
	f.Float64Var(&o.Loss, "loss", 0, "`probability` that a packet is lost, 0 to 1, beside what the scenario loses")
	f.DurationVar(&o.Delay, "delay", 0, "time from one host to the other (default: the scenario's)")
	f.Float64Var(&o.Reorder, "reorder", 0, "`probability` that later packets pass one, 0 to 1")
	f.Var((*bitRate)(&o.Rate), "rate", "bandwidth of the wire in bits a second, such as 10mbit (default: the scenario's)")
	f.StringVar(&o.Congestion, "congestion", "", "congestion control of all hosts: "+strings.Join(cc.Names(), ", ")+" (default: the scenario's)")
	f.StringVar(&o.Cookies, "cookies", "", "SYN cookies: "+strings.Join(cookieModes, ", ")+" (default as the scenario says)")
	f.DurationVar(&o.MSL, "msl", 0, "maximum segment lifetime of all hosts: TIME-WAIT is twice as long (default: the scenario's)")
	f.IntVar(&o.HalfOpen, "half-open", 0, "half-open connections that a host keeps (default: the scenario's)")
	f.IntVar(&o.SynAckRetries, "synack-retries", 0, "how often a SYN-ACK is repeated (default: the scenario's)")
}

// oneArgument refuses a second word.
func oneArgument(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef(say.Text{"%s takes one argument, but there is also %q", "%s 只接受一个参数，却还有 %q"}, cmd.Name(), args[1])
	}
	return nil
}

// check looks for what makes no sense.
func (o *labOptions) check() error {
	for _, c := range []struct {
		flag, value string
		known       []string
	}{{"format", o.format, labFormats}, {"cookies", cmp.Or(o.Cookies, "off"), cookieModes},
		{"congestion", cmp.Or(o.Congestion, cc.Default), cc.Names()}, {"theme", o.theme, themes}} {
		if !slices.Contains(c.known, c.value) {
			return usagef(say.Text{"--%s %s: it is one of %s", "--%s %s：可选 %s"}, c.flag, c.value, strings.Join(c.known, ", "))
		}
	}
	for flag, p := range map[string]float64{"loss": o.Loss, "reorder": o.Reorder} {
		if !(p >= 0 && p <= 1) {
			return usagef(say.Text{"--%s %v: a probability is from 0 to 1", "--%s %v：概率为 0 到 1"}, flag, p)
		}
	}
	for _, h := range o.hide {
		if !slices.Contains(hideable, h) {
			return usagef(say.Text{"--hide %s: it is one of %s", "--hide %s：可选 %s"}, h, strings.Join(hideable, ", "))
		}
	}
	return o.checkNumbers()
}

func (o *labOptions) checkNumbers() error {
	switch {
	case o.Delay < 0 || o.Delay > time.Hour:
		return usagef(say.Text{"--delay %v: it is from 0 to 1h", "--delay %v：取值为 0 到 1h"}, o.Delay)
	case o.MSL < 0 || o.MSL > time.Hour:
		return usagef(say.Text{"--msl %v: it is from 0 to 1h", "--msl %v：取值为 0 到 1h"}, o.MSL)
	case o.HalfOpen < 0 || o.HalfOpen > 1<<20:
		return usagef(say.Text{"--half-open %d: it is from 1 to %d", "--half-open %d：取值为 1 到 %d"}, o.HalfOpen, 1<<20)
	case o.SynAckRetries < 0 || o.SynAckRetries > 255:
		return usagef(say.Text{"--synack-retries %d: it is from 1 to 255", "--synack-retries %d：取值为 1 到 255"}, o.SynAckRetries)
	case o.from < 0 || o.until < 0 || o.until > 0 && o.until <= o.from:
		return usagef(say.Text{"--from %v --until %v: until must be later than from", "--from %v --until %v：until 必须晚于 from"}, o.from, o.until)
	case o.width != 0 && o.width < story.LeastWidth:
		return usagef(say.Text{"--width %d: the text needs %d columns", "--width %d：文本需要 %d 列"}, o.width, story.LeastWidth)
	}
	return nil
}

// tell are the options of telling a run.
func (o *labOptions) tell() story.TellOptions {
	return story.TellOptions{Lang: o.language(), Explain: o.explain, From: o.from, Until: o.until, Hide: o.hide}
}

func (o *labOptions) language() story.Lang { return o.lang.story() }

// list prints the scenarios that come with the lab, group by group.
func (o *labOptions) list() error {
	group, zh := "", o.language() == story.Chinese
	for _, s := range lab.Scenarios() {
		name, summary := s.Group, s.Summary
		if zh {
			name, summary = s.GroupZH, s.SummaryZH
		}
		if name != group {
			if group != "" {
				fmt.Fprintln(o.stdout)
			}
			fmt.Fprintln(o.stdout, name)
			group = name
		}
		fmt.Fprintf(o.stdout, "  %s\n", s.Name)
		for _, line := range story.Wrap(summary, o.columns()-6) {
			fmt.Fprintf(o.stdout, "      %s\n", line)
		}
	}
	_, err := fmt.Fprintf(o.stdout.document(), "\n%s\n", showsOne[o.language()])
	return err
}

var showsOne = say.Text{"handfast lab NAME shows one; --explain says why each thing happens", "handfast lab 名称：演示一个场景；--explain 解释每一步的原因"}

// run plays a scenario and shows what happened.
func (o *labOptions) run(name string) error {
	s, err := o.find(name)
	if err != nil {
		return err
	}
	r, err := s.Run(o.Options)
	if err != nil {
		return err
	}
	if err := o.writeOut(func(w io.Writer) error { return o.show(w, r) }); err != nil {
		return err
	}
	return o.judge(r, &o.Options)
}

// judge says what did not come out as the scenario expects it.
func (o *labOptions) judge(r *lab.Result, with *lab.Options) error {
	if len(r.Failed) > 0 && *with != (lab.Options{Seed: with.Seed}) {
		o.otherwise(r)
		return nil
	}
	for _, f := range r.Failed {
		fmt.Fprintf(o.stderr.report(), notAsExpected[o.language()], story.FailureText(f, o.language()))
	}
	if len(r.Failed) > 0 {
		return say.Errorf(didNotHold, r.Scenario.Name, len(r.Failed), r.Seed)
	}
	return nil
}

var (
	notAsExpected = say.Text{"not as expected: %s\n", "与预期不符：%s\n"}
	didNotHold    = say.Text{"%s: %d of its expectations did not hold (seed %d)", "%s：有 %d 项预期未得到满足（种子 %d）"}
)

var endsOtherwise = say.Text{
	story.English: "with these flags the story ends otherwise than its file says:",
	story.Chinese: "使用这些选项后，结局与场景文件所写的不同：",
}

// otherwise says what came out differently when flags have changed the scenario:
// that it then ends otherwise is what was asked for.
func (o *labOptions) otherwise(r *lab.Result) {
	fmt.Fprintln(o.stderr.report(), endsOtherwise[o.language()])
	for _, f := range r.Failed {
		fmt.Fprintf(o.stderr.report(), "  %s\n", story.FailureText(f, o.language()))
	}
}

// find loads a scenario: one that comes with the lab, or a file. A word with a
// dot or a slash is a file.
func (o *labOptions) find(name string) (*lab.Scenario, error) {
	if !strings.ContainsAny(name, `./\`) {
		s, err := lab.Find(name)
		if err != nil {
			return nil, usagef(say.Text{"no scenario is called %q%s", "没有名为 %q 的场景%s"}, name, cmp.Or(didYouMean(nearestScenarios(name)), listsThem))
		}
		return s, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fileError(name, err)
	}
	defer f.Close()
	return lab.Load(filepath.Base(name), f)
}

var listsThem = say.Text{"; 'handfast lab' lists them", "；'handfast lab' 列出全部场景"}

// writeOut shows something where --out says.
func (o *labOptions) writeOut(show func(io.Writer) error) error {
	if o.out == "" && o.format == "pcapng" && o.stdout.interactive {
		return usagef(say.Text{"--format pcapng is not for a terminal: give --out a file", "--format pcapng 不能输出到终端：请用 --out 指定文件"})
	}
	var b bytes.Buffer
	if err := show(&b); err != nil {
		return err
	}
	if o.out != "" {
		return os.WriteFile(o.out, b.Bytes(), 0o644)
	}
	_, err := o.stdout.Write(b.Bytes())
	return err
}

// show writes the run in its format.
func (o *labOptions) show(w io.Writer, r *lab.Result) error {
	switch o.format {
	case "svg":
		t := story.Tell(&r.Run, o.tell())
		return o.picture(r, t).Write(w, t.Steps)
	case "html":
		return o.page(r).Write(w)
	case "states":
		return play.Diagram(r, story.Tell(&r.Run, o.tell()), o.language(), o.colours()).Write(w)
	case "json":
		return story.WriteJSON(w, &r.Run, o.tell())
	case "pcapng":
		_, summary := o.words(r.Scenario)
		return trace.WriteCapture(w, r.Scenario.Name+": "+summary, &r.Run)
	case "drill":
		return o.drill(w, r)
	}
	return o.text(w, r, story.Tell(&r.Run, o.tell()))
}

var drillView = say.Text{"as %s sees it; seed %d", "从 %s 的角度看；种子 %d"}

var drillPart = say.Text{"not all of this can be played: handfast drill says where it ends", "这个脚本不能完整演示：handfast drill 会指出停在哪里"}

// drill writes a script of what one host saw and did. One that does not play to its end says so.
func (o *labOptions) drill(w io.Writer, r *lab.Result) error {
	host := drilled(r)
	_, summary := o.words(r.Scenario)
	comments := []string{r.Scenario.Name, summary, fmt.Sprintf(drillView[o.language()], host, r.Seed)}
	var b strings.Builder
	if err := trace.WriteDrill(&b, &r.Run, host, story.Why(o.language()), comments...); err != nil {
		return err
	}
	s, err := script.Parse(r.Scenario.Name, b.String())
	if err != nil || drill.Play(s, drill.Options{}).Err != nil {
		return trace.WriteDrill(w, &r.Run, host, story.Why(o.language()), append(comments, drillPart[o.language()])...)
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// drilled returns the host whose view --format drill writes: the last that has
// an engine.
func drilled(r *lab.Result) string {
	for _, h := range slices.Backward(r.Hosts) {
		if !h.Scripted && !h.Router {
			return h.Name
		}
	}
	return r.Hosts[0].Name
}

// words returns the title and the summary of a scenario.
func (o *labOptions) words(s *lab.Scenario) (title, summary string) {
	return play.Words(s, o.language())
}

func (o *labOptions) picture(r *lab.Result, t *story.Telling) story.Picture {
	return play.Picture(r, t, o.language(), o.colours())
}

func (o *labOptions) colours() story.Theme { return story.Theme(slices.Index(themes, o.theme)) }

// columns is how wide the text may be.
func (o *labOptions) columns() int {
	if o.width > 0 {
		return o.width
	}
	return o.stdout.columns()
}

// allColumns is how wide two texts beside each other may be.
func (o *labOptions) allColumns() int {
	if o.width > 0 {
		return o.width
	}
	return o.stdout.allColumns()
}

// text draws the ladder, with colours only on a terminal.
func (o *labOptions) text(w io.Writer, r *lab.Result, t *story.Telling) error {
	title, _ := o.words(r.Scenario)
	return o.ladder(w, r, title, t)
}

func (o *labOptions) ladder(w io.Writer, r *lab.Result, title string, t *story.Telling) error {
	_, summary := o.words(r.Scenario)
	for _, text := range []string{title, summary} {
		fmt.Fprintln(w, strings.Join(story.Wrap(text, o.columns()), "\n"))
	}
	fmt.Fprintln(w)
	l := story.Ladder{Lanes: t.Lanes, Width: o.columns(), ASCII: o.ascii, Color: o.stdout.color && o.out == ""}
	if err := l.Write(w, t.Steps); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", strings.Join(story.Legend(t.Steps, o.language(), o.ascii, o.columns()), "\n"))
	return err
}
