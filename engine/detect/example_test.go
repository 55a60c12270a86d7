package detect_test

import (
	"fmt"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Two thousand SYNs a second from as many addresses, and no SYN-ACK is answered.
func Example() {
	var d detect.Detector
	d.Init(1)
	flow := uint64(0)
	for now := clock.Time(0); now < clock.Time(10*time.Second); now = now.Add(detect.Tick) {
		if d.Due(now) && d.Advance(now, detect.Defence{}) {
			fmt.Println(now, d.Level())
		}
		for range 250 {
			flow++
			hash := flow * 0x9e3779b97f4a7c15
			d.Syn(hash, wire.AddrFrom4(uint32(hash>>32)), 80)
			d.SynAck(false)
		}
	}
	fmt.Println(d.Verdict().Port)
	// Output:
	// 1.25s flood
	// 80
}
