package guard

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Header is what precedes the first byte of a connection to a back end.
//
// https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
type Header uint8

// The headers.
const (
	NoHeader Header = iota
	ProxyV1         // the PROXY protocol as a line of text
	ProxyV2         // and as bytes
)

// String returns none, v1 or v2.
func (h Header) String() string {
	switch h {
	case ProxyV1:
		return "v1"
	case ProxyV2:
		return "v2"
	}
	return "none"
}

// signature begins each header of version 2.
const signature = "\r\n\r\n\x00\r\nQUIT\n"

// The values of version 2.
const (
	localCommand = 0x20 // version 2; the connection is the sender's own
	proxyCommand = 0x21
	overIPv4     = 0x11 // a stream
	overIPv6     = 0x21
)

// Append appends the header of a connection that client has opened to server. Without a
// valid client it is that of a connection of the sender's own.
func (h Header) Append(b []byte, client, server netip.AddrPort) []byte {
	switch h {
	case ProxyV1:
		return appendV1(b, client, server)
	case ProxyV2:
		return appendV2(b, client, server)
	}
	return b
}

func appendV1(b []byte, client, server netip.AddrPort) []byte {
	if !client.IsValid() {
		return append(b, "PROXY UNKNOWN\r\n"...)
	}
	family := "TCP6"
	if client.Addr().Is4() {
		family = "TCP4"
	}
	return fmt.Appendf(b, "PROXY %s %v %v %d %d\r\n", family, client.Addr(), server.Addr(), client.Port(), server.Port())
}

func appendV2(b []byte, client, server netip.AddrPort) []byte {
	b = append(b, signature...)
	switch {
	case !client.IsValid():
		return append(b, localCommand, 0, 0, 0)
	case client.Addr().Is4():
		b = append(b, proxyCommand, overIPv4, 0, 2*4+2*2)
	default:
		b = append(b, proxyCommand, overIPv6, 0, 2*16+2*2)
	}
	b = append(b, client.Addr().AsSlice()...)
	b = append(b, server.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, client.Port())
	return binary.BigEndian.AppendUint16(b, server.Port())
}
