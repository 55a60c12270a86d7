package fromgvisor

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// All code of the guide is code of a package that is compiled, word for word, and
// all exported functions of both packages stand in the guide.
func TestGuideIsTheCode(t *testing.T) {
	b, err := os.ReadFile("../../docs/FROM-GVISOR.md")
	if err != nil {
		t.Fatal(err)
	}
	guide := string(b)
	sources := map[string]string{"theirs": source(t, "theirs"), "ours": source(t, "ours")}
	shown := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)```(\\S+) ?(\\S*)\n(.*?)```").FindAllStringSubmatch(guide, -1) {
		language, side, code := m[1], m[2], m[3]
		if language != "go" || sources[side] == "" {
			t.Errorf("a block of %q %q: blocks are go theirs, or go ours", language, side)
			continue
		}
		for _, piece := range declarations(code) {
			if !strings.Contains(sources[side], piece) {
				t.Errorf("the guide shows what is not in %s:\n%s", side, piece)
			}
		}
		shown[side] += code
	}
	for side, text := range sources {
		for _, m := range regexp.MustCompile(`(?m)^func ((?:\(.*?\) )?[A-Z]\w*)\(`).FindAllString(text, -1) {
			if !strings.Contains(shown[side], m) {
				t.Errorf("the guide does not show %s of %s", m, side)
			}
		}
	}
}

// declarations splits code where an empty line is followed by what is not indented.
func declarations(code string) []string {
	return strings.Split(regexp.MustCompile(`\n\n(\S)`).ReplaceAllString(code, "\x00$1"), "\x00")
}

func source(t *testing.T, dir string) (text string) {
	t.Helper()
	names, err := filepath.Glob(dir + "/*.go")
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v, %v", dir, names, err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text += string(b)
	}
	return text
}
