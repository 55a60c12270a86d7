package tun_test

import (
	"log"
	"net/netip"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/tun"
)

// A host that the programs of this machine can reach. It needs CAP_NET_ADMIN, or
// a device that was made for this user before. The kernel's side gets its address
// as that of any other device does: ip addr add 10.77.0.1/24 dev hf0.
func Example() {
	device, err := tun.Open(tun.Options{Name: "hf0"})
	if err != nil {
		log.Fatal(err)
	}
	host, err := handfast.New(handfast.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer host.Close()
	err = host.Attach(device, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24")}})
	if err != nil {
		log.Fatal(err)
	}
	if _, err = host.Listen("tcp", ":80"); err != nil {
		log.Fatal(err)
	}
}
