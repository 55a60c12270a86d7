package sandbox

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/packet"
	"github.com/handfast-tcp/handfast/link/tun"
)

// orders is what the inside is told, in the variable of its environment.
type orders struct {
	Options
	Path string   // of the program
	Args []string // its command line
}

// variable is set in the environment of the process inside.
const variable = "HANDFAST_SANDBOX"

// Sandbox is a program that is about to run, or runs.
type Sandbox struct {
	Device link.Link // carries what the program sends and gets
	Kind   string    // of device: tun or packet

	cmd     *exec.Cmd
	channel *net.UnixConn // to the inside; closed when the program may begin
	signals chan os.Signal

	foreground bool // the terminal was ours when we began
}

// Start makes the namespaces and the device. The program begins with Release. The
// caller must not move to another thread until Wait returns (runtime.LockOSThread):
// the program is killed when the thread that started it ends.
func Start(args []string, o Options) (*Sandbox, error) {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(orders{o, path, args})
	if err != nil {
		return nil, err
	}
	for _, flags := range stage.NamespaceFlags() {
		var s *Sandbox
		if s, err = start(string(text), flags|syscall.CLONE_NEWNS|syscall.CLONE_NEWPID); err == nil {
			return s, s.receive(o.MTU)
		}
	}
	return nil, say.Errorf(say.Text{"no network namespace: %w%s", "没有网络命名空间：%w%s"}, err, stage.Advice(err))
}

// start starts this program once more, inside, where it calls Enter.
func start(text string, flags uintptr) (*Sandbox, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), variable+"="+text)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	if flags&syscall.CLONE_NEWUSER != 0 {
		// The program is who it was. What the inside may do, it may by these.
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_SYS_ADMIN}
	}
	s := &Sandbox{cmd: cmd, channel: ours, signals: make(chan os.Signal, 16), foreground: inForeground()}
	catch(s.signals)
	if err := cmd.Start(); err != nil {
		s.stop()
		var at *os.PathError
		if errors.As(err, &at) {
			err = at.Err // that it was fork and exec tells the user nothing
		}
		return nil, err
	}
	return s, nil
}

func socketPair() (ours *net.UnixConn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	f := os.NewFile(uintptr(fds[0]), "inside")
	defer f.Close()
	theirs = os.NewFile(uintptr(fds[1]), "outside")
	c, err := net.FileConn(f)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return c.(*net.UnixConn), theirs, nil
}

// receive takes the device that the inside has made.
func (s *Sandbox) receive(mtu int) error {
	text, rights := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := s.channel.ReadMsgUnix(text, rights)
	var what found
	if err == nil {
		err = json.Unmarshal(text[:n], &what)
	}
	if err == nil && what.Error != "" {
		err = errors.New(what.Error)
	}
	var f *os.File
	if err == nil {
		f, err = passedFile(rights[:m])
	}
	if err == nil {
		defer f.Close()
		s.Kind = what.Kind
		if what.Kind == "tun" {
			s.Device, err = tun.FromFile(f, tun.Options{MTU: mtu})
		} else {
			s.Device, err = packet.FromFile(f, packet.Options{Name: what.Name, HardwareAddr: what.HardwareAddr, MTU: mtu})
		}
	}
	if err != nil {
		s.stop()
		s.cmd.Wait()
		return say.Errorf(say.Text{"the network of the program: %w", "程序的网络：%w"}, err)
	}
	return nil
}

// passedFile takes the descriptor that came beside a message: the device lies in the other
// network namespace, and this is the only way to it.
func passedFile(rights []byte) (*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) != 1 {
		return nil, say.Errorf(say.Text{"no device came: %w", "没有收到设备：%w"}, err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, say.Errorf(say.Text{"no device came: %w", "没有收到设备：%w"}, err)
	}
	unix.CloseOnExec(fds[0])
	return os.NewFile(uintptr(fds[0]), "device"), nil
}

// Release lets the program begin.
func (s *Sandbox) Release() error {
	_, err := s.channel.Write([]byte{1})
	return err
}

// passedOn are the signals that the program gets when we do. Of those that a terminal
// sends to all in the foreground it has its own already.
var passedOn = []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}

// catch has the signals that are passed on come to c. Those that are ignored, as by
// nohup, stay so, for the program too.
func catch(c chan<- os.Signal) {
	for _, n := range passedOn {
		if !signal.Ignored(n) {
			signal.Notify(c, n)
		}
	}
}

// Wait waits until the program has ended, with all that it has started, and returns
// its exit code: as a shell says it, 128 and the signal when one ended it.
func (s *Sandbox) Wait() (code int, err error) {
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case n := <-s.signals:
				if !fromTerminal(n) {
					s.cmd.Process.Signal(n) // it may be gone already
				}
			case <-stop:
				return
			}
		}
	}()
	// The first process of a PID namespace is who we wait for: with it the kernel ends all that
	// is still inside.
	err = s.cmd.Wait()
	close(stop)
	s.stop()
	s.takeTerminal()
	runtime.KeepAlive(s)
	return stage.ExitCode(err)
}

// fromTerminal reports whether the program has got this signal already, from its terminal: a
// second one would be a second Ctrl-C.
func fromTerminal(n os.Signal) bool {
	return (n == syscall.SIGINT || n == syscall.SIGQUIT) && inForeground()
}

// inForeground reports whether standard input is a terminal that is ours.
func inForeground() bool {
	foreground, err := unix.IoctlGetUint32(0, unix.TIOCGPGRP) // a pid_t: an int would be read in part
	return err == nil && int(foreground) == unix.Getpgrp()
}

// takeTerminal makes the terminal ours again, if it was. A shell inside has taken it for
// its jobs, and cannot give it back: our group has no number there.
func (s *Sandbox) takeTerminal() {
	if s.foreground && !inForeground() {
		signal.Ignore(syscall.SIGTTOU) // or asking from the background would stop us
		unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, unix.Getpgrp())
		signal.Reset(syscall.SIGTTOU)
	}
}

func (s *Sandbox) stop() {
	signal.Stop(s.signals)
	s.channel.Close()
}
