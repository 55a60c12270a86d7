//go:build linux

package handfast_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// glance is what a pool learns of a connection: by peeking, and by reading.
func glance(c tcpConn, recv func(fd int, p []byte) (int, error)) (said string) {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return "SyscallConn: " + identity(err)
	}
	err = raw.Read(func(fd uintptr) bool {
		n, err := recv(int(fd), make([]byte, 1))
		switch {
		case err != nil:
			said = err.Error()
		case n == 0:
			said = "end"
		default:
			said = "data"
		}
		return true
	})
	if err != nil {
		return "Read: " + identity(err)
	}
	return said
}

func peek(fd int, p []byte) (int, error) {
	n, _, err := syscall.Recvfrom(fd, p, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n, err
}

// The descriptor says what that of a kernel's connection says.
func TestDescriptorTellsTheTruth(t *testing.T) {
	scenarios := map[string]func(c, peer tcpConn){
		"idle":           func(c, peer tcpConn) {},
		"data":           func(c, peer tcpConn) { io.WriteString(peer, "x") },
		"ended":          func(c, peer tcpConn) { peer.Close() },
		"half-closed":    func(c, peer tcpConn) { peer.CloseWrite() },
		"data, then end": func(c, peer tcpConn) { io.WriteString(peer, "x"); peer.Close() },
		"reset":          func(c, peer tcpConn) { peer.SetLinger(0); peer.Close() },
		"read after":     func(c, peer tcpConn) { io.WriteString(peer, "x"); c.Read(make([]byte, 2)) },
		"CloseRead":      func(c, peer tcpConn) { c.CloseRead() },
		"CloseWrite":     func(c, peer tcpConn) { c.CloseWrite() },
		"closed":         func(c, peer tcpConn) { c.Close() },
		"past deadline":  func(c, peer tcpConn) { c.SetReadDeadline(time.Unix(1, 0)) },
	}
	for name, scenario := range scenarios {
		for how, recv := range map[string]func(int, []byte) (int, error){"peek": peek, "read": syscall.Read} {
			var said [2]string
			for i, w := range []*world{kernelWorld(), ourWorld(t)} {
				c, peer := w.pair(t)
				scenario(c, peer)
				if name != "idle" && name != "read after" && name != "CloseWrite" && name != "closed" && name != "past deadline" {
					awaitReadable(t, c)
				}
				said[i] = glance(c, recv)
			}
			if said[0] != said[1] {
				t.Errorf("%s, %s: the kernel's says %q, ours %q", name, how, said[0], said[1])
			}
		}
	}
}

// awaitReadable waits until there is something to read, without reading it.
func awaitReadable(t *testing.T, c tcpConn) {
	t.Helper()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err == nil {
		err = raw.Read(func(fd uintptr) bool {
			// The kernel reports a reset to one peek, not to a second.
			var set syscall.FdSet
			const bits = strconv.IntSize // of a word of the set
			set.Bits[fd/bits] |= 1 << (fd % bits)
			n, err := syscall.Select(int(fd)+1, &set, nil, nil, &syscall.Timeval{})
			return n > 0 && err == nil
		})
	}
	if err != nil {
		t.Error(err)
	}
}

// A function that wants more waits for a change, the deadline, or Close.
func TestDescriptorIsShownAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := newConns(t, handfast.Config{}, pipe.Options{})
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		shown := 0
		wait := func() error {
			return raw.Read(func(uintptr) bool { shown++; return false })
		}
		c.SetReadDeadline(time.Now().Add(time.Second))
		if err := wait(); !errors.Is(err, os.ErrDeadlineExceeded) || shown != 1 {
			t.Errorf("deadline: %v after %d times", err, shown)
		}
		c.SetReadDeadline(time.Time{})
		result := make(chan error)
		go func() { result <- wait() }()
		synctest.Wait()
		io.WriteString(peer, "x")
		synctest.Wait()
		if shown < 3 || shown > 5 {
			t.Errorf("shown %d times", shown)
		}
		c.Close()
		if err := <-result; !errors.Is(err, net.ErrClosed) {
			t.Error("closed:", err)
		}
		for _, err := range []error{raw.Control(nil), raw.Write(nil)} {
			var op *net.OpError
			if !errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &op) {
				t.Error("without a socket:", err)
			}
		}
	})
}

// No descriptor is held between the looks.
func TestDescriptorIsReturned(t *testing.T) {
	c, _ := newConns(t, handfast.Config{}, pipe.Options{})
	count := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(all)
	}
	glance(c, peek)
	before := count()
	for range 100 {
		glance(c, peek)
	}
	if n := count(); n > before {
		t.Errorf("%d descriptors before, %d after", before, n)
	}
}
