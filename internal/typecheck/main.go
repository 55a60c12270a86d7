// Typecheck checks the types of packages, and of their tests, on systems that this machine is not:
//
//	go run ./internal/typecheck linux/386 windows/amd64 -- ./... ./cmd/handfast/...
//
// What is missing there and numbers that do not fit there are errors, as the compiler prints them. Nothing is compiled:
// what others wrote is read as far as it is declared. So eleven systems cost less than one that is compiled.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
)

func main() {
	systems, patterns := os.Args[1:], []string{"./..."}
	if i := slices.Index(systems, "--"); i >= 0 {
		systems, patterns = systems[:i], systems[i+1:]
	}
	if len(systems) == 0 || len(patterns) == 0 {
		fmt.Fprintln(os.Stderr, "usage: go run ./internal/typecheck GOOS/GOARCH... [-- PACKAGES]")
		os.Exit(2)
	}
	if !checkAll(os.Stdout, systems, patterns) {
		os.Exit(1)
	}
}

// checkAll checks the packages on each system, as many at once as there are processors, and says whether all are right.
func checkAll(out io.Writer, systems, patterns []string) bool {
	src := newSource()
	right, turn := true, make(chan struct{}, runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	var done sync.WaitGroup
	for _, system := range systems {
		done.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			packages, err := list(system, patterns)
			number := 0
			if err == nil {
				number, err = check(system, packages, src)
			}
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(out, "%s: %d packages\n", system, number)
			if err != nil {
				right = false
				fmt.Fprintln(out, err)
			}
		})
	}
	done.Wait()
	return right
}

// pkg is what "go list" tells of a package, or of its variant that a test is compiled with.
type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	ImportMap  map[string]string
	Module     *struct {
		Main      bool
		GoVersion string
	}
	Error *struct{ Err string }
}

// ours says whether the package is of a module of this workspace.
func (p *pkg) ours() bool { return p.Module != nil && p.Module.Main }

// list asks the Go command for packages, their tests and all they need, each after what it imports.
func list(system string, patterns []string) ([]*pkg, error) {
	goos, goarch, ok := strings.Cut(system, "/")
	if !ok {
		return nil, fmt.Errorf("%q is no system: want GOOS/GOARCH, as in linux/arm64", system)
	}
	args := []string{"list", "-e", "-deps", "-test", "-json=ImportPath,Dir,GoFiles,ImportMap,Module,Error", "--"}
	cmd := exec.Command("go", append(args, patterns...)...)
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var all []*pkg
	from := json.NewDecoder(out)
	for {
		p := new(pkg)
		if err = from.Decode(p); err != nil {
			break
		}
		if p.Error != nil && strings.Contains(p.Error.Err, "requires external (cgo) linking") {
			continue // programs for iOS need Apple's linker, so nothing is told of them
		}
		if p.Error != nil {
			err = errors.New(p.Error.Err)
			break
		}
		all = append(all, p)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return all, errors.Join(err, cmd.Wait())
}
