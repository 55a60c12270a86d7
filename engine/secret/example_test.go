package secret_test

import (
	"fmt"

	"github.com/handfast-tcp/handfast/engine/secret"
)

// One secret, and a key for each purpose: what one hashes says nothing of what
// the other does.
func Example() {
	k := secret.New([16]byte([]byte("0123456789abcdef")))
	flows, ports := k.For("flows", 0), k.For("ports", 0)
	again := k.For("flows", 0)
	fmt.Println(flows.Word(7) == again.Word(7), flows.Word(7) == ports.Word(7))
	// Output: true false
}
