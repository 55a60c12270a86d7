package gateway_test

import (
	"fmt"
	"log"
	"net"
	"net/netip"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/gateway"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// A gateway between a host in memory, which could be a VPN's peer or a virtual
// machine, and the system's network. The policy sends every web server to one of ours.
func Example() {
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer web.Close()
	go func() {
		for c, err := web.Accept(); err == nil; c, err = web.Accept() {
			fmt.Fprint(c, "hello from the system's network")
			c.Close()
		}
	}()

	inside, outside := pipe.New(pipe.Options{})
	all := []handfast.Route{{Destination: netip.MustParsePrefix("0.0.0.0/0")}}
	guest, _ := handfast.New(handfast.Config{})
	defer guest.Close()
	guest.Attach(inside, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.2.15/24")}, Routes: all})
	host, _ := handfast.New(handfast.Config{})
	defer host.Close()
	host.Attach(outside, handfast.LinkOptions{Routes: all})

	g, err := gateway.New(gateway.Config{Host: host, Policy: func(f gateway.Flow) gateway.Route {
		if f.Destination.Port() == 80 {
			return gateway.Route{Address: web.Addr().String()}
		}
		return gateway.Route{Verdict: gateway.Refuse}
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer g.Close()

	c, err := guest.Dial("tcp", "93.184.216.34:80")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	text := make([]byte, 100)
	n, _ := c.Read(text)
	fmt.Printf("%s\n", text[:n])
	_, err = guest.Dial("tcp", "93.184.216.34:443")
	fmt.Println(err)
	// Output:
	// hello from the system's network
	// dial tcp 93.184.216.34:443: connect: connection refused
}
