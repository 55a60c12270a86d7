//go:build linux

package handfast_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// optionConn is what a connection of ours has of the socket options that package net does
// not know.
type optionConn interface {
	tcpConn
	SetCork(bool) error
	SetQuickAck(bool) error
	SetNotSentLowat(int) error
	SetTOS(int) error
	SetTTL(int) error
	WriteMore([]byte) (int, error)
	Peek([]byte) (int, error)
	Queued() (in, out, notSent int, err error)
}

// withOptions returns c with them, by setsockopt(2) and its like where it is the kernel's.
func withOptions(c tcpConn) optionConn {
	if c, ok := c.(*net.TCPConn); ok {
		return kernelConn{c}
	}
	return c.(optionConn)
}

type kernelConn struct{ *net.TCPConn }

// with calls f with the socket.
func (c kernelConn) with(op, call string, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	if failed := raw.Control(func(fd uintptr) { err = f(int(fd)) }); failed != nil {
		return failed
	}
	if err != nil {
		err = &net.OpError{Op: op, Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(call, err)}
	}
	return err
}

func (c kernelConn) set(level, option, value int) error {
	return c.with("set", "setsockopt", func(fd int) error { return unix.SetsockoptInt(fd, level, option, value) })
}

func number(on bool) int {
	if on {
		return 1
	}
	return 0
}

func (c kernelConn) SetCork(on bool) error { return c.set(unix.SOL_TCP, unix.TCP_CORK, number(on)) }
func (c kernelConn) SetQuickAck(on bool) error {
	return c.set(unix.SOL_TCP, unix.TCP_QUICKACK, number(on))
}
func (c kernelConn) SetNotSentLowat(n int) error {
	return c.set(unix.SOL_TCP, unix.TCP_NOTSENT_LOWAT, n)
}
func (c kernelConn) SetTOS(n int) error { return c.set(unix.SOL_IP, unix.IP_TOS, n) }
func (c kernelConn) SetTTL(n int) error { return c.set(unix.SOL_IP, unix.IP_TTL, n) }

func (c kernelConn) WriteMore(p []byte) (n int, err error) {
	err = c.with("write", "write", func(fd int) error {
		n, err = unix.SendmsgN(fd, p, nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL)
		return err
	})
	return n, err
}

func (c kernelConn) Peek(p []byte) (n int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	failed := raw.Read(func(fd uintptr) bool {
		n, _, err = unix.Recvfrom(int(fd), p, unix.MSG_PEEK)
		return !errors.Is(err, syscall.EAGAIN)
	})
	return max(n, 0), errors.Join(failed, err)
}

func (c kernelConn) Queued() (in, out, notSent int, err error) {
	err = c.with("set", "ioctl", func(fd int) error {
		for _, q := range []struct {
			request int
			n       *int
		}{{unix.SIOCINQ, &in}, {unix.SIOCOUTQ, &out}, {0x894b, &notSent}} { // the last is SIOCOUTQNSD
			// The kernel writes 32 bits, which are the upper ones of an int in the other byte order.
			n, err := unix.IoctlGetUint32(fd, uint(q.request))
			switch {
			case q.n == &notSent && errors.Is(err, unix.ENOSYS): // QEMU does not know it; where it matters nothing is out
				n = uint32(out)
			case err != nil:
				return err
			}
			*q.n = int(n)
		}
		return nil
	})
	return in, out, notSent, err
}

// queued waits until all that was written is acknowledged, for a minute, and says what waits then.
func queued(c optionConn) func() (any, error) {
	return func() (any, error) {
		for begun := time.Now(); ; {
			in, out, notSent, err := c.Queued()
			if err != nil || out == 0 || time.Since(begun) > time.Minute {
				return [3]int{in, out, notSent}, err
			}
			time.Sleep(time.Millisecond)
		}
	}
}

func shown(c optionConn, n int) func() (any, error) {
	return func() (any, error) {
		p := make([]byte, n)
		n, err := c.Peek(p)
		return string(p[:n]), err
	}
}

var optionScripts = []script{
	{name: "socket options", run: func(t *testing.T, w *world) {
		a, b := w.pair(t)
		c, s := withOptions(a), withOptions(b)
		for _, n := range []int{-2, -1, 0, 1, 255, 256} {
			w.do(fmt.Sprint("TTL ", n), errorOf(func() error { return c.SetTTL(n) }))
		}
		w.do("TOS 0", errorOf(func() error { return c.SetTOS(0) }))
		w.do("TOS 255", errorOf(func() error { return c.SetTOS(255) }))
		w.do("TOS 256", errorOf(func() error { return c.SetTOS(256) }))
		for _, n := range []int{0, 1, 1 << 20} {
			w.do("SetNotSentLowat", errorOf(func() error { return c.SetNotSentLowat(n) }))
			w.do("Write with it", write(c, "x"))
			w.do("Read of that", read(s, 1))
		}
		w.do("SetQuickAck", errorOf(func() error { return c.SetQuickAck(true) }))
		w.do("not any more", errorOf(func() error { return c.SetQuickAck(false) }))
		w.do("Close", errorOf(c.Close))
		w.do("SetTTL of what is closed", errorOf(func() error {
			if err := c.SetTTL(1); !errors.Is(err, net.ErrClosed) {
				return err
			}
			return nil
		}))
	}, differ: map[string]difference{
		"TOS 256": {"<nil>, <nil>", "invalid argument", "IP_TOS takes the lowest octet of any number, IPV6_TCLASS refuses it, and so do we"},
	}},
	{name: "cork and more", run: func(t *testing.T, w *world) {
		a, b := w.pair(t)
		c, s := withOptions(a), withOptions(b)
		w.do("SetCork", errorOf(func() error { return c.SetCork(true) }))
		w.do("Write with it", write(c, "a"))
		w.do("Write again", write(c, "b"))
		w.do("SetCork, off", errorOf(func() error { return c.SetCork(false) }))
		w.do("Read all", func() (any, error) { return readFull(s, 2) })
		w.do("WriteMore", func() (any, error) { return c.WriteMore([]byte("c")) })
		w.do("Write the end", write(c, "d"))
		w.do("Read all", func() (any, error) { return readFull(s, 2) })
		w.do("WriteMore, and nothing follows", func() (any, error) { return c.WriteMore([]byte("e")) })
		w.do("Read it all the same", read(s, 1))
		w.do("SetCork, and nothing else", errorOf(func() error { return c.SetCork(true) }))
		w.do("Write with it", write(c, "f"))
		w.do("Read it all the same", read(s, 1))
		w.do("Write with it", write(c, "g"))
		w.do("CloseWrite", errorOf(c.CloseWrite))
		w.do("Read it", read(s, 1))
		w.do("Read the end", read(s, 1))
		w.do("WriteMore after CloseWrite", func() (any, error) {
			_, err := c.WriteMore([]byte("x"))
			return errors.Is(err, syscall.EPIPE), nil
		})
	}},
	{name: "peek and counts", run: func(t *testing.T, w *world) {
		a, b := w.pair(t)
		c, s := withOptions(a), withOptions(b)
		w.do("nothing waits", queued(c))
		w.waits("Peek", shown(s, 3), func() { c.Write([]byte("hello")) })
		w.do("all of it", queued(c))
		w.do("Peek again", shown(s, 10))
		w.do("it is still there", queued(s))
		w.do("Read a part", read(s, 2))
		w.do("Peek at the rest", shown(s, 10))
		w.do("CloseRead", errorOf(s.CloseRead))
		w.do("Peek after that", shown(s, 10))
		w.do("Read after that", read(s, 10))
		w.do("more comes", write(c, "more"))
		w.do("all of it", queued(c))
		w.do("Peek at it", shown(s, 10))
		w.do("it counts", queued(s))
		w.do("Read it", read(s, 10))
		w.do("Read the end", read(s, 1))
		w.do("CloseWrite", errorOf(s.CloseWrite))
		w.do("our FIN is acknowledged", queued(s))
		w.do("Read the end of the other", read(c, 1))
	}},
}

func readFull(c tcpConn, n int) (any, error) {
	p := make([]byte, n)
	for got := 0; got < n; {
		k, err := c.Read(p[got:])
		if got += k; err != nil {
			return string(p[:got]), err
		}
	}
	return string(p), nil
}
