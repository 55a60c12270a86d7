package handfast_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The sizes that source code of all modules keeps within, tests left out. They
// are a ratchet: what would be larger is cut in two, and the number stays.
const (
	maxFileLines     = 500
	maxFuncLines     = 49
	maxCyclomatic    = 20
	maxParams        = 6
	maxFields        = 30
	maxExportedTypes = 25
	maxTopFiles      = 22 // of the root package
	maxTopFolders    = 15
)

// flatTables may have more fields than maxFields: they are lists of numbers, one
// beside the other, that are read by name and have no behaviour.
var flatTables = []string{"host.Counters", "tcp.Counters", "tcp.Info", "tcp.Config", "inspect.Details", "kernel.Info", "kernel.tcpInfo"}

// flatLists may have more ways than maxCyclomatic: they are lists of what must be
// true, a line each.
var flatLists = []string{"checkStates", "checkSending", "checkQuiet"}

// TestSizes holds all modules against the sizes.
func TestSizes(t *testing.T) {
	s := newSizes()
	if err := s.tree("."); err != nil {
		t.Fatal(err)
	}
	for _, f := range s.check() {
		t.Error(f)
	}
	if s.files < 300 {
		t.Errorf("only %d files were found", s.files)
	}
}

// The top of the repository is its table of contents.
func TestTop(t *testing.T) {
	all, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	files, folders := 0, 0
	for _, e := range all {
		switch name := e.Name(); {
		case strings.HasPrefix(name, "."):
		case e.IsDir():
			folders++
		case strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			files++
		}
	}
	if files > maxTopFiles || folders > maxTopFolders {
		t.Errorf("%d Go files, at most %d; %d folders, at most %d", files, maxTopFiles, folders, maxTopFolders)
	}
}

// sizes measures source files.
type sizes struct {
	fset     *token.FileSet
	files    int
	found    []string
	exported map[string]int // types of a package, by its folder
}

func newSizes() *sizes { return &sizes{fset: token.NewFileSet(), exported: map[string]int{}} }

func (s *sizes) tree(root string) error {
	return filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		return s.file(name, nil)
	})
}

// check returns what is too large.
func (s *sizes) check() []string {
	found := s.found
	for dir, n := range s.exported {
		if n > maxExportedTypes {
			found = append(found, fmt.Sprintf("%s exports %d types, at most %d", dir, n, maxExportedTypes))
		}
	}
	return found
}

func (s *sizes) tooMany(at ast.Node, what string, n, limit int) {
	if n > limit {
		s.found = append(s.found, fmt.Sprintf("%v: %s: %d, at most %d", s.fset.Position(at.Pos()), what, n, limit))
	}
}

func (s *sizes) lines(n ast.Node) int {
	return s.fset.Position(n.End()).Line - s.fset.Position(n.Pos()).Line + 1
}

func (s *sizes) file(name string, src any) error {
	f, err := parser.ParseFile(s.fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	s.files++
	s.tooMany(f, "lines of a file", s.fset.File(f.Pos()).LineCount(), maxFileLines)
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			s.function(d)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if t, ok := spec.(*ast.TypeSpec); ok {
					s.typeSpec(filepath.Dir(name), f.Name.Name, t)
				}
			}
		}
	}
	return nil
}

func (s *sizes) typeSpec(dir, pkg string, t *ast.TypeSpec) {
	if t.Name.IsExported() && pkg != "main" {
		s.exported[dir]++
	}
	if st, ok := t.Type.(*ast.StructType); ok && !slices.Contains(flatTables, pkg+"."+t.Name.Name) {
		s.tooMany(t, "fields of "+t.Name.Name, st.Fields.NumFields(), maxFields)
	}
}

func (s *sizes) function(d *ast.FuncDecl) {
	name := d.Name.Name
	s.tooMany(d, "lines of "+name, s.lines(d), maxFuncLines)
	if !slices.Contains(flatLists, name) {
		s.tooMany(d, "ways through "+name, cyclomatic(d), maxCyclomatic)
	}
	s.tooMany(d, "parameters of "+name, d.Type.Params.NumFields(), maxParams)
	bools := 0
	for _, p := range d.Type.Params.List {
		if id, ok := p.Type.(*ast.Ident); ok && id.Name == "bool" {
			bools += max(len(p.Names), 1)
		} else {
			bools = 0
		}
		s.tooMany(d, "adjacent bool parameters of "+name, bools, 1)
	}
}

// cyclomatic counts the branches of a function, and one.
func cyclomatic(d *ast.FuncDecl) int {
	n := 1
	ast.Inspect(d, func(x ast.Node) bool {
		switch x := x.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			n++
		case *ast.CaseClause:
			if x.List != nil {
				n++
			}
		case *ast.CommClause:
			n++
		case *ast.BinaryExpr:
			if x.Op == token.LAND || x.Op == token.LOR {
				n++
			}
		}
		return true
	})
	return n
}

// Each size is exceeded once, and found.
func TestSizesAreFound(t *testing.T) {
	repeat := strings.Repeat
	for src, want := range map[string]string{
		"package p\nfunc f() {\n" + repeat("f()\n", maxFuncLines) + "}":                     "lines of f",
		"package p\n" + repeat("\n", maxFileLines+1):                                        "lines of a file",
		"package p\nfunc f(x int) { if " + repeat("x > 0 && ", maxCyclomatic) + "true {} }": "ways through f",
		"package p\nfunc f(a, b, c, d, e, f, g int) {}":                                     "parameters of f",
		"package p\nfunc f(a, b bool) {}":                                                   "adjacent bool parameters of f",
		"package p\nfunc f(a bool, b bool) {}":                                              "adjacent bool parameters of f",
		"package p\ntype T struct { " + repeat("_ int; ", maxFields+1) + "}":                "fields of T",
		"package p\n" + repeat("type (T int)\n", maxExportedTypes+1):                        "exports 26 types",
		"package p\nfunc f(a bool, n int, b bool) {}":                                       "",
	} {
		s := newSizes()
		if err := s.file("p/x.go", src); err != nil {
			t.Fatal(err)
		}
		switch found := s.check(); {
		case want == "" && len(found) > 0, want != "" && (len(found) == 0 || !strings.Contains(strings.Join(found, "\n"), want)):
			t.Errorf("%.60q: found %q, want %q", src, found, want)
		}
	}
}
