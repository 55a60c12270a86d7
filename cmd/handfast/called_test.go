package main

import (
	"testing"
)

func TestCalledBy(t *testing.T) {
	for path, want := range map[string]string{"handfast": "handfast", "bin/handfast": "bin/handfast", "./handfast": "./handfast",
		"/usr/bin/handfast": "/usr/bin/handfast", "/tmp/go-build123/b001/exe/handfast": "go run ./cmd/handfast"} {
		if got := calledBy(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
