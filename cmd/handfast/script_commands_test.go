package main

import (
	"bufio"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/handfast-tcp/handfast/inspect"
)

// status is "status CODE COMMAND…": the command must end with that code.
func status(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d (%v)", code, want, err)
	}
}

// wholeLife is what a ladder must show of both ends, in this order from the top
// on. The client closes first; whether our ACK of its FIN is a segment of its
// own decides if the kernel is seen in FIN-WAIT-2.
var wholeLife = []string{
	`SYN-SENT ●`, `── \[S\] seq 0 win`, `● SYN-RECEIVED`, `◀─ \[S\.\] seq 0 ack 1`, `\[\.\] seq 1 ack 1 win`, `● ESTABLISHED`,
	`FIN-WAIT-1 ●`, `── \[P?F\.\]|── \[FP?\.\]`, `● CLOSE-WAIT`, `● LAST-ACK`, `◀─ \[FP?\.\]`, `── \[\.\]`, `● CLOSED`,
}

// wholelife is "wholelife": the last command has drawn a connection from its
// first to its last segment, and the kernel's states are there.
func wholelife(ts *testscript.TestScript, _ bool, _ []string) {
	out := ts.ReadFile("stdout")
	at := 0
	for _, pattern := range wholeLife {
		found := regexp.MustCompile(pattern).FindStringIndex(out[at:])
		if found == nil {
			ts.Fatalf("no %q after the line %q", pattern, lastLine(out[:at]))
		}
		at += found[1]
	}
	for _, state := range []string{"ESTABLISHED ●", "TIME-WAIT ●"} {
		if !strings.Contains(out, state) {
			ts.Fatalf("no %q", state)
		}
	}
}

func lastLine(s string) string { return s[strings.LastIndexByte(s, '\n')+1:] }

// random is "random FILE SIZE": it makes a file of random bytes.
func random(ts *testscript.TestScript, _ bool, args []string) {
	var size byteSize
	ts.Check(size.Set(args[1]))
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = io.Copy(f, io.LimitReader(rand.NewChaCha8([32]byte{byte(rand.Uint32())}), int64(size)))
	ts.Check(errors.Join(err, f.Close()))
}

// background is a program that runs beside a script.
type background struct {
	cmd    *exec.Cmd
	pipe   io.Closer     // of output
	output *bufio.Reader // standard output and errors
	seen   strings.Builder
}

// limit ends the reading of output, if it is not stopped before: no script waits
// forever.
func (b *background) limit() (stop func() bool) {
	return time.AfterFunc(untilLimit, func() { b.cmd.Process.Kill(); b.pipe.Close() }).Stop
}

// line reads the next line of output.
func (b *background) line() (string, error) {
	line, err := b.output.ReadString('\n')
	b.seen.WriteString(line)
	return line, err
}

// running is what a script has started, by name.
type running map[string]*background

type runningKey struct{}

func programs(ts *testscript.TestScript) running { return ts.Value(runningKey{}).(running) }

// start is "start NAME PATTERN COMMAND…": it starts a program and waits until a
// line of its output matches.
func start(ts *testscript.TestScript, _ bool, args []string) {
	path, err := exec.LookPath(args[2])
	ts.Check(err)
	b := &background{cmd: exec.Command(path, args[3:]...)}
	b.cmd.Args[0] = args[2]
	b.cmd.Dir = ts.Getenv("WORK")
	b.cmd.Env = append(os.Environ(), inspect.PlaceVariable+"="+ts.Getenv(inspect.PlaceVariable))
	out, err := b.cmd.StdoutPipe()
	ts.Check(err)
	b.cmd.Stderr = b.cmd.Stdout
	b.pipe, b.output = out, bufio.NewReader(out)
	ts.Check(b.cmd.Start())
	ts.Defer(func() { b.cmd.Process.Kill() })
	programs(ts)[args[0]] = b
	awaits(ts, false, args[:2])
}

// awaits is "awaits NAME PATTERN": it waits until a line of the output matches.
func awaits(ts *testscript.TestScript, _ bool, args []string) {
	b := programs(ts)[args[0]]
	defer b.limit()()
	for pattern := regexp.MustCompile(args[1]); ; {
		line, err := b.line()
		if err != nil {
			ts.Fatalf("%s: no %q, then %v: %s", args[0], args[1], err, b.seen.String())
		}
		if pattern.MatchString(line) {
			return
		}
	}
}

// The time that until, and each wait for a program, takes at most, which is for what
// never comes, however busy the machine is; and between two tries.
const (
	untilLimit = 5 * time.Minute
	untilPause = 50 * time.Millisecond
)

// until is "until PATTERN COMMAND…": it runs a command again and again until it
// succeeds and a line of what it prints matches. What another program, or the
// kernel, does in its own time has no other moment to wait for.
func until(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile("(?m)" + args[0])
	for began := time.Now(); time.Since(began) < untilLimit; time.Sleep(untilPause) {
		if err := ts.Exec(args[1], args[2:]...); err == nil && pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("no %q in %v", args[0], untilLimit)
}

var signals = map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}

// sendSignal is "signal NAME SIGNAL".
func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(programs(ts)[args[0]].cmd.Process.Signal(signals[args[1]]))
}

// ended is "ended NAME CODE [PATTERN]": it waits for a program's end; what it
// wrote must match.
func ended(ts *testscript.TestScript, _ bool, args []string) {
	b := programs(ts)[args[0]]
	defer b.limit()()
	for err := error(nil); err == nil; {
		_, err = b.line()
	}
	b.cmd.Wait() // its code is looked at next
	if code := strconv.Itoa(b.cmd.ProcessState.ExitCode()); code != args[1] {
		ts.Fatalf("%s ended with code %s, not %s: %s", args[0], code, args[1], b.seen.String())
	}
	if len(args) > 2 && !regexp.MustCompile(args[2]).MatchString(b.seen.String()) {
		ts.Fatalf("%s wrote: %s", args[0], b.seen.String())
	}
}
