//go:build !linux

package stage

import (
	"os"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
)

// Inside reports whether this process has a network namespace of its own.
func Inside() bool { return false }

// InNamespace fails.
func InNamespace(...*os.File) (code int, err error) { return 0, kernel.ErrLinuxOnly }

// NewKernel fails.
func NewKernel(string, *live.Recorder) (*Stage, error) { return nil, kernel.ErrLinuxOnly }
