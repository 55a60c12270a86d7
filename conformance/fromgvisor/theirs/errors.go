package theirs

import (
	"errors"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// tcpipError makes an error of one of gVisor's.
func tcpipError(err tcpip.Error) error { return errors.New(err.String()) }
