//go:build !linux

package kernel

import (
	"context"
	"time"

	"github.com/handfast-tcp/handfast/inspect"
)

// Report fails with ErrLinuxOnly.
func Report(bool) (*inspect.Report, error) { return nil, ErrLinuxOnly }

// Flood fails with ErrLinuxOnly.
func Flood(context.Context, time.Duration) (*inspect.Flood, error) { return nil, ErrLinuxOnly }

// Watch fails with ErrLinuxOnly.
func Watch(context.Context, func(time.Duration, func() *inspect.Flood) bool) error {
	return ErrLinuxOnly
}

// Summary fails with ErrLinuxOnly.
func Summary() (*inspect.Summary, error) { return nil, ErrLinuxOnly }

// Links fails with ErrLinuxOnly.
func Links() ([]inspect.Link, error) { return nil, ErrLinuxOnly }
