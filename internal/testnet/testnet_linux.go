package testnet

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// inside is set in the process that has the namespace.
const inside = "HANDFAST_TESTNET"

// refusal says why there is no namespace.
var refusal error

// Main runs the tests of m in a new network namespace, and in a new user
// namespace too for a user other than root. Call it from TestMain. Where the kernel
// refuses, the tests run here, and those that call Need are skipped.
func Main(m *testing.M) {
	if os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	command := exec.Command("/proc/self/exe", os.Args[1:]...)
	command.Args[0] = os.Args[0]
	command.Env = append(os.Environ(), inside+"=1")
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.SysProcAttr = namespaces()
	if err := command.Start(); err != nil {
		refusal = fmt.Errorf("no network namespace: %w", err)
		os.Exit(m.Run())
	}
	err := command.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		os.Exit(max(exit.ExitCode(), 1))
	}
	os.Exit(0)
}

func namespaces() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	return a
}

// Need skips the test when it has no network of its own.
func Need(t testing.TB) {
	t.Helper()
	if refusal != nil {
		t.Skip(refusal)
	}
}
