package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab"
)

// misspelt leaves out a letter in the middle, says the last one twice, and swaps
// the first two.
func misspelt(word string) []string {
	middle, last := len(word)/2, len(word)-1
	return []string{word[:middle] + word[middle+1:], word + word[last:], word[1:2] + word[:1] + word[2:]}
}

// Whoever misspells a command, a flag, a scenario or a state by a letter is told
// what there is, whichever it is.
func TestDidYouMean(t *testing.T) {
	check := func(meant string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		code := run(args, &out, &out)
		if code == exitOK || slices.Contains(args, meant) { // it is a word
			return
		}
		if code != exitUsage || !strings.Contains(out.String(), "did you mean") || !strings.Contains(out.String(), meant) {
			t.Errorf("%v: code %d, no %q in %s", args, code, meant, &out)
		}
	}
	everyHelp(func(words []string) {
		c, _, _ := newRoot().Find(words)
		if c.Name() != "handfast" && c.Parent().Name() == "handfast" && len(c.Name()) > 2 {
			for _, w := range misspelt(c.Name()) {
				check(c.Name(), w)
			}
		}
		flagsOf(c, func(f *pflag.Flag) {
			for _, w := range misspelt(f.Name) {
				if len(f.Name) > 3 {
					check("--"+f.Name, append(words, "--"+w)...)
				}
			}
		})
	})
	for _, s := range lab.Scenarios() {
		for _, w := range misspelt(s.Name) {
			check(s.Name, "lab", w)
		}
	}
	for s := range tcp.State(tcp.NumStates) {
		for _, w := range misspelt(s.Netstat()) {
			check(s.String(), "states", w)
		}
	}
}

func flagsOf(c *cobra.Command, f func(*pflag.Flag)) { c.LocalFlags().VisitAll(f) }
