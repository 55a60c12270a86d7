package wire

import (
	"fmt"
	"net/netip"
)

// Addr is an IP address of either version, as two words: it is compared,
// hashed and passed on in registers. An IPv4 address stands as ::ffff:a.b.c.d.
//
// The low word comes first because it is the one in which two addresses are
// likely to differ.
type Addr struct{ lo, hi uint64 }

// mapped4 is what the low word of an IPv4 address begins with.
const mapped4 = 0xffff << 32

// AddrFrom converts a netip address; the zone is dropped.
func AddrFrom(a netip.Addr) Addr { return AddrFrom16(a.As16()) }

// AddrFrom16 returns the address whose bytes are b.
func AddrFrom16(b [16]byte) Addr { return readAddr(b[:]) }

// AddrFrom4 returns the IPv4 address with number v: its first byte is the
// highest.
func AddrFrom4(v uint32) Addr { return Addr{lo: mapped4 | uint64(v)} }

// AddrFromWords is the inverse of Words.
func AddrFromWords(hi, lo uint64) Addr { return Addr{lo, hi} }

// Words returns the address as two numbers, the first byte the highest.
func (a Addr) Words() (hi, lo uint64) { return a.hi, a.lo }

// As4 returns an IPv4 address as a number; of another it returns the last four
// bytes.
func (a Addr) As4() uint32 { return uint32(a.lo) }

// As16 returns the bytes of the address.
func (a Addr) As16() (b [16]byte) {
	a.put(b[:])
	return b
}

// Netip converts to the standard library's form; IPv4 comes out as IPv4.
func (a Addr) Netip() netip.Addr { return netip.AddrFrom16(a.As16()).Unmap() }

// Is4 reports whether a is an IPv4 address.
func (a Addr) Is4() bool { return a.hi == 0 && a.lo>>32 == mapped4>>32 }

// IsMulticast reports whether a is a group: 224.0.0.0/4 or ff00::/8.
func (a Addr) IsMulticast() bool {
	if a.Is4() {
		return a.As4()>>28 == 0xe
	}
	return a.hi>>56 == 0xff
}

func (a Addr) String() string { return a.Netip().String() }

// readAddr reads the 16 bytes at the start of b.
func readAddr(b []byte) Addr { return Addr{be64(b[8:]), be64(b)} }

// readAddr4 reads the IPv4 address at the start of b.
func readAddr4(b []byte) Addr { return AddrFrom4(be32(b)) }

// put writes the 16 bytes to the start of b.
func (a Addr) put(b []byte) {
	put64(b, a.hi)
	put64(b[8:], a.lo)
}

// Tuple names a flow from our side.
type Tuple struct {
	Local, Remote         Addr
	LocalPort, RemotePort uint16
}

// Reverse returns the same flow as the peer names it.
func (t Tuple) Reverse() Tuple {
	return Tuple{t.Remote, t.Local, t.RemotePort, t.LocalPort}
}

// Equal reports what t == u does, which the compiler makes a call of.
func (t *Tuple) Equal(u *Tuple) bool {
	return t.LocalPort == u.LocalPort && t.RemotePort == u.RemotePort &&
		t.Local.lo == u.Local.lo && t.Remote.lo == u.Remote.lo && t.Local.hi == u.Local.hi && t.Remote.hi == u.Remote.hi
}

func (t Tuple) String() string {
	return fmt.Sprintf("%v > %v", netip.AddrPortFrom(t.Local.Netip(), t.LocalPort),
		netip.AddrPortFrom(t.Remote.Netip(), t.RemotePort))
}

// PrefixMask returns how many of the 128 bits of an address p fixes, and the mask of
// these for Words. IPv4 begins at bit 96.
func PrefixMask(p netip.Prefix) (bits int, hi, lo uint64) {
	bits = p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	return bits, ^uint64(0) << max(64-bits, 0), ^uint64(0) << (128 - max(bits, 64))
}
