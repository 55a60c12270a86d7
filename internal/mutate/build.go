package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// build is the tests of packages, compiled with some files in the place of others.
type build struct {
	top, dir string
	overlay  string // the file that says which
	arch     string

	mu       sync.Mutex
	programs map[string]*program // by folder
}

// program is the compiled test of a package.
type program struct {
	once sync.Once
	name string // empty: it has no tests here
	err  error
}

// newBuild prepares a build in dir, with files by their names from the top.
func newBuild(top, dir, arch string, files map[string]string) (*build, error) {
	b := &build{top: top, dir: dir, arch: arch, programs: map[string]*program{}, overlay: filepath.Join(dir, "overlay.json")}
	replace := map[string]string{}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for name, text := range files {
		changed := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(changed, []byte(text), 0o644); err != nil {
			return nil, err
		}
		replace[filepath.Join(top, filepath.FromSlash(name))] = changed
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	return b, os.WriteFile(b.overlay, text, 0o644)
}

// test returns the compiled tests of a package, which are compiled when first wanted;
// an empty name: it has none.
func (b *build) test(pkg string) (string, error) {
	b.mu.Lock()
	p := b.programs[pkg]
	if p == nil {
		p = &program{}
		b.programs[pkg] = p
	}
	b.mu.Unlock()
	p.once.Do(func() { p.name, p.err = b.compile(pkg) })
	return p.name, p.err
}

func (b *build) compile(pkg string) (string, error) {
	name := filepath.Join(b.dir, strings.ReplaceAll(pkg, "/", "_")+".test")
	cmd := exec.Command("go", "test", "-c", "-ldflags=-w", "-o", name, "./"+pkg)
	cmd.Dir, cmd.Env = b.top, b.environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s does not compile: %.600s", pkg, out)
	}
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return name, nil
}

// environment is that of the go command, and of tests, which may call it.
func (b *build) environment() []string {
	env := append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+b.overlay))
	if b.arch != "" {
		env = append(env, "GOARCH="+b.arch, "CGO_ENABLED=0")
	}
	return env
}

// users returns, for each package, those whose tests may notice a change in it: by
// folder, in the order in which to run them.
func users(top string) (map[string][]string, error) {
	cmd := exec.Command("go", "list", "-test", "-f", `{{.ImportPath}}{{range .Deps}} {{.}}{{end}}`,
		"./...", "./wgnet/...", "./cmd/handfast/...", "./conformance/...")
	cmd.Dir = top
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, stderr(err))
	}
	const module = "github.com/handfast-tcp/handfast"
	folder := func(path string) (string, bool) {
		if path == module {
			return ".", true
		}
		return strings.CutPrefix(path, module+"/")
	}
	by := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		path, isTest := strings.CutSuffix(words[0], ".test")
		user, _ := folder(path)
		for _, dep := range words[1:] {
			if d, ours := folder(dep); isTest && ours && !slices.Contains(by[d], user) {
				by[d] = append(by[d], user)
			}
		}
	}
	for d, all := range by {
		slices.SortStableFunc(all, func(a, b string) int { return rank(d, a) - rank(d, b) })
	}
	return by, nil
}

func stderr(err error) string {
	if e, ok := err.(*exec.ExitError); ok {
		return string(e.Stderr)
	}
	return ""
}

// likely are the packages whose tests see most of what is below them, the quickest first.
var likely = []string{"engine/recovery", "engine/cc", "engine/tcp", "engine/host", "lab", "lab/soak", "lab/explore", ".", "gateway", "conformance"}

// rank says when the tests of package user are run for a change of package changed.
func rank(changed, user string) int {
	if user == changed {
		return -1
	}
	if i := slices.Index(likely, user); i >= 0 {
		return i
	}
	return len(likely)
}
