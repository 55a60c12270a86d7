package oracle

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A rule that cannot be broken is none: each that the code names is broken by a test,
// and stands in docs/RELIABILITY.md.
func TestEveryRuleIsBroken(t *testing.T) {
	broken := map[string]bool{}
	for _, k := range wireRules {
		broken[k.rule] = true
	}
	for _, rule := range []string{"O2", "S3", "R2", "R1", "R9", "M6"} {
		broken[rule] = true // by the tests of the relation, and of streams
	}
	broken["G1"] = true // by TestGroupRule
	named := map[string]bool{}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile(`fault\("([A-Z]+[0-9]+)"`).FindAllStringSubmatch(read(t, file), -1) {
			named[m[1]] = true
		}
	}
	listed := map[string]bool{}
	for line := range strings.Lines(read(t, "../../docs/RELIABILITY.md")) {
		if m := regexp.MustCompile(`^\| ((?:[A-Z]+[0-9]+(?:, )?)+) \|`).FindStringSubmatch(line); m != nil {
			for _, rule := range strings.Split(m[1], ", ") {
				listed[rule] = true
			}
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(named)) {
		if !broken[rule] {
			t.Errorf("no test breaks %s", rule)
		}
		if !listed[rule] {
			t.Errorf("docs/RELIABILITY.md does not list %s", rule)
		}
	}
}

func read(t *testing.T, file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
