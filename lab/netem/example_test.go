package netem_test

import (
	"fmt"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/lab/netem"
)

// 1000 bytes take 8 ms at 1 Mbit/s, and each packet 20 ms more to arrive.
func Example() {
	w := netem.New(netem.Config{Delay: 20 * time.Millisecond, Rate: 1e6}, 1)
	for range 3 {
		p := buf.NewPacket()
		p.ReceiveInto(1000)
		p.Data = p.Data[:1000]
		w.Input(0, p)
	}
	for w.Deadline() != clock.Never {
		now := w.Deadline()
		for p := w.Output(now); p != nil; p = w.Output(now) {
			fmt.Println(now, p.Len(), "bytes arrive")
			p.Release()
		}
	}
	// Output:
	// 28ms 1000 bytes arrive
	// 36ms 1000 bytes arrive
	// 44ms 1000 bytes arrive
}
