// Package wire is the formats of what goes over the wire: Ethernet, ARP, IPv4,
// IPv6, ICMP, neighbour discovery, UDP and TCP, and the checksum.
//
// A header is a plain value. ParseX reads it from the start of a slice into a
// value of the caller, and returns None or the reason why the packet cannot be
// used; the value then is not to be used either, unless the function says
// otherwise. Append adds it to a slice. Neither of them allocates, keeps the
// slice, or has a state.
//
// Parsing is where a stranger's bytes are met first, so it reads nothing that it
// has not measured, follows no chain without a bound, and leaves checksums of
// payload to the caller, who knows whether they are verified already.
package wire
