package keyring_test

import (
	"fmt"
	"time"

	"github.com/handfast-tcp/handfast/keyring"
)

// Two hosts that know the same seeds make the same keys, and a handshake may
// begin on one and end on the other.
func Example() {
	seeds := func() ([][]byte, error) { return [][]byte{[]byte("a secret of 16 bytes or more")}, nil }
	one, err := keyring.New(seeds)
	if err != nil {
		fmt.Println(err)
		return
	}
	two, _ := keyring.New(seeds)
	now := time.Unix(1_000_000, 0)
	a, _ := one.Keys(now)
	b, _ := two.Keys(now)
	fmt.Println(a == b)

	_, err = keyring.New(func() ([][]byte, error) { return [][]byte{[]byte("short")}, nil })
	fmt.Println(err)
	// Output:
	// true
	// keyring: the source: seed 1 has 5 bytes; at least 16 are needed
}
