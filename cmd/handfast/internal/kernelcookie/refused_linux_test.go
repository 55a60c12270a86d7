package kernelcookie

import (
	"errors"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/compiled"
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

// The object file is what its source is compiled to.
func TestObjectIsOfItsSource(t *testing.T) { compiled.Check(t, "bpf/cookie.o", object) }
