// Command echo sends back what it gets, by Handfast on a TUN device: IPv4 and
// IPv6, TCP, UDP and ICMP are there.
package main

import (
	"io"
	"log"
	"net/netip"
	"os"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/tun"
)

func main() {
	log.Fatal(serve(os.Args[1], os.Args[2]))
}

// serve listens on port 7 of a prefix such as 10.0.0.2/24.
func serve(device, prefix string) error {
	address, err := netip.ParsePrefix(prefix)
	if err != nil {
		return err
	}
	l, err := tun.Open(tun.Options{Name: device})
	if err != nil {
		return err
	}
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		return err
	}
	if err := h.Attach(l, handfast.LinkOptions{Addresses: []netip.Prefix{address}}); err != nil {
		return err
	}
	ln, err := h.Listen("tcp", ":7")
	if err != nil {
		return err
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			_, _ = io.Copy(c, c)
		}()
	}
}
