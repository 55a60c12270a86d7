package packet_test

import (
	"log"
	"net/netip"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/packet"
)

// A host on the Ethernet that a network card is plugged into, beside the kernel's
// own. It needs CAP_NET_RAW and an address that nobody else has.
func Example() {
	device, err := packet.Open(packet.Options{Name: "eth0"})
	if err != nil {
		log.Fatal(err)
	}
	host, err := handfast.New(handfast.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer host.Close()
	err = host.Attach(device, handfast.LinkOptions{
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/24")},
		Routes:    []handfast.Route{{Destination: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.0.2.1")}},
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err = host.Listen("tcp", ":80"); err != nil {
		log.Fatal(err)
	}
}
