//go:build unix && !aix && !solaris

package descriptor

import (
	"errors"
	"syscall"
	"testing"
)

// A pool peeks at an idle connection with recv(2) before it uses it again. Each
// prospect must look there as it does on a kernel's connection.
func TestShowAnswersPeeks(t *testing.T) {
	for _, c := range []struct {
		prospect Prospect
		n        int
		err      error
	}{
		{Nothing, -1, syscall.EAGAIN},
		{DataWaits, 1, nil},
		{StreamEnded, 0, nil},
		{Broken, -1, syscall.ECONNRESET},
	} {
		var n int
		var err error
		enough, failed := Show(c.prospect, func(fd uintptr) bool {
			n, _, err = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
			return true
		})
		if failed != nil || !enough {
			t.Fatalf("prospect %d: %v, %v", c.prospect, enough, failed)
		}
		if n != c.n || !errors.Is(err, c.err) {
			t.Errorf("prospect %d: recv says %d, %v; want %d, %v", c.prospect, n, err, c.n, c.err)
		}
	}
}

// The descriptor and its other end are closed when f returns, whatever it
// returns: a pool that looks at each connection would use up all descriptors.
func TestShowClosesDescriptors(t *testing.T) {
	first := descriptorOf(t, Nothing, false)
	for range 50 {
		for p := Nothing; p <= Broken; p++ {
			for _, answer := range []bool{false, true} {
				if fd := descriptorOf(t, p, answer); fd > first+8 {
					t.Fatalf("prospect %d: descriptor %d after %d: the ones before were not closed", p, fd, first)
				}
			}
		}
	}
}

// descriptorOf returns the number of the descriptor that f sees, and holds Show to
// returning what f returns.
func descriptorOf(t *testing.T, p Prospect, answer bool) (fd uintptr) {
	t.Helper()
	enough, err := Show(p, func(seen uintptr) bool { fd = seen; return answer })
	if err != nil || enough != answer {
		t.Fatalf("prospect %d: %v, %v; f returned %v", p, enough, err, answer)
	}
	return fd
}
