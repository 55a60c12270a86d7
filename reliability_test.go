package handfast_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// bounded are the packages whose queues, maps and rings docs/RELIABILITY.md lists.
var bounded = []string{".", "internal/ports", "engine/recovery", "engine/fastopen", "engine/tcp", "engine/host", "engine/detect", "lab/netem", "keyring", "gateway", "lab/capture", "engine/buf", "link/pipe", "link/tun", "link/packet", "link/stream", "link/bridge", "link/impair"}

// judging are packages of tests and worlds, whose tests it names as well.
var judging = []string{"lab", "lab/oracle"}

// besides are other packages with tests that it names.
var besides = []string{"engine/wire", "internal/nameserver", "cmd/handfast", "cmd/handfast/internal/lan", "lab", "conformance/answers", "internal/mutate"}

// containers are types of ours that hold as many as there are.
var containers = map[string]bool{"ring": true, "fifo": true, "deadlines": true, "refQueue": true, "entryQueue": true, "connTable": true,
	"halfOpenCache": true, "waiting": true, "packetQueue": true, "waitList": true, "waiterPool": true, "sendQueue": true, "recvQueue": true}

// A field that can grow has a line in docs/RELIABILITY.md that says what bounds it,
// and each test named there exists.
func TestEveryQueueIsListed(t *testing.T) {
	text, err := os.ReadFile("docs/RELIABILITY.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, word := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(string(text), -1) {
		listed[word[1]] = true
	}
	tests := map[string]bool{}
	for i, dir := range slices.Concat(bounded, judging) {
		for _, file := range goFiles(t, dir) {
			if i >= len(bounded) || strings.HasSuffix(file, "_test.go") {
				noteTests(t, file, tests)
				continue
			}
			for field, where := range growing(t, file) {
				if !listed[field] {
					t.Errorf("%s: %s can grow, and docs/RELIABILITY.md does not say what bounds it", where, field)
				}
			}
		}
	}
	for _, dir := range besides {
		for _, file := range goFiles(t, dir) {
			if strings.HasSuffix(file, "_test.go") {
				noteTests(t, file, tests)
			}
		}
	}
	for word := range listed {
		if (strings.HasPrefix(word, "Test") || strings.HasPrefix(word, "Fuzz")) && !tests[word] {
			t.Errorf("docs/RELIABILITY.md names %s, which does not exist", word)
		}
	}
}

// attacks are how many rows docs/RELIABILITY.md has at least, by their letter.
var attacks = map[string]int{"A": 19, "B": 16, "C": 17, "D": 12}

// Each attack that is known has a row in docs/RELIABILITY.md, which says what holds and
// names a test. That the tests exist TestEveryQueueIsListed wants.
func TestEveryAttackIsHeld(t *testing.T) {
	text, err := os.ReadFile("docs/RELIABILITY.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([A-D])(\d+) \| (.+) \| (.+) \| (.*) \|$`).FindAllStringSubmatch(string(text), -1) {
		letter, number := row[1], row[2]
		if seen[letter]++; number != fmt.Sprint(seen[letter]) {
			t.Errorf("%s%s stands where %s%d should", letter, number, letter, seen[letter])
		}
		if !strings.Contains(row[5], "`Test") {
			t.Errorf("%s%s names no test", letter, number)
		}
	}
	for letter, n := range attacks {
		if seen[letter] < n {
			t.Errorf("of the attacks of group %s there are %d, not %d", letter, seen[letter], n)
		}
	}
}

func goFiles(t *testing.T, dir string) []string {
	files, err := fs.Glob(os.DirFS(dir), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Join(dir, files[i])
	}
	return files
}

func noteTests(t *testing.T, file string, tests map[string]bool) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			tests[fn.Name.Name] = true
		}
	}
}

// growing returns the fields of a file's structs that are maps or containers, as
// type and field, and where they are.
func growing(t *testing.T, file string) map[string]string {
	set, found := token.NewFileSet(), map[string]string{}
	f, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		s, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		for _, field := range s.Fields.List {
			if !grows(field.Type) {
				continue
			}
			for _, name := range field.Names {
				found[spec.Name.Name+"."+name.Name] = set.Position(name.Pos()).String()
			}
		}
		return true
	})
	return found
}

func grows(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.MapType:
		return true
	case *ast.Ident:
		return containers[x.Name]
	case *ast.IndexExpr:
		return grows(x.X)
	case *ast.ArrayType:
		return x.Len != nil && grows(x.Elt)
	case *ast.StarExpr:
		return grows(x.X)
	}
	return false
}

// A host takes so many links in its life and refuses more, with the number.
func TestLinksAreBounded(t *testing.T) {
	h, err := handfast.New(handfast.Config{Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	const limit = 256
	for i := range limit + 1 {
		end, other := pipe.New(pipe.Options{Name: fmt.Sprint(i), Queue: 1})
		defer other.Close()
		err := h.Attach(end, handfast.LinkOptions{})
		if (err != nil) != (i == limit) || err != nil && !strings.Contains(err.Error(), fmt.Sprint(limit)) {
			t.Fatalf("link %d: %v", i, err)
		}
		if err != nil {
			end.Close()
		}
	}
}
