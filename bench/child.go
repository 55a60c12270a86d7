package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"
)

// spec is one case: what a child process is told to measure.
type spec struct {
	Row, Peer string
	Seconds   float64
	Seed      uint64 // of an emulated wire
	Profile   string `json:",omitempty"` // directory
}

// grace is how much longer than its window a child may take.
func (r row) grace() time.Duration {
	switch r.kind {
	case bulk, crr, pingpong, badWire:
		return 20 * time.Second
	case flood:
		return floodGrace + time.Minute
	case runBulk, runConnect, runPingPong:
		return 2 * time.Minute
	default:
		return 4 * time.Minute
	}
}

// runCase measures one case in a process of its own. It does not fail: what
// went wrong is in the result.
func runCase(s spec) result {
	res, err := startChild(s)
	res.Row, res.Peer = s.Row, s.Peer
	if err != nil {
		res.Err = err.Error()
	}
	return res
}

func startChild(s spec) (res result, err error) {
	arg, err := json.Marshal(s)
	if err != nil {
		return res, err
	}
	p, r, err := s.find()
	if err != nil {
		return res, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.grace()+time.Duration(s.Seconds*float64(time.Second)))
	defer cancel()
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(ctx, "/proc/self/exe", "-child", string(arg))
	c.Stdout, c.Stderr = &stdout, &stderr
	if p.privileged[r.path] {
		c.SysProcAttr = new(syscall.SysProcAttr)
		ownNamespace(c.SysProcAttr)
		if err := c.Start(); err != nil {
			return result{Skipped: fmt.Sprintf("no network namespace: %v", err)}, nil
		}
	} else if err := c.Start(); err != nil {
		return res, err
	}
	if err := c.Wait(); err != nil {
		return res, childError(ctx, err, stderr.String())
	}
	return res, json.Unmarshal(stdout.Bytes(), &res)
}

// childError says in one line why a child failed.
func childError(ctx context.Context, err error, stderr string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("hung: killed after its time")
	}
	line, _, _ := strings.Cut(strings.TrimSpace(stderr), "\n")
	if line == "" {
		return err
	}
	return fmt.Errorf("%s", line)
}

// find returns the peer and the row that s names.
func (s spec) find() (*peer, row, error) {
	p, err := findPeer(s.Peer)
	if err != nil {
		return nil, row{}, err
	}
	for _, r := range rows() {
		if r.name == s.Row {
			return p, r, nil
		}
	}
	return nil, row{}, fmt.Errorf("no row is called %q", s.Row)
}

// runChild measures the case that arg holds and prints the result as JSON. It
// ends the process without closing anything: what a peer does when it is torn
// down is not measured here.
func runChild(arg string) error {
	var s spec
	if err := json.Unmarshal([]byte(arg), &s); err != nil {
		return fmt.Errorf("-child: %w", err)
	}
	p, r, err := s.find()
	if err != nil {
		return err
	}
	if !r.measurable(p) {
		return fmt.Errorf("%s has no %s", p.name, r.name)
	}
	stop, err := startProfile(s)
	if err != nil {
		return err
	}
	res, err := measureCase(r, p, s.Seed, time.Duration(s.Seconds*float64(time.Second)))
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		res, err = result{Skipped: err.Error()}, nil
	}
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(res)
}

// measureCase does what a row asks of a peer.
func measureCase(r row, p *peer, seed uint64, window time.Duration) (result, error) {
	switch r.kind {
	case size, build:
		return measureBuild(r, p)
	case badWire:
		return measureWire(r, p, seed, window)
	case runBulk, runConnect, runPingPong:
		return measureBetween(r, p, window)
	case idleBoth:
		return measureBoth(r, p.attach[r.path])
	case idle, halfOpen, timeWait:
		return measureMemory(r, p)
	case flood:
		return measureFlood(r, p, window)
	}
	near, far, err := p.attach[r.path]()
	if err != nil {
		return result{}, fmt.Errorf("attach: %w", err)
	}
	return measure(r, near, far, window)
}

// startProfile begins a processor profile when s asks for one; stop ends it and
// writes what was allocated beside it.
func startProfile(s spec) (stop func() error, err error) {
	if s.Profile == "" {
		return func() error { return nil }, nil
	}
	base := filepath.Join(s.Profile, s.Row+"-"+s.Peer)
	cpu, err := os.Create(base + ".cpu")
	if err != nil {
		return nil, err
	}
	stop = func() error {
		pprof.StopCPUProfile()
		allocs, err := os.Create(base + ".allocs")
		if err != nil {
			return err
		}
		return errors.Join(pprof.Lookup("allocs").WriteTo(allocs, 0), allocs.Close(), cpu.Close())
	}
	return stop, pprof.StartCPUProfile(cpu)
}
