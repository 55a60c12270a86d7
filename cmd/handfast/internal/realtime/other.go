//go:build !linux

package realtime

import (
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
	"github.com/handfast-tcp/handfast/lab/drill"
)

// Kernel is the kernel's TCP, which is played against on Linux alone.
type Kernel struct{ drill.Kernel }

// New fails.
func New() (*Kernel, error) { return nil, kernel.ErrLinuxOnly }

// Close does nothing.
func (*Kernel) Close() {}
