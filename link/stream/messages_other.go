//go:build !unix

package stream

import (
	"errors"
	"net"
)

// errNoneNow is the end of a batch: no message is there, and nobody wants to wait.
var errNoneNow = errors.New("no message now")

// messageReader reads messages one at a time. Whether one is there it cannot tell.
type messageReader struct{ conn net.Conn }

func (m *messageReader) init(c net.Conn) { m.conn = c }

func (m *messageReader) read(memory []byte, wait bool) (int, error) {
	if !wait {
		return 0, errNoneNow
	}
	return m.conn.Read(memory)
}

// isTooLarge reports whether only this message could not be sent.
func isTooLarge(error) bool { return false }

func connect(*net.UnixConn, string) error { return errors.ErrUnsupported }
