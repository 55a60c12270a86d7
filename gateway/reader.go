package gateway

import (
	"net"
	"sync"
	"syscall"

	"github.com/handfast-tcp/handfast/internal/descriptor"
)

// room is where a datagram is read to.
type room [largest]byte

var rooms = sync.Pool{New: func() any { return new(room) }}

// reader reads the datagrams of a session's connection. Thousands of them wait at the same
// time: from a socket of the kernel a reader has room only while there is something to read.
type reader struct {
	conn net.Conn
	raw  syscall.RawConn              // nil: it is no such socket
	once func(fd uintptr) (done bool) // made once

	room *room
	size int
	err  error
}

func readerOf(c net.Conn) *reader {
	r := &reader{conn: c}
	if u, ok := c.(*net.UDPConn); ok && descriptor.Works {
		if raw, err := u.SyscallConn(); err == nil {
			r.raw, r.once = raw, r.readOnce
		}
	}
	return r
}

// read waits for a datagram, which is there until release.
func (r *reader) read() ([]byte, error) {
	if r.raw == nil {
		r.room = rooms.Get().(*room)
		r.size, r.err = r.conn.Read(r.room[:])
	} else if err := r.raw.Read(r.once); err != nil { // a deadline, or the end
		return nil, err
	}
	if r.err != nil {
		r.release()
		return nil, r.err
	}
	return r.room[:r.size], nil
}

// readOnce is what a RawConn calls, again when the socket has something. It wants to be called
// again where nothing has come.
func (r *reader) readOnce(fd uintptr) (done bool) {
	r.room = rooms.Get().(*room)
	if r.size, r.err = descriptor.Read(fd, r.room[:]); r.err == syscall.EAGAIN {
		r.release()
		return false
	}
	return true
}

func (r *reader) release() {
	rooms.Put(r.room)
	r.room = nil
}
