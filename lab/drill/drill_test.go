package drill_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/lab/drill"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// scripts calls f with each script of testdata.
func scripts(t *testing.T, f func(t *testing.T, s *script.Script)) {
	t.Helper()
	err := filepath.WalkDir("testdata", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".pkt") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		t.Run(strings.TrimSuffix(path, ".pkt"), func(t *testing.T) {
			s, err := script.Parse(path, string(text))
			if err != nil {
				t.Fatal(err)
			}
			f(t, s)
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Every script of ours passes, and nothing leaves the host that it does not expect.
func TestScripts(t *testing.T) {
	scripts(t, func(t *testing.T, s *script.Script) {
		if r := drill.Play(s, drill.Options{Strict: true}); r.Err != nil {
			t.Error(r.Err)
		}
	})
}

// The scripts in the documentation pass.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/DRILL.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i, block := range strings.Split(string(text), "```") {
		if i%2 == 0 || !strings.HasPrefix(block, "\n// RFC") {
			continue
		}
		n++
		s, err := script.Parse("DRILL.md", block)
		if err != nil {
			t.Error(err)
			continue
		}
		if r := drill.Play(s, drill.Options{Strict: true}); r.Err != nil {
			t.Error(r.Err)
		}
	}
	if n < 4 {
		t.Errorf("%d scripts were found", n)
	}
}
