package handfast_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/ARCHITECTURE.md says where to read what in engine/tcp. Each of its files is
// named there, and each function that stands for a rule of an RFC is in the file that
// the page names: a reader who follows it is never lost.
func TestArchitectureNamesEveryFile(t *testing.T) {
	text, err := os.ReadFile("docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, ok := strings.Cut(string(text), "### Where to read what in `engine/tcp`")
	part, _, ends := strings.Cut(part, "\n## ")
	if !ok || !ends {
		t.Fatal("the page has no part on where to read what")
	}
	patterns := regexp.MustCompile("`([a-z_*]+(?:\\.go|\\*))`").FindAllStringSubmatch(part, -1)
	used := map[string]bool{}
	for _, file := range goFiles(t, "engine/tcp") {
		name := path.Base(file)
		if strings.HasSuffix(name, "_test.go") || name == "doc.go" {
			continue
		}
		named := false
		for _, p := range patterns {
			if hit, _ := path.Match(p[1], name); hit {
				named, used[p[1]] = true, true
			}
		}
		if !named {
			t.Errorf("docs/ARCHITECTURE.md, where to read what: engine/tcp/%s is not named", name)
		}
	}
	for _, p := range patterns {
		if !used[p[1]] {
			t.Errorf("docs/ARCHITECTURE.md, where to read what: %s is no file of engine/tcp", p[1])
		}
	}
	rules := regexp.MustCompile("`([a-z_]+\\.go)`: `([a-zA-Z]+)`").FindAllStringSubmatch(part, -1)
	for _, r := range rules {
		if !hasFunc(t, "engine/tcp/"+r[1], r[2]) {
			t.Errorf("docs/ARCHITECTURE.md, where to read what: %s has no function %s", r[1], r[2])
		}
	}
	if len(rules) < 10 {
		t.Errorf("only %d rules are found", len(rules))
	}
}

// hasFunc reports whether a file has a function or a method of a name.
func hasFunc(t *testing.T, file, name string) bool {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == name {
			return true
		}
	}
	return false
}

var fileName = regexp.MustCompile(`\b[a-z0-9]+(?:_[a-z0-9]+)*\*?\.go\b`)

// Every file that the documentation of a package names is there.
func TestPackagesNameTheirFiles(t *testing.T) {
	named := 0
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil || f.Doc == nil {
			return err
		}
		for _, file := range fileName.FindAllString(f.Doc.Text(), -1) {
			named++
			if found, _ := filepath.Glob(filepath.Join(filepath.Dir(name), file)); len(found) == 0 {
				t.Errorf("%s names %s, which is not there", name, file)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if named < 80 {
		t.Errorf("only %d files are named", named)
	}
}
