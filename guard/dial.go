package guard

import (
	"context"
	"net"
	"net/netip"
)

// DialKernel opens a connection by the kernel's TCP. From a source that is valid it comes
// from that address, which need not be this machine's (IP_TRANSPARENT).
func DialKernel(ctx context.Context, source netip.AddrPort, address string) (net.Conn, error) {
	var d net.Dialer
	if source.IsValid() {
		// The port is the kernel's choice: the client's own may still be in TIME-WAIT to the back
		// end when the client uses it again.
		d.LocalAddr, d.Control = &net.TCPAddr{IP: source.Addr().AsSlice()}, transparent
	}
	return d.DialContext(ctx, "tcp", address)
}
