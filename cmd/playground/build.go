//go:build !js

package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// engineFile is the engine as the worker fetches it: packed, because many servers of files
// pack nothing, and browsers unpack it as it comes.
const engineFile = "handfast.wasm.gz"

// write makes the folder.
func write(out string) error {
	page, err := fs.Sub(pages, "page")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if err := copyAll(out, page); err != nil {
		return err
	}
	starter, err := starterOf()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "wasm_exec.js"), starter, 0o644); err != nil {
		return err
	}
	engine, err := engine()
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	z.Write(engine) // to memory
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, engineFile), packed.Bytes(), 0o644)
}

// copyAll writes the files of a folder without folders over those that are there.
func copyAll(out string, from fs.FS) error {
	all, err := fs.ReadDir(from, ".")
	if err != nil {
		return err
	}
	for _, f := range all {
		text, err := fs.ReadFile(from, f.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, f.Name()), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// starterOf returns the script by which a browser starts a program of this Go: it belongs to
// the version that compiles.
func starterOf() ([]byte, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	return os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"))
}

// engine compiles this package for the browser.
func engine() ([]byte, error) {
	dir, err := os.MkdirTemp("", "playground")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "engine.wasm")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, "github.com/handfast-tcp/handfast/cmd/playground")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=-trimpath")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build for the browser: %w\n%s", err, text)
	}
	return os.ReadFile(file)
}
