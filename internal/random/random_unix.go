//go:build unix

package random

import (
	"fmt"
	"io"
	"os"
)

// Fill fills b with secret bytes of the system's. It reads the device
// and does without crypto/rand, which would make every program that embeds us
// larger by a tenth of a megabyte.
func Fill(b []byte) error {
	f, err := os.Open("/dev/urandom")
	if err == nil {
		_, err = io.ReadFull(f, b)
		f.Close()
	}
	if err != nil {
		return fmt.Errorf("handfast: no random secret, so no host; give this process /dev/urandom: %w", err)
	}
	return nil
}
