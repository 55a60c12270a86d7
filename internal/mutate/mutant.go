package main

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

//go:embed mutants/*.txt
var texts embed.FS

// mutant is one fault, and how to make it.
type mutant struct {
	name  string
	class string // which kind of fault it stands for
	file  string // from the top of the repository, with slashes
	arch  string // of the machine that has the fault; empty: any
	edits []edit
	at    string // where it is written
}

// edit has some lines of a file in the place of others, which occur once in it.
type edit struct{ before, after []string }

// pkg is the folder of the package that it changes.
func (m *mutant) pkg() string {
	dir, _, ok := cutLast(m.file, "/")
	if !ok {
		return "."
	}
	return dir
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// all reads every mutant.
func all() (found []*mutant, err error) {
	files, err := texts.ReadDir("mutants")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		b, err := texts.ReadFile("mutants/" + f.Name())
		if err != nil {
			return nil, err
		}
		m, err := parse(f.Name(), string(b))
		if err != nil {
			return nil, err
		}
		found = append(found, m...)
	}
	names := map[string]string{}
	for _, m := range found {
		if at, twice := names[m.name]; twice {
			return nil, fmt.Errorf("%s: %s is at %s, too", m.at, m.name, at)
		}
		names[m.name] = m.at
	}
	return found, nil
}

// parse reads mutants from a text: see mutants/README.md for its form.
func parse(name, text string) (found []*mutant, err error) {
	class := ""
	var m *mutant
	for i, line := range strings.Split(text, "\n") {
		at := fmt.Sprintf("%s:%d", name, i+1)
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "" || line[0] == '#':
		case word == "class":
			class, m = rest, nil
		case word == "mutant" && class != "" && mutantName.MatchString(rest):
			m = &mutant{name: rest, class: class, at: at}
			found = append(found, m)
		case m == nil || !m.take(line):
			return nil, fmt.Errorf("%s: %q is no class, mutant, file or edit here", at, line)
		}
	}
	for _, m := range found {
		if len(m.edits) == 0 || slices.ContainsFunc(m.edits, func(e edit) bool { return slices.Equal(e.before, e.after) }) {
			return nil, fmt.Errorf("%s: %s changes nothing", m.at, m.name)
		}
	}
	return found, nil
}

var mutantName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// take reads a line of m, and reports whether it is one.
func (m *mutant) take(line string) bool {
	switch word, rest, _ := strings.Cut(line, " "); {
	case word == "in" && m.file == "":
		m.file = rest
	case word == "on" && m.arch == "":
		m.arch = rest
	case m.file != "" && strings.IndexByte("-+ @", line[0]) >= 0:
		m.takeEdit(line)
	default:
		return false
	}
	return true
}

// takeEdit adds a line to the edit that is being read; @ begins another one.
func (m *mutant) takeEdit(line string) {
	if line[0] == '@' || len(m.edits) == 0 {
		m.edits = append(m.edits, edit{})
	}
	e := &m.edits[len(m.edits)-1]
	if line[0] == ' ' || line[0] == '-' {
		e.before = append(e.before, line[1:])
	}
	if line[0] == ' ' || line[0] == '+' {
		e.after = append(e.after, line[1:])
	}
}

// source reads the file that m changes.
func (m *mutant) source(top string) ([]string, error) {
	b, err := os.ReadFile(filepath.Join(top, filepath.FromSlash(m.file)))
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", m.at, m.name, err)
	}
	return strings.Split(string(b), "\n"), nil
}

// apply returns the lines of the file with the fault in them.
func (m *mutant) apply(lines []string) ([]string, error) {
	for i, e := range m.edits {
		at := e.places(lines)
		if len(at) != 1 {
			return nil, fmt.Errorf("%s: %s: edit %d fits at %d places of %s, and should at one: write anew what it replaces",
				m.at, m.name, i+1, len(at), m.file)
		}
		lines = slices.Concat(lines[:at[0]], e.after, lines[at[0]+len(e.before):])
	}
	return lines, nil
}

// places returns where the lines that e replaces occur. How far they are indented does
// not matter: it changes with what is around them.
func (e *edit) places(lines []string) (at []int) {
	for i := 0; len(e.before) > 0 && i+len(e.before) <= len(lines); i++ {
		if slices.EqualFunc(e.before, lines[i:i+len(e.before)], func(a, b string) bool {
			return strings.TrimSpace(a) == strings.TrimSpace(b)
		}) {
			at = append(at, i)
		}
	}
	return at
}
