//go:build !linux

package sandbox

import (
	"errors"

	"github.com/handfast-tcp/handfast/link"
)

// Sandbox exists on Linux only.
type Sandbox struct {
	Device link.Link
	Kind   string
}

// Enter does nothing.
func Enter() {}

// Start fails.
func Start([]string, Options) (*Sandbox, error) {
	return nil, errors.New("network namespaces are Linux's: run this on Linux, or in a virtual machine with it")
}

// Release does nothing.
func (*Sandbox) Release() error { return nil }

// Wait does nothing.
func (*Sandbox) Wait() (int, error) { return 0, nil }
