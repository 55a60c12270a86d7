//go:build !linux

package ring

import (
	"time"

	"github.com/handfast-tcp/handfast/lab/capture"
)

// Ring is not there on this system.
type Ring struct{}

// Open returns ErrUnsupported.
func Open(string, int) (*Ring, error) { return nil, ErrUnsupported }

// Next returns ErrUnsupported.
func (*Ring) Next(time.Duration) (*capture.Packet, error) { return nil, ErrUnsupported }

// Statistics counts nothing.
func (*Ring) Statistics() (Statistics, error) { return Statistics{}, ErrUnsupported }

// Close does nothing.
func (*Ring) Close() error { return nil }
