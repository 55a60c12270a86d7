package sandbox

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// runProgram starts the program and returns its exit code, as a shell says it. This
// process is the first one of its PID namespace: when it ends, and it does so with
// handfast, the kernel kills all that the program has started, also what has left the
// session.
func (o *orders) runProgram() int {
	signals := make(chan os.Signal, 16)
	catch(signals)
	pid, _, err := syscall.StartProcess(o.Path, o.Args, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		fmt.Fprintf(os.Stderr, "handfast: %s: %v\n", o.Path, err)
		return 126
	}
	// What a terminal sends to all in the foreground the program gets without us. So
	// what comes here is for it.
	unix.Setpgid(0, 0)
	go func() {
		for s := range signals {
			syscall.Kill(pid, s.(syscall.Signal))
		}
	}()
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil) // also orphans are ours
		switch {
		case err != nil && err != syscall.EINTR:
			fmt.Fprintf(os.Stderr, "handfast: wait for %s: %v\n", o.Path, err)
			return 1
		case ended != pid:
		case status.Signaled():
			return 128 + int(status.Signal())
		case status.Exited():
			return status.ExitStatus()
		}
	}
}
