package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Addr is an IP address of either version: 16 bytes, no pointer. An IPv4
// address stands as ::ffff:a.b.c.d.
type Addr [16]byte

// AddrFrom converts a netip address; the zone is dropped.
func AddrFrom(a netip.Addr) Addr { return Addr(a.As16()) }

// Netip converts to the standard library's form; IPv4 comes out as IPv4.
func (a Addr) Netip() netip.Addr { return netip.AddrFrom16(a).Unmap() }

// Is4 reports whether a is an IPv4 address.
func (a *Addr) Is4() bool {
	return binary.BigEndian.Uint64(a[:8]) == 0 && binary.BigEndian.Uint32(a[8:12]) == 0xffff
}

func (a Addr) String() string { return a.Netip().String() }

// Tuple names a flow from our side.
type Tuple struct {
	Local, Remote         Addr
	LocalPort, RemotePort uint16
}

// Reverse returns the same flow as the peer names it.
func (t Tuple) Reverse() Tuple {
	return Tuple{t.Remote, t.Local, t.RemotePort, t.LocalPort}
}

func (t Tuple) String() string {
	return fmt.Sprintf("%v > %v", netip.AddrPortFrom(t.Local.Netip(), t.LocalPort),
		netip.AddrPortFrom(t.Remote.Netip(), t.RemotePort))
}
