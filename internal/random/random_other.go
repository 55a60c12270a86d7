//go:build !unix

package random

import "crypto/rand"

// Fill fills b with secret bytes of the system's.
func Fill(b []byte) error {
	_, err := rand.Read(b)
	return err
}
