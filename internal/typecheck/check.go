package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
	"sync"
)

// source keeps what was parsed: most files are the same on many systems.
type source struct {
	fset  *token.FileSet
	mu    sync.Mutex
	files map[string]func() (*ast.File, error)
}

func newSource() *source {
	return &source{fset: token.NewFileSet(), files: map[string]func() (*ast.File, error){}}
}

// parse returns a file, whole or without what its functions do.
func (s *source) parse(name string, whole bool) (*ast.File, error) {
	s.mu.Lock()
	once := s.files[name]
	if once == nil {
		once = sync.OnceValues(func() (*ast.File, error) {
			file, err := parser.ParseFile(s.fset, name, nil, parser.SkipObjectResolution)
			if err == nil && !whole {
				for _, d := range file.Decls {
					if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
						f.Body = &ast.BlockStmt{Lbrace: f.Body.Lbrace, Rbrace: f.Body.Rbrace}
					}
				}
			}
			return file, err
		})
		s.files[name] = once
	}
	s.mu.Unlock()
	return once()
}

// checker holds the packages of one system that are checked.
type checker struct {
	system string
	src    *source
	done   map[string]*types.Package
}

// check checks packages that stand after what they import. It counts those of this workspace, and stops at the first
// that has errors.
func check(system string, packages []*pkg, src *source) (ours int, err error) {
	c := &checker{system: system, src: src, done: map[string]*types.Package{"unsafe": types.Unsafe}}
	for _, p := range packages {
		// The main function of a test is made where it is compiled.
		if p.ImportPath == "unsafe" || strings.HasSuffix(p.ImportPath, ".test") {
			continue
		}
		if err := c.check(p); err != nil {
			return ours, err
		}
		if p.ours() {
			ours++
		}
	}
	return ours, nil
}

func (c *checker) check(p *pkg) error {
	files := make([]*ast.File, len(p.GoFiles))
	for i, name := range p.GoFiles {
		if !filepath.IsAbs(name) {
			name = filepath.Join(p.Dir, name)
		}
		var err error
		if files[i], err = c.src.parse(name, p.ours()); err != nil {
			return err
		}
	}
	_, goarch, _ := strings.Cut(c.system, "/")
	var found []error
	config := types.Config{
		Importer:         importer{c, p},
		Sizes:            types.SizesFor("gc", goarch),
		IgnoreFuncBodies: !p.ours(),
		Error:            func(err error) { found = append(found, err) },
	}
	if p.Module != nil && p.Module.GoVersion != "" {
		config.GoVersion = "go" + p.Module.GoVersion
	}
	path, _, _ := strings.Cut(p.ImportPath, " ")
	c.done[p.ImportPath], _ = config.Check(path, c.src.fset, files, nil)
	return errors.Join(found...)
}

// importer finds what a package imports: a variant of it in a test, or what the standard library keeps of others.
type importer struct {
	c *checker
	p *pkg
}

func (i importer) Import(path string) (*types.Package, error) {
	if other := i.p.ImportMap[path]; other != "" {
		path = other
	}
	if p := i.c.done[path]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("%s is not there on %s", path, i.c.system)
}
