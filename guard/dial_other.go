//go:build !linux

package guard

import (
	"errors"
	"fmt"
	"syscall"
)

// transparent fails: it is Linux's.
func transparent(_, _ string, _ syscall.RawConn) error {
	return fmt.Errorf("guard: back ends see their clients' addresses on Linux only: %w", errors.ErrUnsupported)
}
