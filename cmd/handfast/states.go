package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/story"
)

const statesHelp = `The state diagram of TCP as the engine has it, and of every state its meaning in
English and Chinese (--lang chooses one), how five kinds of tools spell it, and
which state may follow, and why. Of a single state the answer comes first, and
the diagram below has it lit.

A state may be given in any of the five spellings: SYN-RECEIVED (RFC 9293),
SYN-RECV (ss), SYN_RECV (netstat), SYN_RCVD (BSD), SYN_RECEIVED (Windows).`

type statesOptions struct {
	format, theme string
	lang          language
	ascii         bool
}

func newStates() *cobra.Command {
	var o statesOptions
	cmd := &cobra.Command{
		Use:   "states [STATE]",
		Short: "Print the state diagram, and what each state means",
		Long:  statesHelp,
		Example: `  handfast states
  handfast states SYN_RECV
  handfast states --format svg > states.svg`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(newTerminal(cmd.OutOrStdout()), args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "text", "what to print: text, svg")
	f.StringVar(&o.theme, "theme", "auto", "colours of the picture: "+strings.Join(themes, ", "))
	f.Var(&o.lang, "lang", "language of the meanings: en, zh (default: both)")
	f.BoolVar(&o.ascii, "ascii", false, "draw with ASCII characters only")
	return cmd
}

func (o *statesOptions) run(out terminal, args []string) error {
	var wanted []tcp.State
	for _, name := range args {
		s, err := tcp.ParseState(name)
		switch close := nearestStates(name); {
		case err == nil:
		case len(close) > 0:
			return usagef(say.Text{"no state is called %q%s", "没有名为 %q 的状态%s"}, name, didYouMean(close))
		default:
			return usagef(say.Text{"no state is called %q; it is one of %s", "没有名为 %q 的状态；可选 %s"}, name, stateNames())
		}
		wanted = append(wanted, s)
	}
	theme := slices.Index(themes, o.theme)
	switch {
	case theme < 0:
		return usagef(say.Text{"--theme %s: it is one of %s", "--theme %s：可选 %s"}, o.theme, strings.Join(themes, ", "))
	case o.format == "svg":
		return o.diagram(story.Theme(theme)).Write(out)
	case o.format != "text":
		return usagef(say.Text{"--format %s: it is one of text, svg", "--format %s：可选 text, svg"}, o.format)
	}
	return o.text(out, wanted)
}

// stateNames are those of the RFC.
func stateNames() string {
	var all []string
	for s := range tcp.State(tcp.NumStates) {
		all = append(all, s.String())
	}
	return strings.Join(all, ", ")
}

func (o *statesOptions) diagram(theme story.Theme) story.Diagram {
	d := story.Diagram{Title: "The states of a TCP connection", Summary: "The engine's own table of moves, laid out like the figure of RFC 9293 §3.3.2.", Theme: theme}
	if d.Lang = o.language(); d.Lang == story.Chinese {
		d.Title, d.Summary = "TCP 连接的状态", "引擎自身的状态转换表，按 RFC 9293 §3.3.2 的图排列。"
	}
	return d
}

// language is that of all words but the meanings, which are in both unless one
// is asked for.
func (o *statesOptions) language() story.Lang { return o.lang.story() }

// text prints the diagram and below it all states; of one state that was asked
// for the answer, and below it the diagram.
func (o *statesOptions) text(out terminal, wanted []tcp.State) error {
	if len(wanted) > 0 {
		return errors.Join(o.describe(out, wanted[0]), o.separate(out), o.figure(out, wanted))
	}
	if err := o.figure(out, nil); err != nil {
		return err
	}
	for s := range tcp.State(tcp.NumStates) {
		if err := errors.Join(o.separate(out), o.describe(out, s)); err != nil {
			return err
		}
	}
	return nil
}

func (o *statesOptions) separate(out io.Writer) error {
	_, err := fmt.Fprintln(out)
	return err
}

var figureNeeds = say.Text{
	story.English: "The diagram needs %d columns; here are %d. As a picture: --format svg",
	story.Chinese: "状态图需要 %d 列，这里只有 %d 列。可用 --format svg 生成图片",
}

// figure draws the diagram where there is room for it: a line that goes on in
// the next one is not part of the drawing.
func (o *statesOptions) figure(out terminal, lit []tcp.State) error {
	if here := out.allColumns(); here < story.FigureWidth {
		_, err := fmt.Fprintf(out.document(), figureNeeds[o.language()]+"\n", story.FigureWidth, here)
		return err
	}
	return story.Figure{Lit: lit, ASCII: o.ascii, Color: out.color, Lang: o.language()}.Write(out)
}

// describe prints all that is known of a state.
func (o *statesOptions) describe(out terminal, s tcp.State) error {
	var b strings.Builder
	fmt.Fprintln(&b, s)
	if o.lang != "zh" {
		fmt.Fprintf(&b, "  %s\n", story.Meaning(s, story.English))
	}
	if o.lang == "zh" || o.lang == "" && !o.ascii {
		fmt.Fprintf(&b, "  %s\n", story.Meaning(s, story.Chinese))
	}
	fmt.Fprintf(&b, "  RFC %s, ss %s, netstat %s, BSD %s, Windows %s\n", s, s.SS(), s.Netstat(), s.BSD(), s.Windows())
	for to := range tcp.State(tcp.NumStates) {
		if !tcp.CanMove(s, to) {
			continue
		}
		var why []string
		for _, c := range story.Causes(s, to) {
			why = append(why, story.CauseName(c, o.language()))
		}
		fmt.Fprintf(&b, "    -> %-12s  %s\n", to, strings.Join(why, say.Text{", ", "、"}[o.language()]))
	}
	_, err := io.WriteString(out.document(), b.String())
	return err
}
