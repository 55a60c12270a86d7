package handfast

import (
	"errors"
	"fmt"
)

// errNoSocket is what asks for a socket's options or a write by hand gets.
var errNoSocket = fmt.Errorf("handfast: there is no socket of the kernel's: %w", errors.ErrUnsupported)

// noSocket is the syscall.RawConn of what has no socket.
type noSocket struct{}

func (noSocket) Control(func(fd uintptr)) error         { return errNoSocket }
func (noSocket) Read(func(fd uintptr) bool) error       { return errNoSocket }
func (noSocket) Write(func(fd uintptr) (ok bool)) error { return errNoSocket }
