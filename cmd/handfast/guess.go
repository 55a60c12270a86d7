package main

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab"
)

// mayDiffer is how many letters of a misspelt word may be wrong, missing or too
// many.
const mayDiffer = 2

// distance is how many letters have to be changed, added, left out or swapped
// with the next one to make one word of the other. Case does not count, nor which
// sign joins words.
func distance(a, b string) int {
	same := strings.NewReplacer("_", "-").Replace
	x, y := same(strings.ToLower(a)), same(strings.ToLower(b))
	d := make([][]int, len(x)+1)
	for i := range d {
		d[i] = make([]int, len(y)+1)
		for j := range d[i] {
			switch {
			case i == 0 || j == 0:
				d[i][j] = i + j
				continue
			case x[i-1] == y[j-1]:
				d[i][j] = d[i-1][j-1]
				continue
			}
			d[i][j] = 1 + min(d[i-1][j-1], d[i-1][j], d[i][j-1])
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d[i][j] = min(d[i][j], 1+d[i-2][j-2])
			}
		}
	}
	return d[len(x)][len(y)]
}

// closest returns those of some words that somebody may have meant, the likeliest
// first, three at most.
func closest(word string, all []string) []string {
	found := slices.DeleteFunc(slices.Clone(all), func(w string) bool { return distance(word, w) > min(mayDiffer, len(word)/2) })
	slices.SortStableFunc(found, func(a, b string) int { return distance(word, a) - distance(word, b) })
	return found[:min(len(found), 3)]
}

// didYouMean is what follows the news that there is no such word; empty when no
// other is like it.
func didYouMean(words []string) say.Text {
	if len(words) == 0 {
		return say.Text{}
	}
	return say.Text{"; did you mean " + strings.Join(words, " or ") + "?", "；是否指 " + strings.Join(words, " 或 ") + "？"}
}

// nearestFlags are flags that may have been meant, with their dashes.
func nearestFlags(word string, f *pflag.FlagSet) []string {
	var names []string
	f.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	found := closest(word, names)
	for i := range found {
		found[i] = "--" + found[i]
	}
	return found
}

// nearestStates are states that may have been meant, in whichever spelling, as
// the RFC writes them.
func nearestStates(word string) (found []string) {
	var names []string
	of := map[string]string{}
	for s := range tcp.State(tcp.NumStates) {
		for _, name := range s.Names() {
			names, of[name] = append(names, name), s.String()
		}
	}
	for _, name := range closest(word, names) {
		if rfc := of[name]; !slices.Contains(found, rfc) {
			found = append(found, rfc)
		}
	}
	return found
}

// nearestScenarios are scenarios that may have been meant: those that are spelt
// like it, or else those with a word in common.
func nearestScenarios(name string) []string {
	var names, common []string
	for _, s := range lab.Scenarios() {
		names = append(names, s.Name)
		for _, word := range strings.Split(name, "-") {
			if len(word) > 2 && strings.Contains(s.Name, word) && !slices.Contains(common, s.Name) {
				common = append(common, s.Name)
			}
		}
	}
	if found := closest(name, names); len(found) > 0 {
		return found
	}
	return common[:min(len(common), 3)]
}
