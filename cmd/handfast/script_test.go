package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/handfast-tcp/handfast/inspect"
)

// isolatedVariable says that the tests run in a network namespace of their own.
const isolatedVariable = "HANDFAST_TEST_NAMESPACE"

// A program with the race detector waits a second at its end, so that others
// may still be caught. Of the scripts' two hundred programs none needs that.
const (
	raceVariable = "GORACE"
	noPause      = "atexit_sleep_ms=0 "
)

// TestMain runs the tests again in a network namespace, where that is
// allowed: the scripts make devices and addresses.
func TestMain(m *testing.M) {
	os.Setenv(raceVariable, noPause+os.Getenv(raceVariable)) // what stands later counts
	if filepath.Base(os.Args[0]) != "handfast" && os.Getenv(isolatedVariable) == "" {
		if code, err := isolateTests(); err == nil {
			os.Exit(code)
		}
	}
	if os.Getenv(isolatedVariable) != "" {
		raiseLoopback() // a test that needs it says so when it is not there
	}
	flag.Set("test.parallel", "8") // a script waits more than it computes; what -parallel says counts
	testscript.Main(m, otherPrograms)
}

// otherPrograms are what this test program is under other names.
var otherPrograms = map[string]func(){"handfast": main, "kernel-listener": kernelListener, "quic-client": quicClient}

// The scripts in testdata/cli need nothing; those in testdata/kernel need a
// network namespace, and perhaps a TUN.
func TestCommandLine(t *testing.T) { runScripts(t, "testdata/cli") }
func TestKernel(t *testing.T)      { runScripts(t, "testdata/kernel") }

func runScripts(t *testing.T, dir string) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:       dir,
		Condition: condition,
		Setup:     setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status, "wholelife": wholelife, "random": random, "start": start, "awaits": awaits, "signal": sendSignal, "ended": ended,
			"until": until, "chinese": chinese,
		},
	})
}

// condition knows [netns] and [tun].
func condition(c string) (bool, error) {
	isolated := os.Getenv(isolatedVariable) != ""
	switch c {
	case "netns":
		return isolated, nil
	case "tun":
		f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
		if err == nil {
			f.Close()
		}
		return err == nil && isolated, nil
	}
	return false, errors.New("unknown condition " + c)
}

// setup gives scripts the size of their transfers: HANDFAST_SIZE, or a small one;
// and a place for control sockets.
func setup(e *testscript.Env) error {
	size := os.Getenv("HANDFAST_SIZE")
	if size == "" {
		size = "8MiB"
	}
	e.Setenv("SIZE", size)
	e.Setenv(raceVariable, os.Getenv(raceVariable))
	e.Setenv(inspect.PlaceVariable, filepath.Join(e.WorkDir, ".run")) // a script sees its own programs only
	e.Values[runningKey{}] = running{}
	return nil
}
