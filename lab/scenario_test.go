package lab

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the outcomes of the scenarios anew")

// Every scenario comes out as its file says, and what it expects is so.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { checkScenario(t, file) })
	}
}

func checkScenario(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Load(filepath.Base(file), strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if s.Summary == "" || s.SummaryZH == "" || s.Title == s.Name || s.TitleZH == s.Name {
		t.Error("a title or a summary is missing")
	}
	if len(s.Tries) == 0 {
		t.Error("a line try: is missing, which says what to change, and what to look for")
	}
	r, err := s.Run(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Failed {
		t.Error(f)
	}
	got := r.Text()
	if *rewrite {
		if err := os.WriteFile(file, []byte(s.text+outcomeLine+"\n"+got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != s.outcome {
		t.Errorf("the outcome differs (-rewrite accepts it); got:\n%s", got)
	}
}

// Every file stands in a group of the list, once.
func TestScenarioGroups(t *testing.T) {
	files, err := scenarioFiles.ReadDir("scenarios")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]int{}
	for _, info := range Scenarios() {
		listed[info.Name+".txt"]++
	}
	for _, f := range files {
		if listed[f.Name()] != 1 {
			t.Errorf("%s is listed %d times", f.Name(), listed[f.Name()])
		}
	}
	if len(listed) != len(files) {
		t.Errorf("%d names for %d files", len(listed), len(files))
	}
}
