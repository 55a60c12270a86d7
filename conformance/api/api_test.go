// Package api holds the library's API against that of the last release: what breaks programs
// is told in the changelog, or it is a mistake.
package api

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/exp/apidiff"
)

const (
	module = "github.com/handfast-tcp/handfast"
	top    = "../.."
)

// tree is a state of the library's source, type-checked as far as it is declared.
type tree struct {
	dir      string
	fset     *token.FileSet
	packages map[string]*types.Package
	others   types.Importer // what is not the library's
}

func newTree(dir string) *tree {
	t := &tree{dir: dir, fset: token.NewFileSet(), packages: map[string]*types.Package{}}
	t.others = importer.ForCompiler(t.fset, "gc", exportOf)
	return t
}

// exports are where the Go command keeps what it has compiled, by import path.
var exports = map[string]string{}

// exportOf asks it: for all that the library uses at once, and then for what it has used before.
func exportOf(path string) (io.ReadCloser, error) {
	if exports[path] == "" {
		what := path
		if len(exports) == 0 {
			what = "./..."
		}
		cmd := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", what)
		cmd.Dir = top
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for line := range strings.Lines(string(out)) {
			if name, file, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
				exports[name] = file
			}
		}
		if exports[path] == "" && what != path {
			return exportOf(path)
		}
	}
	return os.Open(exports[path])
}

// Import type-checks a package of the library from its source.
func (t *tree) Import(name string) (*types.Package, error) {
	if p := t.packages[name]; p != nil {
		return p, nil
	}
	if name != module && !strings.HasPrefix(name, module+"/") {
		return t.others.Import(name)
	}
	dir := filepath.Join(t.dir, strings.TrimPrefix(name, module))
	found, err := build.ImportDir(dir, 0)
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, file := range found.GoFiles {
		f, err := parser.ParseFile(t.fset, filepath.Join(dir, file), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	cfg := types.Config{Importer: t, IgnoreFuncBodies: true}
	p, err := cfg.Check(name, t.fset, files, nil)
	t.packages[name] = p
	return p, err
}

// inside are modules that are released with the library, for others to import.
var inside = []string{"metrics", "wgnet"}

// public lists the packages that others may import: not those of other modules, and of what is
// internal, commands and tests.
func (t *tree) public() (names []string, err error) {
	err = filepath.WalkDir(t.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		_, nested := os.Stat(filepath.Join(name, "go.mod"))
		if base := d.Name(); name != t.dir && (nested == nil && !slices.Contains(inside, base) || base == "internal" || base == "testdata" || strings.HasPrefix(base, ".")) {
			return fs.SkipDir
		}
		if p, err := build.ImportDir(name, 0); err == nil && p.Name != "main" && len(p.GoFiles) > 0 {
			rest, _ := filepath.Rel(t.dir, name)
			names = append(names, path.Join(module, filepath.ToSlash(rest)))
		}
		return nil
	})
	return names, err
}

// broken lists what a program that compiles with one tree may miss in another.
func broken(was, is *tree) (all []string, err error) {
	names, err := was.public()
	if err != nil {
		return nil, err
	}
	still, err := is.public()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		short := strings.TrimPrefix(strings.TrimPrefix(name, module), "/")
		if !slices.Contains(still, name) {
			all = append(all, fmt.Sprintf("%s: removed", short))
			continue
		}
		before, err := was.Import(name)
		if err != nil {
			return nil, err
		}
		after, err := is.Import(name)
		if err != nil {
			return nil, err
		}
		for _, c := range apidiff.Changes(before, after).Changes {
			if !c.Compatible {
				all = append(all, strings.TrimPrefix(short+"."+c.Message, "."))
			}
		}
	}
	return all, nil
}

// unreleased is the part of a changelog that says what the next release has.
var unreleased = regexp.MustCompile(`(?s)## Unreleased\n(.*?)(\n## |$)`)

// untold returns those of the changes that a changelog does not name as breaking: below a
// heading that says so, or in an entry that does.
func untold(changes []string, changelog string) (left []string) {
	var told strings.Builder
	section, entry := false, false
	if m := unreleased.FindStringSubmatch(changelog); m != nil {
		for line := range strings.Lines(m[1]) {
			says := strings.Contains(line, "Breaking")
			switch {
			case strings.HasPrefix(line, "#"):
				section, entry = says, false
			case strings.HasPrefix(line, "- "):
				entry = says
			}
			if section || entry {
				told.WriteString(line)
			}
		}
	}
	for _, c := range changes {
		symbol, _, _ := strings.Cut(c, ": ")
		name := symbol[strings.LastIndexAny(symbol, "./")+1:]
		if !regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`).MatchString(told.String()) {
			left = append(left, c)
		}
	}
	return left
}

// errNoRelease is of a repository without a tag.
var errNoRelease = errors.New("there is no release yet, or its tag is not here")

// sinceRelease lists what programs on the last release of a repository may miss, and its changelog does not name.
func sinceRelease(repository, work string) (tag string, left []string, err error) {
	out, err := exec.Command("git", "-C", repository, "describe", "--tags", "--abbrev=0", "--match", "v*").Output()
	if err != nil {
		return "", nil, errNoRelease
	}
	tag = strings.TrimSpace(string(out))
	if err := unpack(repository, tag, work); err != nil {
		return tag, nil, err
	}
	changes, err := broken(newTree(work), newTree(repository))
	if err != nil {
		return tag, nil, err
	}
	changelog, err := os.ReadFile(filepath.Join(repository, "CHANGELOG.md"))
	return tag, untold(changes, string(changelog)), err
}

// unpack writes what counts of a commit's files to a folder.
func unpack(repository, commit, dir string) error {
	archive, err := exec.Command("git", "-C", repository, "archive", commit, "--", "*.go", "*.mod", "CHANGELOG.md").Output()
	if err != nil {
		return err
	}
	tar := exec.Command("tar", "-x", "-C", dir)
	tar.Stdin = bytes.NewReader(archive)
	return tar.Run()
}

// Whatever programs on the last release may miss is named in the changelog as breaking.
func TestAPI(t *testing.T) {
	tag, left, err := sinceRelease(top, t.TempDir())
	if errors.Is(err, errNoRelease) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range left {
		t.Errorf("since %s programs may break: %s; take it back, or name it in CHANGELOG.md under Breaking", tag, c)
	}
}

// A release of this very library, with a break in it and one in each module beside it since: all are found, and the changelog
// can allow them.
func TestBreaksSinceARelease(t *testing.T) {
	if testing.Short() {
		t.Skip("it packs and unpacks thousands of files")
	}
	dir := t.TempDir()
	if err := unpack(top, "HEAD", dir); err != nil {
		t.Skip("this is no clone")
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "user.name=x", "-c", "user.email=x", "commit", "-q", "-m", "x"}, {"tag", "v0.1.0"}, {"tag", "wgnet/v0.1.0"}} {
		if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	check := func(what string, want ...string) {
		t.Helper()
		tag, left, err := sinceRelease(dir, t.TempDir())
		for i := range left {
			left[i], _, _ = strings.Cut(left[i], ": ")
		}
		if slices.Sort(left); err != nil || tag != "v0.1.0" || !slices.Equal(left, want) {
			t.Errorf("%s: since %s %q, %v", what, tag, left, err)
		}
	}
	check("as it was released")
	replace := func(file, was, is string) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err == nil && strings.Count(string(text), was) != 1 {
			err = fmt.Errorf("%s has %d times %q", file, strings.Count(string(text), was), was)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file), []byte(strings.Replace(string(text), was, is, 1)), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	replace("listen.go", "func (h *Host) Listen(network, address string)", "func (h *Host) Listen(network string, port int)")
	replace("wgnet/ping.go", "func PingAddrFromAddr(", "func PingAddrOf(")
	replace("metrics/collector.go", "func NewCollector(h *handfast.Host)", "func NewCollector(h *handfast.Host, name string)")
	check("broken", "(*Host).Listen", "metrics.NewCollector", "wgnet.PingAddrFromAddr")
	replace("CHANGELOG.md", "## Unreleased\n", "## Unreleased\n\n- Breaking: `Host.Listen` has a port, `wgnet.PingAddrFromAddr` is `PingAddrOf`.\n")
	check("told of two", "metrics.NewCollector")
}

// planted is a library as it was, and is: a function goes, a method has another result, a
// package goes, and much is new.
var planted = map[string][2]string{
	"a.go": {"package handfast\n\ntype T struct{}\nfunc (T) M() int { return 0 }\nfunc F() {}\nfunc G() {}\nfunc hidden() {}\n",
		"package handfast\n\ntype T struct{ New int }\nfunc (T) M() string { return \"\" }\nfunc F() {}\nfunc H() {}\n"},
	"gone/b.go":     {"package gone\n\nfunc B() {}\n", ""},
	"new/c.go":      {"", "package new\n\nfunc C() {}\n"},
	"internal/d.go": {"package internal\n\nfunc D() {}\n", ""},
}

// A planted break is found, what is new is none, and the changelog can allow it.
func TestPlantedBreaks(t *testing.T) {
	var dirs [2]string
	for i := range dirs {
		dirs[i] = t.TempDir()
		for name, texts := range planted {
			file := filepath.Join(dirs[i], name)
			if texts[i] == "" {
				continue
			}
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(texts[i]), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	changes, err := broken(newTree(dirs[0]), newTree(dirs[1]))
	want := []string{"G: removed", "T.M: changed from func() int to func() string", "gone: removed"}
	slices.Sort(changes)
	for i, c := range changes {
		changes[i] = strings.Replace(c, "(T).M", "T.M", 1)
	}
	slices.Sort(changes)
	if err != nil || !slices.Equal(changes, want) {
		t.Fatalf("%q, %v", changes, err)
	}
	for _, c := range []struct {
		changelog string
		left      int
	}{
		{"## Unreleased\n\n### Added\n\n- G\n", 3},
		{"## Unreleased\n\n- Breaking: `G` is no more, and\n  `M` returns a string.\n- More of gone.\n", 1},
		{"## Unreleased\n\n### Breaking\n\n- `G`\n- `T.M`\n- package `gone`\n\n### Added\n\n- X\n", 0},
		{"## Unreleased\n\n- X\n\n## 1.0\n\n- Breaking: G, M, gone\n", 3},
	} {
		if left := untold(changes, c.changelog); len(left) != c.left {
			t.Errorf("%q leaves %q", c.changelog, left)
		}
	}
}

// The library as it is compares equal to itself: all of its packages can be read.
func TestNothingHasChanged(t *testing.T) {
	tree := newTree(top)
	names, err := tree.public()
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 20 || !slices.Contains(names, module) || !slices.Contains(names, module+"/guard") {
		t.Errorf("%q", names)
	}
	if changes, err := broken(tree, newTree(top)); len(changes) > 0 || err != nil {
		t.Errorf("%q, %v", changes, err)
	}
}
