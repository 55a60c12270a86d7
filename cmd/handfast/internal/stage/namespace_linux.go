package stage

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// insideVariable is set in the environment of the program that InNamespace
// starts.
const insideVariable = "HANDFAST_NAMESPACE"

// Inside reports whether this process has a network namespace of its own.
func Inside() bool { return os.Getenv(insideVariable) != "" }

// InNamespace runs this program again, with the same command line, in a new
// network namespace in which it may do everything. The namespace, and all
// devices in it, goes when the program ends, in whatever way. What is open in files
// is open there, too: see Inherited. err says that there can be no such namespace.
func InNamespace(files ...*os.File) (code int, err error) {
	code, err = RunIsolated(insideVariable, files...)
	if err != nil {
		return 0, say.Errorf(say.Text{"no network namespace: %w%s", "没有网络命名空间：%w%s"}, err, Advice(err))
	}
	return code, nil
}

// RunIsolated runs this program again in a new network namespace, with the
// variable mark set, and returns its exit code, or why there is no namespace.
func RunIsolated(mark string, files ...*os.File) (code int, err error) {
	for _, flags := range NamespaceFlags() {
		if code, err = runIsolated(flags, mark, files); err == nil {
			return code, nil
		}
	}
	return 0, err
}

// Advice says what can be done about a namespace that was refused.
func Advice(err error) say.Text {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return say.Text{"\ntheir number is limited: sysctl user.max_user_namespaces user.max_net_namespaces user.max_pid_namespaces",
			"\n其数目有上限：sysctl user.max_user_namespaces user.max_net_namespaces user.max_pid_namespaces"}
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return say.Text{"\nordinary users may not have one here: run it with sudo, or see sysctl kernel.unprivileged_userns_clone" +
			"\nand kernel.apparmor_restrict_unprivileged_userns; in a container: --cap-add SYS_ADMIN --cap-add NET_ADMIN",
			"\n这里不允许普通用户使用：请用 sudo 运行，或查看 sysctl kernel.unprivileged_userns_clone" +
				"\n和 kernel.apparmor_restrict_unprivileged_userns；在容器里：--cap-add SYS_ADMIN --cap-add NET_ADMIN"}
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOSYS):
		return say.Text{"\nthis kernel is built without namespaces", "\n此内核编译时没有启用命名空间"}
	}
	return say.Text{}
}

// NamespaceFlags returns the ways to a namespace, the best first. An ordinary
// user may make a network namespace only in a user namespace.
func NamespaceFlags() []uintptr {
	user := uintptr(syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET)
	if os.Geteuid() == 0 {
		return []uintptr{syscall.CLONE_NEWNET, user}
	}
	return []uintptr{user}
}

// runIsolated runs this program in new namespaces, with the variable mark set.
func runIsolated(flags uintptr, mark string, files []*os.File) (code int, err error) {
	// The child is killed when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = files
	cmd.Env = append(os.Environ(), mark+"=1")
	// In a process group of its own: a terminal's Ctrl-C comes to us alone, and is passed
	// on once. Twice it would end the child before it has cleaned up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if flags&syscall.CLONE_NEWUSER != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGTSTP)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err // that it was fork and exec tells the user nothing
		}
		return 0, err
	}
	stop := make(chan struct{})
	defer close(stop)
	go forward(signals, cmd.Process, stop)
	return ExitCode(cmd.Wait())
}

// forward passes signals on until stop is closed.
func forward(signals <-chan os.Signal, to *os.Process, stop <-chan struct{}) {
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGTSTP { // Ctrl-Z: both stop, and both go on
				to.Signal(syscall.SIGSTOP)
				syscall.Kill(syscall.Getpid(), syscall.SIGSTOP)
				s = syscall.SIGCONT
			}
			to.Signal(s) // it may be gone already
		case <-stop:
			return
		}
	}
}

// ExitCode is what a shell would say: the code, or 128 and the signal.
func ExitCode(err error) (int, error) {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 0, err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}
