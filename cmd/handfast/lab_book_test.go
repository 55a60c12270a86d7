package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/lab"
	scenariobook "github.com/handfast-tcp/handfast/lab/book"
)

// What the book tells its readers to try is a command that there is.
func TestTriesAreCommands(t *testing.T) {
	for _, info := range lab.Scenarios() {
		s, err := lab.Find(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range s.Tries {
			if try := &s.Tries[i]; try.IsSettings() {
				words := append([]string{"lab", info.Name}, strings.Fields("--"+strings.ReplaceAll(try.With, " ", " --"))...)
				if err := makesSense(words); err != nil {
					t.Errorf("handfast %s: %v", strings.Join(words, " "), err)
				}
			}
		}
	}
}

// The command writes the book as it is in package book.
func TestBook(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "book")
	var out bytes.Buffer
	if code := run([]string{"lab", "--book", dir}, &out, &out); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &out)
	}
	files, err := scenariobook.Files()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, want %d (%v)", name, len(got), len(want), err)
		}
	}
	if code := run([]string{"lab", "four-way-close", "--book", dir}, &out, &out); code != exitUsage {
		t.Errorf("with a name: exit code %d", code)
	}
}
