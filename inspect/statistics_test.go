package inspect

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
)

// Every counter of Linux is called what net-tools 2.10 calls it, were it not 0: it was
// given a kernel's files, with a 3 for each counter, and what it printed was kept.
func TestEveryCounterAsNetTools(t *testing.T) {
	read := func(name string) []string {
		b, err := os.ReadFile("testdata/net-tools-" + name + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	}
	counters := map[string]map[string]uint64{}
	for i, line := range read("counters") {
		group, names, _ := strings.Cut(line, ":")
		if i%2 == 1 {
			continue // the numbers of the line before
		}
		counters[group] = map[string]uint64{}
		for _, name := range strings.Fields(names) {
			counters[group][name] = 3
		}
	}
	var b bytes.Buffer
	if err := WriteStatistics(&b, counters); err != nil {
		t.Fatal(err)
	}
	ours, theirs := strings.Split(strings.TrimRight(b.String(), "\n"), "\n"), read("netstat-s")
	for _, line := range theirs {
		if !slices.Contains(ours, line) {
			t.Errorf("net-tools says %q, and we do not", line)
		}
	}
	for _, line := range ours {
		if !slices.Contains(theirs, line) {
			t.Errorf("we say %q, and net-tools does not", line)
		}
	}
}
