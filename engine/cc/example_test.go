package cc_test

import (
	"fmt"

	"github.com/handfast-tcp/handfast/engine/cc"
)

// A window in bytes through slow start, a loss, and a round of congestion
// avoidance.
func Example() {
	c := cc.NewReno(1000)
	fmt.Println(c.Window())
	c.OnAck(0, cc.Ack{Bytes: 10000, Limited: true})
	fmt.Println(c.Window())
	c.OnLoss(0, 20000)
	fmt.Println(c.Window())
	c.OnAck(0, cc.Ack{Bytes: 10000, Limited: true})
	fmt.Println(c.Window())
	// Output:
	// 10000
	// 20000
	// 10000
	// 11000
}
