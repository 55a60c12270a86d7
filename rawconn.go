package handfast

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// errNoSocket is what whoever needs a socket of the kernel's gets.
var errNoSocket = fmt.Errorf("handfast: there is no socket of the kernel's: %w", errors.ErrUnsupported)

// noSocket is the syscall.RawConn of what has no socket.
type noSocket struct{}

func (noSocket) Control(func(fd uintptr)) error    { return errNoSocket }
func (noSocket) Read(func(fd uintptr) bool) error  { return errNoSocket }
func (noSocket) Write(func(fd uintptr) bool) error { return errNoSocket }

// SyscallConn returns what pools of connections look through whether an idle
// one was closed. Of the RawConn only Read works: its function gets a
// descriptor of the kernel's that lives as long as the call, and on which
// recv(2) says what it would say of this connection: EAGAIN when there is
// nothing to read, bytes when there are some, zero at the end of the stream,
// ECONNRESET when the connection has failed. It shows one byte, which is zero,
// and what is read from it is not taken from the connection. When the function
// returns false it is called again when something has changed.
//
// Control, Write, and on systems without socket pairs Read, return an error
// that is errors.ErrUnsupported: there is no socket to set options of.
func (c *TCPConn) SyscallConn() (syscall.RawConn, error) { return rawConn{c}, nil }

// rawConn is the syscall.RawConn of a connection.
type rawConn struct{ conn *TCPConn }

func (r rawConn) Control(func(fd uintptr)) error {
	return &net.OpError{Op: "raw-control", Net: r.conn.network.String(), Addr: r.conn.LocalAddr(), Err: errNoSocket}
}

func (r rawConn) Read(f func(fd uintptr) bool) error {
	if err := r.conn.showTo(f); err != nil {
		return r.conn.opError("raw-read", err)
	}
	return nil
}

func (r rawConn) Write(func(fd uintptr) bool) error { return r.conn.opError("raw-write", errNoSocket) }

// prospect is what a Read would meet.
type prospect uint8

const (
	nothingYet prospect = iota
	dataWaits
	streamEnded
	connBroken
)

// prospect tells without taking anything. The caller is in the shard.
func (c *TCPConn) prospect() prospect {
	e := c.entry
	switch {
	case e.Buffered() > 0:
		return dataWaits
	case e.EOF() || c.flags&connReadClosed != 0:
		return streamEnded
	case e.Failure() != tcp.NoFailure:
		return connBroken
	case e.State() == tcp.Closed:
		return streamEnded
	}
	return nothingYet
}

// showTo shows f what a Read would meet, again and again until f has seen
// enough.
func (c *TCPConn) showTo(f func(fd uintptr) bool) error {
	s := c.shard
	now := s.enter()
	for {
		if err := c.usable(now, c.readDeadline); err != nil {
			s.leave(now)
			return err
		}
		seen := c.prospect()
		s.leave(now)
		if enough, err := show(seen, f); enough || err != nil {
			return err
		}
		if now = s.enter(); seen == c.prospect() {
			now = s.wait(&c.readers, now, c.readDeadline)
		}
	}
}
