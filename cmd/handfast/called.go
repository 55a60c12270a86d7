package main

import (
	"os"
	"path/filepath"
	"strings"
)

// called is what to type for this program again: the path that it was called by,
// as it need not be where the shell looks.
func called() string { return calledBy(os.Args[0]) }

func calledBy(path string) string {
	switch {
	case !strings.ContainsRune(path, filepath.Separator):
		return "handfast"
	case strings.Contains(path, "go-build"): // go run deletes it at the end
		return "go run ./cmd/handfast"
	}
	return path
}
