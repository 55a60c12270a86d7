package kernelcookie

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/story"
)

// Without rights the error says so, in both languages, and nothing is attached.
func TestWithoutRights(t *testing.T) {
	s := newSide(t, false)
	keys, err := s.ring.Keys(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan error)
	go func() {
		runtime.LockOSThread() // which ends with the goroutine: nobody gets it back
		const nobody = 65534
		if _, _, e := syscall.RawSyscall(syscall.SYS_SETRESUID, nobody, nobody, nobody); e != 0 {
			refused <- e
			return
		}
		a, err := Arm(Options{Device: deviceName, Listen: s.listen, Always: true}, keys)
		if err == nil {
			a.Close()
		}
		refused <- err
	}()
	err = <-refused
	if !errors.Is(err, syscall.EPERM) || !strings.Contains(err.Error(), "needs root") {
		t.Errorf("%v", err)
	}
	if zh := say.Error(err, story.Chinese); !strings.Contains(zh, "需要 root") {
		t.Error(zh)
	}
	if n := attached(t); n != 0 {
		t.Errorf("%d programs are attached", n)
	}
}

// A device that is not there is named.
func TestNoDevice(t *testing.T) {
	if _, err := Arm(Options{Device: "hfnone"}, tcp.CookieKeys{}); err == nil || !strings.Contains(err.Error(), "hfnone") {
		t.Error(err)
	}
}

// madeBy is the compiler of cookie.o; another one makes other code.
const madeBy = "clang version 14.0.6"

// The object file is what its source is compiled to.
func TestObjectIsOfItsSource(t *testing.T) {
	for _, tool := range []string{"clang", "llvm-strip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	if out, err := exec.Command("clang", "--version").Output(); err != nil || !strings.Contains(string(out), madeBy) {
		t.Skipf("%v: %s is not %s", err, bytes.TrimSpace(out), madeBy)
	}
	made, err := filepath.Abs(filepath.Join(t.TempDir(), "cookie.o"))
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for line := range strings.Lines(string(text)) {
		line, ok := strings.CutPrefix(line, "//go:generate ")
		if !ok {
			continue
		}
		commands++
		words := strings.Fields(strings.NewReplacer("${PWD}", here, "bpf/cookie.o", made).Replace(line))
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", words, err, out)
		}
	}
	got, err := os.ReadFile(made)
	if err != nil || commands != 2 || !bytes.Equal(got, object) {
		t.Errorf("%v, %d commands: bpf/cookie.o is not what its source is compiled to: go generate", err, commands)
	}
}
