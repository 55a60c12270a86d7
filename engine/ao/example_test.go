package ao_test

import (
	"fmt"
	"net/netip"

	"github.com/handfast-tcp/handfast/engine/ao"
)

// A router shares one key with the routers of 192.0.2.0/24 for BGP, and learns the next
// one, which it asks its peers to use as soon as they know it.
func Example() {
	peers := netip.MustParsePrefix("192.0.2.0/24")
	old := ao.Key{Peer: peers, RemotePort: 179, SendID: 1, RecvID: 1, Secret: []byte("of last year")}
	next := ao.Key{Peer: peers, RemotePort: 179, SendID: 2, RecvID: 2, Secret: []byte("of this year"), Algorithm: ao.AESCMAC}
	if _, err := ao.New(old, next); err != nil {
		fmt.Println(err)
	}
	next.SendID = 1
	_, err := ao.New(old, next)
	fmt.Println(err)
	// Output: ao: keys 1 and 2: both have SendID 1 for the same peers
}
