package handfast_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// checkTest finds what a test of a pure package may not do: make test runs it
// without the race detector.
func checkTest(fset *token.FileSet, f *ast.File) (found []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, fmt.Sprintf("%s: go statement in a test that the race detector does not watch", fset.Position(n.Pos())))
		case *ast.SelectorExpr:
			if slices.Contains([]string{"Parallel", "RunParallel", "WaitGroup"}, n.Sel.Name) {
				found = append(found, fmt.Sprintf("%s: %s in a test that the race detector does not watch", fset.Position(n.Pos()), n.Sel.Name))
			}
		}
		return true
	})
	return found
}

// Where the tests run without the race detector, they start no goroutine: what
// they call knows none either. engine/buf counts references for many goroutines.
func TestPureTestsAreAlone(t *testing.T) {
	files := 0
	for _, folder := range []string{"engine", "lab"} {
		err := filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(name, "_test.go") || strings.HasPrefix(filepath.ToSlash(name), "engine/buf/") {
				return err
			}
			files++
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, found := range checkTest(fset, f) {
				t.Error(found)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files == 0 {
		t.Error("no test was found")
	}
}

func TestPureTestsAreAloneFinds(t *testing.T) {
	for src, want := range map[string]int{
		`func f() { go f() }`:                       1,
		`import "sync"; var w sync.WaitGroup`:       1,
		`func f(t *testing.T) { t.Parallel() }`:     1,
		`func f(t *testing.T) { t.Run("a", f) }`:    0,
		`func f(b *testing.B) { b.RunParallel(f) }`: 1,
	} {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, "x_test.go", "package x; "+src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if found := checkTest(fset, f); len(found) != want {
			t.Errorf("%s: found %q, want %d", src, found, want)
		}
	}
}
