package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
)

// Every ending has its form, and none is that of another.
func TestOutForms(t *testing.T) {
	forms := map[string]func(b []byte) bool{
		".svg":    func(b []byte) bool { return bytes.HasPrefix(b, []byte("<svg")) },
		".html":   func(b []byte) bool { return bytes.HasPrefix(bytes.ToLower(b), []byte("<!doctype html")) },
		".pcapng": func(b []byte) bool { return bytes.HasPrefix(b, []byte{0x0a, 0x0d, 0x0d, 0x0a}) },
		".json":   eachLineJSON,
		".txt":    func(b []byte) bool { return bytes.HasPrefix(b, []byte("A title\n\n")) },
	}
	for _, ending := range outForms {
		o := outFile{filepath.Join(t.TempDir(), "run"+strings.ToUpper(ending))}
		if err := o.check(); err != nil {
			t.Fatal(err)
		}
		if err := o.write(recorded(), "A title"); err != nil {
			t.Errorf("%s: %v", ending, err)
			continue
		}
		b, err := os.ReadFile(o.path)
		if err != nil {
			t.Fatal(err)
		}
		for form, is := range forms {
			if is(b) != (form == ending) {
				t.Errorf("%s: is it %s? %.60q", ending, form, b)
			}
		}
	}
}

func eachLineJSON(b []byte) bool {
	for line := range bytes.Lines(b) {
		if !json.Valid(line) {
			return false
		}
	}
	return true
}

// Without a connection no file is made, in any form.
func TestOutEmpty(t *testing.T) {
	for _, ending := range outForms {
		o := outFile{filepath.Join(t.TempDir(), "run"+ending)}
		if err := o.write(live.New(live.Options{}), "A title"); err == nil {
			t.Errorf("%s: no error", ending)
		}
		if _, err := os.Stat(o.path); err == nil {
			t.Errorf("%s: a file", ending)
		}
	}
}
