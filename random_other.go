//go:build !unix

package handfast

import "crypto/rand"

// fillRandom fills b with secret bytes of the system's.
func fillRandom(b []byte) error {
	_, err := rand.Read(b)
	return err
}
