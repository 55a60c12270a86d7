// Package compiled checks that object files in the repository are what their sources are compiled to.
package compiled

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// madeBy is the compiler of the files; another one makes other code.
const madeBy = "clang version 14.0.6"

// Check does what //go:generate of doc.go says, and compares what becomes of file with its content.
// Without the compiler it skips the test.
func Check(t *testing.T, file string, content []byte) {
	t.Helper()
	for _, tool := range []string{"clang", "llvm-strip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	if out, err := exec.Command("clang", "--version").Output(); err != nil || !strings.Contains(string(out), madeBy) {
		t.Skipf("%v: %s is not %s", err, bytes.TrimSpace(out), madeBy)
	}
	made := filepath.Join(t.TempDir(), filepath.Base(file))
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for line := range strings.Lines(string(text)) {
		line, ok := strings.CutPrefix(line, "//go:generate ")
		if !ok {
			continue
		}
		commands++
		words := strings.Fields(strings.ReplaceAll(line, file, made))
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", words, err, out)
		}
	}
	got, err := os.ReadFile(made)
	if err != nil || commands == 0 || !bytes.Equal(got, content) {
		t.Errorf("%v, %d commands: %s is not what its source is compiled to: go generate", err, commands, file)
	}
}
