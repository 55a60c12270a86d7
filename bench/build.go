package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// buildLimit is how long one build may take, downloads of modules included.
const buildLimit = 5 * time.Minute

// measureBuild builds the peer's echo server: with the usual cache for its
// size, with an empty one for what that costs.
func measureBuild(r row, p *peer) (result, error) {
	dir, err := programDir(p.program)
	if err != nil {
		return result{Skipped: err.Error()}, nil
	}
	room, err := os.MkdirTemp("", "handfast-bench")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(room)
	binary := filepath.Join(room, "echo")
	// Downloads what is missing, which is not to be measured.
	if _, err := goBuild(dir, binary); err != nil {
		return result{}, err
	}
	if r.kind == size {
		return weigh(dir, binary)
	}
	begun, busy := time.Now(), machineBusy()
	cpu, err := goBuild(dir, binary, "GOCACHE="+filepath.Join(room, "cache"))
	if err != nil {
		return result{}, err
	}
	s := spent{wall: time.Since(begun), cpu: cpu}
	s.others = max(0, (machineBusy()-busy-cpu).Seconds()/s.wall.Seconds())
	res := result{Ops: 1}
	res.spend(s)
	return res, nil
}

// programDir finds the source of an echo server.
func programDir(name string) (string, error) {
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/handfast-tcp/handfast/bench").Output()
	if err != nil {
		return "", fmt.Errorf("no source of the benchmark here: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "echo", name), nil
}

// goBuild builds a stripped program and returns the processor time that it
// took, all of its children's included.
func goBuild(dir, binary string, env ...string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildLimit)
	defer cancel()
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary)
	c.Dir = dir
	c.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS="), env...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	if err := c.Run(); err != nil {
		return 0, fmt.Errorf("go build: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return c.ProcessState.UserTime() + c.ProcessState.SystemTime(), nil
}

// weigh reads the size of a binary, how many modules are in it and how many
// lines go.sum has.
func weigh(dir, binary string) (result, error) {
	info, err := os.Stat(binary)
	if err != nil {
		return result{}, err
	}
	sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return result{}, err
	}
	deps, err := exec.Command("go", "version", "-m", binary).Output()
	if err != nil {
		return result{}, fmt.Errorf("go version -m: %w", err)
	}
	return result{Bytes: info.Size(), Sums: bytes.Count(sums, []byte("\n")), Modules: bytes.Count(deps, []byte("\n\tdep\t"))}, nil
}
