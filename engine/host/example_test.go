package host_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Two hosts talk over a wire that takes 10 ms. Time is a number: nothing waits,
// and each run is the same.
func Example() {
	var hosts [2]*host.Host
	var addresses [2]wire.Addr
	for i, a := range []string{"10.0.0.1/24", "10.0.0.2/24"} {
		prefix := netip.MustParsePrefix(a)
		hosts[i], addresses[i] = host.New(host.Config{}), wire.AddrFrom(prefix.Addr())
		iface := hosts[i].AddLink(host.LinkConfig{MTU: 1500})
		if err := hosts[i].AddAddress(iface, prefix); err != nil {
			fmt.Println(err)
		}
	}
	client, server := hosts[0], hosts[1]

	now := clock.Time(0)
	// cross carries what one of them has to send to the other one.
	cross := func(arrow string, from, to *host.Host) {
		var all []*buf.Packet
		for p, _ := from.Output(now); p != nil; p, _ = from.Output(now) {
			all = append(all, p)
		}
		now = now.Add(10 * time.Millisecond)
		for _, p := range all {
			var ip wire.IP
			var segment wire.TCP
			wire.ParseIP(p.Data, &ip)
			wire.ParseTCP(p.Data[ip.HeaderLen:], &segment)
			fmt.Printf("%v %s %v bytes, flags %v\n", now, arrow, ip.TotalLen, segment.Flags)
			to.Receive(now, 0, p)
		}
	}

	l, err := server.TCP().Listen(addresses[1], 80, 8, nil)
	if err != nil {
		fmt.Println(err)
	}
	c, err := client.Connect(now, addresses[0], 40000, addresses[1], 80, nil)
	if err != nil {
		fmt.Println(err)
	}
	cross(">", client, server)
	cross("<", server, client)
	cross(">", client, server)
	fmt.Println("accepted:", server.TCP().Accept(l) != nil)
	client.TCP().Abort(now, c)
	cross(">", client, server)
	// Output:
	// 10ms > 60 bytes, flags S
	// 20ms < 60 bytes, flags S.
	// 30ms > 52 bytes, flags .
	// accepted: true
	// 40ms > 52 bytes, flags R.
}
