package handfast_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/handfast-tcp/handfast"

// The wall: what lies in these folders is pure. It knows no goroutine, lock,
// channel, socket and no real clock, and imports nothing of ours from outside
// but internal/setting.
var pureFolders = []string{"engine", "lab", "internal/setting"}

func isPure(pkg string) bool {
	return slices.ContainsFunc(pureFolders, func(f string) bool { return pkg == f || strings.HasPrefix(pkg, f+"/") })
}

// layers is the import table: which packages of ours a package may import. A
// package stands below all that it imports, so there is no cycle. What is not
// listed may not exist. Some of these are still to be written.
const layers = `
	internal/setting      :
	internal/random       :
	internal/descriptor   :
	internal/nameserver   :
	internal/splice       :

	engine/clock          :
	engine/seq            :
	engine/buf            :
	engine/secret         :
	engine/wire           : engine/seq
	internal/ports        : engine/wire
	engine/cc             : engine/clock
	engine/recovery       : engine/clock engine/seq engine/wire
	engine/detect         : engine/clock engine/wire
	engine/fastopen       : engine/clock engine/secret engine/wire
	engine/account        : engine/clock engine/wire
	engine/auth           : engine/buf engine/seq engine/wire
	engine/ao             : engine/auth engine/seq engine/wire
	engine/tcp            : engine/clock engine/seq engine/buf engine/secret engine/wire engine/auth engine/cc engine/recovery engine/detect engine/fastopen engine/account internal/setting
	engine/host           : engine/clock engine/seq engine/buf engine/secret engine/wire engine/auth engine/tcp internal/setting

	lab/netem             : engine/clock engine/buf engine/wire
	lab/internal/sample   : engine/clock engine/seq engine/wire engine/tcp
	lab/trace             : engine/clock engine/seq engine/wire engine/tcp engine/host
	lab/story             : engine/clock engine/seq engine/wire engine/tcp lab/trace
	lab/oracle            : engine/clock
	lab/internal/look     : engine/tcp lab/oracle
	lab                   : engine/clock engine/seq engine/buf engine/wire engine/cc engine/fastopen engine/tcp engine/ao engine/host lab/netem lab/trace lab/oracle lab/internal/look
	lab/soak              : engine/clock engine/seq engine/wire engine/cc engine/ao engine/fastopen engine/tcp engine/host lab lab/netem lab/oracle
	lab/explore           : engine/clock engine/seq engine/buf engine/wire engine/cc engine/tcp lab/trace lab/story lab/oracle lab/internal/look
	lab/drill/script      : engine/seq engine/wire
	lab/drill             : engine/clock engine/seq engine/buf engine/wire engine/cc engine/fastopen engine/tcp engine/host lab/trace lab/oracle lab/drill/script
	lab/ipfix             : engine/clock engine/wire engine/account
	lab/capture           : engine/clock engine/seq engine/wire engine/detect engine/tcp lab/trace

	lab/play              : engine/cc engine/tcp engine/wire lab lab/netem lab/trace lab/story

	lab/book              : lab lab/play lab/story
	internal/explore      : lab/explore lab/oracle
	cmd/playground        : lab/play
	keyring               : engine/tcp
	link                  : engine/buf
	link/offload          : engine/buf link engine/wire
	internal/alike        :
	internal/documents    :
	internal/mutate       :
	internal/typecheck    :
	internal/testnet      : engine/seq engine/buf link engine/wire
	link/internal/netdev  : engine/buf link
	link/pipe             : engine/buf link
	link/tun              : engine/buf link engine/wire link/offload link/internal/netdev
	link/tap              : engine/buf link engine/wire link/offload link/internal/netdev link/tun
	link/packet           : engine/buf link engine/wire link/offload link/internal/netdev
	link/xdp              : engine/buf link engine/wire link/offload link/internal/netdev
	link/sniff            : engine/clock engine/buf link engine/wire lab/trace
	link/stream           : engine/buf engine/wire link internal/setting
	link/bridge           : engine/clock engine/buf link internal/setting link/pipe
	link/impair           : engine/clock engine/buf engine/wire link lab/netem
	.                     : engine/clock engine/seq engine/buf engine/wire engine/auth engine/cc engine/detect engine/fastopen engine/account engine/tcp engine/host link internal/setting internal/random internal/descriptor internal/nameserver internal/ports
	gateway               : engine/wire engine/tcp engine/host . internal/setting internal/splice internal/descriptor
	inspect/export        : engine/wire lab/ipfix .
	inspect/internal/flows : engine/account link/pipe .
	inspect               : engine/account lab/trace engine/clock engine/seq engine/wire engine/detect engine/tcp engine/host .
	guard                 : . internal/setting internal/splice
	web                   : engine/clock engine/seq engine/wire engine/tcp engine/host lab/trace inspect .
`

// layer is one line of the table.
type layer struct{ imports []string }

// parseLayers reads the table. An import of a line that does not stand above
// is an error.
func parseLayers(text string) (map[string]layer, error) {
	table := make(map[string]layer)
	for line := range strings.Lines(text) {
		head, tail, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		name := strings.TrimSpace(head)
		l := layer{imports: strings.Fields(tail)}
		for _, i := range l.imports {
			if _, ok := table[i]; !ok {
				return nil, fmt.Errorf("%s may import %s, which does not stand above it", name, i)
			}
			if isPure(name) && !isPure(i) {
				return nil, fmt.Errorf("%s is pure and may import %s, which is not", name, i)
			}
		}
		if _, twice := table[name]; twice {
			return nil, fmt.Errorf("%s stands twice", name)
		}
		table[name] = l
	}
	return table, nil
}

// bannedImports are closed to pure packages, with all below them.
var bannedImports = []string{
	"context", "crypto/rand", "golang.org/x", "log", "net", "os", "runtime", "sync", "syscall",
}

// allowedImports are exceptions from bannedImports. Blocks are counted and
// pooled across shards: buf alone may do that.
var allowedImports = map[string][]string{
	"net/netip":   nil, // nil: every pure package
	"sync":        {"engine/buf"},
	"sync/atomic": {"engine/buf"},
}

// bannedNames are closed to pure packages in imports that they may have.
var bannedNames = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
}

// onlyNames is the other way round: what is not listed is closed. The
// functions of math/rand draw from a source that nobody has seeded.
var onlyNames = map[string][]string{
	"sync":         {"Pool"},
	"math/rand":    {"New", "NewSource", "Rand", "Source", "Source64"},
	"math/rand/v2": {"New", "NewPCG", "NewChaCha8", "Rand", "Source", "PCG", "ChaCha8"},
}

// checker looks at one file of one package.
type checker struct {
	table map[string]layer
	pkg   string // as in the table
	fset  *token.FileSet
	names map[string]string // local name of an import: its path
	found []string
}

// checkFile returns the rules that a source file of package pkg breaks.
func checkFile(table map[string]layer, pkg, name string, src any) ([]string, error) {
	c := &checker{table: table, pkg: pkg, fset: token.NewFileSet(), names: make(map[string]string)}
	f, err := parser.ParseFile(c.fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if _, ok := table[pkg]; !ok {
		return []string{fmt.Sprintf("%s: package %s is not in the import table", name, pkg)}, nil
	}
	for _, i := range f.Imports {
		c.checkImport(i)
	}
	if isPure(pkg) {
		ast.Inspect(f, c.checkNode)
	}
	return c.found, nil
}

func (c *checker) report(at ast.Node, format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf("%s: %s", c.fset.Position(at.Pos()), fmt.Sprintf(format, args...)))
}

func (c *checker) checkImport(i *ast.ImportSpec) {
	p, err := strconv.Unquote(i.Path.Value)
	if err != nil {
		panic(err) // the parser has checked it
	}
	own, isOurs := ourPackage(p)
	switch {
	case isOurs && !slices.Contains(c.table[c.pkg].imports, own):
		c.report(i, "%s may not import %s", c.pkg, own)
	case !isOurs && isPure(c.pkg) && c.banned(p):
		c.report(i, "%s is pure and may not import %s", c.pkg, p)
	}
	c.remember(i, p)
}

// remember notes the name by which the file calls import p.
func (c *checker) remember(i *ast.ImportSpec, p string) {
	name := path.Base(p)
	if name == "v2" {
		name = path.Base(path.Dir(p))
	}
	if i.Name != nil {
		name = i.Name.Name
	}
	if name == "." && isPure(c.pkg) {
		c.report(i, "%s is pure and may not import %s into its own scope", c.pkg, p)
	}
	c.names[name] = p
}

// ourPackage returns the table's name of an import path of this module.
func ourPackage(p string) (name string, ok bool) {
	if p == modulePath {
		return ".", true
	}
	return strings.CutPrefix(p, modulePath+"/")
}

func (c *checker) banned(p string) bool {
	if only, ok := allowedImports[p]; ok && (only == nil || slices.Contains(only, c.pkg)) {
		return false
	}
	return slices.ContainsFunc(bannedImports, func(b string) bool {
		return p == b || strings.HasPrefix(p, b+"/")
	})
}

// checkNode finds what a pure package may not say.
func (c *checker) checkNode(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		c.report(n, "go statement in pure package %s", c.pkg)
	case *ast.SelectStmt:
		c.report(n, "select in pure package %s", c.pkg)
	case *ast.ChanType:
		c.report(n, "channel in pure package %s", c.pkg)
	case *ast.SendStmt:
		c.report(n, "channel in pure package %s", c.pkg)
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			c.report(n, "channel in pure package %s", c.pkg)
		}
	case *ast.SelectorExpr:
		c.checkName(n)
	}
	return true
}

// checkName finds names that are closed, called or not.
func (c *checker) checkName(n *ast.SelectorExpr) {
	x, ok := n.X.(*ast.Ident)
	if !ok {
		return
	}
	p := c.names[x.Name]
	only, limited := onlyNames[p]
	if slices.Contains(bannedNames[p], n.Sel.Name) || limited && !slices.Contains(only, n.Sel.Name) {
		c.report(n, "%s.%s in pure package %s", p, n.Sel.Name, c.pkg)
	}
}

// checkTree checks every package of the module that lies in root, tests left
// out, and returns what is broken and how many files it has read.
func checkTree(table map[string]layer, root string) (found []string, files int, err error) {
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return skipDir(root, name)
		case !strings.HasSuffix(name, ".go"), strings.HasSuffix(name, "_test.go"):
			return nil
		}
		pkg, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		f, err := checkFile(table, filepath.ToSlash(pkg), name, nil)
		found, files = append(found, f...), files+1
		return err
	})
	return found, files, err
}

// skipDir leaves out what is not of the module: hidden folders, test data, and
// modules of their own.
func skipDir(root, name string) error {
	if name == root {
		return nil
	}
	base := filepath.Base(name)
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// allowedModules is all that the library may require.
var allowedModules = []string{"golang.org/x/sys"}

// requiredModules lists the modules that a go.mod file requires.
func requiredModules(mod string) (found []string) {
	block := false
	for line := range strings.Lines(mod) {
		line, _, _ = strings.Cut(line, "//")
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case block && words[0] == ")":
			block = false
		case block:
			found = append(found, words[0])
		case words[0] == "require" && words[1] == "(":
			block = true
		case words[0] == "require":
			found = append(found, words[1])
		}
	}
	return found
}

func mustParseLayers(t *testing.T) map[string]layer {
	t.Helper()
	table, err := parseLayers(layers)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// The packages import only what stands below them, and the pure ones are pure.
func TestArchitecture(t *testing.T) {
	found, files, err := checkTree(mustParseLayers(t), ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
	if files == 0 {
		t.Error("no source file was found")
	}
}

// What locks and waits stands below what uses it: it names no type of its users.
func TestShardIsBelowItsUsers(t *testing.T) {
	above := []string{"Host", "TCPConn", "TCPListener", "UDPConn", "Request"}
	for _, name := range []string{"shard.go", "wait.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr: // of another package, or a field
				ast.Inspect(n.X, func(x ast.Node) bool { return namesNone(t, name, x, above) })
				return false
			default:
				return namesNone(t, name, n, above)
			}
		})
	}
}

// namesNone complains when n is one of the names.
func namesNone(t *testing.T, file string, n ast.Node, names []string) bool {
	t.Helper()
	if id, ok := n.(*ast.Ident); ok && slices.Contains(names, id.Name) {
		t.Errorf("%s names %s, which stands above it", file, id.Name)
	}
	return true
}

// The library requires nothing but golang.org/x/sys.
func TestRequirements(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range requiredModules(string(mod)) {
		if !slices.Contains(allowedModules, m) {
			t.Errorf("go.mod requires %s", m)
		}
	}
}

// Each rule is broken once, and nothing else is found.
func TestArchitectureRules(t *testing.T) {
	const ours = modulePath
	table := mustParseLayers(t)
	for _, c := range []struct{ pkg, src, want string }{
		{"engine/tcp", `import "` + ours + `/engine/cc"`, ""},
		{"engine/cc", `import "` + ours + `/engine/tcp"`, "engine/cc may not import engine/tcp"},
		{"engine/tcp", `import "` + ours + `"`, "engine/tcp may not import ."},
		{"engine/buf", `import "` + ours + `/engine/clock"`, "engine/buf may not import engine/clock"},
		{"link/pipe", `import "` + ours + `/engine/host"`, "link/pipe may not import engine/host"},
		{"util", ``, "package util is not in the import table"},
		{"engine/tcp", `import "net/netip"`, ""},
		{"engine/tcp", `import "net"`, "may not import net"},
		{"engine/host", `import "net/http"`, "may not import net/http"},
		{"engine/wire", `import "os"`, "may not import os"},
		{"engine/wire", `import "syscall"`, "may not import syscall"},
		{"engine/wire", `import "golang.org/x/sys/unix"`, "may not import golang.org/x/sys/unix"},
		{"engine/tcp", `import "crypto/rand"`, "may not import crypto/rand"},
		{"engine/tcp", `import "sync"`, "may not import sync\n"},
		{"engine/tcp", `import "sync/atomic"`, "may not import sync/atomic"},
		{"engine/buf", `import ("sync"; "sync/atomic"); var p sync.Pool; var n atomic.Int32`, ""},
		{"engine/buf", `import "sync"; var m sync.Mutex`, "sync.Mutex in pure package engine/buf"},
		{"lab", `import "math/rand/v2"; var r = rand.New(rand.NewPCG(1, 2))`, ""},
		{"lab", `import "math/rand/v2"; var n = rand.IntN(6)`, "math/rand/v2.IntN"},
		{"lab", `import "math/rand"; var n = rand.Intn(6)`, "math/rand.Intn"},
		{"engine/clock", `import "time"; const second = time.Second`, ""},
		{"engine/clock", `import "time"; var n = time.Now()`, "time.Now in pure package engine/clock"},
		{"engine/clock", `import real "time"; var now = real.Now`, "time.Now in pure package engine/clock"},
		{"engine/clock", `import . "time"; var n = Now()`, "may not import time into its own scope"},
		{"engine/tcp", `import "time"; var d = time.Since(time.Time{})`, "time.Since"},
		{"engine/tcp", `import "time"; func f() { time.Sleep(1) }`, "time.Sleep"},
		{"engine/tcp", `import "time"; func f() { _ = time.After }`, "time.After "},
		{"engine/tcp", `import "time"; var t = time.AfterFunc(1, nil)`, "time.AfterFunc"},
		{"engine/tcp", `import "time"; var t = time.NewTimer(1)`, "time.NewTimer"},
		{"engine/tcp", `func f() { go f() }`, "go statement"},
		{"engine/tcp", `func f() { select {} }`, "select"},
		{"engine/tcp", `var c chan int`, "channel"},
		{"engine/tcp", `func f(c queue) { c <- 1 }`, "channel"},
		{"engine/tcp", `func f(c queue) { <-c }`, "channel"},
		{".", `import ("net"; "sync"; "time"); var n = time.Now(); func f(c chan int) { go f(c); select {} }`, ""},
	} {
		found, err := checkFile(table, c.pkg, "x.go", "package x; "+c.src)
		if err != nil {
			t.Errorf("%s: %v", c.src, err)
			continue
		}
		all := strings.Join(found, "\n") + "\n"
		broken := 1
		if c.want == "" {
			broken = 0
		}
		if len(found) != broken || !strings.Contains(all, c.want) {
			t.Errorf("package %s: %s: found %q, want %q", c.pkg, c.src, found, c.want)
		}
	}
}

// The table itself may have no cycle and no way round purity.
func TestArchitectureTable(t *testing.T) {
	for text, want := range map[string]string{
		"engine/a:\nb: engine/a":                 "",
		"a: b\nb: a":                             "does not stand above",
		"a: a":                                   "does not stand above",
		"a:\nengine/b: a":                        "which is not",
		"engine/a:\nb:\nlab: engine/a\nd: b lab": "",
	} {
		_, err := parseLayers(text)
		if got := fmt.Sprint(err); want == "" && err != nil || want != "" && !strings.Contains(got, want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestRequiredModules(t *testing.T) {
	got := requiredModules("module m\n\ngo 1.26\nrequire a.b/c v1 // indirect\nrequire (\n\td.e/f v2\n\t// g v3\n)\n")
	if want := []string{"a.b/c", "d.e/f"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
