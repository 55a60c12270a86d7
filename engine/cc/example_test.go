package cc_test

import (
	"fmt"

	"github.com/handfast-tcp/handfast/engine/cc"
)

// A window in bytes through slow start, a loss, and a round of congestion
// avoidance.
func Example() {
	c, err := cc.New("reno", cc.Params{MSS: 1000})
	if err != nil {
		panic(err)
	}
	fmt.Println(c.Limits().Window)
	c.OnAck(0, cc.Ack{Delivered: 10000, Limited: true})
	fmt.Println(c.Limits().Window)
	c.OnEvent(0, cc.Event{Kind: cc.Loss, InFlight: 20000})
	fmt.Println(c.Limits().Window)
	c.OnAck(0, cc.Ack{Delivered: 10000, Limited: true})
	fmt.Println(c.Limits().Window)
	// Output:
	// 10000
	// 20000
	// 10000
	// 11000
}
