//go:build unix

package stream

import (
	"cmp"
	"errors"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// errNoneNow is the end of a batch: no message is there, and nobody wants to wait.
var errNoneNow = errors.New("no message now")

// messageReader reads messages one at a time, and can tell that none is there.
type messageReader struct {
	conn net.Conn
	raw  syscall.RawConn // nil when the connection is not the kernel's

	receive func(fd uintptr) bool // made once: one per call would be an allocation
	memory  []byte
	wait    bool
	size    int
	err     error
}

func (m *messageReader) init(c net.Conn) {
	m.conn, m.receive = c, m.receiveOne
	if s, ok := c.(syscall.Conn); ok {
		m.raw, _ = s.SyscallConn()
	}
}

func (m *messageReader) read(memory []byte, wait bool) (int, error) {
	if m.raw == nil {
		if !wait {
			return 0, errNoneNow
		}
		return m.conn.Read(memory)
	}
	m.memory, m.wait = memory, wait
	if err := m.raw.Read(m.receive); err != nil {
		return 0, err
	}
	return m.size, m.err
}

func (m *messageReader) receiveOne(fd uintptr) bool {
	for {
		m.size, m.err = unix.Read(int(fd), m.memory)
		switch {
		case m.err == unix.EINTR:
		case m.err == unix.EAGAIN:
			m.err = errNoneNow
			return !m.wait
		// On a unixpacket socket an empty message and the end look the same, and no frame is empty.
		case m.err == nil && m.size == 0 && !isDatagram(m.conn):
			m.err = io.EOF
			return true
		default:
			return true
		}
	}
}

// isDatagram reports whether an empty message is one, not the end.
func isDatagram(c net.Conn) bool { return c.LocalAddr().Network() == "unixgram" }

// isTooLarge reports whether only this message could not be sent.
func isTooLarge(err error) bool { return errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOBUFS) }

// connect makes a bound datagram socket speak with one other only.
func connect(c *net.UnixConn, path string) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) { err = unix.Connect(int(fd), &unix.SockaddrUnix{Name: path}) })
	return cmp.Or(failed, err)
}
