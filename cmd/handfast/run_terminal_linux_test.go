package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// typist is somebody at a terminal with a shell.
type typist struct {
	*testing.T
	terminal *os.File
	seen     []byte
	more     chan []byte
}

// newTypist is who runs a command like this one.
func newTypist(t *testing.T, like *exec.Cmd) *typist {
	t.Helper()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	n, err := unix.IoctlGetUint32(int(terminal.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(terminal.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Skip(err)
	}
	far, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer far.Close()
	cmd := exec.Command("bash", "--norc", "--noprofile", "-i")
	cmd.Env, cmd.Dir = append(like.Env, "PS1=prompt> ", "TERM=dumb"), like.Dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = far, far, far
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if like.SysProcAttr != nil {
		cmd.SysProcAttr.Credential = like.SysProcAttr.Credential
	}
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	y := &typist{T: t, terminal: terminal, more: make(chan []byte)}
	go y.watch()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		terminal.Close()
	})
	return y
}

func (y *typist) watch() {
	defer close(y.more)
	for {
		p := make([]byte, 4096)
		n, err := y.terminal.Read(p)
		if err != nil {
			return
		}
		y.more <- p[:n]
	}
}

func (y *typist) types(text string) {
	y.Helper()
	if _, err := y.terminal.WriteString(text); err != nil {
		y.Fatal(err)
	}
}

// awaits waits until the screen shows text behind what was awaited before.
func (y *typist) awaits(text string) {
	y.Helper()
	for end := time.After(untilLimit); ; {
		if _, rest, ok := bytes.Cut(y.seen, []byte(text)); ok {
			y.seen = rest
			return
		}
		select {
		case p, ok := <-y.more:
			if !ok {
				y.Fatalf("the terminal is gone; it shows %q", y.seen)
			}
			y.seen = append(y.seen, p...)
		case <-end:
			y.Fatalf("no %q; the terminal shows %q", text, y.seen)
		}
	}
}

// At a terminal a command is interrupted, stopped and goes on as without handfast, and
// the terminal is the shell's again at the end, also when the command was a shell.
func TestRunAtATerminal(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
	program := publicCopy(t)
	eachWay(t, func(t *testing.T, run runner) {
		cmd := run("--summary=false", "--")
		y := newTypist(t, cmd)
		y.awaits("prompt> ")
		y.types("run() { " + program + " " + strings.Join(cmd.Args[1:], " ") + " \"$@\"; }; stty -echo\n")
		y.awaits("prompt> ")

		y.types("run sh -c 'trap \"echo in\"\"terrupted; exit 5\" INT; echo be\"\"gun; while :; do sleep 0.1; done'; echo code $?\n")
		y.awaits("begun")
		y.types("\x03")
		y.awaits("interrupted")
		y.awaits("code 5")

		y.types("run sh -c 'echo be\"\"gun; while :; do sleep 0.1; echo ti\"\"ck; done'\n")
		y.awaits("begun")
		y.awaits("tick")
		y.types("\x1a")
		y.awaits("Stopped")
		y.awaits("prompt> ")
		y.types("fg\n")
		y.awaits("tick")
		y.types("\x03")
		y.awaits("prompt> ")

		y.types("run bash --norc --noprofile -i; read line; echo line is $line\n")
		y.awaits("prompt> ")
		y.types("sh -c 'echo sle\"\"eps; exec sleep 1000'\n")
		y.awaits("sleeps")
		y.types("\x03")
		y.awaits("prompt> ")
		y.types("exit\n")
		y.awaits("exit")
		y.types("hello\n")
		y.awaits("line is hello")
	})
}
