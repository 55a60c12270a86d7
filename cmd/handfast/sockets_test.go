package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestServiceNames(t *testing.T) {
	file := filepath.Join(t.TempDir(), "services")
	text := "# names\nssh 22/tcp # a shell\ndomain 53/udp\nhttp\t80/tcp www\nother 80/tcp\nbad x/tcp\nshort\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	names := serviceNames(file)
	if len(names) != 3 || names["tcp22"] != "ssh" || names["tcp80"] != "http" || names["udp53"] != "domain" {
		t.Error(names)
	}
	if names := serviceNames(file + "x"); len(names) != 0 {
		t.Error(names)
	}
}

// A door whose control socket is gone was a killed program's, and goes; others stay.
func TestSweepDoors(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"1-try.door", "2-serve.door", "2-serve.sock", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sweepDoors(dir)
	var left []string
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{"2-serve.door", "2-serve.sock", "other"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("%v, %v", left, err)
	}
}
