package handfast_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// elsewhere are the requirements of RFC 9293 that no code of ours meets, and why.
var elsewhere = map[int]string{
	32: "urgent data stays in line, and no program is told of it: RFC 6093 §6 asks new ones not to use it",
	47: "what ICMP says softly is kept until time runs out: package net has no place for more",
	48: "no program sets the DiffServ field: the README says so",
	49: "no program sets the TTL: the README says so",
	51: "source routes are not obeyed: the README says so",
	52: "as 51",
	53: "as 51",
}

// must is the number of a requirement that the code names.
var must = regexp.MustCompile(`MUST-(\d+)\b`)

// Whoever has RFC 9293 open finds each of its requirements by its number
// (https://www.rfc-editor.org/rfc/rfc9293#appendix-B): there is a place in the code that
// names it, or a reason why there is none.
func TestEachRequirementHasItsPlace(t *testing.T) {
	const requirements = 69
	named := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && path != "engine" && !strings.HasPrefix(path, "engine/"):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range must.FindAllStringSubmatch(string(text), -1) {
			named[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= requirements; n++ {
		found, why := named[fmt.Sprint(n)], elsewhere[n]
		if found == (why != "") {
			t.Errorf("MUST-%d: named in the code: %v; a reason why not: %q", n, found, why)
		}
	}
}
