package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/story"
)

// output is what a command line prints, where a pipe is COLUMNS wide.
func output(t *testing.T, width int, args ...string) string {
	t.Helper()
	t.Setenv("COLUMNS", fmt.Sprint(width))
	var out bytes.Buffer
	if code := run(args, &out, &out); code != exitOK {
		t.Fatalf("%v: exit code %d\n%s", args, code, &out)
	}
	return out.String()
}

// everyHelp calls f with the words of each command.
func everyHelp(f func(words []string)) {
	var visit func(*cobra.Command, []string)
	visit = func(c *cobra.Command, words []string) {
		f(words)
		for _, sub := range c.Commands() {
			visit(sub, append(slices.Clone(words), sub.Name()))
		}
	}
	visit(newRoot(), nil)
}

// commandLines are the lines of a help that are typed: a command line is not
// broken in two.
func commandLines(words []string) map[string]bool {
	c, _, _ := newRoot().Find(words)
	found := map[string]bool{"  " + c.UseLine(): true, "  " + c.CommandPath() + " [command]": true}
	for _, text := range []string{c.Example, c.Long} {
		for _, line := range strings.Split(text, "\n") {
			if strings.HasPrefix(line, "  ") {
				found[line] = true
			}
		}
	}
	return found
}

// A help is as wide as the terminal, says the same in every width, and keeps
// command lines whole. In 80 columns all of it has room.
func TestHelpFits(t *testing.T) {
	everyHelp(func(words []string) {
		said := []string(nil)
		for _, width := range []int{200, 80, 60, 40} {
			text := output(t, width, append(words, "--help")...)
			if f := strings.Fields(text); said == nil {
				said = f
			} else if !slices.Equal(f, said) {
				t.Errorf("%v: in %d columns the help says something else:\n%s", words, width, text)
			}
			typed := commandLines(words)
			for _, line := range strings.Split(text, "\n") {
				if n := story.Columns(line); n > width && (width >= 80 || !typed[line]) {
					t.Errorf("%v in %d columns: a line of %d: %s", words, width, n, line)
				}
			}
		}
	})
}

// Whatever the lab and states print as text is no wider than it may be.
func TestTextFits(t *testing.T) {
	lines := [][]string{{"lab"}, {"states"}, {"states", "SYN_RECV"}, {"states", "--ascii"}, {"lab", "syn-flood", "syn-flood-cookies"},
		{"lab", "zero-window", "--beside", "delay=50ms"}}
	for _, s := range lab.Scenarios() {
		lines = append(lines, []string{"lab", s.Name, "--explain"})
	}
	for _, words := range lines {
		for _, width := range []int{80, 64, 40} {
			for _, l := range []string{"en", "zh"} {
				for _, line := range strings.Split(output(t, width, append(words, "--lang", l)...), "\n") {
					if n := story.Columns(line); n > width {
						t.Errorf("%v --lang %s in %d columns: a line of %d: %s", words, l, width, n, line)
						break
					}
				}
			}
		}
	}
}

func TestFitText(t *testing.T) {
	const text = "A paragraph that was\nwritten in two lines.\n\n  name   what it is, in\n         two lines\n  other  short\n  a command line --that stays\n"
	for width, want := range map[int]string{
		80: "A paragraph that was written in two lines.\n\n  name   what it is, in two lines\n  other  short\n  a command line --that stays\n",
		40: "A paragraph that was written in two\nlines.\n\n  name   what it is, in two lines\n  other  short\n  a command line --that stays\n",
		20: "A paragraph that was\nwritten in two\nlines.\n\n  name\n      what it is, in\n      two lines\n  other  short\n  a command line --that stays\n",
	} {
		if got := fitText(text, width); got != want {
			t.Errorf("%d columns:\n%s", width, got)
		}
	}
}

func TestOneLine(t *testing.T) {
	t.Setenv("COLUMNS", "")
	ways := []string{"the whole of it, at length", "half of it", "a bit"}
	for width, want := range map[int]string{80: ways[0], 20: ways[1], 8: ways[2], 4: "a b"} {
		if got := (terminal{width: width}).oneLine(ways...); got != want {
			t.Errorf("%d columns: %q", width, got)
		}
	}
}
