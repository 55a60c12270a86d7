package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/story"
)

const labHelp = `Hosts with real engines at both ends of a wire, in virtual time: a scenario is
played in a moment, however long it takes, and the same seed gives the same
bytes on every machine.

Without a name it lists the scenarios. With a name, or the path of your own
scenario file, it plays it and shows what happened:

  text     a ladder: time runs down, segments cross between the two lanes
  svg      the same as a picture, 1200 pixels wide
  states   the state diagram with the ways of both ends lit, as a picture
  json     every event as a line of JSON
  pcapng   the packets, for Wireshark; state changes are comments
  drill    what one end sees, in packetdrill's notation

It ends with code 1 when something that the scenario expects did not come.`

var (
	labFormats  = []string{"text", "svg", "states", "json", "pcapng", "drill"}
	cookieModes = []string{"off", "auto", "always"}
	themes      = []string{"auto", "light", "dark"}
)

type labOptions struct {
	lab.Options
	format, out, lang, theme string
	explain, ascii           bool

	stdout, stderr terminal
}

func newLab() *cobra.Command {
	var o labOptions
	cmd := &cobra.Command{
		Use:   "lab [NAME | FILE]",
		Short: "See a handshake, a close, a lost ACK, step by step",
		Long:  labHelp,
		Example: `  handfast lab
  handfast lab three-way-handshake --explain
  handfast lab lost-last-ack --format svg --out lost-last-ack.svg
  handfast lab my.txt --loss 0.1 --seed 7`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.stdout, o.stderr = newTerminal(cmd.OutOrStdout()), newTerminal(cmd.ErrOrStderr())
			if err := o.check(); err != nil {
				return err
			}
			if len(args) == 0 {
				return o.list()
			}
			return o.run(args[0])
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&o.Seed, "seed", 1, "where all chance comes from")
	f.Float64Var(&o.Loss, "loss", 0, "`probability` that a packet is lost, 0 to 1, beside what the scenario loses")
	f.DurationVar(&o.Delay, "delay", 0, "time from one host to the other (default: the scenario's)")
	f.Float64Var(&o.Reorder, "reorder", 0, "`probability` that later packets pass one, 0 to 1")
	f.StringVar(&o.Cookies, "cookies", "", "SYN cookies: "+strings.Join(cookieModes, ", ")+" (default as the scenario says)")
	f.StringVar(&o.format, "format", "text", "what to show: "+strings.Join(labFormats, ", "))
	f.StringVar(&o.out, "out", "", "write to this `file`")
	f.BoolVar(&o.explain, "explain", false, "add a sentence to each step: why, and where it is written")
	f.StringVar(&o.lang, "lang", "en", "language of the sentences: en, zh")
	f.StringVar(&o.theme, "theme", "auto", "colours of pictures: "+strings.Join(themes, ", "))
	f.BoolVar(&o.ascii, "ascii", false, "draw with ASCII characters only")
	return cmd
}

// oneArgument refuses a second word.
func oneArgument(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef("%s takes one argument, but there is also %q", cmd.Name(), args[1])
	}
	return nil
}

// check looks for what makes no sense.
func (o *labOptions) check() error {
	for _, c := range []struct {
		flag, value string
		known       []string
	}{{"format", o.format, labFormats}, {"cookies", cmp.Or(o.Cookies, "off"), cookieModes}, {"theme", o.theme, themes}} {
		if !slices.Contains(c.known, c.value) {
			return usagef("--%s %s: it is one of %s", c.flag, c.value, strings.Join(c.known, ", "))
		}
	}
	if _, err := story.ParseLang(o.lang); err != nil {
		return usagef("--lang: %v", err)
	}
	for flag, p := range map[string]float64{"loss": o.Loss, "reorder": o.Reorder} {
		if !(p >= 0 && p <= 1) {
			return usagef("--%s %v: a probability is from 0 to 1", flag, p)
		}
	}
	if o.Delay < 0 || o.Delay > time.Hour {
		return usagef("--delay %v: it is from 0 to 1h", o.Delay)
	}
	return nil
}

func (o *labOptions) language() story.Lang {
	l, _ := story.ParseLang(o.lang) // check has seen it
	return l
}

// listWidth is how many columns the longest name and summary take on one line.
const listWidth = 180

// list prints the scenarios that come with the lab.
func (o *labOptions) list() error {
	all := lab.Scenarios()
	width := 0
	for _, s := range all {
		width = max(width, len(s.Name))
	}
	for _, s := range all {
		summary := s.Summary
		if o.language() == story.Chinese {
			summary = s.SummaryZH
		}
		if o.stdout.width > 0 && o.stdout.width < listWidth {
			fmt.Fprintf(o.stdout, "%s\n  %s\n", s.Name, summary)
			continue
		}
		fmt.Fprintf(o.stdout, "%-*s  %s\n", width, s.Name, summary)
	}
	return nil
}

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
	if err := o.write(r); err != nil {
		return err
	}
	for _, f := range r.Failed {
		fmt.Fprintf(o.stderr, "not as expected: %s\n", f)
	}
	if len(r.Failed) > 0 {
		return fmt.Errorf("%s: %d of its expectations did not hold (seed %d)", r.Scenario.Name, len(r.Failed), r.Seed)
	}
	return nil
}

// find loads a scenario: one that comes with the lab, or a file. A word with a
// dot or a slash is a file.
func (o *labOptions) find(name string) (*lab.Scenario, error) {
	if !strings.ContainsAny(name, `./\`) {
		s, err := lab.Find(name)
		if err != nil {
			return nil, usagef("%v%s", err, nearest(name))
		}
		return s, nil
	}
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %s", name)
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	return lab.Load(filepath.Base(name), f)
}

// nearest names scenarios that have a word in common with name.
func nearest(name string) string {
	var close []string
	for _, s := range lab.Scenarios() {
		for _, word := range strings.Split(name, "-") {
			if len(word) > 2 && strings.Contains(s.Name, word) && !slices.Contains(close, s.Name) {
				close = append(close, s.Name)
			}
		}
	}
	if len(close) == 0 {
		return "; 'handfast lab' lists them"
	}
	return "; did you mean " + strings.Join(close[:min(len(close), 3)], " or ") + "?"
}

// write shows the run where --out says.
func (o *labOptions) write(r *lab.Result) error {
	if o.out == "" && o.format == "pcapng" && o.stdout.interactive {
		return usagef("--format pcapng is not for a terminal: give --out a file")
	}
	var b bytes.Buffer
	if err := o.show(&b, newView(r, o)); err != nil {
		return err
	}
	if o.out != "" {
		return os.WriteFile(o.out, b.Bytes(), 0o644)
	}
	_, err := o.stdout.Write(b.Bytes())
	return err
}

// show writes the run in its format.
func (o *labOptions) show(w io.Writer, v *view) error {
	switch o.format {
	case "svg":
		return v.picture(o.colours()).Write(w, v.steps)
	case "states":
		return v.diagram(o.colours()).Write(w)
	case "json":
		return v.json(w)
	case "pcapng":
		return v.capture(w)
	case "drill":
		return v.drill(w)
	}
	return o.text(w, v)
}

func (o *labOptions) colours() story.Theme { return story.Theme(slices.Index(themes, o.theme)) }

// text draws the ladder, with colours only on a terminal.
func (o *labOptions) text(w io.Writer, v *view) error {
	width := story.DefaultWidth
	if o.stdout.width > 0 {
		width = min(width, o.stdout.width)
	}
	color := o.stdout.color && o.out == ""
	left, right := v.heads()
	fmt.Fprintf(w, "%s\n%s\n\n", v.result.Scenario.Name, v.summary())
	l := story.Ladder{Left: left, Right: right, Width: width, ASCII: o.ascii, Color: color}
	return l.Write(w, v.steps)
}
