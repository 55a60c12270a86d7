package handfast

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// LinkError says which of a host's links is gone, and why. What would have to
// leave by that link can no longer be dialled or sent. After a host's last link
// nothing works: every blocked call and every later one fails with it.
type LinkError struct {
	Link string // its name, as in link.Attributes
	Err  error  // what its Read or Write returned
}

func (e *LinkError) Error() string {
	return fmt.Sprintf("handfast: link %s is gone: %v", e.Link, e.Err)
}

// Unwrap returns e.Err.
func (e *LinkError) Unwrap() error { return e.Err }

// Is makes it a syscall.ENETDOWN, as the kernel says when an interface is down.
func (e *LinkError) Is(err error) bool { return err == syscall.ENETDOWN }

// failureErrno are what the kernel's sockets give for the same: programs compare with them.
var failureErrno = [...]syscall.Errno{
	tcp.Reset:              syscall.ECONNRESET,
	tcp.Refused:            syscall.ECONNREFUSED,
	tcp.TimedOut:           syscall.ETIMEDOUT,
	tcp.HostUnreachable:    syscall.EHOSTUNREACH,
	tcp.NetworkUnreachable: syscall.ENETUNREACH,
	tcp.ProtocolError:      syscall.EPROTO,
	tcp.Aborted:            syscall.ECONNABORTED,
}

// failed is the error that the kernel's call would have given for f.
func failed(call string, f tcp.Failure) error {
	return os.NewSyscallError(call, failureErrno[f])
}

// hostErrno are those of calls that a host refuses. No route and no endpoint are one errno, as
// in Linux.
var hostErrno = []struct {
	err   error
	errno syscall.Errno
}{
	{tcp.ErrInUse, syscall.EADDRINUSE},
	{tcp.ErrNoMemory, syscall.ENOBUFS},
	{host.ErrInUse, syscall.EADDRINUSE},
	{host.ErrNotLocal, syscall.EADDRNOTAVAIL},
	{host.ErrNoRoute, syscall.ENETUNREACH},
	{host.ErrDestination, syscall.ENETUNREACH},
	{host.ErrMessageSize, syscall.EMSGSIZE},
	{host.ErrQueueFull, syscall.ENOBUFS},
	{host.ErrNotBound, syscall.EDESTADDRREQ},
	{host.ErrConnected, syscall.EISCONN},
	{host.ErrNotEcho, syscall.EINVAL},
}

// refused is the error that the kernel's call would have given where a host
// gave err. What is wrong with the local end is found by its bind: programs look for
// EADDRINUSE of bind, and not of connect, to try another port.
func refused(call string, err error) error {
	if errors.Is(err, tcp.ErrInUse) || errors.Is(err, host.ErrInUse) || errors.Is(err, host.ErrNotLocal) {
		call = "bind"
	}
	for _, e := range hostErrno {
		if errors.Is(err, e.err) {
			return os.NewSyscallError(call, e.errno)
		}
	}
	if errors.Is(err, host.ErrClosed) {
		return net.ErrClosed
	}
	return err
}

// groupErrno are those of calls about groups, in which the same words mean something else.
var groupErrno = map[error]syscall.Errno{
	host.ErrInUse:     syscall.EADDRINUSE,
	host.ErrNotMember: syscall.EADDRNOTAVAIL,
	host.ErrNoGroup:   syscall.EINVAL,
	host.ErrGroups:    syscall.ENOBUFS,
	host.ErrNoLink:    syscall.ENODEV,
	host.ErrNoRoute:   syscall.ENODEV,
}

// refusedGroup is refused for what setsockopt does.
func refusedGroup(err error) error {
	if errno, ok := groupErrno[err]; ok {
		return os.NewSyscallError("setsockopt", errno)
	}
	return refused("setsockopt", err)
}

// timeoutError is what a dial fails with when its context's deadline passes,
// as in package net.
type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// Is makes it a context.DeadlineExceeded.
func (timeoutError) Is(err error) bool { return err == context.DeadlineExceeded }

// canceledError is what a dial fails with when its context is cancelled.
type canceledError struct{}

func (canceledError) Error() string { return "operation was canceled" }

// Is makes it a context.Canceled.
func (canceledError) Is(err error) bool { return err == context.Canceled }

// contextError turns a context's error into the one that package net gives. It is both:
// errors.Is finds the context's own, and its text is the one that logs have always had.
func contextError(err error) error {
	switch err {
	case context.Canceled:
		return canceledError{}
	case context.DeadlineExceeded:
		return timeoutError{}
	}
	return err
}
