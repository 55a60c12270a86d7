package main

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
)

// attempt is a run of the tests of a package.
type attempt struct {
	pkg   string // folder
	test  string // one alone; empty: all
	short bool
}

// selection is which of its tests a run is of, as regular expressions: those that the first
// finds, without those that the second finds; empty: no matter.
type selection struct{ only, without string }

// named finds some tests.
func named(tests []string) string { return "^(" + strings.Join(tests, "|") + ")$" }

// run runs the tests of a build, for the mutant of a number, until one fails, or nothing
// has come to an end for as long as the limit.
func (a attempt) run(b *build, number int, limit time.Duration, which selection) (r result) {
	r.pkg, r.long = a.pkg, !a.short
	name, err := b.test(a.pkg)
	if err != nil {
		r.verdict, r.said = broken, err.Error()
		return r
	}
	if name == "" {
		return r
	}
	cmd := exec.Command(name, a.args(which)...)
	cmd.Dir = filepath.Join(b.top, filepath.FromSlash(a.pkg))
	cmd.Env = append(b.environment(), fmt.Sprint(variable, "=", number))
	out, err := cmd.StdoutPipe()
	cmd.Stderr = cmd.Stdout
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		r.verdict, r.said = broken, err.Error()
		return r
	}
	var seen reader
	stuck := seen.follow(out, limit, cmd.Process.Kill)
	if err := cmd.Wait(); err != nil || seen.verdict != survived {
		r.verdict, r.test, r.said = seen.outcome()
	}
	if stuck {
		r.verdict, r.test = hung, seen.running
	}
	r.quick, r.slowest = seen.quick, seen.slowest
	return r
}

// args are those of the test program.
func (a attempt) args(which selection) []string {
	args := []string{"-test.v", "-test.failfast", "-test.timeout=0"}
	if a.short {
		args = append(args, "-test.short")
	}
	if which.only != "" {
		args = append(args, "-test.run="+which.only)
	}
	if which.without != "" {
		args = append(args, "-test.skip="+which.without)
	}
	return args
}

// follow reads what a test program prints until it ends. It kills the program when there is
// nothing more to learn, or when it was silent for as long as the limit: then it is stuck.
func (r *reader) follow(out io.Reader, limit time.Duration, kill func() error) (stuck bool) {
	var silent atomic.Bool
	alarm := time.AfterFunc(limit, func() {
		silent.Store(true)
		kill()
	})
	defer alarm.Stop()
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		alarm.Reset(limit)
		if r.take(line) {
			kill()
		}
		if err != nil {
			return silent.Load()
		}
	}
}

// reader finds in what a test program prints which test failed first, or where it hung.
type reader struct {
	running string // the last that began
	verdict verdict
	test    string
	said    []string
	quick   []string // those that took little time
	slowest time.Duration
}

// littleTime is how long a test takes at most that is run before the others.
const littleTime = 200 * time.Millisecond

// enough is how much of what a test says is kept, in lines.
const enough = 40

var (
	failure = regexp.MustCompile(`^--- FAIL: (\w+)`)
	success = regexp.MustCompile(`^--- PASS: (\w+) \(([0-9.]+)s\)`)
)

// take takes a line, and reports whether what it says is the end of it.
func (r *reader) take(line string) (over bool) {
	line = strings.TrimSuffix(line, "\n")
	if name, ok := strings.CutPrefix(line, "=== RUN   "); ok {
		r.running, _, _ = strings.Cut(name, "/")
		r.said = r.said[:0]
		return false
	}
	if len(r.said) < enough {
		r.said = append(r.said, line)
	}
	if m := success.FindStringSubmatch(line); m != nil {
		took, err := time.ParseDuration(m[2] + "s")
		if r.slowest = max(r.slowest, took); err == nil && took < littleTime {
			r.quick = append(r.quick, m[1])
		}
	}
	m := failure.FindStringSubmatch(line)
	if m != nil && r.verdict == survived {
		r.verdict, r.test = failed, m[1]
		return true
	}
	return false
}

// outcome is for a program that has failed: when it has not said by which test, it was
// the one that ran.
func (r *reader) outcome() (v verdict, test, said string) {
	if r.verdict == survived {
		r.verdict, r.test = failed, r.running
	}
	return r.verdict, r.test, strings.Join(r.said, "\n")
}
