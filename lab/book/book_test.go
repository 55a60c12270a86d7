package book

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/lab"
)

var rewrite = flag.Bool("rewrite", false, "write the book anew")

const folder = "../../docs/book"

// The book in docs/book is what the scenarios give: nothing is old, missing or left over.
func TestBook(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	if *rewrite {
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(folder, "images"), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	found := 0
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		found++
		text, err := os.ReadFile(path)
		if want := files[filepath.ToSlash(name)]; !bytes.Equal(text, want) {
			t.Errorf("%s is not what the scenarios give now (go test ./lab/book -rewrite)", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if found != len(files) {
		t.Errorf("%d files, want %d (go test ./lab/book -rewrite)", found, len(files))
	}
}

var target = regexp.MustCompile(`\]\(([^)]+)\)`)

// Every page has all its parts, and its links lead somewhere.
func TestPages(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	if want := 2 + 4*len(lab.Scenarios()); len(files) != want {
		t.Errorf("%d files, want %d", len(files), want)
	}
	for name, text := range files {
		if !strings.HasSuffix(name, ".md") {
			continue
		}
		heads, why := bytes.Count(text, []byte("\n## ")), bytes.Count(text, []byte("\n- `"))
		if !strings.HasPrefix(name, "README") && (heads != 4 || why < 4) {
			t.Errorf("%s: %d parts, %d sentences", name, heads, why)
		}
		for _, m := range target.FindAllStringSubmatch(string(text), -1) {
			link := m[1]
			_, ours := files[link]
			if beside, ok := strings.CutPrefix(link, "../../"); ok {
				_, err := os.Stat("../../" + beside)
				ours = err == nil
			}
			if !ours && !strings.HasPrefix(link, "https://www.rfc-editor.org/") {
				t.Errorf("%s: nothing is at %s", name, link)
			}
		}
	}
}

var (
	block   = regexp.MustCompile("(?s)```.*?```")
	code    = regexp.MustCompile("`[^`]*`|\"[^\"]*\"|&lt;mss [^&]*&gt;|\\]\\([^)]*\\)")
	english = regexp.MustCompile(`[A-Za-z][a-z']+,? [a-z']{2,},? [a-z']{2,}`)
)

// A reader of a Chinese page finds no English: three words in a row, beside what is code, what a
// program says, and options of a segment.
func TestChinesePagesHaveNoEnglish(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	pages := 0
	for name, text := range files {
		if !strings.HasSuffix(name, ".zh-CN.md") {
			continue
		}
		pages++
		for line := range strings.Lines(code.ReplaceAllString(block.ReplaceAllString(string(text), ""), "·")) {
			if found := english.FindString(line); found != "" {
				t.Errorf("%s: %q in %s", name, found, line)
			}
		}
	}
	if pages < 40 {
		t.Errorf("only %d pages are Chinese", pages)
	}
}
