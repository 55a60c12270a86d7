// Package lan tells the machines on an Ethernet who they are, and who their router is:
// DHCP (RFC 2131) for IPv4, router advertisements (RFC 4861) for IPv6.
package lan

import (
	"net/netip"
)

// Network is what machines are told.
type Network struct {
	Gateway4 netip.Prefix // our address on the network, and its size
	Gateway6 netip.Prefix // the same; machines make addresses of their own in it
	Local6   netip.Addr   // our link-local address, which a router advertises from
	MTU      int
	DNS      bool // names are answered at both addresses
}
