package random

import (
	"bytes"
	"testing"
)

// Fill writes every byte of its argument and nothing beyond it. In 64 rounds each
// byte is other than zero at least once, or there is one chance in 2^512 that it is not.
func TestFillWritesAllAndNoMore(t *testing.T) {
	for _, n := range []int{0, 1, 16, 31, 4096} {
		whole := make([]byte, n+8)
		touched := make([]bool, n)
		for range 64 {
			clear(whole[:n])
			if err := Fill(whole[:n]); err != nil {
				t.Fatal(err)
			}
			for i, b := range whole[:n] {
				touched[i] = touched[i] || b != 0
			}
		}
		for i, ok := range touched {
			if !ok {
				t.Errorf("byte %d of %d is never written", i, n)
			}
		}
		if !bytes.Equal(whole[n:], make([]byte, 8)) {
			t.Errorf("bytes beyond %d are written", n)
		}
	}
}

// Two secrets are never the same: hosts that shared one could forge each other's
// SYN cookies.
func TestSecretsDiffer(t *testing.T) {
	seen := map[[16]byte]bool{}
	for range 1000 {
		var secret [16]byte
		if err := Fill(secret[:]); err != nil {
			t.Fatal(err)
		}
		if seen[secret] {
			t.Fatalf("%x came twice", secret)
		}
		seen[secret] = true
	}
}
