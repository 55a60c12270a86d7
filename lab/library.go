package lab

import (
	"bytes"
	"embed"
	"fmt"
	"io"
	"path"
	"strings"
)

//go:embed scenarios/*.txt
var scenarioFiles embed.FS

// Info describes a scenario that comes with the package.
type Info struct {
	Name      string
	Summary   string // one line, English
	SummaryZH string // one line, Simplified Chinese
}

// Scenarios lists the scenarios that come with the package, by name.
func Scenarios() []Info {
	entries, err := scenarioFiles.ReadDir("scenarios")
	if err != nil {
		panic(err) // it is embedded
	}
	list := make([]Info, 0, len(entries))
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".txt")
		s, err := Find(name)
		if err != nil {
			panic(err) // a test loads every one of them
		}
		list = append(list, Info{Name: name, Summary: s.Summary, SummaryZH: s.SummaryZH})
	}
	return list
}

// Find returns the scenario of that name that comes with the package. It fails
// when there is none.
func Find(name string) (*Scenario, error) {
	b, err := scenarioFiles.ReadFile(path.Join("scenarios", name+".txt"))
	if err != nil {
		return nil, fmt.Errorf("no scenario is called %q", name)
	}
	return Load(name+".txt", bytes.NewReader(b))
}

// Load reads a scenario. Its errors begin with name, line and column.
func Load(name string, r io.Reader) (*Scenario, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return parse(name, string(text))
}
