// Package descriptor shows, on a kernel descriptor, what a Read of a
// connection would find that the kernel does not know.
package descriptor

import (
	"errors"
	"fmt"
)

// ErrNoSocket is what whoever needs a kernel socket gets.
var ErrNoSocket = fmt.Errorf("handfast: there is no socket of the kernel's: %w", errors.ErrUnsupported)

// Prospect is what a Read would find.
type Prospect uint8

// All that a Read can find.
const (
	Nothing     Prospect = iota // it would wait
	DataWaits                   // bytes
	StreamEnded                 // io.EOF
	Broken                      // an error
)
