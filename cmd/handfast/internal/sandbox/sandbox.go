// Package sandbox runs a program in a network namespace of its own, whose only way
// out is a device that this process holds.
package sandbox

import (
	"net/netip"

	"github.com/handfast-tcp/handfast/link"
)

// Options say what the program finds.
type Options struct {
	// Link is what its device is: tun, packet (a veth pair), or auto: the first of
	// these that works.
	Link string
	// MTU is the device's. With Plain no packet is larger: each can have its own fate.
	MTU   int
	Plain bool
	// Addrs are the program's addresses, one of each family, and Gateways where its
	// default routes lead.
	Addrs    []netip.Prefix
	Gateways []netip.Addr
	// DNS is the only name server that /etc/resolv.conf names; the zero address: the
	// file stays as it is.
	DNS netip.Addr
}

// The names of devices inside.
const (
	deviceName = "hf0"   // the program's
	behindName = "hf-gw" // the other end of the veth pair
)

// found is what the inside tells about the device that it passes.
type found struct {
	Error        string            // why there is none
	Kind, Name   string            // tun or packet
	HardwareAddr link.HardwareAddr // of a packet device
}
