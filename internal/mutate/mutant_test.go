package main

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const top = "../.."

func mustAll(t *testing.T) []*mutant {
	t.Helper()
	mutants, err := all()
	if err != nil {
		t.Fatal(err)
	}
	return mutants
}

// Every mutant fits the code as it is: whoever changes the lines that one replaces
// changes it, too.
func TestMutantsFit(t *testing.T) {
	classes := map[string]int{}
	for _, m := range mustAll(t) {
		classes[m.class]++
		lines, err := m.source(top)
		if err == nil {
			_, err = m.apply(lines)
		}
		if err != nil {
			t.Error(err)
		}
	}
	for class, n := range classes {
		if n < 2 {
			t.Errorf("there is one mutant only of the class %q", class)
		}
	}
}

// Every mutant compiles. Those of a package that are apart from each other are checked
// together.
func TestMutantsCompile(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no Go here to ask for packages")
	}
	by := map[string][]*mutant{}
	for _, m := range mustAll(t) {
		by[m.pkg()] = append(by[m.pkg()], m)
	}
	for pkg, mutants := range by {
		p := load(t, pkg)
		for len(mutants) > 0 {
			together, rest := apart(t, p, mutants)
			if err := p.check(together); err != nil {
				for _, m := range together {
					if err := p.check([]*mutant{m}); err != nil {
						t.Errorf("%s: %s does not compile: %v", m.at, m.name, err)
					}
				}
			}
			mutants = rest
		}
	}
}

// loaded is a package, to be checked with mutants in it.
type loaded struct {
	path  string
	files map[string][]string // the lines of each file, by its name from the top
	imp   types.Importer
	fset  *token.FileSet
}

// load reads a package, and finds out where the compiler has put what it imports.
func load(t *testing.T, pkg string) *loaded {
	t.Helper()
	list := func(args ...string) string {
		cmd := exec.Command("go", append([]string{"list"}, args...)...)
		cmd.Dir = top
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list %v: %v %s", args, err, stderr(err))
		}
		return string(out)
	}
	p := &loaded{files: map[string][]string{}, fset: token.NewFileSet()}
	words := strings.Fields(list("-f", "{{.ImportPath}} {{join .GoFiles \" \"}}", "./"+pkg))
	p.path = words[0]
	for _, f := range words[1:] {
		b, err := os.ReadFile(filepath.Join(top, pkg, f))
		if err != nil {
			t.Fatal(err)
		}
		p.files[strings.TrimPrefix(pkg+"/"+f, "./")] = strings.Split(string(b), "\n")
	}
	exports := map[string]string{}
	for line := range strings.Lines(list("-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "./"+pkg)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[path] = file
	}
	p.imp = importer.ForCompiler(p.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	return p
}

// check compiles the package with some mutants in it.
func (p *loaded) check(mutants []*mutant) error {
	var parsed []*ast.File
	for name, lines := range p.files {
		for _, m := range mutants {
			if m.file == name {
				var err error
				if lines, err = m.apply(lines); err != nil {
					return err
				}
			}
		}
		f, err := parser.ParseFile(p.fset, name, strings.Join(lines, "\n"), parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		parsed = append(parsed, f)
	}
	config := types.Config{Importer: p.imp}
	_, err := config.Check(p.path, p.fset, parsed, nil)
	return err
}

// apart takes from mutants those that replace none of the lines of each other's, and
// returns the others, too.
func apart(t *testing.T, p *loaded, mutants []*mutant) (together, rest []*mutant) {
	taken := map[string]bool{}
	for _, m := range mutants {
		lines, ok := p.files[m.file]
		if !ok {
			t.Errorf("%s: %s is not compiled here", m.at, m.file)
			continue
		}
		var mine []string
		for _, e := range m.edits {
			at := e.places(lines)
			if len(at) != 1 {
				mine = nil // TestMutantsFit tells
				break
			}
			for i := range e.before {
				mine = append(mine, fmt.Sprint(m.file, at[0]+i))
			}
		}
		switch {
		case mine == nil:
		case slices.ContainsFunc(mine, func(s string) bool { return taken[s] }):
			rest = append(rest, m)
		default:
			together = append(together, m)
			for _, s := range mine {
				taken[s] = true
			}
		}
	}
	return together, rest
}

func TestParse(t *testing.T) {
	m, err := parse("x", "class a kind\n\nmutant one\nin a/b.go\n x\n-y\n+z\n@\n-u\n\nmutant two\nin c.go\n-v\n+w\n")
	if err != nil || len(m) != 2 {
		t.Fatalf("%d mutants, %v", len(m), err)
	}
	if m[0].pkg() != "a" || m[1].pkg() != "." || m[1].class != "a kind" {
		t.Errorf("packages %q and %q, class %q", m[0].pkg(), m[1].pkg(), m[1].class)
	}
	got, err := m[0].apply([]string{"\tx", "  y", "u", "x"})
	if want := []string{"x", "z", "x"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	for _, lines := range [][]string{{"x", "y"}, {"u"}, {"x", "y", "u", "u"}} {
		if _, err := m[0].apply(lines); err == nil {
			t.Errorf("it fits %q", lines)
		}
	}
	for _, bad := range []string{"mutant one\nin a.go\n-x\n", "class k\nmutant one\n-x\n", "class k\nmutant One\nin a.go\n-x\n",
		"class k\nmutant one\nin a.go\n", "class k\nmutant one\nin a.go\n-x\n+x\n", "class k\nthing\n"} {
		if m, err := parse("x", bad); err == nil {
			t.Errorf("%q is read as %d mutants", bad, len(m))
		}
	}
}

// A file with all its mutants in it does what the original does when none is chosen, and
// what the one does that is.
func TestDispatch(t *testing.T) {
	const file = `package main

import "fmt"

type n int

func (a n) f(_ int, more ...int) (int, error) { return int(a) + len(more), nil }

func g() { fmt.Print("g ") }

const c = 1

func main() { g(); x, _ := n(1).f(0, 1, 2); fmt.Println(x, c) }
`
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.go"), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	mutants, err := parse("x", "class k\nmutant one\nin x.go\n"+
		"-func (a n) f(_ int, more ...int) (int, error) { return int(a) + len(more), nil }\n"+
		"+func (a n) f(_ int, more ...int) (int, error) { return int(a) - len(more), nil }\n"+
		"mutant two\nin x.go\n-func g() { fmt.Print(\"g \") }\n+func g() { fmt.Print(\"h \") }\n"+
		"mutant three\nin x.go\n-const c = 1\n+const c = 2\n")
	if err != nil {
		t.Fatal(err)
	}
	files, alone, err := dispatch(dir, mutants)
	if err != nil || len(alone) != 1 || !alone[mutants[2]] {
		t.Fatalf("%d mutants are compiled alone, %v", len(alone), err)
	}
	args := []string{"run"}
	for name, text := range files {
		changed := filepath.Join(dir, "changed_"+name)
		if err := os.WriteFile(changed, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, changed)
	}
	for number, want := range []string{"g 3 1\n", "g -1 1\n", "h 3 1\n"} {
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), fmt.Sprint(variable, "=", number))
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("mutant %d: %q, %v; want %q", number, out, err, want)
		}
	}
}

func TestReader(t *testing.T) {
	for _, c := range []struct {
		lines   string
		verdict verdict
		test    string
	}{
		{"=== RUN   TestA\n=== RUN   TestA/sub\n    x_test.go:1: no\n--- FAIL: TestA (0.00s)\n    --- FAIL: TestA/sub (0.00s)\n", failed, "TestA"},
		{"=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\nsignal: killed\n", failed, "TestB"},
		{"=== RUN   TestA\nfatal error: all goroutines are asleep - deadlock!\n", failed, "TestA"},
	} {
		var r reader
		for line := range strings.Lines(c.lines) {
			if r.take(line) {
				break
			}
		}
		if v, test, _ := r.outcome(); v != c.verdict || test != c.test {
			t.Errorf("%q: verdict %d, test %q; want %d, %q", c.lines, v, test, c.verdict, c.test)
		}
	}
}

// What is kept is read again, and concerns the mutants that there are.
func TestTable(t *testing.T) {
	a, b := &mutant{name: "a", class: "k"}, &mutant{name: "b", class: "k"}
	name := filepath.Join(t.TempDir(), "table.md")
	head := table{head: "# Title\n\n", rows: map[string]row{"gone": {test: "TestX", pkg: "x"}}}
	err := head.keep(name, []*mutant{a, b}, []result{{mutant: a, verdict: failed, test: "TestA", pkg: "p", long: true}, {mutant: b, verdict: hung, test: "TestB", pkg: "."}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := readTable(name)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]row{"a": {test: "TestA", pkg: "p", long: true}, "b": {test: "TestB", pkg: ".", hung: true}}
	if got.head != head.head || fmt.Sprint(got.rows) != fmt.Sprint(want) {
		t.Errorf("head %q, rows %v; want %v", got.head, got.rows, want)
	}
}

// docs/MUTANTS.md has a row for each mutant, and names tests that exist.
func TestKeptTable(t *testing.T) {
	kept, err := readTable(filepath.Join(top, tableFile))
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{}
	for _, m := range mustAll(t) {
		r, ok := kept.rows[m.name]
		if !ok {
			t.Errorf("%s has no row for %s: make mutate ARGS='-keep -run ^%s$'", tableFile, m.name, m.name)
		}
		delete(kept.rows, m.name)
		if r.test == "" {
			continue
		}
		if sources[r.pkg] == "" {
			sources[r.pkg] = tests(t, r.pkg)
		}
		if !strings.Contains(sources[r.pkg], "func "+r.test+"(") {
			t.Errorf("%s: %s: there is no %s in %s", tableFile, m.name, r.test, r.pkg)
		}
	}
	for name := range kept.rows {
		t.Errorf("%s: there is no mutant %s", tableFile, name)
	}
}

// tests returns the tests of a package, one after the other.
func tests(t *testing.T, pkg string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(top, pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(b)
	}
	return text.String()
}
