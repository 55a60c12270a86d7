package tcp_test

import (
	"fmt"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Two endpoints open a connection and close it. The wire between them is a slice,
// and 10 ms long; time is a number, so that nothing waits and each run is the same.
func Example() {
	client, server := tcp.NewEndpoint(&tcp.Config{}), tcp.NewEndpoint(&tcp.Config{})
	path := tcp.Path{MTU: 1500}
	here, there := wire.AddrFrom4(0x0a000001), wire.AddrFrom4(0x0a000002)
	now := clock.Time(0)

	// cross carries what one of them has to send to the other one.
	cross := func(arrow string, from, to *tcp.Endpoint) {
		var all []tcp.Output
		for o := (tcp.Output{}); from.Output(now, &o); o = (tcp.Output{}) {
			all = append(all, o)
		}
		now = now.Add(10 * time.Millisecond)
		for i := range all {
			fmt.Printf("%-5v %s %v\n", now, arrow, all[i].Flags)
			t := all[i].Tuple.Reverse()
			to.Receive(now, path, &t, &all[i].Segment)
			for owner, ready, ok := to.NextReady(); ok; owner, ready, ok = to.NextReady() {
				if owner == "caller" && ready&tcp.Connected != 0 {
					fmt.Println("      the caller is connected")
				}
			}
		}
	}

	l, err := server.Listen(there, 80, 8, nil)
	if err != nil {
		fmt.Println(err)
	}
	c, err := client.Connect(now, path, wire.Tuple{Local: here, LocalPort: 40000, Remote: there, RemotePort: 80}, "caller")
	if err != nil {
		fmt.Println(err)
	}
	cross(">", client, server)
	cross("<", server, client)
	cross(">", client, server)

	s := server.Accept(l)
	client.Close(now, c)
	cross(">", client, server)
	server.Close(now, s)
	cross("<", server, client)
	cross(">", client, server)
	cross("<", server, client) // nothing: after each call what is due is taken
	fmt.Println("left:", client.Len(), "in TIME-WAIT and", server.Len())
	// Output:
	// 10ms  > S
	// 20ms  < S.
	//       the caller is connected
	// 30ms  > .
	// 40ms  > F.
	// 50ms  < F.
	// 60ms  > .
	// left: 1 in TIME-WAIT and 0
}
