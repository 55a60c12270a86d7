package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
)

// Most mutants change one function. Then all can be compiled at once: the function is
// there in each of its forms, and begins by looking which of them is wanted. So tests are
// compiled once and not for each mutant, which would take most of the time.

// variable is what a test program reads to know which mutant it is: a number, 0 for none.
const variable = "HANDFAST_MUTANT"

// selector is a file that each package with mutants gets: chosen is the number.
const selector = `package %s

import (
	"os"
	"strconv"
)

var mutantChosen = func() int { n, _ := strconv.Atoi(os.Getenv("` + variable + `")); return n }()
`

// dispatch returns the files that hold all mutants of which each changes one function,
// by their names from the top, and the others, which have to be compiled each by itself.
// The number of a mutant is its place, counted from 1.
func dispatch(top string, mutants []*mutant) (files map[string]string, alone map[*mutant]bool, err error) {
	files, alone = map[string]string{}, map[*mutant]bool{}
	by := map[string]*dispatcher{}
	for i, m := range mutants {
		d := by[m.file]
		if d == nil {
			if d, err = newDispatcher(top, m); err != nil {
				return nil, nil, err
			}
			by[m.file] = d
		}
		took, err := d.take(i+1, m)
		if err != nil {
			return nil, nil, err
		}
		if !took {
			alone[m] = true
		}
	}
	for name, d := range by {
		files[name] = d.write()
		files[path.Join(path.Dir(name), "mutant_chosen.go")] = fmt.Sprintf(selector, d.file.Name.Name)
	}
	return files, alone, nil
}

// dispatcher gathers the mutants of one file.
type dispatcher struct {
	lines  []string
	text   string
	set    *token.FileSet
	file   *ast.File
	cases  map[*ast.FuncDecl][]string // what a function begins with
	copies []string
}

func newDispatcher(top string, m *mutant) (*dispatcher, error) {
	lines, err := m.source(top)
	if err != nil {
		return nil, err
	}
	d := &dispatcher{lines: lines, text: strings.Join(lines, "\n"), set: token.NewFileSet(), cases: map[*ast.FuncDecl][]string{}}
	d.file, err = parser.ParseFile(d.set, m.file, d.text, parser.SkipObjectResolution)
	return d, err
}

// part returns the text of a node.
func part(set *token.FileSet, text string, n ast.Node) string {
	return text[set.Position(n.Pos()).Offset:set.Position(n.End()).Offset]
}

// take adds a mutant. It reports false when that changes other things than one function.
func (d *dispatcher) take(number int, m *mutant) (bool, error) {
	lines, err := m.apply(d.lines)
	if err != nil {
		return false, err
	}
	text, set := strings.Join(lines, "\n"), token.NewFileSet()
	changed, err := parser.ParseFile(set, m.file, text, parser.SkipObjectResolution)
	if err != nil {
		return false, fmt.Errorf("%s: %s: %w", m.at, m.name, err)
	}
	if m.arch != "" || len(changed.Decls) != len(d.file.Decls) {
		return false, nil
	}
	var from, to *ast.FuncDecl
	for i, decl := range d.file.Decls {
		if part(d.set, d.text, decl) == part(set, text, changed.Decls[i]) {
			continue
		}
		f, isFunc := decl.(*ast.FuncDecl)
		g, stays := changed.Decls[i].(*ast.FuncDecl)
		if !isFunc || !stays || from != nil {
			return false, nil
		}
		from, to = f, g
	}
	if from == nil || from.Type.TypeParams != nil || !allNamed(from) {
		return false, nil
	}
	name := fmt.Sprintf("mutant%d%s", number, from.Name.Name) // not exported: some tests list what is
	d.cases[from] = append(d.cases[from], call(from, number, name))
	at := set.Position(to.Name.Pos()).Offset - set.Position(to.Pos()).Offset
	whole := part(set, text, to)
	d.copies = append(d.copies, whole[:at]+name+whole[at+len(to.Name.Name):])
	return true, nil
}

// allNamed reports whether what a function is given has names, so that it can be passed on.
func allNamed(f *ast.FuncDecl) bool {
	if f.Recv != nil && len(f.Recv.List[0].Names) == 0 {
		return false
	}
	return !slices.ContainsFunc(f.Type.Params.List, func(p *ast.Field) bool { return len(p.Names) == 0 })
}

// call is the case of a function's first statement that goes to another of its forms.
func call(f *ast.FuncDecl, number int, name string) string {
	var args []string
	i := 0
	for _, p := range f.Type.Params.List {
		for _, n := range p.Names {
			arg := nameOf(n, i)
			if _, rest := p.Type.(*ast.Ellipsis); rest {
				arg += "..."
			}
			args = append(args, arg)
			i++
		}
	}
	if f.Recv != nil {
		name = f.Recv.List[0].Names[0].Name + "." + name
	}
	does := fmt.Sprintf("%s(%s)", name, strings.Join(args, ", "))
	if f.Type.Results == nil {
		return fmt.Sprintf("case %d:\n%s\nreturn\n", number, does)
	}
	return fmt.Sprintf("case %d:\nreturn %s\n", number, does)
}

// nameOf is the name of parameter i: one without is given one.
func nameOf(n *ast.Ident, i int) string {
	if n.Name == "_" {
		return fmt.Sprintf("mutantArg%d", i)
	}
	return n.Name
}

// write returns the file with all forms of its functions.
func (d *dispatcher) write() string {
	type insertion struct {
		at, skip int
		text     string
	}
	var all []insertion
	for f, cases := range d.cases {
		i := 0
		for _, p := range f.Type.Params.List {
			for _, n := range p.Names {
				if n.Name == "_" {
					all = append(all, insertion{d.set.Position(n.Pos()).Offset, 1, nameOf(n, i)})
				}
				i++
			}
		}
		all = append(all, insertion{d.set.Position(f.Body.Lbrace).Offset + 1, 0, "\nswitch mutantChosen {\n" + strings.Join(cases, "") + "}\n"})
	}
	slices.SortFunc(all, func(a, b insertion) int { return a.at - b.at })
	var b bytes.Buffer
	at := 0
	for _, i := range all {
		b.WriteString(d.text[at:i.at] + i.text)
		at = i.at + i.skip
	}
	b.WriteString(d.text[at:])
	for _, c := range d.copies {
		b.WriteString("\n" + c + "\n")
	}
	return b.String()
}
