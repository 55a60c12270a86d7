package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/lab/story"
)

// language is the flag --lang: en or zh, or empty where a command has words of its own
// for that.
type language string

// addLang adds the flag to a command that says things in one language: streamsOf finds
// it there.
func addLang(f *pflag.FlagSet) {
	l := language("en")
	f.Var(&l, "lang", "language of what is told, but for this help: en, zh")
}

// Type names the flag's kind in the help.
func (*language) Type() string { return "string" }

func (l *language) String() string { return string(*l) }

// Set takes the name of a language.
func (l *language) Set(text string) error {
	_, err := story.ParseLang(text)
	if err == nil {
		*l = language(text)
	}
	return err
}

// story is the language as package story has it: English unless another was asked for.
func (l language) story() story.Lang {
	if l == "zh" {
		return story.Chinese
	}
	return story.English
}

// languageOf returns the language that a command was asked for.
func languageOf(cmd *cobra.Command) story.Lang {
	f := cmd.Flags().Lookup("lang")
	if f == nil {
		return story.English
	}
	return language(f.Value.String()).story()
}

// terminalOf looks at a stream that a command writes to.
func terminalOf(cmd *cobra.Command, w io.Writer) terminal {
	t := newTerminal(w)
	t.lang = languageOf(cmd)
	return t
}

// printf writes a report in the language of who reads it.
func (t terminal) printf(format say.Text, args ...any) {
	fmt.Fprintf(t.report(), format[t.lang], args...)
}
