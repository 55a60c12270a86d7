// Package documents reads what people read, README and docs, for tests of more than
// one module: a document that says what is not so is a fault like any other. No program
// imports it.
package documents

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Names are the documents of the repository whose top is root. Decisions are left out:
// they tell of their time.
func Names(t testing.TB, root string) (names []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		names = append(names, found...)
	}
	return names
}

// Code is a piece of code in a document: a block in fences or indented, or a span
// in a line of text.
type Code struct {
	At       string // file and line
	Language string // what the fence says
	Text     string
}

var span = regexp.MustCompile("`([^`]+)`")

// CodeOf finds the code in a document.
func CodeOf(t testing.TB, name string) (all []Code) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var block *Code
	for i, line := range strings.Split(string(b), "\n") {
		at := fmt.Sprintf("%s:%d", filepath.Base(name), i+1)
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && block == nil:
			block = &Code{At: at, Language: fence}
		case isFence:
			all, block = append(all, *block), nil
		case block != nil:
			block.Text += line + "\n"
		case strings.HasPrefix(line, "    "):
			all = append(all, Code{At: at, Text: line + "\n"})
		default:
			for _, m := range span.FindAllStringSubmatch(line, -1) {
				all = append(all, Code{At: at, Text: m[1] + "\n"})
			}
		}
	}
	return all
}
