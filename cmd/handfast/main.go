// Command handfast shows Handfast at work: TCP outside the kernel, spoken to by
// programs on the kernel's own TCP.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/sandbox"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1 // what was asked for did not work
	exitUsage   = 2 // what was asked for makes no sense

	exitNotFound      = 127 // as a shell says it of a command that is not there
	exitNotExecutable = 126 // and of one that cannot be run
	exitInterrupted   = 130 // as a shell says it of SIGINT
)

func main() {
	sandbox.Enter() // is a program of run's from here on, if it is to be one
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run runs the command line and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	var usage usageError
	var inner exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &inner):
		return int(inner)
	case errors.As(err, &usage):
		tell(cmd, stderr, usage.error)
		terminalOf(cmd, stderr).printf(seeHelp, cmd.CommandPath())
		return exitUsage
	}
	tell(cmd, stderr, err)
	return exitFailure
}

var seeHelp = say.Text{"Run '%s --help' to see what it takes.\n", "运行 '%s --help' 查看用法。\n"}

// tell says what went wrong.
func tell(cmd *cobra.Command, stderr io.Writer, err error) {
	t := terminalOf(cmd, stderr)
	t.printf(say.All("handfast: %s\n"), say.Error(err, t.lang))
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usagef makes a usageError.
func usagef(format say.Text, args ...any) error { return usageError{say.Errorf(format, args...)} }

// exitError ends the program with a code; everything has been said already.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }
